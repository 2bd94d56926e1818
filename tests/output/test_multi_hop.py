"""Hops with tables of their own, against the equations written out slot by slot."""

from math import exp, log, sqrt

import pytest
import torch

from recsys.output.multi_hop import LONG, MultiHop
from tests.output.slots import CANDIDATES, POSITIONS, ROWS, SLOTS, WIDTH, asked, normal, slots

CONTEXT, QUERIES, _ = asked()
HOPS = 3
LAST = 3  # position of the first row that sees no slot


def reader(*, hops=HOPS, tying="adjacent", linear_steps=0, blanks=0.0, ages=SLOTS):
    torch.manual_seed(0)
    read = MultiHop(
        width=WIDTH,
        slots=ages,
        hops=hops,
        tying=tying,
        linear_steps=linear_steps,
        blanks=blanks,
    )
    return read.double().eval()


def layered(layers, **given):
    draw = torch.Generator().manual_seed(3)
    own = normal(ROWS, layers, SLOTS, WIDTH, draw=draw, dtype=torch.float64)
    return slots(**given)._replace(layers=own)


def told(read, world, *, row, position, linear=False):
    """Section 2 of Sukhbaatar et al. 2015 for one user: the last query, weights of each hop."""
    query = CONTEXT[row, position].tolist()
    filled = [s for s in range(SLOTS) if world.filled[row, position, s]]
    hops = []
    for hop in range(read.hops):
        first = hop if read.again is None else 0
        found, content = {}, {}
        for s in filled:
            age = int(world.age[row, position, s])
            layer = world.layers[row].tolist()
            key = [
                x + y for x, y in zip(layer[first][s], read.age[first, age].tolist(), strict=True)
            ]
            found[s] = sum(x * y for x, y in zip(query, key, strict=True))
            value, old = layer[first + 1][s], read.age[first + 1, age].tolist()
            content[s] = [x + y for x, y in zip(value, old, strict=True)]
        count = {s: exp(world.bias[row, position, s]) for s in filled}
        if linear:
            weights = {s: found[s] * count[s] for s in filled}
        else:
            empty = max(read.age.shape[1] - sum(count.values()), 0)
            total = sum(exp(found[s]) * count[s] for s in filled) + empty
            weights = {s: exp(found[s]) * count[s] / total for s in filled}
        if read.again is not None:
            query = (read.again.weight @ torch.tensor(query, dtype=torch.float64)).tolist()
        for s in filled:
            query = [x + weights[s] * y for x, y in zip(query, content[s], strict=True)]
        hops.append([weights.get(s, 0.0) for s in range(SLOTS)])
    return torch.tensor(query, dtype=torch.float64), torch.tensor(hops, dtype=torch.float64)


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize(("tying", "layers"), [("adjacent", HOPS + 1), ("layer_wise", 2)])
def test_every_hop_equals_the_equations(tying, layers, linear):
    read, world = reader(tying=tying, linear_steps=linear), layered(layers, scale=0.5)
    view = read.look(world, CONTEXT)
    for row in range(ROWS):
        for position in range(POSITIONS):
            query, weights = told(read, world, row=row, position=position, linear=linear)
            torch.testing.assert_close(view.user[row, position], query)
            torch.testing.assert_close(view.hops[row, :, position], weights)


def test_a_memory_without_layers_shows_its_keys_and_values_to_every_hop():
    read, world = reader(), slots()
    pair = [world.keys, world.values]
    once = reader(hops=1)
    context = CONTEXT
    for hop in range(HOPS):
        once.age.data = read.age.data[hop : hop + 2]
        context = once.look(world._replace(layers=torch.stack(pair, dim=1)), context).user
    torch.testing.assert_close(read.look(world, CONTEXT).user, context)


def test_a_full_memory_reads_with_weights_that_sum_to_one():
    read, world = reader(), layered(HOPS + 1)
    full = torch.ones_like(world.filled)
    world = world._replace(filled=full, bias=torch.zeros_like(world.bias))
    total = read.look(world, CONTEXT).hops.sum(-1)
    torch.testing.assert_close(total, torch.ones_like(total))


def test_an_empty_place_weighs_as_much_as_a_slot_that_says_nothing():
    few, many = reader(hops=1), reader(hops=1, ages=40)
    many.age.data[:, :SLOTS] = few.age.data
    world = layered(2)._replace(bias=torch.zeros(ROWS, POSITIONS, SLOTS, dtype=torch.float64))
    less = many.look(world, CONTEXT).hops[:, 0].sum(-1)
    read = few.look(world, CONTEXT).hops[:, 0].sum(-1)
    empty = SLOTS - world.filled.sum(-1)
    loud = torch.where(read > 0, read * empty / (1 - read), 0)[empty > 0]
    torch.testing.assert_close(less[empty > 0], loud / (loud + empty[empty > 0] + 40 - SLOTS))


