"""What every store must hold."""

import threading

import pytest

from serving.store.contract import Kept, Logged, Receipt, Remembered, StoreError
from tests.serving.store.stores import KINDS, log, place, write
from tests.serving.store.writers import crowd

NOTHING = Remembered(epoch=0, position=0, kept=None, after=())


@pytest.fixture(scope="module", params=KINDS)
def make(request, tmp_path_factory):
    with place(request.param, tmp_path_factory.mktemp("store")) as found:
        yield found


@pytest.fixture(scope="module")
def shared(make):
    store = make()
    yield store
    store.close()


@pytest.fixture
def store(shared):
    shared.forget(list(shared.users()))
    return shared


@pytest.fixture
def second(make):
    """The same once more, as another worker or replica opens it."""
    store = make()
    yield store
    store.close()


def kept(store, user, *, model="m", body=b"state"):
    """A state of all that is known now."""
    (found,) = store.read([user], model=model)
    return Kept(user, model, found.epoch, found.position, body)


def test_positions_count_the_events_of_each_user(store):
    receipts = store.append([write("ann", 1), write("bob", 2), write("ann", 3)])
    assert receipts == [Receipt(1, False), Receipt(1, False), Receipt(2, False)]
    assert store.append([write("ann", 4)]) == [Receipt(3, False)]
    assert log(store, "ann") == [(1, "1"), (2, "3"), (3, "4")]
    assert log(store, "bob") == [(1, "2")]


def test_an_event_comes_back_as_it_was_written(store):
    events = [
        write("ann", "007", time=-(2**62), behaviour=None),
        write("ann", "  ", time=2**62, behaviour=""),
        write("ann", "a'\"\\\n\0b\u20ac\U0001f600", time=0, behaviour='v"i\new'),
    ]
    store.append(events)
    (found,) = store.read(["ann"], model="m")
    assert list(found.after) == [
        Logged(place, event.item, event.time, event.behaviour)
        for place, event in enumerate(events, start=1)
    ]
    assert found[:3] == (found.epoch, 3, None)
    assert found.epoch > 0


def test_users_with_strange_names_are_told_apart(store):
    names = ["ann", "Ann", "ann ", "7", "007", "ann\0", "a:log", "*", "a'b", "\u00e4", "a\u0308"]
    store.append([write(name, place) for place, name in enumerate(names)])
    assert [log(store, name) for name in names] == [[(1, str(i))] for i in range(len(names))]
    assert sorted(store.users()) == sorted(names)


def test_an_event_id_is_written_once_for_its_user(store):
    first = store.append([write("ann", 1, event_id="a"), write("bob", 1, event_id="a")])
    assert first == [Receipt(1, False), Receipt(1, False)]
    again = store.append([write("ann", 2, event_id="b"), write("ann", 9, event_id="a")])
    assert again == [Receipt(2, False), Receipt(1, True)]
    assert log(store, "ann") == [(1, "1"), (2, "2")]


def test_an_event_id_twice_in_one_call_is_written_once(store):
    receipts = store.append([write("ann", 1, event_id="a"), write("ann", 1, event_id="a")])
    assert receipts == [Receipt(1, False), Receipt(1, True)]
    assert log(store, "ann") == [(1, "1")]


def test_equal_events_without_an_id_are_both_written(store):
    store.append([write("ann", 1), write("ann", 1)])
    assert log(store, "ann") == [(1, "1"), (2, "1")]


def test_nothing_is_asked_for_nothing(store):
    assert store.append([]) == []
    assert store.read([], model="m") == []
    assert store.forget([]) == []
    store.keep([])
    assert list(store.users()) == []


def test_an_unknown_user_has_nothing(store):
    assert store.read(["nobody", "nobody"], model="m") == [NOTHING, NOTHING]
    assert store.forget(["nobody"]) == [0]
    assert store.forget_item("nobody", item="1") == 0


