"""Every store, each on a place of its own, and what is written into it."""

from contextlib import contextmanager
from functools import partial

import pytest

from serving.store.contract import Write
from serving.store.embedded import Embedded
from tests.serving.store.private_redis import BINARY, PrivateRedis

NEEDS_REDIS = pytest.mark.skipif(BINARY is None, reason="redis-server is not installed")
KINDS = ["embedded", pytest.param("redis", marks=NEEDS_REDIS)]


@contextmanager
def place(kind, folder):
    """Gives what opens the store, in this process or another one, as often as it is called."""
    if kind == "embedded":
        yield partial(Embedded, folder / "states.db", busy_seconds=60)
        return
    from serving.store.redis import Redis

    with PrivateRedis(folder) as server:
        yield partial(Redis, server.url, prefix="", durable=True, timeout_seconds=60)


def write(user, item, *, time=0, behaviour=None, event_id=None):
    return Write(user, str(item), time, behaviour, event_id)


def log(store, user):
    """All events of a user, as (position, item)."""
    (found,) = store.read([user], model="")
    return [(event.position, event.item) for event in found.after]