def test_a_user_without_events_reads_nothing():
    read, world = reader(), layered(HOPS + 1)
    view = read.look(world, CONTEXT)
    assert (view.hops.transpose(1, 2)[~world.filled.any(-1)] == 0).all()
    assert torch.equal(view.user[0, LAST], CONTEXT[0, LAST])


def test_the_softmax_comes_after_so_many_looks_in_training():
    read, world = reader(linear_steps=2), layered(HOPS + 1)
    soft = reader().look(world, CONTEXT).user
    found = []
    for look in range(4):
        found.append(read.eval().look(world, CONTEXT).user)  # does not count
        assert read.looks == look
        read.train().look(world, CONTEXT)
    assert [torch.equal(user, soft) for user in found] == [False, False, True, True]
    assert "looks" in read.state_dict()


def test_linear_weights_of_a_long_memory_are_scaled_down():
    read, long = reader(linear_steps=1, hops=1), 4 * LONG
    world = layered(HOPS + 1, positions=1)
    many = world._replace(
        **{name: getattr(world, name)[:, :1].expand(-1, long, -1) for name in ("keys", "values")},
        layers=world.layers[:, :2, :1].expand(-1, -1, long, -1),
        filled=torch.ones(ROWS, 1, long, dtype=torch.bool),
        bias=torch.zeros(ROWS, 1, long, dtype=torch.float64),
        age=torch.zeros(ROWS, 1, long, dtype=torch.long),
    )
    logit = ((many.layers[:, 0, 0] + read.age[0, 0]) * CONTEXT[:, 0]).sum(-1)
    weights = read.look(many, CONTEXT[:, :1]).hops[:, 0, 0]
    torch.testing.assert_close(weights, (logit / sqrt(4))[:, None].expand(-1, long))


@pytest.mark.parametrize("linear_steps", [0, 1])
def test_merged_slots_count_as_often_as_they_have_events(linear_steps):
    read, world = reader(linear_steps=linear_steps), layered(HOPS + 1, positions=1)
    twice = world._replace(
        layers=torch.cat([world.layers, world.layers[:, :, -1:]], dim=2),
        filled=torch.cat([world.filled, world.filled[:, :, -1:]], dim=2),
        bias=torch.cat([world.bias, world.bias[:, :, -1:]], dim=2),
        age=torch.cat([world.age, world.age[:, :, -1:]], dim=2),
    )
    louder = torch.zeros(SLOTS, dtype=torch.float64)
    louder[-1] = log(2)
    merged = read.look(world._replace(bias=world.bias + louder), CONTEXT[:, :1])
    torch.testing.assert_close(read.look(twice, CONTEXT[:, :1]).user, merged.user)


def test_blanks_make_slots_older_but_never_change_their_order():
    read = reader(blanks=0.5, ages=40).train()
    world = slots()._replace(age=torch.arange(SLOTS).flip(0).expand(ROWS, POSITIONS, -1) * 5)
    older = torch.stack([read._age(world) for _ in range(50)]) - world.age
    assert older.unique().numel() > 3
    assert (older >= 0).all()
    assert (older.diff(dim=-1) <= 0).all()
    assert older[..., 0].float().mean() == pytest.approx(21 * 0.25, rel=0.2)
    assert torch.equal(read.eval()._age(world), world.age)


def test_a_slot_older_than_any_age_has_the_oldest():
    read, world = reader(), layered(HOPS + 1)
    ancient = world._replace(age=torch.where(world.age == SLOTS - 1, 1000, world.age))
    assert torch.equal(read.look(ancient, CONTEXT).user, read.look(world, CONTEXT).user)


def test_the_memory_says_nothing_of_a_candidate():
    read = reader()
    view = read.look(layered(HOPS + 1), CONTEXT)
    answers = torch.zeros(CANDIDATES, 0, dtype=torch.float64)
    own = torch.randint(0, CANDIDATES, (ROWS, POSITIONS))
    assert (read.every(view, QUERIES, answers).memory == 0).all()
    assert (read.each(view, QUERIES[own], answers[own]) == 0).all()
    with pytest.raises(NotImplementedError, match="does not tell what each slot did"):
        read.effect(view, QUERIES[own], answers[own])
