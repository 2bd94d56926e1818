"""Merging equal slots changes nothing; merging similar ones keeps close."""

import pytest
import torch

from recsys.memory.log import without
from recsys.output.compaction import compacted, merged, packed
from tests.contract.parts import ITEMS, histories, recommender

CATALOGUE = torch.arange(ITEMS + 1)
MANY = 12


def looked(*overrides, events=None):
    model = recommender("memory=key_value", f"slots={MANY}", *overrides)
    events = events or histories(events=MANY, absent=0.1)
    return model, model.look(model.write(model.memory.initial_state(len(events.item)), events))


def scores(model, view):
    with torch.no_grad():
        return model.scores(view, CATALOGUE)


def repeating():
    """Eleven items and two behaviours in 40 events: many are equal."""
    events = histories(events=MANY, absent=0.1)
    return type(events)(events.item.clamp(max=3), events.time, events.behaviour, events.present)


@pytest.mark.parametrize("address", ["both", "candidate", "context"])
def test_merging_equal_slots_changes_no_score(address):
    model, view = looked(f"output.address={address}", events=repeating())
    smaller = merged(view)
    before, after = (one.slots.filled.sum(-1).flatten() for one in (view, smaller))
    assert (after[:2] < before[:2]).all()
    torch.testing.assert_close(scores(model, smaller), scores(model, view), rtol=1e-5, atol=1e-5)


def test_slots_that_all_differ_are_all_kept():
    events = histories(users=2, events=MANY, absent=0)
    different = torch.arange(1, ITEMS + 1).expand(2, -1)
    events = type(events)(*(field[:, :ITEMS] for field in events))._replace(item=different)
    model, view = looked(events=events)
    smaller = merged(view)
    assert torch.equal(smaller.slots.filled, view.slots.filled)
    torch.testing.assert_close(scores(model, smaller), scores(model, view))


def test_packing_leaves_out_empty_places_and_changes_no_score():
    model, view = looked(events=repeating())
    smaller = packed(merged(view))
    assert smaller.slots.keys.shape[1] == int(merged(view).slots.filled.sum(-1).max())
    assert smaller.slots.keys.shape[1] < view.slots.keys.shape[1]
    torch.testing.assert_close(scores(model, smaller), scores(model, view), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("address", ["both", "context"])
@pytest.mark.parametrize("slots", [1, 4, 30])
def test_no_more_slots_than_asked_for_are_left(address, slots):
    model, view = looked(f"output.address={address}")
    smaller = compacted(model.output, view, slots=slots)
    before, after = (one.slots.filled.sum(-1) for one in (view, smaller))
    assert torch.equal(after, before.clamp(max=slots))
    assert scores(model, smaller).isfinite().all()


def test_the_pair_that_agrees_is_merged_first():
    events = histories(users=1, events=MANY, absent=0)
    item = torch.tensor([[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 4]])
    events = events._replace(item=item, behaviour=item * 0)
    model, view = looked(events=events)
    smaller = compacted(model.output, view, slots=MANY - 1)
    gone = (view.slots.filled & ~smaller.slots.filled)[0, 0].nonzero().flatten()
    assert gone.tolist() == [3]  # the older event of item 4
    torch.testing.assert_close(scores(model, smaller), scores(model, view), rtol=1e-5, atol=1e-5)


def test_merging_the_least_pair_costs_less_than_dropping_the_oldest_slots():
    events = histories(users=20, events=MANY, absent=0)
    model, view = looked(events=events)
    exact = scores(model, view)
    filled = view.slots.filled.clone()
    filled[..., : -MANY // 2] = False
    dropped = view._replace(slots=view.slots._replace(filled=filled))
    lost = (scores(model, dropped) - exact).abs().mean()
    kept = (scores(model, compacted(model.output, view, slots=MANY // 2)) - exact).abs().mean()
    assert kept < 0.7 * lost


def test_the_bound_of_a_moved_key_holds():
    """A logit change of at most d moves a softmax read by at most (max - min) tanh(d / 2)."""
    torch.manual_seed(0)
    logit, told = 3 * torch.randn(20_000, 9), torch.randn(20_000, 9)
    moved = logit + (torch.rand(20_000, 9) * 2 - 1) * (much := 2 * torch.rand(20_000, 1))
    change = ((moved.softmax(-1) - logit.softmax(-1)) * told).sum(-1).abs()
    bound = (told.amax(-1) - told.amin(-1)) * torch.tanh(much[:, 0] / 2)
    assert (change <= bound + 1e-6).all()
    assert (change / bound).max() > 0.3  # and is not idle


def test_a_log_without_an_event_is_as_if_it_had_never_happened():
    events = histories(users=1, events=4, absent=0)
    model, _ = looked(events=events)
    start = model.memory.initial_state(1)
    state = model.write(start, events)
    gone = torch.tensor([[False, False, True, False, False]])
    never = type(events)(*(field[:, [0, 2, 3]] for field in events))
    torch.testing.assert_close(
        scores(model, model.look(without(state, gone))),
        scores(model, model.look(model.write(start, never))),
    )
