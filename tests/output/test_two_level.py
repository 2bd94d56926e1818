"""The read in two levels, session by session in plain loops, and what it has of a flat read."""

import numpy as np
import pytest
import torch

from recsys.memory.contract import Slots
from recsys.output.asking import STRONGEST
from recsys.output.two_level import TwoLevel
from tests.output.slots import asked, normal, strengths

ROWS, POSITIONS, PLACES, CAPACITY, WIDTH, HEADS = 2, 9, 9, 6, 12, 2
SESSION = torch.tensor([[1, 1, 1, 2, 3, 3, 3, 3, 4], [0, 0, 1, 1, 1, 1, 1, 1, 1]])
_, QUERIES, ANSWERS = asked()
CONTEXT = normal(ROWS, POSITIONS, WIDTH, draw=torch.Generator().manual_seed(4), dtype=torch.float64)


def log(*, positions=POSITIONS, session=SESSION):
    """Nine events as the newest ``positions`` of them saw each other, six at a time."""
    draw = torch.Generator().manual_seed(7)
    age = (torch.arange(PLACES)[:, None] - torch.arange(PLACES))[-positions:]
    age = age.expand(ROWS, -1, -1)
    keys, values = (normal(ROWS, PLACES, WIDTH, draw=draw, dtype=torch.float64) for _ in range(2))
    return Slots(
        keys=keys,
        values=values,
        bias=normal(*age.shape, draw=draw, dtype=torch.float64),
        filled=(age >= 0) & (age < CAPACITY),
        age=age.clamp(min=0),
        gap_seconds=60 * age.clamp(min=0),
        item=torch.randint(1, 9, (ROWS, PLACES), generator=draw),
        session=session,
    )


def reader(*, address="both", hops=0):
    """No parameter is still where it starts."""
    torch.manual_seed(0)
    sizes = {"width": WIDTH, "slots": PLACES, "heads": HEADS, "hops": hops, "dropout": 0.0}
    read = TwoLevel(**sizes, address=address, strength=4.0)
    with torch.no_grad():
        for parameter in read.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return read.double().eval()


def unit(vector):
    return vector / np.linalg.norm(vector)


