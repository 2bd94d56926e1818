"""Every store, each on a place of its own, and what is written into it."""

from collections.abc import Callable
from contextlib import contextmanager
from typing import NamedTuple

import pytest

from serving.store.contract import Store, Write
from serving.store.embedded import Embedded
from tests.serving.store.private_redis import BINARY, PrivateRedis

NEEDS_REDIS = pytest.mark.skipif(BINARY is None, reason="redis-server is not installed")
KINDS = ["embedded", pytest.param("redis", marks=NEEDS_REDIS)]


class Opened(NamedTuple):
    """A store, and how another process or replica opens it too."""

    store: Store
    again: Callable[[], Store]


@contextmanager
def opened(kind, folder):
    if kind == "embedded":
        with closing_all(lambda: Embedded(folder / "states.db", busy_seconds=60)) as found:
            yield found
        return
    from serving.store.redis import Redis

    with (
        PrivateRedis(folder) as server,
        closing_all(
            lambda: Redis(server.url, prefix="", durable=True, timeout_seconds=60)
        ) as found,
    ):
        yield found


@contextmanager
def closing_all(make):
    made = []

    def again():
        made.append(make())
        return made[-1]

    yield Opened(again(), again)
    for store in made:
        store.close()


def write(user, item, *, time=0, behaviour=None, event_id=None):
    return Write(user, str(item), time, behaviour, event_id)


def log(store, user):
    """All events of a user, as (position, item)."""
    (found,) = store.read([user], model="")
    return [(event.position, event.item) for event in found.after]
