"""Episodes against numpy, written from the equations of Kumar et al. 2015 and Xiong et al. 2016."""

import numpy as np
import pytest
import torch

from recsys.output.episodes import Episodes
from tests.output.slots import POSITIONS, ROWS, SLOTS, WIDTH, asked, slots

PASSES = 3
CONTEXT, QUERIES, _ = asked()
FORMS = ("dmn_plus", "dmn")


def reader(form, *, passes=PASSES):
    """A read in which no parameter is still where it starts, in evaluation."""
    torch.manual_seed(0)
    read = Episodes(width=WIDTH, passes=passes, form=form, dropout=0.0)
    with torch.no_grad():
        for parameter in read.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return read.double().eval()


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def linear(layer, x):
    result = layer.weight.detach().numpy() @ x
    return result if layer.bias is None else result + layer.bias.detach().numpy()


def recurrent(cell, fact, hidden):
    """The new content of a GRU (reset gate, no update gate), and its update gate if it has one."""
    told, kept = (
        np.split(linear(layer, x), cell.parts)
        for layer, x in ((cell.of_fact, fact), (cell.of_hidden, hidden))
    )
    reset = sigmoid(told[1] + kept[1])
    new = np.tanh(told[0] + reset * kept[0])
    return (new, sigmoid(told[2] + kept[2])) if cell.parts == 3 else (new, None)


def gru(cell, fact, hidden):
    new, update = recurrent(cell, fact, hidden)
    return update * hidden + (1 - update) * new


def numpy_gates(read, keys, filled, bias, *, question, memory):
    logits = []
    for key, extra in zip(keys, bias, strict=True):
        z = [key * question, key * memory, np.abs(key - question), np.abs(key - memory)]
        hidden = np.tanh(linear(read.feature, np.concatenate(z)))
        logits.append(linear(read.loudness, hidden)[0] + extra)
    logits = np.where(filled, logits, -np.inf)
    if not read.plus:
        return sigmoid(logits)
    loud = np.exp(logits)
    return loud / (loud.sum() + np.exp(read.null.item()))


def numpy_episode(read, values, gates):
    hidden = read.start.detach().numpy()
    for value, gate in zip(values, gates, strict=True):
        if read.plus:
            new, _ = recurrent(read.cell, value, hidden)
        else:
            new = gru(read.cell, value, hidden)
        hidden = gate * new + (1 - gate) * hidden
    return hidden


def numpy_user(read, world, row, position):
    """The user's vector, and the gates of each pass."""
    keys, values = (part[row].numpy() for part in (world.keys, world.values))
    filled, bias = (part[row, position].numpy() for part in (world.filled, world.bias))
    question = CONTEXT[row, position].numpy()
    memory, gates = question, []
    for number in range(PASSES):
        gates.append(numpy_gates(read, keys, filled, bias, question=question, memory=memory))
        episode = numpy_episode(read, values, gates[-1])
        if read.plus:
            known = np.concatenate([memory, episode, question])
            memory = np.maximum(linear(read.update[number], known), 0)
        else:
            memory = gru(read.update, episode, memory)
    answer = linear(read.respond, np.concatenate([memory, question]))
    scaled = (answer - answer.mean()) / np.sqrt(answer.var() + 1e-5)
    weight, bias = (part.detach().numpy() for part in (read.scale.weight, read.scale.bias))
    return scaled * weight + bias, np.stack(gates)


@pytest.mark.parametrize("form", FORMS)
def test_every_position_equals_numpy(form):
    read, world = reader(form), slots()
    view = read.look(world, CONTEXT)
    for row in range(ROWS):
        for position in range(POSITIONS):
            user, gates = numpy_user(read, world, row, position)
            np.testing.assert_allclose(view.user[row, position].detach(), user, atol=1e-9)
            if form == "dmn":  # what the gates after it leave of each
                later = np.cumprod(1 - gates[:, ::-1], axis=1)[:, ::-1]
                gates = gates * np.append(later[:, 1:], np.ones((PASSES, 1)), axis=1)
            np.testing.assert_allclose(view.hops[row, :, position].detach(), gates, atol=1e-9)


