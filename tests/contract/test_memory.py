"""The contract of design: what every memory of conf/memory must hold, whatever it is inside."""

import pytest
import torch

from tests.contract.parts import EVENTS, ITEMS, MEMORIES, USERS, histories, pairs, part, recommender

CATALOGUE = torch.arange(ITEMS + 1)


@pytest.fixture(params=pairs(), ids="-".join)
def model(request):
    memory, output = request.param
    return recommender(f"memory={memory}", f"output={output}")


@pytest.fixture(params=MEMORIES)
def plain(request):
    return recommender(f"memory={request.param}")


def scores(model, state):
    return model.scores(model.look(state), CATALOGUE)[:, 0]


def written(model, events, *, step=1):
    state = model.memory.initial_state(len(events.item))
    for first in range(0, events.item.shape[1], step):
        state = model.write(state, part(events, slice(first, first + step)))
    return state


@pytest.mark.parametrize("step", [1, 3])
def test_a_history_at_once_equals_event_by_event(model, step):
    events = histories()
    once, stepwise = written(model, events, step=EVENTS), written(model, events, step=step)
    for field, other in zip(once, stepwise, strict=True):
        torch.testing.assert_close(field, other)
    torch.testing.assert_close(scores(model, once), scores(model, stepwise))


def test_padding_writes_nothing(model):
    events = histories(absent=0)
    blank = torch.zeros(USERS, 4, dtype=torch.long)
    padded = type(events)._make(
        torch.cat(
            [blank.to(field), field[:, :3], blank.to(field), field[:, 3:], blank.to(field)], 1
        )
        for field in events
    )
    torch.testing.assert_close(
        scores(model, written(model, padded)), scores(model, written(model, events))
    )


def test_what_stands_where_nothing_is_present_does_not_matter(plain):
    events = histories()
    noise = torch.randint(1, ITEMS + 1, events.item.shape)
    noisy = type(events)(
        torch.where(events.present, events.item, noise),
        torch.where(events.present, events.time, noise),
        torch.where(events.present, events.behaviour, noise % 2),
        events.present,
    )
    torch.testing.assert_close(
        scores(plain, written(plain, noisy)), scores(plain, written(plain, events))
    )


def test_one_users_events_never_move_anothers(plain):
    events = histories(absent=0.1)
    alone = [scores(plain, written(plain, part(events, [user]))) for user in range(USERS)]
    torch.testing.assert_close(scores(plain, written(plain, events)), torch.cat(alone))


def test_read_weights_with_the_null_slot_sum_to_one_and_empty_slots_get_none(request):
    for name in MEMORIES:
        model = recommender(f"memory={name}", "output=candidate_read")
        state = written(model, histories())
        view = model.look(state)
        weights = model.effect(view, CATALOGUE.expand(USERS, -1)).weights
        total = weights.sum(-1)
        assert (weights >= 0).all()
        assert (total < 1).all()  # the rest is the null slot's
        empty = ~view.slots.filled[:, 0]
        assert (weights.transpose(1, 2)[empty] == 0).all()
        assert (total[0] > 0).all()


def test_a_user_without_events_scores_without_the_memory():
    model = recommender("memory=key_value")
    nobody = model.memory.initial_state(1)
    weights = model.effect(model.look(nobody), CATALOGUE[None]).weights
    assert (weights == 0).all()
    assert scores(model, nobody).isfinite().all()


def test_wrong_shapes_are_refused(plain):
    events = histories()
    torn = part(events, slice(0, 2))._replace(item=events.item)
    with pytest.raises(Exception, match=r"(?i)shape|size|type"):
        plain.write(plain.memory.initial_state(USERS), torn)
    with pytest.raises(Exception, match=r"(?i)shape|size|type"):
        plain.scores(plain.look(written(plain, events)), CATALOGUE[None])


def test_gradient_reaches_every_parameter(model):
    events = histories(absent=0.2)
    view = model.along(events)
    rows = view.user.shape[:2]
    own = model.own_scores(view, torch.randint(1, ITEMS + 1, rows))
    (model.scores(view, CATALOGUE).square().mean() + own.square().mean()).backward()
    without = [
        name
        for name, parameter in model.named_parameters()
        if parameter.numel() and (parameter.grad is None or not parameter.grad.abs().sum() > 0)
    ]
    if "context_read" in str(type(model.output)):
        unread = ("memory.value", "memory.channel")  # what only slots show
        without = [name for name in without if not name.startswith(unread)]
    assert without == []


def test_along_equals_write_and_look_after_every_event(model):
    events = histories()
    view = model.along(events)
    along = model.scores(view, CATALOGUE).reshape(USERS, EVENTS, -1)
    state = model.memory.initial_state(USERS)
    for place in range(EVENTS):
        state = model.write(state, part(events, slice(place, place + 1)))
        torch.testing.assert_close(along[:, place], scores(model, state), rtol=1e-4, atol=1e-5)


def test_own_scores_equal_scores_of_everybody(model):
    events = histories()
    view = model.along(events)
    target = torch.randint(1, ITEMS + 1, view.user.shape[:2])
    everybody = model.scores(view, CATALOGUE)
    torch.testing.assert_close(
        model.own_scores(view, target), everybody.gather(2, target[..., None])[..., 0]
    )


def test_a_later_event_changes_no_earlier_view(model):
    events = histories()
    later = type(events)(*(field.clone() for field in events))
    later.item[:, 5:] = later.item[:, 5:].flip(0).roll(1, 1)
    later.present[:, 5:] = later.item[:, 5:] != 0
    shape = (USERS, EVENTS, -1)
    before = model.scores(model.along(events), CATALOGUE).reshape(shape)[:, :5]
    after = model.scores(model.along(later), CATALOGUE).reshape(shape)[:, :5]
    assert torch.equal(before, after)


def test_training_may_begin_at_any_state(plain):
    events = histories()
    start = written(plain, part(events, slice(0, 3)))
    along = plain.memory.along(start, part(events, slice(3, None)), plain.input)
    view = plain.output.look(along.slots, along.context)
    later = plain.scores(view, CATALOGUE).reshape(USERS, EVENTS - 3, -1)
    whole = scores(plain, written(plain, events))
    torch.testing.assert_close(later[:, -1], whole, rtol=1e-4, atol=1e-5)


def test_a_saved_state_read_back_gives_the_same_answer(plain, tmp_path):
    state = written(plain, histories())
    torch.save(dict(state._asdict()), tmp_path / "state.pt")
    again = type(state)(**torch.load(tmp_path / "state.pt", weights_only=True))
    assert torch.equal(scores(plain, again), scores(plain, state))


def test_state_is_batch_first_and_bounded(plain):
    state = written(plain, histories(events=40, absent=0))
    later = written(plain, histories(events=55, absent=0))
    for field, same in zip(state, later, strict=True):
        assert field.shape[0] == USERS
        assert field.shape == same.shape