def weights_by_hand(read, view, *, row, head, query):
    """Weight of each slot at the only position, and of the sessions, from their definitions."""
    part = slice(head * WIDTH // HEADS, (head + 1) * WIDTH // HEADS)
    look = {name: value.detach().numpy() for name, value in read.named_parameters()}
    keys = view.slots.keys[row].numpy()
    readable = [place for place in range(PLACES) if view.slots.filled[row, 0, place]]
    logit, within = {}, {}
    for place in readable:
        asking = unit((look["query.weight"] @ query)[part])
        alike = unit((look["key.weight"] @ keys[place])[part]) @ asking
        strength = strengths(read)[head].item()
        logit[place] = strength * alike + view.logit[row, head, 0, place].item()
        heard = np.tanh(look["within.weight"] @ keys[place] + look["within.bias"])[part]
        within[place] = heard @ look["telling"][head]
    session = {place: int(view.slots.session[row, place]) for place in readable}
    loud = {
        name: np.log(sum(np.exp(logit[place]) for place in readable if session[place] == name))
        for name in set(session.values())
    }
    total = np.exp(look["null"][head]) + sum(np.exp(loud[name]) for name in loud)
    share = {name: np.exp(loud[name]) / total for name in loud}
    weights = np.zeros(PLACES)
    for place in readable:
        mates = [np.exp(within[mate]) for mate in readable if session[mate] == session[place]]
        weights[place] = share[session[place]] * np.exp(within[place]) / (1 + sum(mates))
    return weights, share


def test_each_equals_sessions_read_one_by_one():
    read, slots = reader(), log(positions=1)
    view = read.look(slots, CONTEXT[:, -1:])
    own = QUERIES.expand(ROWS, -1, -1), ANSWERS.expand(ROWS, -1, -1)
    with torch.no_grad():
        found, weights = read.each(view, *own), read.effect(view, *own).weights
    gain = read.gain.tolist()
    for row, candidate in np.ndindex(found.shape):
        mean, score = np.zeros(PLACES), 0.0
        for head in range(HEADS):
            part = slice(head * WIDTH // HEADS, (head + 1) * WIDTH // HEADS)
            chosen, _ = weights_by_hand(
                read, view, row=row, head=head, query=QUERIES[candidate].numpy()
            )
            told = slots.values[row, :, part] @ ANSWERS[candidate, part]
            score += gain[head] * (chosen @ told.numpy())
            mean += chosen / HEADS
        np.testing.assert_allclose(found[row, candidate], score, atol=1e-10)
        np.testing.assert_allclose(weights[row, candidate], mean, atol=1e-10)


@pytest.mark.parametrize("address", ["both", "candidate", "context"])
@pytest.mark.parametrize("session", [SESSION, None, torch.zeros_like(SESSION)])
def test_everybody_at_all_positions_equals_one_by_one(address, session):
    read, slots = reader(address=address, hops=1), log(session=session)
    view = read.look(slots, CONTEXT)
    everybody = read.every(view, QUERIES, ANSWERS).memory
    for candidate in range(len(QUERIES)):
        one = [some[candidate].expand(ROWS, POSITIONS, -1) for some in (QUERIES, ANSWERS)]
        torch.testing.assert_close(everybody[..., candidate], read.each(view, *one))


def test_the_effect_is_the_score_minus_the_score_without_the_slot():
    read, slots = reader(), log(positions=1)
    own = QUERIES.expand(ROWS, -1, -1), ANSWERS.expand(ROWS, -1, -1)
    view = read.look(slots, CONTEXT[:, -1:])
    with torch.no_grad():
        effect, whole = read.effect(view, *own).effect, read.each(view, *own)
        for place in range(PLACES):
            filled = slots.filled.clone()
            filled[..., place] = False
            without = view._replace(slots=slots._replace(filled=filled))
            torch.testing.assert_close(effect[..., place], whole - read.each(without, *own))


def test_one_overwhelming_slot_is_really_left_out():
    read, slots = reader(), log(positions=1)
    with torch.no_grad():
        read.strength.fill_(20.0)
        read.null.fill_(-30.0)
    view = read.look(slots, CONTEXT[:, -1:])
    loudest = torch.zeros_like(view.logit)
    loudest[..., -1] = 30.0
    view = view._replace(logit=loudest)
    own = QUERIES.expand(ROWS, -1, -1), ANSWERS.expand(ROWS, -1, -1)
    filled = slots.filled.clone()
    filled[..., -1] = False
    without = read.each(view._replace(slots=slots._replace(filled=filled)), *own)
    with torch.no_grad():
        effect = read.effect(view, *own).effect[..., -1]
        torch.testing.assert_close(effect, read.each(view, *own) - without)


def test_a_session_weighs_what_a_flat_read_gives_its_members():
    read, slots = reader(), log(positions=1)
    view = read.look(slots, CONTEXT[:, -1:])
    query = QUERIES[0].numpy()
    _, share = weights_by_hand(read, view, row=0, head=1, query=query)
    flat = read._flat(view, QUERIES[:1].expand(ROWS, -1, -1))[0, 1, 0]
    for name, weight in share.items():
        assert abs(flat[SESSION[0] == name].sum().item() - weight) < 1e-12


def test_asking_for_one_member_makes_another_one_speak():
    read, slots = reader(address="candidate"), log(positions=1)
    with torch.no_grad():
        read.query.weight.copy_(read.key.weight)
        read.strength.fill_(10.0)  # close to the strongest
        read.null.fill_(-5.0)
        read.within.weight.zero_()
        read.telling.zero_()
    assert strengths(read).min() > 0.99 * STRONGEST
    silent = read.look(slots, CONTEXT[:, -1:])
    view = silent._replace(logit=torch.zeros_like(silent.logit))
    weights = read.effect(view, slots.keys[:, 4:5], ANSWERS[:1].expand(ROWS, -1, -1)).weights
    torch.testing.assert_close(weights[0, 0, 4:8], weights[0, 0, 4].expand(4))
    assert weights[0, 0, 4:8].sum() > 0.75
    assert weights[0, 0, 8] < 0.05