def test_a_user_asked_for_twice_is_told_of_twice(store):
    store.append([write("ann", 1), write("bob", 2)])
    found = store.read(["ann", "bob", "ann"], model="m")
    assert [row.after[0].item for row in found] == ["1", "2", "1"]


def test_a_kept_state_stands_for_the_events_before_it(store):
    store.append([write("ann", 1), write("ann", 2)])
    state = kept(store, "ann", body=bytes(range(256)))
    store.keep([state])
    store.append([write("ann", 3)])
    (found,) = store.read(["ann"], model="m")
    assert found == (state.epoch, 3, state, [Logged(3, "3", 0, None)])


def test_a_state_is_read_by_its_own_model_only(store):
    store.append([write("ann", 1)])
    states = [kept(store, "ann", model=model, body=model.encode()) for model in ("m", "n")]
    store.keep(states)
    assert [store.read(["ann"], model=model)[0].kept for model in ("m", "n")] == states
    assert store.read(["ann"], model="o")[0].kept is None


def test_the_states_of_a_third_model_replace_those_of_the_first(store):
    store.append([write("ann", 1)])
    models = ["m", "n", "o"]
    for model in models:
        store.keep([kept(store, "ann", model=model)])
    found = [store.read(["ann"], model=model)[0].kept for model in models]
    assert sum(state is not None for state in found) == 2
    assert found[2] is not None
    store.keep([kept(store, "ann", model="m")])
    assert store.read(["ann"], model="m")[0].kept is not None


def test_an_older_state_does_not_replace_a_newer_one(store):
    store.append([write("ann", 1)])
    older = kept(store, "ann", body=b"older")
    store.append([write("ann", 2)])
    newer = kept(store, "ann", body=b"newer")
    store.keep([newer, older])
    store.keep([older])
    assert store.read(["ann"], model="m")[0].kept == newer


def test_a_state_of_events_that_are_not_there_is_passed_over(store):
    store.append([write("ann", 1)])
    state = kept(store, "ann")
    store.keep([state._replace(position=2), state._replace(user="nobody")])
    assert store.read(["ann", "nobody"], model="m")[0].kept is None
    assert store.read(["nobody"], model="m") == [NOTHING]


def test_forgetting_leaves_nothing_and_touches_nobody_else(store):
    store.append([write("ann", 1, event_id="a"), write("bob", 2), write("ann", 3)])
    store.keep([kept(store, "ann"), kept(store, "bob")])
    assert store.forget(["ann", "nobody"]) == [2, 0]
    assert store.read(["ann"], model="m") == [NOTHING]
    assert list(store.users()) == ["bob"]
    assert store.read(["bob"], model="m")[0].kept is not None
    assert store.append([write("ann", 4, event_id="a")]) == [Receipt(1, False)]


def test_a_state_made_before_forgetting_is_never_kept_after_it(store):
    store.append([write("ann", 1)])
    state = kept(store, "ann")
    store.forget(["ann"])
    store.append([write("ann", 2), write("ann", 3)])
    store.keep([state])
    (found,) = store.read(["ann"], model="m")
    assert (found.kept, found.epoch > state.epoch) == (None, True)


def test_a_forgotten_item_leaves_the_other_events_where_they_were(store):
    pairs = zip((1, 2, 1), "abc", strict=True)
    store.append([write("ann", item, event_id=event_id) for item, event_id in pairs])
    store.append([write("ann", 3), write("bob", 1)])
    state = kept(store, "ann")
    store.keep([state])
    assert store.forget_item("ann", item="1") == 2
    (found,) = store.read(["ann"], model="m")
    assert found.kept is None
    assert (found.position, found.epoch > state.epoch) == (4, True)
    assert log(store, "ann") == [(2, "2"), (4, "3")]
    store.keep([state])
    assert store.read(["ann"], model="m")[0].kept is None
    written = store.append([write("ann", 9, event_id="b"), write("ann", 1, event_id="a")])
    assert written == [Receipt(2, True), Receipt(5, False)]
    assert log(store, "bob") == [(1, "1")]


