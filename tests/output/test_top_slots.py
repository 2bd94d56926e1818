"""Search, then read: what is searched for, and that nothing is lost where the search finds all."""

import pytest
import torch

from recsys.memory.contract import Slots
from recsys.output.asking import STRONGEST
from recsys.output.candidate_read import CandidateRead
from recsys.output.top_slots import TopSlots
from tests.output.slots import CANDIDATES, HEADS, POSITIONS, ROWS, SLOTS, WIDTH, asked, slots

CLOSE = {"rtol": 1e-9, "atol": 1e-9}


def top_slots(top, *, seed=0, slots=SLOTS):
    torch.manual_seed(seed)
    read = TopSlots(width=WIDTH, slots=slots, heads=HEADS, hops=1, dropout=0.0, top=top).double()
    with torch.no_grad():
        for parameter in read.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return read.eval()


def test_a_search_that_finds_all_slots_is_the_exact_read():
    read, seen = top_slots(SLOTS), slots()
    context, queries, answers = asked()
    view = read.look(seen, context)
    assert isinstance(read.read, CandidateRead)
    exact = read.read.every(read.read.look(seen, context), queries, answers)
    found = read.every(view, queries, answers)
    torch.testing.assert_close(found.memory, exact.memory, **CLOSE)
    torch.testing.assert_close(found.user, exact.user)


def test_a_candidate_reads_only_the_slots_of_the_largest_inner_products():
    read, seen = top_slots(2), slots()
    context, queries, answers = asked()
    view = read.look(seen, context)
    found = read.every(view, queries, answers).memory
    for row in range(ROWS):
        for candidate in range(CANDIDATES):
            match = seen.keys[row] @ queries[candidate]
            for position in range(POSITIONS):
                open_ = [slot for slot in range(SLOTS) if seen.filled[row, position, slot]]
                best = sorted(open_, key=lambda slot: -float(match[slot]))[:2]
                only = torch.zeros_like(seen.filled)
                only[row, position, best] = True
                few = view._replace(slots=seen._replace(filled=only))
                pair = queries[candidate : candidate + 1], answers[candidate : candidate + 1]
                expected = read.read.every(few, *pair).memory[row, position, 0]
                torch.testing.assert_close(found[row, position, candidate], expected, **CLOSE)


def test_own_candidates_read_as_everybody_does():
    read, seen = top_slots(2), slots()
    context, queries, answers = asked()
    view = read.look(seen, context)
    everybody = read.every(view, queries, answers).memory
    own = torch.randint(CANDIDATES, (ROWS, POSITIONS), generator=torch.Generator().manual_seed(0))
    found = read.each(view, queries[own], answers[own])
    torch.testing.assert_close(found, everybody.gather(2, own[..., None])[..., 0], **CLOSE)


def test_slots_that_were_not_found_have_no_weight_and_no_effect():
    read, seen = top_slots(2), slots(positions=1)
    context, queries, answers = asked(positions=1)
    own = queries.expand(ROWS, -1, -1), answers.expand(ROWS, -1, -1)
    told = read.effect(read.look(seen, context), *own)
    assert ((told.weights > 0).sum(-1) <= 2).all()
    assert torch.equal(told.weights > 0, told.effect != 0)


@pytest.mark.parametrize("strength", [1.0, 8.0])
def test_the_slot_that_an_address_of_one_head_reads_most_is_found(strength):
    # 200 slots, 20 of them found; the address is a cosine, the search an inner product
    draw = torch.Generator().manual_seed(0)
    read = TopSlots(width=WIDTH, slots=200, heads=1, hops=0, dropout=0.0, top=20).double()
    with torch.no_grad():
        for part in (read.read.query, read.read.key):
            torch.nn.init.eye_(part.weight)
        read.read.loudness.weight.zero_()
        read.read.strength.fill_(torch.tensor(strength / STRONGEST).logit())
    keys, queries = (torch.randn(1, n, WIDTH, generator=draw).double() for n in (200, 300))
    view = read.look(alike(keys), torch.zeros(1, 1, WIDTH).double())
    exact = read.read.effect(view, queries, queries).weights[0].argmax(-1)
    found = read.effect(view, queries, queries).weights[0]
    assert (found.gather(1, exact[:, None]) > 0).double().mean() >= 0.9


def alike(keys):
    """Slots that differ in nothing but their keys."""
    none = torch.zeros(1, 1, keys.shape[1], dtype=torch.long)
    return Slots(
        keys=keys,
        values=keys,
        bias=none.double(),
        filled=none == 0,
        age=none,
        gap_seconds=none,
        item=none[0],
    )
