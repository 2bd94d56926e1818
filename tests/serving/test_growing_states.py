"""States of the tiny bundle, whose right answers are known: the last item and the first read."""

import pytest

from recsys.runtime import load
from serving.states import States
from serving.store.contract import Kept, Logged, Write
from serving.store.embedded import Embedded
from tests.tiny_bundle import world, write_bundle

HISTORY = 3


@pytest.fixture
def bundle(tmp_path):
    return made(tmp_path / "bundle")


@pytest.fixture
def store(tmp_path):
    opened = Embedded(tmp_path / "states.db", busy_seconds=5)
    yield opened
    opened.close()


@pytest.fixture
def states(store, bundle):
    return States(store, bundle)


def made(folder, **settings):
    """Items 1 to 9 are called 100 to 108."""
    settings = {"history": HISTORY, "behaviours": ("buy", "view"), **settings}
    return load(write_bundle(folder, world(9), **settings))


def append(store, *events):
    """(user, item_id, time) or (user, item_id, time, behaviour)."""
    store.append([Write(*map(str, e[:2]), e[2], [*e, None][3], None) for e in events])


def told(recalled):
    """(last item, first item) of each user."""
    pair = (recalled.state["last_item"].tolist(), recalled.state["first_item"].tolist())
    return list(zip(*pair, strict=True))


def counted(monkeypatch, bundle):
    """Names of the graphs that are run from here on, with the number of their users."""
    calls = []
    for name in ("encode", "write"):
        run = getattr(bundle, name)

        def noted(*arguments, run=run, name=name, **named):
            events = named.get("event") or arguments[0]
            calls.append((name, len(events.item)))
            return run(*arguments, **named)

        monkeypatch.setattr(bundle, name, noted)
    return calls


def test_a_user_is_what_the_log_says_and_nobody_else(store, states):
    append(store, ("ann", 100, 1), ("bob", 103, 5), ("ann", 101, 2), ("bob", 102, 4))
    recalled = states.recall(["bob", "nobody", "ann", "bob"])
    assert told(recalled) == [(4, 3), (0, 0), (2, 1), (4, 3)]
    assert recalled.seen.tolist() == [[3, 4], [0, 0], [1, 2], [3, 4]]
    assert recalled.position == [2, 0, 2, 2]
    assert recalled.events.tolist() == [2, 0, 2, 2]


def test_only_the_newest_events_are_read_and_all_items_are_seen(store, states):
    append(store, *(("ann", 100 + place, place) for place in range(5)))
    assert told(states.recall(["ann"])) == [(5, 3)]
    append(store, ("ann", 100, 9))
    recalled = states.recall(["ann"])
    assert told(recalled) == [(1, 4)]
    assert recalled.seen.tolist() == [[1, 2, 3, 4, 5]]
    assert recalled.events.tolist() == [HISTORY]


def test_a_late_event_takes_its_place_by_time(store, states):
    append(store, ("ann", 100, 10), ("ann", 101, 20))
    states.recall(["ann"])
    append(store, ("ann", 102, 5))
    assert told(states.recall(["ann"])) == [(2, 3)]


def test_graphs_are_run_as_little_as_may_be(store, states, bundle, monkeypatch):
    append(store, ("ann", 100, 1), ("bob", 101, 1))
    calls = counted(monkeypatch, bundle)
    states.recall(["ann", "bob", "nobody"])
    assert calls == [("encode", 2)]
    states.recall(["ann", "bob", "nobody"])
    assert calls == [("encode", 2)]
    append(store, ("ann", 102, 2))
    states.recall(["ann", "bob"])
    assert calls[1:] == [("write", 1)]
    append(store, ("ann", 103, 3), ("bob", 104, 2), ("bob", 105, 3))
    states.recall(["ann", "bob"])
    assert calls[2:] == [("write", 2), ("write", 2)]
    append(store, ("ann", 104, 4))  # the window forgets, the state cannot
    states.recall(["ann"])
    assert calls[4:] == [("encode", 1)]
    append(store, ("ann", 100, 0), ("ann", 108, 0), ("ann", 999, 9))  # nothing that is read
    assert told(states.recall(["ann"])) == [(5, 3)]
    assert calls[5:] == []


def test_another_worker_goes_on_from_the_kept_state(store, states, bundle, monkeypatch):
    append(store, ("ann", 100, 1))
    states.recall(["ann"])
    other = States(store, bundle)
    calls = counted(monkeypatch, bundle)
    assert told(other.recall(["ann"])) == [(1, 1)]
    assert calls == []