def test_an_item_that_is_not_there_changes_nothing(store):
    store.append([write("ann", 11)])
    state = kept(store, "ann")
    store.keep([state])
    assert store.forget_item("ann", item="1") == 0
    assert store.read(["ann"], model="m")[0].kept == state


def test_the_last_event_may_be_forgotten_by_its_item(store):
    store.append([write("ann", 1), write("ann", 2)])
    store.forget_item("ann", item="2")
    assert store.append([write("ann", 3)]) == [Receipt(3, False)]
    assert log(store, "ann") == [(1, "1"), (3, "3")]


def test_a_user_whose_every_item_is_forgotten_is_not_listed(store):
    store.append([write("ann", 1), write("bob", 1)])
    store.forget_item("ann", item="1")
    assert list(store.users()) == ["bob"]
    assert store.append([write("ann", 2)]) == [Receipt(2, False)]
    assert sorted(store.users()) == ["ann", "bob"]


def test_every_user_is_listed_once_while_others_write(store):
    names = {f"user {place}" for place in range(2500)}
    store.append([write(name, 1) for name in sorted(names)])
    found = []
    for name in store.users():
        if len(found) % 500 == 0:
            store.append([write("user 0", 2), write("late", len(found))])
        found.append(name)
    assert len(found) == len(set(found))
    assert names <= set(found)


def test_what_is_acknowledged_is_there_for_another_worker(store, second):
    store.append([write("ann", 1, event_id="a")])
    store.keep([kept(store, "ann")])
    second.ready()
    assert second.read(["ann"], model="m") == store.read(["ann"], model="m")
    assert second.append([write("ann", 1, event_id="a")]) == [Receipt(1, True)]
    store.append([write("ann", 2)])
    assert log(second, "ann") == [(1, "1"), (2, "2")]


def test_many_users_are_read_at_once(store):
    names = [f"user {place}" for place in range(3000)]
    store.append([write(name, name) for name in names])
    found = store.read(names, model="m")
    assert [row.after[0].item for row in found] == names


def test_a_bad_event_in_a_call_writes_none_of_it(store):
    with pytest.raises((TypeError, ValueError, OverflowError, StoreError)):
        store.append([write("ann", 1), write("ann", "\ud800")])
    assert list(store.users()) == []
    assert store.append([write("ann", 2)]) == [Receipt(1, False)]


def test_a_hundred_threads_write_to_one_user_in_the_order_acknowledged(store):
    receipts, start = {}, threading.Barrier(100)

    def work(number):
        start.wait()
        for turn in range(10):
            event_id = f"{number}-{turn}"
            for _ in range(2):  # every client repeats itself once
                (receipt,) = store.append([write("ann", event_id, event_id=event_id)])
                receipts.setdefault(event_id, []).append(receipt)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(100)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [len(found) for found in receipts.values()] == [2] * 1000
    assert all(first == (second.position, False) for first, second in receipts.values())
    assert all(second.repeated for _, second in receipts.values())
    order = sorted((found[0].position, event_id) for event_id, found in receipts.items())
    assert log(store, "ann") == order
    assert [position for position, _ in order] == list(range(1, 1001))


def test_a_thousand_writers_to_one_user_end_in_the_order_acknowledged(store, make):
    found = crowd(make, processes=4, threads=250)
    by_position = sorted(found, key=lambda row: row.position)
    assert [row.position for row in by_position] == list(range(1, 1001))
    assert log(store, "ann") == [(row.position, row.event_id) for row in by_position]
    first = float("inf")
    for row in reversed(by_position):  # who was answered before another asked stands before it
        assert row.sent < first
        first = min(first, row.acknowledged)


def test_a_closed_store_refuses(second):
    second.close()
    with pytest.raises(StoreError, match="closed"):
        second.append([write("ann", 1)])
    with pytest.raises(StoreError, match="closed"):
        second.ready()
