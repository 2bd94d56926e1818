"""The store that several replicas of the service share: one Redis server, or one and its replicas.

Durable is a Redis that writes every command to its append-only file and waits for the disk before
it answers, and that evicts nothing; any other is refused unless the caller asks for less.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from serving.store import scripts
from serving.store.contract import (
    Kept,
    Logged,
    Receipt,
    Remembered,
    Store,
    StoreError,
    Write,
)

CONNECTIONS: Final = 16  # of a process; more threads wait for one
AT_ONCE: Final = 256  # users of one script, which holds up everybody else
PAGE: Final = 1000  # users listed at once
PATIENCE_SECONDS: Final = 0.02  # between two looks at what the server is doing
NEEDED: Final = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}
BUSY: Final = ("aof_rewrite_in_progress", "aof_rewrite_scheduled", "rdb_bgsave_in_progress")
NOTHING: Final = Remembered(epoch=0, position=0, kept=None, after=())


class Redis(Store):
    """Users under keys that begin with ``prefix``; threads and processes may share a server.

    Args:
        url: ``redis://``, ``rediss://`` or ``unix://``, with user and password where needed.
        prefix: What stands before every key.
        durable: Whether a server that may lose what it has acknowledged is refused.
        timeout_seconds: After which a call, or the wait for files to be rewritten, is given up.
    """

    def __init__(self, url: str, *, prefix: str, durable: bool, timeout_seconds: float) -> None:
        self.prefix, self.timeout_seconds = prefix, timeout_seconds
        self._closed = False
        pool = redis.BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=timeout_seconds,
            socket_timeout=timeout_seconds,
            socket_connect_timeout=timeout_seconds,
            retry=Retry(NoBackoff(), 0),  # an event without an id would be written twice
        )
        self._server = redis.Redis.from_pool(pool)
        with self._told():
            if durable:
                self._refuse_forgetful()
        script = self._server.register_script
        self._append, self._read = script(scripts.APPEND), script(scripts.READ)
        self._keep, self._forget = script(scripts.KEEP), script(scripts.FORGET)
        self._forget_item = script(scripts.FORGET_ITEM)

    def append(self, writes: Sequence[Write]) -> list[Receipt]:
        arguments: list[str] = []
        for user, item, moment, behaviour, event_id in writes:
            event = json.dumps([item, moment, behaviour, event_id], ensure_ascii=False)
            arguments += (user, "" if event_id is None else f"={event_id}", event)
        with self._told():
            found = self._append(args=[self.prefix, *arguments])
        return [Receipt(position=abs(position), repeated=position < 0) for position in found]

    def read(self, users: Sequence[str], *, model: str) -> list[Remembered]:
        found = []
        for start in range(0, len(users), AT_ONCE):
            some = users[start : start + AT_ONCE]
            with self._told():
                rows = self._read(args=[self.prefix, model, *some])
            pairs = zip(some, rows, strict=True)
            found += [_remembered(row, user=user, model=model) for user, row in pairs]
        return found

    def keep(self, states: Sequence[Kept]) -> None:
        for start in range(0, len(states), AT_ONCE):
            some = states[start : start + AT_ONCE]
            with self._told():
                self._keep(args=[self.prefix, *(field for state in some for field in state)])

    def forget(self, users: Sequence[str]) -> list[int]:
        with self._told():
            counts = self._forget(args=[self.prefix, *users])
            self._scrub()
        return counts

    def forget_item(self, user: str, *, item: str) -> int:
        with self._told():
            count = self._forget_item(args=[self.prefix, user, item])
            self._scrub()
        return count

    def users(self) -> Iterator[str]:
        last = 0.0
        while True:
            with self._told():
                page: Any = self._server.zrange(
                    f"{self.prefix}users",
                    f"({last}",
                    "+inf",
                    byscore=True,
                    withscores=True,
                    offset=0,
                    num=PAGE,
                )
                names = self._with_events([name.decode() for name, _ in page])
            yield from names
            if len(page) < PAGE:
                return
            last = page[-1][1]

    def ready(self) -> None:
        with self._told():  # written, because a full or read-only server still answers reads
            self._server.set(f"{self.prefix}ready", 1)

    def close(self) -> None:
        self._closed = True
        self._server.close()

    def _with_events(self, names: Sequence[str]) -> list[str]:
        """Those who have some; a user may have been left none, item by item."""
        asked = self._server.pipeline(transaction=False)
        for name in names:
            asked.exists(f"{self.prefix}l:{name}")
        return [name for name, there in zip(names, asked.execute(), strict=True) if there]

    def _refuse_forgetful(self) -> None:
        found = {name: self._setting(name) for name in NEEDED}
        wrong = [f"{name} {found[name]}" for name in NEEDED if found[name] != NEEDED[name]]
        if wrong:
            wanted = ", ".join(f"{name} {value}" for name, value in NEEDED.items())
            message = (
                f"this Redis may lose acknowledged events, it has {', '.join(wrong)}: "
                f"set {wanted}, or store.durable=false to accept the loss"
            )
            raise StoreError(message)

    def _setting(self, name: str) -> str:
        found: Any = self._server.config_get(name)
        return found[name]

    def _scrub(self) -> None:
        """Has the server write its files anew, in which old commands still name the forgotten."""
        facts: Any = self._server.info("persistence")
        if facts["aof_enabled"]:
            self._write_anew(self._server.bgrewriteaof, status="aof_last_bgrewrite_status")
        if self._setting("save"):
            self._write_anew(self._server.bgsave, status="rdb_last_bgsave_status")

    def _write_anew(self, start: Callable[[], object], *, status: str) -> None:
        """Starts the work when no earlier one is going on, which may still know the forgotten."""
        deadline = time.monotonic() + self.timeout_seconds
        self._wait(deadline=deadline)
        with suppress(redis.ResponseError):  # another replica began in between: as good as ours
            start()
        self._wait(deadline=deadline)
        facts: Any = self._server.info("persistence")
        if facts[status] != "ok":
            message = f"Redis could not write its files anew ({status}): mend it and forget again"
            raise StoreError(message)

    def _wait(self, *, deadline: float) -> None:
        """Until the server writes no file in the background."""
        while True:
            facts: Any = self._server.info("persistence")
            if not any(facts.get(name) for name in BUSY):
                return
            if time.monotonic() > deadline:
                message = "Redis still writes its files, which may name the forgotten: forget again"
                raise StoreError(message)
            time.sleep(PATIENCE_SECONDS)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What went wrong with the server as a StoreError."""
        if self._closed:
            message = "the store is closed: open it again"
            raise StoreError(message)
        try:
            yield
        except redis.RedisError as error:
            message = f"Redis cannot be used ({error}): see that it runs, is writable and not full"
            raise StoreError(message) from error


def _remembered(row: Any, *, user: str, model: str) -> Remembered:  # noqa: ANN401 - a reply
    if row is None:
        return NOTHING
    epoch, position, kept_position, body, after = row
    kept = None if body is None else Kept(user, model, epoch, kept_position, body)
    events = [_logged(entry) for entry in after]
    later = [event for event in events if event.position > (kept_position or 0)]
    return Remembered(epoch, position, kept, later)


def _logged(entry: bytes) -> Logged:
    position, _, event = entry.partition(b" ")
    item, moment, behaviour, _ = json.loads(event)
    return Logged(int(position), item, moment, behaviour)
