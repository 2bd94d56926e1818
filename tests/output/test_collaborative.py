"""Collaborative memory, against its equations written out pair by pair, and the world it is for."""

from itertools import product
from math import exp, log

import numpy as np
import pytest
import torch

from recsys.evaluation.protocol import evaluate
from recsys.output import chunks
from recsys.output.collaborative import Collaborative
from tests import worlds
from tests.evaluation.tiny import prepared
from tests.output.slots import CANDIDATES, POSITIONS, ROWS, SLOTS, WIDTH, asked, slots

CONTEXT, QUERIES, ANSWERS = asked()
LAST = 3  # position of the first row that sees no slot


def reader(*, hops=3):
    torch.manual_seed(0)
    read = Collaborative(width=WIDTH, hops=hops).double().eval()
    with torch.no_grad():
        read.null.add_(0.7)
    return read


def dot(one, other):
    return sum(x * y for x, y in zip(one, other, strict=True))


def linear(layer, vector):
    bias = [0.0] * WIDTH if layer.bias is None else layer.bias.tolist()
    return [dot(row, vector) + b for row, b in zip(layer.weight.tolist(), bias, strict=True)]


def relu(vector):
    return [max(x, 0.0) for x in vector]


def added(*vectors):
    return [sum(parts) for parts in zip(*vectors, strict=True)]


def told(read, world, *, row, position, candidate):
    """Sections 3.2 to 3.4 of Ebesu et al. 2018 for one user and one candidate."""
    keys, values = world.keys[row].tolist(), world.values[row].tolist()
    bias = world.bias[row, position].tolist()
    filled = [s for s in range(SLOTS) if world.filled[row, position, s]]
    user, item = CONTEXT[row, position].tolist(), QUERIES[candidate].tolist()

    def neighbours(query):
        loud = {s: exp(dot(query, keys[s]) + bias[s]) for s in filled}
        total = sum(loud.values()) + exp(read.null.detach())
        return added([0.0] * WIDTH, *([loud[s] / total * x for x in values[s]] for s in filled))

    query = added(user, item)
    for hop in read.hops:
        query = relu(added(linear(hop, query), neighbours(query)))
    taste = [x * y for x, y in zip(user, ANSWERS[candidate].tolist(), strict=True)]
    last = added(linear(read.taste, taste), linear(read.told, neighbours(query)))
    return dot(read.weight.weight[0].tolist(), relu(last))


def expected(read, world):
    """The same of all."""
    pairs = product(range(ROWS), range(POSITIONS), range(CANDIDATES))
    found = [told(read, world, row=r, position=p, candidate=c) for r, p, c in pairs]
    return torch.tensor(found, dtype=torch.float64).reshape(ROWS, POSITIONS, CANDIDATES)


@pytest.mark.parametrize("hops", [1, 3])
@pytest.mark.parametrize("most", [1, 2**24])
def test_every_candidate_equals_the_equations(hops, most, monkeypatch):
    monkeypatch.setattr(chunks, "MOST", most)
    read, world = reader(hops=hops), slots(scale=0.5)
    reading = read.every(read.look(world, CONTEXT), QUERIES, ANSWERS)
    torch.testing.assert_close(reading.memory, expected(read, world))
    assert torch.equal(reading.user, CONTEXT)


def test_candidates_of_each_rows_own_equal_every_candidate():
    read, world = reader(), slots(scale=0.5)
    view = read.look(world, CONTEXT)
    everybody = read.every(view, QUERIES, ANSWERS).memory
    own = torch.randint(0, CANDIDATES, (ROWS, POSITIONS))
    torch.testing.assert_close(
        read.each(view, QUERIES[own], ANSWERS[own]), everybody.gather(2, own[..., None])[..., 0]
    )
    one = slots(positions=1, scale=0.5)
    alone = read.look(one, CONTEXT[:, :1])
    many = torch.randint(0, CANDIDATES, (ROWS, CANDIDATES + 2))
    torch.testing.assert_close(
        read.each(alone, QUERIES[many], ANSWERS[many]),
        read.every(alone, QUERIES, ANSWERS).memory[:, 0].gather(1, many),
    )


def test_without_what_was_read_it_is_a_factorisation_of_users_and_items():
    read, world = reader(), slots()
    with torch.no_grad():
        read.told.weight.zero_()
        read.told.bias.zero_()
    found = read.every(read.look(world, CONTEXT), QUERIES, ANSWERS).memory
    taste = CONTEXT[:, :, None] * ANSWERS
    wanted = (taste @ read.taste.weight.T).relu() @ read.weight.weight[0]
    torch.testing.assert_close(found, wanted)


def test_a_user_without_events_reads_nothing():
    read, world = reader(), slots()
    other = world._replace(keys=-world.keys, values=-world.values)
    one, same = (
        read.every(read.look(some, CONTEXT), QUERIES, ANSWERS).memory for some in (world, other)
    )
    assert torch.equal(one[0, LAST], same[0, LAST])
    assert not torch.allclose(one[0, 0], same[0, 0])


def test_a_merged_slot_counts_as_often_as_it_has_events():
    read, world = reader(), slots(positions=1, scale=0.5)
    context = CONTEXT[:, :1]
    twice = world._replace(
        **{name: _again(getattr(world, name), dim=1) for name in ("keys", "values", "item")},
        **{name: _again(getattr(world, name), dim=2) for name in _SEEN},
    )
    louder = torch.tensor([0.0] * (SLOTS - 1) + [log(2)], dtype=torch.float64)
    merged = world._replace(bias=world.bias + louder)
    one, same = (
        read.every(read.look(some, context), QUERIES, ANSWERS).memory for some in (twice, merged)
    )
    torch.testing.assert_close(one, same)


_SEEN = ("bias", "filled", "age", "gap_seconds")


def _again(field, *, dim):
    return torch.cat([field, field.narrow(dim, SLOTS - 1, 1)], dim=dim)


def test_the_first_gradients_pass_the_hops():
    assert all((hop.bias == 1).all() for hop in Collaborative(width=WIDTH, hops=4).hops)


def test_reasons_are_refused():
    read = reader()
    view = read.look(slots(), CONTEXT)
    own = torch.zeros(ROWS, POSITIONS, dtype=torch.long)
    with pytest.raises(NotImplementedError, match="do not tell what each slot did"):
        read.effect(view, QUERIES[own], ANSWERS[own])


def shared_taste(*, clusters, items, users, events, seed=0):
    """Users of a cluster take its items in any order; the last one is asked for."""
    draw = np.random.default_rng(seed)
    return prepared(
        [
            cluster * items + 1 + draw.permutation(items)[:events]
            for cluster in range(clusters)
            for _ in range(users)
        ],
        items=clusters * items,
    )


def test_what_a_cluster_shares_is_recommended():
    # Ten clusters of ten items: whoever knows the cluster lists the truth among two items that
    # are left of it, and a popular list of ten finds it in a tenth of the cases.
    world = shared_taste(clusters=10, items=10, users=12, events=9)
    settings = ("output=collaborative", "memory=key_value", "loss=bpr", "width=16", "slots=10")
    for seed in (0, 1):
        scorer = worlds.fit(world, *settings, "loss.negatives=4", epochs=15, seed=seed)
        report = evaluate(scorer, world, part="test", ks=(10,), seen="exclude", batch_size=100)
        if (found := report.summary["hit_rate@10"]) >= 0.9:
            break
    assert found >= 0.9
