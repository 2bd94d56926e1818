"""The factored read against the softmax it stands for, written out slot by slot."""

import math

import pytest
import torch
from torch.nn.functional import cosine_similarity, layer_norm

from recsys.output.hop import GAP_BUCKETS
from tests.output.slots import (
    CANDIDATES,
    HEADS,
    POSITIONS,
    ROWS,
    SLOTS,
    WIDTH,
    asked,
    reader,
    slots,
    strengths,
)

PART = WIDTH // HEADS


def pieces(vector):
    """One vector, cut into heads."""
    return vector.reshape(HEADS, PART)


def logits(read, world, user, *, row, position, query=None):
    """Logit of each slot for each head; a slot that is not filled has minus infinity."""
    found = torch.full((HEADS, SLOTS), -torch.inf, dtype=torch.float64)
    for slot in range(SLOTS):
        if not world.filled[row, position, slot]:
            continue
        key = world.keys[row, slot]
        gap = int(world.gap_seconds[row, position, slot])
        for head in range(HEADS):
            heard = pieces(read.ask.weight @ user)[head] @ pieces(read.loudness.weight @ key)[head]
            age = read.bias.age[head, world.age[row, position, slot]]
            bucket = min((gap + 1).bit_length() - 1, GAP_BUCKETS - 1)
            loud = heard / math.sqrt(PART) + age + read.bias.gap[head, bucket]
            logit = (loud + world.bias[row, position, slot]).clamp(-15, 15)
            if query is not None:
                ours, its = pieces(read.query.weight @ query), pieces(read.key.weight @ key)
                alike = cosine_similarity(ours[head], its[head], dim=0)
                logit = logit + strengths(read)[head] * alike
            found[head, slot] = logit
    return found


def naive(read, world, context, queries, answers):
    """What the memory says of each candidate: one softmax for each position and candidate."""
    said = torch.zeros(ROWS, POSITIONS, CANDIDATES, dtype=torch.float64)
    for row, position, candidate in torch.cartesian_prod(
        torch.arange(ROWS), torch.arange(POSITIONS), torch.arange(CANDIDATES)
    ).tolist():
        user = layer_norm(context[row, position], (WIDTH,), read.norm.weight, read.norm.bias)
        query = queries[candidate] if read.address != "context" else None
        logit = logits(read, world, user, row=row, position=position, query=query)
        weights = torch.cat([logit, read.null[:, None]], dim=1).softmax(1)[:, :-1]
        for head in range(HEADS):
            for slot in range(SLOTS):
                value, answer = pieces(world.values[row, slot]), pieces(answers[candidate])
                told = value[head] @ answer[head]
                said[row, position, candidate] += read.gain[head] * weights[head, slot] * told
    return said.detach()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("strength", [1.0, 8.0, 19.0])
def test_every_equals_a_softmax_for_each_position_and_candidate(strength, dtype):
    expected = naive(reader(strength=strength), slots(), *asked())
    read, world = reader(strength=strength, dtype=dtype), slots(dtype=torch.float64)
    world = world._replace(**{name: getattr(world, name).to(dtype) for name in world._fields[:3]})
    context, queries, answers = (part.to(dtype) for part in asked())
    got = read.every(read.look(world, context), queries, answers).memory
    torch.testing.assert_close(got.double(), expected, rtol=1e-5, atol=1e-5)
    assert (got[0, -1] == 0).all()  # that position sees no slot


def test_the_context_address_equals_the_softmax_without_a_candidate():
    read, world, (context, queries, answers) = reader(address="context"), slots(), asked()
    got = read.every(read.look(world, context), queries, answers).memory
    torch.testing.assert_close(got, naive(read, world, context, queries, answers))


@pytest.mark.parametrize("address", ["both", "candidate", "context"])
@pytest.mark.parametrize("hops", [0, 2])
def test_each_position_with_its_own_candidate_is_the_diagonal_of_every(address, hops):
    read, world, (context, queries, answers) = reader(address=address, hops=hops), slots(), asked()
    view = read.look(world, context)
    own = torch.randint(0, CANDIDATES, (ROWS, POSITIONS))
    every = read.every(view, queries, answers).memory
    torch.testing.assert_close(
        read.each(view, queries[own], answers[own]), every.gather(2, own[..., None])[..., 0]
    )


def test_many_candidates_of_a_rows_own_at_the_only_position():
    read, world = reader(), slots(positions=1)
    context, queries, answers = asked(positions=1)
    view = read.look(world, context)
    own = torch.randint(0, CANDIDATES, (ROWS, 9))
    every = read.every(view, queries, answers).memory[:, 0]
    torch.testing.assert_close(read.each(view, queries[own], answers[own]), every.gather(1, own))


def weights(read, view, queries):
    answers = torch.zeros_like(queries)
    return read.effect(view, queries.expand(ROWS, -1, -1), answers.expand(ROWS, -1, -1)).weights


def test_the_context_address_ignores_the_candidate_and_the_others_do_not():
    world, (context, queries, _) = slots(positions=1), asked(positions=1)
    ours, both = reader(address="context"), reader(address="both")
    blind = weights(ours, ours.look(world, context), queries)
    seeing = weights(both, both.look(world, context), queries)
    assert (blind == blind[:, :1]).all()
    assert (seeing[1:] - seeing[1:, :1]).abs().max() > 0.05


def test_the_context_address_is_the_candidate_address_without_strength():
    world, (context, queries, answers) = slots(), asked()
    blind, weak = reader(address="context"), reader(address="both")
    with torch.no_grad():
        weak.strength.fill_(-50)
    weak.load_state_dict(blind.state_dict(), strict=False)
    expected = weak.every(weak.look(world, context), queries, answers)
    got = blind.every(blind.look(world, context), queries, answers)
    torch.testing.assert_close(got.memory, expected.memory)
    assert torch.equal(got.user, expected.user)


def test_the_candidate_address_leaves_no_dot_product():
    read, world, (context, queries, answers) = reader(address="candidate"), slots(), asked()
    reading = read.every(read.look(world, context), queries, answers)
    assert (reading.user == 0).all()
    torch.testing.assert_close(reading.memory, naive(read, world, context, queries, answers))


@pytest.mark.parametrize("null", [-300.0, 0.0, 300.0])
@pytest.mark.parametrize("address", ["both", "context"])
def test_extreme_logits_stay_finite_and_trainable(address, null):
    read = reader(strength=19.9, address=address, dtype=torch.float32)
    with torch.no_grad():
        read.null.fill_(null)
    world = slots(dtype=torch.float32, scale=1e4)
    context, queries, answers = (part.float() for part in asked())
    view = read.look(world, context)
    memory = read.every(view, queries, answers).memory
    memory.sum().backward()
    assert memory.isfinite().all()
    assert all(p.grad.isfinite().all() for p in read.parameters() if p.grad is not None)
    own = torch.zeros(ROWS, POSITIONS, dtype=torch.long)
    each = read.each(view, queries[own], answers[own])
    torch.testing.assert_close(each, memory[..., 0], rtol=1e-4, atol=1e-4)


def test_the_gain_starts_where_the_setting_says():
    started = reader(gain=3.0).gain - reader(gain=1.0).gain  # both moved alike since
    torch.testing.assert_close(started, torch.full_like(started, 2.0))
