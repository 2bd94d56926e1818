"""Reading without a candidate leaves the whole answer to the dot product."""

import pytest
import torch
from torch.nn.functional import layer_norm

from recsys.output.context_read import ContextRead
from tests.output.slots import CANDIDATES, HEADS, POSITIONS, ROWS, SLOTS, WIDTH, asked, slots

CONTEXT, QUERIES, _ = asked()
ANSWERS = torch.zeros(CANDIDATES, 0, dtype=torch.float64)


def reader(*, hops):
    torch.manual_seed(0)
    read = ContextRead(width=WIDTH, slots=SLOTS, heads=HEADS, hops=hops, dropout=0.0)
    return read.double().eval()


def test_without_hops_the_users_vector_is_the_context_itself():
    read = reader(hops=0)
    reading = read.every(read.look(slots(), CONTEXT), QUERIES, ANSWERS)
    torch.testing.assert_close(reading.user, layer_norm(CONTEXT, (WIDTH,)))


def test_the_memory_says_nothing_of_a_candidate():
    read = reader(hops=1)
    view = read.look(slots(), CONTEXT)
    own = torch.randint(0, CANDIDATES, (ROWS, POSITIONS))
    assert (read.every(view, QUERIES, ANSWERS).memory == 0).all()
    assert (read.each(view, QUERIES[own], ANSWERS[own]) == 0).all()


def test_a_hop_reads_filled_slots_alone():
    read, world = reader(hops=1), slots(positions=1)
    empty = ~world.filled[:, 0]
    louder = world._replace(keys=torch.where(empty[..., None], 100.0, world.keys))
    changed = world._replace(keys=torch.where(empty[..., None], world.keys, -world.keys))
    before, after, other = (
        read.look(some, CONTEXT[:, :1]).user for some in (world, louder, changed)
    )
    assert empty.any()
    assert torch.equal(after, before)
    assert not torch.allclose(other[1:], before[1:])


def test_reasons_are_refused():
    read = reader(hops=0)
    view = read.look(slots(), CONTEXT)
    own = torch.zeros(ROWS, POSITIONS, dtype=torch.long)
    with pytest.raises(NotImplementedError, match="does not tell what each slot did"):
        read.effect(view, QUERIES[own], ANSWERS[own])
