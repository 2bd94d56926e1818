"""Interest evolution, against the AUGRU written out slot by slot in NumPy."""

import numpy as np
import torch

from recsys.output.dien import Dien, next_item_loss
from tests.output.slots import CANDIDATES, POSITIONS, ROWS, WIDTH, asked, slots

CLOSE = {"rtol": 1e-9, "atol": 1e-9}


def dien(seed=0):
    torch.manual_seed(seed)
    read = Dien(width=WIDTH).double()
    with torch.no_grad():
        for parameter in read.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return read.eval()


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def memory(read, seen, *, row, position, query, answer):
    """h_l = (1 - a z) h_(l-1) + a z h~: Zhou et al. 2019, the GRU with attentional update gate."""
    weight = {name: part.detach().numpy() for name, part in read.named_parameters()}
    there = np.flatnonzero(seen.filled[row, position].numpy())
    keys, values = seen.keys[row].numpy(), seen.values[row].numpy()
    logits = [float(weight["null"][0])]
    for slot in there:
        bias = float(seen.bias[row, position, slot])
        logits.append(float(keys[slot] @ (weight["ask.weight"] @ query)) + bias)
    attention = np.exp(np.array(logits) - max(logits))
    attention /= attention.sum()
    hidden = np.zeros(WIDTH)
    for share, value in zip(attention, [weight["start"], *values[there]], strict=True):
        told = weight["cell.of_fact.weight"] @ value + weight["cell.of_fact.bias"]
        held = weight["cell.of_hidden.weight"] @ hidden + weight["cell.of_hidden.bias"]
        reset = sigmoid(told[WIDTH : 2 * WIDTH] + held[WIDTH : 2 * WIDTH])
        update = 1 - sigmoid(told[2 * WIDTH :] + held[2 * WIDTH :])  # z, of what is new
        new = np.tanh(told[:WIDTH] + reset * held[:WIDTH])
        hidden = (1 - share * update) * hidden + share * update * new
    return float(weight["gain"]) * float(hidden @ answer)


def test_every_candidate_at_every_position_equals_the_equations():
    read, seen = dien(), slots()
    context, queries, answers = asked()
    found = read.every(read.look(seen, context), queries, answers).memory.detach()
    for row, position, candidate in np.ndindex(ROWS, POSITIONS, CANDIDATES):
        pair = {"query": queries[candidate].numpy(), "answer": answers[candidate].numpy()}
        expected = memory(read, seen, row=row, position=position, **pair)
        np.testing.assert_allclose(found[row, position, candidate], expected, **CLOSE)


def test_own_candidates_read_as_everybody_does():
    read, seen = dien(), slots()
    context, queries, answers = asked()
    view = read.look(seen, context)
    everybody = read.every(view, queries, answers).memory
    own = torch.randint(CANDIDATES, (ROWS, POSITIONS), generator=torch.Generator().manual_seed(0))
    found = read.each(view, queries[own], answers[own])
    torch.testing.assert_close(found, everybody.gather(2, own[..., None])[..., 0], **CLOSE)


def test_the_order_of_the_slots_counts():
    read, seen = dien(), slots(positions=1)
    context, queries, answers = asked(positions=1)
    turned = seen._replace(
        keys=seen.keys.flip(1),
        values=seen.values.flip(1),
        bias=seen.bias.flip(2),
        filled=seen.filled.flip(2),
    )
    one, other = (
        read.every(read.look(part, context), queries, answers).memory for part in (seen, turned)
    )
    assert not torch.allclose(one[1:], other[1:])


def test_a_state_that_points_at_what_follows_costs_least():
    following, others = torch.eye(4)[None, :3], torch.eye(4)[None, 1:]
    known = torch.tensor([[True, True, False]])
    right, wrong = (
        next_item_loss(9 * to, following, others, known=known) for to in (following, others)
    )
    assert right < wrong
    # log(1 + e^-9) for what follows and log 2 for an orthogonal other, by hand
    torch.testing.assert_close(right, torch.tensor(np.log1p(np.exp(-9)) + np.log(2)).float())


def test_where_nothing_follows_the_loss_is_zero():
    states = torch.ones(2, 3, 4)
    none = torch.zeros(2, 3, dtype=torch.bool)
    assert next_item_loss(states, states, states, known=none) == 0