@pytest.mark.parametrize("form", FORMS)
def test_a_gate_of_one_alone_makes_the_episode_that_slot(form):
    cell, world = reader(form).cell, slots()
    gate = torch.zeros(ROWS, POSITIONS, SLOTS, dtype=torch.float64)
    gate[..., 2] = 1
    got = cell.through(world.values, gate=gate, start=torch.zeros(WIDTH, dtype=torch.float64))
    nothing = np.zeros(WIDTH)
    for row in range(ROWS):
        value = world.values[row, 2].numpy()
        new = (
            recurrent(cell, value, nothing)[0] if form == "dmn_plus" else gru(cell, value, nothing)
        )
        np.testing.assert_allclose(got[row].detach(), np.tile(new, (POSITIONS, 1)), atol=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_the_order_of_the_slots_counts(form):
    read, world = reader(form, passes=1), slots()
    turned = world._replace(
        keys=world.keys.flip(1),
        values=world.values.flip(1),
        bias=world.bias.flip(2),
        filled=world.filled.flip(2),
    )
    before, after = read.look(world, CONTEXT), read.look(turned, CONTEXT)
    if form == "dmn_plus":
        torch.testing.assert_close(after.hops.flip(3), before.hops)  # found by content alone
    assert (after.user - before.user)[1].abs().max() > 0.01


@pytest.mark.parametrize("form", FORMS)
def test_empty_slots_leave_no_trace(form):
    read, world = reader(form), slots(positions=1)
    empty = ~world.filled[:, 0]
    assert empty.any()
    noisy = world._replace(
        keys=torch.where(empty[..., None], 50.0, world.keys),
        values=torch.where(empty[..., None], 50.0, world.values),
    )
    before, after = (read.look(some, CONTEXT[:, :1]) for some in (world, noisy))
    assert torch.equal(after.user, before.user)
    assert (before.hops[:, :, 0][empty[:, None].expand(-1, PASSES, -1)] == 0).all()


@pytest.mark.parametrize("form", FORMS)
def test_an_episode_shares_at_most_one_among_the_slots(form):
    world = slots()
    share = reader(form).look(world, CONTEXT).hops.sum(-1)
    seen = world.filled.any(-1)[:, None].expand_as(share)
    assert (share[seen] < 1).all()
    assert (share[seen] > 0).all()
    assert (share[~seen] == 0).all()


def test_a_loud_null_slot_lets_an_episode_pass_by_everything():
    read = reader("dmn_plus")
    with torch.no_grad():
        read.null.fill_(1e3)
    world = slots()
    other = world._replace(keys=-world.keys, values=-world.values)
    assert torch.equal(read.look(world, CONTEXT).user, read.look(other, CONTEXT).user)


@pytest.mark.parametrize("form", FORMS)
def test_the_second_pass_asks_with_what_the_first_has_found(form):
    read, world = reader(form, passes=2), slots()
    other = world._replace(values=-world.values)
    before, after = (read.look(some, CONTEXT).hops for some in (world, other))
    assert torch.equal(after[:, 0], before[:, 0])
    assert (after[:, 1] - before[:, 1]).abs().max() > 0.001


def test_every_pass_of_dmn_plus_has_an_update_of_its_own_and_dmn_one_for_all():
    plus, dmn = (sum(p.numel() for p in reader(form).update.parameters()) for form in FORMS)
    assert plus == PASSES * (3 * WIDTH * WIDTH + WIDTH)
    assert dmn == 2 * 3 * (WIDTH * WIDTH + WIDTH)


def test_reasons_are_refused():
    read = reader("dmn")
    view, own = read.look(slots(), CONTEXT), torch.zeros(ROWS, POSITIONS, dtype=torch.long)
    with pytest.raises(NotImplementedError, match="does not tell what each slot did"):
        read.effect(view, QUERIES[own], QUERIES[own])
