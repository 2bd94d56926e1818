"""kill -9 while events are written: nothing acknowledged is lost, nothing is written twice."""

from functools import partial

from serving.store.embedded import Embedded
from tests.serving.store.killed import killing
from tests.serving.store.private_redis import PrivateRedis
from tests.serving.store.stores import NEEDS_REDIS


def test_killed_writers_lose_nothing_in_the_file(tmp_path):
    opened = partial(Embedded, tmp_path / "states.db", busy_seconds=60)
    found = killing(opened, tmp_path, kills=8, seed=0)
    assert found.acknowledged > 0
    assert found.clean, found


@NEEDS_REDIS
def test_killed_writers_and_servers_lose_nothing_in_redis(tmp_path):
    from serving.store.redis import Redis

    with PrivateRedis(tmp_path) as server:
        opened = partial(Redis, server.url, prefix="", durable=True, timeout_seconds=10)
        found = killing(opened, tmp_path, kills=8, seed=0, kill_server=server.restart)
    assert found.acknowledged > 0
    assert found.clean, found
