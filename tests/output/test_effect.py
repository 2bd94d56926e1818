"""The closed form of "because" against a read from which the slot was really taken away."""

import pytest
import torch

from tests.output.slots import ROWS, SLOTS, asked, reader, slots

FIELDS = ("bias", "filled", "age", "gap_seconds")


def without(view, slot):
    """The same view, cut down to the other slots."""
    kept = [place for place in range(SLOTS) if place != slot]
    world = view.slots
    return view._replace(
        logit=view.logit[..., kept],
        slots=world._replace(
            keys=world.keys[:, kept],
            values=world.values[:, kept],
            item=world.item[:, kept],
            **{name: getattr(world, name)[..., kept] for name in FIELDS},
        ),
    )


def question(*, seed, address="both", strength=8.0, dtype=torch.float64, **settings):
    read = reader(address=address, strength=strength, seed=seed, dtype=dtype)
    world = slots(seed=seed, positions=1, dtype=dtype, **settings)
    context, queries, answers = asked(seed=seed + 1, positions=1, dtype=dtype)
    queries, answers = queries.expand(ROWS, -1, -1), answers.expand(ROWS, -1, -1)
    return read, read.look(world, context), queries, answers


def recomputed(read, view, queries, answers):
    whole = read.each(view, queries, answers)
    lost = [whole - read.each(without(view, slot), queries, answers) for slot in range(SLOTS)]
    return torch.stack(lost, dim=-1)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("address", ["both", "candidate", "context"])
@pytest.mark.parametrize("strength", [1.0, 19.0])
@pytest.mark.parametrize("seed", range(3))
def test_the_effect_of_a_slot_is_what_its_loss_costs(seed, strength, address, dtype):
    case = question(seed=seed, address=address, strength=strength, dtype=dtype)
    read, view, queries, answers = case
    with torch.no_grad():
        effect = read.effect(view, queries, answers).effect
        expected = recomputed(*case)
    torch.testing.assert_close(effect, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_slot_that_drowns_all_others_has_its_whole_effect(dtype):
    read, view, queries, answers = question(seed=5, strength=19.0, dtype=dtype)
    loud = torch.full_like(view.logit, -15.0)
    loud[..., 2] = 15.0
    filled = torch.ones_like(view.slots.filled)
    view = view._replace(logit=loud, slots=view.slots._replace(filled=filled))
    with torch.no_grad():
        read.null.fill_(-15.0)
        effect = read.effect(view, queries, answers)
        expected = recomputed(read, view, queries, answers)
    assert effect.weights[..., 2].max() > 1 - 1e-7
    torch.testing.assert_close(effect.effect, expected, rtol=1e-4, atol=1e-4)


def test_taking_the_best_reason_away_lowers_the_score():
    reasons = 0
    for seed in range(20):
        read, view, queries, answers = question(seed=seed)
        with torch.no_grad():
            best, slot = read.effect(view, queries, answers).effect.max(dim=-1)
            lost = recomputed(read, view, queries, answers)
        helped = best > 1e-6
        reasons += int(helped.sum())
        assert (lost.gather(2, slot[..., None])[..., 0][helped] > 0).all()
    assert reasons > 200


def test_an_empty_slot_has_no_weight_and_no_effect():
    read, view, queries, answers = question(seed=3)
    effect = read.effect(view, queries, answers)
    empty = ~view.slots.filled[:, 0]
    assert empty.any()
    assert (effect.weights.transpose(1, 2)[empty] == 0).all()
    assert (effect.effect.transpose(1, 2)[empty] == 0).all()