def test_what_the_bundle_does_not_know_is_counted_and_waits(store, states, tmp_path):
    append(store, ("ann", 100, 1), ("ann", 109, 2), ("ann", "0100", 3), ("ann", " 100", 4))
    append(store, ("ann", 101, 5, "stare"), ("ann", 102, 6, "buy"))
    recalled = states.recall(["ann"])
    assert told(recalled) == [(3, 1)]
    assert recalled.unknown.tolist() == [4]
    assert recalled.seen.tolist() == [[1, 3]]
    assert recalled.state["last_behaviour"].tolist() == [1]
    later = load(write_bundle(tmp_path / "later", world(10), history=5, behaviours=("stare",)))
    recalled = States(store, later).recall(["ann"])
    assert told(recalled) == [(2, 1)]  # 100, 109 and the stare at 101; nobody buys any more
    assert recalled.seen.tolist() == [[1, 2, 10]]
    assert recalled.unknown.tolist() == [3]


def test_a_bundle_without_behaviours_does_not_look_at_them(store, tmp_path):
    append(store, ("ann", 100, 1, "stare"), ("ann", 100, 1, "buy"), ("ann", 101, 2))
    states = States(store, made(tmp_path / "plain", behaviours=()))
    assert states.recall(["ann"]).events.tolist() == [2]


def test_text_ids_are_met_as_they_are(store, tmp_path):
    import polars as pl

    ids = pl.Series("item_id", ["7", "007", "a b"])
    bundle = load(write_bundle(tmp_path / "text", world(3), item_ids=ids))
    append(store, ("ann", "007", 1), ("ann", "a b", 2), ("ann", "A b", 3))
    recalled = States(store, bundle).recall(["ann"])
    assert (told(recalled), recalled.unknown.tolist()) == ([(3, 2)], [1])


def test_a_repetition_of_an_event_that_the_window_forgot_is_one(store, states):
    append(store, *(("ann", item, 7) for item in (100, 101, 102, 103)))
    assert told(states.recall(["ann"])) == [(4, 2)]
    append(store, ("ann", 100, 7))  # equal to the first, which is no longer read
    assert told(states.recall(["ann"])) == [(4, 2)]
    append(store, ("ann", 104, 7))
    assert told(states.recall(["ann"])) == [(5, 3)]


def test_a_damaged_state_is_made_again(store, states):
    append(store, ("ann", 100, 1), ("ann", 101, 2))
    states.recall(["ann"])
    (found,) = store.read(["ann"], model=states.model)
    append(store, ("ann", 102, 3))
    for body in (b"", found.kept.body[:-1], b"x" + found.kept.body[1:], found.kept.body + b"x"):
        store.forget_item("ann", item="nothing of the kind")
        append(store, ("ann", 102, 3))
        (now,) = store.read(["ann"], model=states.model)
        store.keep([Kept("ann", states.model, now.epoch, now.position, body)])
        assert told(states.recall(["ann"])) == [(3, 1)]


def test_given_histories_are_nobodys(store, states):
    history = [Logged(1, "101", 5, None), Logged(2, "100", 1, "view"), Logged(3, "999", 6, None)]
    recalled = states.fresh([history, []])
    assert told(recalled) == [(2, 1), (0, 0)]
    assert recalled.seen.tolist() == [[1, 2], [0, 0]]
    assert recalled.unknown.tolist() == [1, 0]
    assert list(store.users()) == []


def test_every_user_is_rebuilt_for_a_new_model_while_the_old_one_serves(
    store, states, tmp_path, monkeypatch
):
    users = [f"user {place}" for place in range(7)]
    append(store, *((user, 100 + place, 1) for place, user in enumerate(users)))
    states.recall(users)
    newer = made(tmp_path / "newer", history=4)
    rebuilt = States(store, newer)
    assert rebuilt.model != states.model
    assert list(rebuilt.rebuild(size=3)) == [3, 6, 7]
    calls = counted(monkeypatch, newer) + counted(monkeypatch, states._writing.bundle)
    assert told(rebuilt.recall(users)) == told(states.recall(users))
    assert calls == []


def test_a_state_is_of_its_bundle_alone(states, tmp_path):
    hashes = {states.model}
    for place, change in enumerate([{"history": 4}, {"behaviours": ()}, {"time": "order"}]):
        bundle = made(tmp_path / str(place), **change)
        hashes.add(States(states.store, bundle).model)
    assert len(hashes) == 4


def test_a_forgotten_user_is_nobody_and_comes_back_as_new(store, states):
    append(store, ("ann", 100, 1), ("bob", 101, 1))
    states.recall(["ann", "bob"])
    store.forget(["ann"])
    assert told(states.recall(["ann", "bob"])) == [(0, 0), (2, 2)]
    append(store, ("ann", 102, 9))
    assert told(states.recall(["ann"])) == [(3, 3)]
