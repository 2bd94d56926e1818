"""States that grow event by event equal the states that scoring makes of the whole log."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serving.states import States
from serving.store.contract import Write
from serving.store.embedded import Embedded
from tests.contract.parts import ITEMS, MEMORIES
from tests.serving.exported import exported
from tests.serving.scored import assert_as_scored

HISTORY = 4  # fewer than a log has slots, so that it must be told to forget
USERS = ("ann", "bob", "cyd")
TYPICAL = {"gru", "key_value", "ntm"}


TRIED = [
    pytest.param(memory, marks=() if memory in TYPICAL else pytest.mark.slow) for memory in MEMORIES
]


@pytest.fixture(scope="module", params=TRIED)
def bundle(request, tmp_path_factory):
    return exported(request.param, tmp_path_factory.mktemp("bundle"), history=HISTORY)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    made = Embedded(tmp_path_factory.mktemp("store") / "states.db", busy_seconds=5)
    yield made
    made.close()


ITEM = st.integers(98, 100 + ITEMS).map(str)  # two below and one above are unknown
EVENT = st.tuples(
    st.sampled_from(USERS),
    ITEM,
    st.integers(0, 6).map(lambda place: 1_000_000 + 40_000 * place),
    st.sampled_from([None, "buy", "view", "unheard of"]),
)
STEP = st.one_of(
    EVENT.map(lambda event: ("write", event)),
    EVENT.map(lambda event: ("write", event)),
    st.lists(st.sampled_from(USERS), min_size=1, max_size=4).map(lambda users: ("recall", users)),
    st.lists(st.sampled_from(USERS), min_size=1, max_size=4).map(lambda users: ("recall", users)),
    st.just(("repeat", None)),
    st.sampled_from(USERS).map(lambda user: ("forget", user)),
    st.tuples(st.sampled_from(USERS), ITEM).map(lambda pair: ("forget_item", pair)),
)


class World:
    """A store and states, and beside them the logs as they should be."""

    def __init__(self, store, bundle):
        self.store, self.bundle, self.states = store, bundle, States(store, bundle)
        self.logs, self.sent = {user: [] for user in USERS}, []
        store.forget(list(store.users()))

    def write(self, event):
        self.sent.append(Write(*event, event_id=str(len(self.sent))))
        self.store.append(self.sent[-1:])
        self.logs[event[0]].append(event[1:])

    def repeat(self, _):
        """A client that was not answered sends its last event once more."""
        if self.sent and self.logs[self.sent[-1].user][-1:] == [self.sent[-1][1:4]]:
            assert self.store.append(self.sent[-1:])[0].repeated

    def forget(self, user):
        self.store.forget([user])
        self.logs[user] = []

    def forget_item(self, pair):
        user, item = pair
        self.store.forget_item(user, item=item)
        self.logs[user] = [event for event in self.logs[user] if event[0] != item]

    def recall(self, users):
        """Scoring takes its time, so one of the users is compared."""
        recalled, row = self.states.recall(users), len(users) - 1
        assert_as_scored(recalled, row, bundle=self.bundle, log=self.logs[users[row]])


@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(steps=st.lists(STEP, min_size=10, max_size=30))
def test_appending_equals_computing_anew(store, bundle, steps):
    world = World(store, bundle)
    for name, argument in steps:
        getattr(world, name)(argument)
    for user in USERS:
        world.recall([user])
