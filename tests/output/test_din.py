"""Target attention by an activation unit, against the paper's formula, pair by pair."""

import numpy as np
import pytest
import torch

from recsys.memory.contract import Slots
from recsys.output import chunks
from recsys.output.din import Din
from tests.output.slots import CANDIDATES, POSITIONS, ROWS, WIDTH, asked, reader, slots

HIDDEN = 6
CLOSE = {"rtol": 1e-9, "atol": 1e-9}


def din(seed=0):
    torch.manual_seed(seed)
    read = Din(width=WIDTH, hidden=HIDDEN).double()
    with torch.no_grad():
        for parameter in read.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return read.eval()


def unit(read, key, query):
    """MLP [key; query; key - query; key * query] with one hidden layer and PReLU."""
    weight = {name: part.detach().numpy() for name, part in read.unit.named_parameters()}
    first = [weight[f"{name}.weight"] for name in ("key", "query", "difference", "product")]
    told = np.concatenate([key, query, key - query, key * query])
    hidden = np.concatenate(first, axis=1) @ told + weight["key.bias"]
    bent = np.where(hidden > 0, hidden, weight["bend.weight"][0] * hidden)
    return float(weight["weight.weight"][0] @ bent + weight["weight.bias"][0])


def memory(read, seen, *, row, position, query, answer):
    """The sum over the filled slots, each as often as it has events."""
    said = 0.0
    for slot in np.flatnonzero(seen.filled[row, position].numpy()):
        count = float(seen.bias[row, position, slot].exp())
        told = float(seen.values[row, slot] @ answer)
        said += count * unit(read, seen.keys[row, slot].numpy(), query.numpy()) * told
    return float(read.gain.detach()) * said


def test_every_candidate_at_every_position_equals_the_formula(monkeypatch):
    monkeypatch.setattr(chunks, "MOST", 2 * ROWS * 5 * HIDDEN)  # two candidates at a time
    read, seen = din(), slots()
    context, queries, answers = asked()
    found = read.every(read.look(seen, context), queries, answers).memory.detach()
    for row, position, candidate in np.ndindex(ROWS, POSITIONS, CANDIDATES):
        pair = {"query": queries[candidate], "answer": answers[candidate]}
        expected = memory(read, seen, row=row, position=position, **pair)
        np.testing.assert_allclose(found[row, position, candidate], expected, **CLOSE)


def test_own_candidates_read_as_everybody_does():
    read, seen = din(), slots()
    context, queries, answers = asked()
    view = read.look(seen, context)
    everybody = read.every(view, queries, answers).memory
    own = torch.randint(CANDIDATES, (ROWS, POSITIONS), generator=torch.Generator().manual_seed(0))
    found = read.each(view, queries[own], answers[own])
    torch.testing.assert_close(found, everybody.gather(2, own[..., None])[..., 0], **CLOSE)


def doubled(seen):
    """Every slot a second time."""
    rows = {"keys", "values", "item"}
    twice = {
        name: torch.cat([field, field], dim=1 if name in rows else 2)
        for name, field in seen._asdict().items()
        if field is not None
    }
    return Slots(**twice)


def test_twice_the_evidence_is_twice_the_sum_and_the_same_mean():
    seen = slots()
    context, queries, answers = asked()
    sums = [
        read.every(read.look(view, context), queries, answers).memory
        for read in (din(),)
        for view in (seen, doubled(seen))
    ]
    torch.testing.assert_close(sums[1], 2 * sums[0], **CLOSE)
    assert sums[0].abs().max() > 0
    soft = reader()
    with torch.no_grad():
        soft.null.fill_(-30.0)  # the null slot aside, a softmax of doubled slots is the same mean
    means = [
        soft.every(soft.look(view, context), queries, answers).memory
        for view in (seen, doubled(seen))
    ]
    torch.testing.assert_close(means[1], means[0], rtol=1e-6, atol=1e-6)


def test_evidence_raises_the_score_of_the_candidate_it_speaks_for():
    read, seen = din(), slots(positions=1)
    context, queries, answers = asked(positions=1)
    view, twice = (read.look(part, context) for part in (seen, doubled(seen)))
    once, again = (read.every(part, queries, answers).memory for part in (view, twice))
    assert (again[once > 0] > once[once > 0]).all()
    assert (again[once < 0] < once[once < 0]).all()


def test_a_merged_slot_counts_as_its_events_would():
    seen = slots(positions=1)
    merged = seen._replace(bias=seen.bias + np.log(2))
    read, (context, queries, answers) = din(), asked(positions=1)
    one, two = (
        read.every(read.look(part, context), queries, answers).memory
        for part in (merged, doubled(seen))
    )
    torch.testing.assert_close(one, two, **CLOSE)


def test_the_effect_of_a_slot_is_what_the_score_loses_without_it():
    read, seen = din(), slots(positions=1)
    context, queries, answers = asked(positions=1)
    own = queries.expand(ROWS, -1, -1), answers.expand(ROWS, -1, -1)
    view = read.look(seen, context)
    whole, told = read.each(view, *own), read.effect(view, *own)
    for slot in range(5):
        filled = seen.filled.clone()
        filled[..., slot] = False
        rest = read.each(read.look(seen._replace(filled=filled), context), *own)
        torch.testing.assert_close(told.effect[..., slot], whole - rest, **CLOSE)
    assert (told.weights[..., 0] > 0).any()
    assert (told.weights.sum(-1) < 1).all()


@pytest.mark.parametrize("each", [1, 10**9])
def test_chunks_leave_no_candidate_out_and_hold_at_least_one(each):
    _, queries, answers = asked()
    parts = list(chunks.chunks(queries, answers, each=each))
    assert torch.equal(torch.cat([query for query, _ in parts]), queries)
    assert torch.equal(torch.cat([answer for _, answer in parts]), answers)
    assert len(parts) == (1 if each == 1 else CANDIDATES)
