"""Reading by buckets, with the buckets of each candidate looked up one by one."""

import itertools

import pytest
import torch

from recsys.output.bucket_read import BucketRead
from tests.output.slots import CANDIDATES, POSITIONS, ROWS, WIDTH, asked, slots

BITS = 1  # tables of two neighbours by age
CLOSE = {"rtol": 1e-9, "atol": 1e-9}


def bucket_read(normalise="length"):
    read = BucketRead(width=WIDTH, bits=BITS, normalise=normalise).double()
    torch.nn.init.constant_(read.gain, 1.5)
    return read.eval()


def distinct(**settings):
    """Slots whose ages differ, as in a log."""
    seen = slots(**settings)
    return seen._replace(age=torch.arange(5).flip(0).expand(seen.age.shape))


def memory(seen, *, row, position, query, answer, normalise):
    """Table by table the filled slot that matches best, then the mean of what they say."""
    told, events = 0.0, 0.0
    for table in range(3):
        members = [
            slot
            for slot in range(5)
            if int(seen.age[row, position, slot]) // 2 == table and seen.filled[row, position, slot]
        ]
        if not members:
            continue
        own = max(members, key=lambda slot: float(seen.keys[row, slot] @ query))
        value = seen.values[row, own]
        count = float(seen.bias[row, position, own].exp()) if normalise == "count" else 1.0
        value = value / value.norm() if normalise == "length" else value
        told += count * float(value @ answer)
        events += count
    return 1.5 * told / max(events, 1.0)


@pytest.mark.parametrize("normalise", ["length", "count"])
def test_every_candidate_at_every_position_reads_its_own_bucket_of_each_table(normalise):
    read, seen = bucket_read(normalise), distinct()
    context, queries, answers = asked()
    found = read.every(read.look(seen, context), queries, answers).memory.detach()
    for row in range(ROWS):
        for position in range(POSITIONS):
            for candidate in range(CANDIDATES):
                pair = {"query": queries[candidate], "answer": answers[candidate]}
                expected = memory(seen, row=row, position=position, normalise=normalise, **pair)
                assert float(found[row, position, candidate]) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("normalise", ["length", "count"])
def test_own_candidates_read_as_everybody_does(normalise):
    read, seen = bucket_read(normalise), distinct()
    context, queries, answers = asked()
    view = read.look(seen, context)
    everybody = read.every(view, queries, answers).memory
    own = torch.randint(CANDIDATES, (ROWS, POSITIONS), generator=torch.Generator().manual_seed(0))
    found = read.each(view, queries[own], answers[own])
    torch.testing.assert_close(found, everybody.gather(2, own[..., None])[..., 0], **CLOSE)


def test_slots_that_match_equally_share_the_read():
    read, seen = bucket_read(), distinct(rows=1, positions=1)
    seen = seen._replace(filled=torch.ones_like(seen.filled))
    context, _, answers = asked(rows=1, positions=1)
    nothing = torch.zeros(CANDIDATES, WIDTH, dtype=torch.float64)
    found = read.every(read.look(seen, context), nothing, answers).memory[0, 0]
    value = torch.nn.functional.normalize(seen.values[0], dim=-1)
    tables = torch.stack(
        [value[4:5].mean(0) * 0 + value[3:5].mean(0), value[1:3].mean(0), value[0]]
    )
    torch.testing.assert_close(found, 1.5 * answers @ tables.mean(0), **CLOSE)


def test_a_user_without_events_is_told_nothing():
    read, seen = bucket_read(), distinct()
    context, queries, answers = asked()
    assert (read.every(read.look(seen, context), queries, answers).memory[0, -1] == 0).all()


def copied(seen):
    """The same slots, with memory of their own for every row."""
    return type(seen)(*(field if field is None else field.clone() for field in seen))


@pytest.mark.parametrize("alike", [("keys",), ("keys", "filled"), ("keys", "filled", "age")])
@pytest.mark.parametrize("normalise", ["length", "count"])
def test_what_all_rows_share_is_read_as_if_each_had_its_own(normalise, alike):
    read, seen = bucket_read(normalise), distinct()
    shared = {name: getattr(seen, name)[1:2].expand_as(getattr(seen, name)) for name in alike}
    seen = seen._replace(**shared)
    context, queries, answers = asked()
    once, apart = (read.look(slots, context) for slots in (seen, copied(seen)))
    found = read.every(once, queries, answers).memory.detach()
    torch.testing.assert_close(found, read.every(apart, queries, answers).memory.detach(), **CLOSE)
    for row, position, candidate in itertools.product(*map(range, found.shape)):
        pair = {"query": queries[candidate], "answer": answers[candidate]}
        expected = memory(seen, row=row, position=position, normalise=normalise, **pair)
        assert float(found[row, position, candidate]) == pytest.approx(expected, abs=1e-9)
    own = torch.arange(ROWS * POSITIONS).reshape(ROWS, POSITIONS) % CANDIDATES
    one, other = (read.each(view, queries[own], answers[own]) for view in (once, apart))
    torch.testing.assert_close(one, other, **CLOSE)
