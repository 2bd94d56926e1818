"""What is particular to a Redis server."""

import random
import time

import pytest

from serving.store.contract import Kept, StoreError
from tests.serving.store.private_redis import DURABLE, PrivateRedis
from tests.serving.store.stores import NEEDS_REDIS, log, write

pytestmark = NEEDS_REDIS


def opened(server, *, prefix="", durable=True):
    from serving.store.redis import Redis

    return Redis(server.url, prefix=prefix, durable=durable, timeout_seconds=30)


@pytest.fixture
def server(tmp_path):
    with PrivateRedis(tmp_path) as found:
        yield found


@pytest.fixture
def store(server):
    made = opened(server)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--appendonly", "no"), "appendonly no"),
        (("--appendonly", "yes", "--appendfsync", "everysec"), "appendfsync everysec"),
        ((*DURABLE, "--maxmemory-policy", "allkeys-lru"), "maxmemory-policy allkeys-lru"),
    ],
)
def test_a_server_that_may_lose_events_is_refused_unless_asked_for(tmp_path, options, named):
    with PrivateRedis(tmp_path, *options) as server:
        with pytest.raises(StoreError, match=f"{named}.*store.durable=false"):
            opened(server)
        forgetful = opened(server, durable=False)
        assert forgetful.append([write("ann", 1)])[0].position == 1
        assert forgetful.forget(["ann"]) == [1]
        forgetful.close()


def test_two_services_on_one_server_do_not_meet(server, store):
    other = opened(server, prefix="other:")
    store.append([write("ann", 1)])
    other.append([write("ann", 2), write("bob", 3)])
    other.forget(["bob"])
    assert log(store, "ann") == [(1, "1")]
    assert list(other.users()) == ["ann"]
    other.close()


def test_what_is_acknowledged_outlives_a_killed_server(server, store):
    store.append([write("ann", 1, event_id="a"), write("ann", 2)])
    (found,) = store.read(["ann"], model="m")
    store.keep([Kept("ann", "m", found.epoch, 2, b"state")])
    before = store.read(["ann"], model="m")
    server.kill()
    with pytest.raises(StoreError, match="cannot be used"):
        store.read(["ann"], model="m")
    with pytest.raises(StoreError, match="cannot be used"):
        store.ready()
    server.start()
    store.ready()
    assert store.read(["ann"], model="m") == before
    assert store.append([write("ann", 1, event_id="a")])[0].repeated


def test_a_full_server_writes_nothing_and_is_told_but_forgets(server, store):
    import redis

    store.append([write("ann", 1), write("bob", 2)])
    with redis.Redis.from_url(server.url) as settings:
        settings.config_set("maxmemory", "1mb")  # less than an empty server takes
        with pytest.raises(StoreError, match="maxmemory"):
            store.append([write("ann", 3)])
        with pytest.raises(StoreError, match="maxmemory"):
            store.ready()
        assert store.forget(["bob"]) == [1]
        settings.config_set("maxmemory", "0")
    assert log(store, "ann") == [(1, "1")]
    assert list(store.users()) == ["ann"]
    store.ready()


def everything(folder):
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


def gone(folder, names):
    """Whether no file names them; the server removes its old files a moment later."""
    for _ in range(100):
        found = everything(folder)
        if not any(name.encode() in found for name in names):
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("save", ["", "3600 1"])
def test_forgotten_bytes_are_in_no_file(tmp_path, save):
    draw = random.Random(0)
    users = [f"person-{place}-{draw.getrandbits(64):016x}" for place in range(60)]
    with PrivateRedis(tmp_path, *DURABLE[:-1], save) as server:
        store = opened(server)
        store.append([write(user, f"thing-{user}", event_id=f"id-{user}") for user in users])
        found = store.read(users, model="m")
        pairs = zip(users, found, strict=True)
        store.keep([Kept(u, "m", row.epoch, row.position, u.encode()) for u, row in pairs])
        assert not gone(tmp_path, users[:1])
        store.forget(users[:30])
        assert gone(tmp_path, users[:30])
        assert store.forget_item(users[30], item=f"thing-{users[30]}") == 1
        assert gone(tmp_path, [f"thing-{users[30]}", f"id-{users[30]}"])
        assert all(user.encode() in everything(tmp_path) for user in users[30:])
        store.close()
