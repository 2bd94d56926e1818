"""The embedded store: one durable SQLite file, shared by all workers of a machine, no server.

A write is acknowledged after the write-ahead log has reached the disk. States are a cache: they
are not waited for, and after a power cut the newest of them may be missing and are made again.
"""

import sqlite3
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from serving.store.contract import (
    Kept,
    Logged,
    Receipt,
    Remembered,
    Store,
    StoreError,
    Write,
)
from serving.store.schema import connect, create

AT_ONCE: Final = 1024  # users of one statement
PAGE: Final = 1000  # users listed at once
FIND: Final = "SELECT number, epoch, position FROM users WHERE user = ?"
ENROL: Final = """INSERT INTO users (user, epoch, position)
    SELECT ?, count + 1, 0 FROM forgettings RETURNING number, epoch, position"""
LOG: Final = "INSERT INTO logged VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
REPEATED: Final = "SELECT position FROM logged WHERE user = ? AND event_id = ?"
MOVE: Final = "UPDATE users SET position = ? WHERE number = ?"
READ: Final = """SELECT users.user, users.number, users.epoch, users.position,
        states.position, states.body
    FROM users LEFT JOIN states ON states.place = 2 * users.number + ? % 2
        AND states.model = ? AND states.epoch = users.epoch
    WHERE users.user IN ({})"""
AFTER: Final = """SELECT position, item, time, behaviour FROM logged
    WHERE user = ? AND position > ? ORDER BY position"""
MODEL: Final = "SELECT number FROM models WHERE model = ?"
KEEP: Final = """INSERT INTO states SELECT 2 * number + ?1 % 2, ?1, ?3, ?4, ?5 FROM users
        WHERE user = ?2 AND epoch = ?3 AND position >= ?4
    ON CONFLICT (place) DO UPDATE
        SET model = excluded.model, epoch = excluded.epoch,
            position = excluded.position, body = excluded.body
        WHERE model != excluded.model
            OR (epoch, position) < (excluded.epoch, excluded.position)"""
UNSTATE: Final = "DELETE FROM states WHERE place IN (?, ?)"
FORGOTTEN: Final = "UPDATE forgettings SET count = count + 1"
RENEW: Final = "UPDATE users SET epoch = (SELECT count + 1 FROM forgettings) WHERE number = ?"
LISTED: Final = """SELECT number, user FROM users WHERE number > ?
    AND EXISTS (SELECT 1 FROM logged WHERE logged.user = number) ORDER BY number LIMIT ?"""


class _Place(NamedTuple):
    """Where a user's log ends."""

    number: int
    epoch: int
    position: int


class Embedded(Store):
    """One SQLite file; several threads and processes may use it at once.

    A process that forks opens its own. Whoever cannot get at the file within ``busy_seconds``,
    because another process holds it, gets a StoreError.
    """

    def __init__(self, path: Path, *, busy_seconds: float) -> None:
        self.path, self.busy_seconds = path, busy_seconds
        self._idle: deque[sqlite3.Connection] = deque()
        self._writer = threading.Lock()  # threads queue here rather than at the file
        self._models: dict[str, int] = {}
        self._closed = False
        with _told(path):
            create(path, busy_seconds=busy_seconds)

    def append(self, writes: Sequence[Write]) -> list[Receipt]:
        with self._writing() as connection:
            places: dict[str, _Place] = {}
            receipts = [_log(connection, write, places) for write in writes]
            moved = [(place.position, place.number) for place in places.values()]
            connection.executemany(MOVE, moved)
        return receipts

    def read(self, users: Sequence[str], *, model: str) -> list[Remembered]:
        found: dict[str, Remembered] = {}
        with self._connected() as connection, _snapshot(connection):
            number = self._number(connection, model)
            for start in range(0, len(users), AT_ONCE):
                asked = users[start : start + AT_ONCE]
                found |= _read(connection, asked, model=model, number=number)
        nothing = Remembered(epoch=0, position=0, kept=None, after=())
        return [found.get(user, nothing) for user in users]

    def keep(self, states: Sequence[Kept]) -> None:
        with self._writing(synchronous="NORMAL") as connection:
            models = {state.model for state in states}
            numbers = {model: _enter(connection, model) for model in sorted(models)}
            rows = [(numbers[state.model], state.user, *state[2:]) for state in states]
            connection.executemany(KEEP, rows)

    def forget(self, users: Sequence[str]) -> list[int]:
        with self._writing() as connection:
            counts = [_forget(connection, user) for user in users]
            connection.execute(FORGOTTEN)
        self._scrub()
        return counts

    def forget_item(self, user: str, *, item: str) -> int:
        with self._writing() as connection:
            count = _forget_item(connection, user, item=item)
        self._scrub()
        return count

    def users(self) -> Iterator[str]:
        last = 0
        while True:
            with self._connected() as connection:
                page = connection.execute(LISTED, (last, PAGE)).fetchall()
            yield from (user for _, user in page)
            if len(page) < PAGE:
                return
            last = page[-1][0]

    def ready(self) -> None:
        with self._writing() as connection:
            connection.execute("SELECT count FROM forgettings").fetchone()

    def close(self) -> None:
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def _number(self, connection: sqlite3.Connection, model: str) -> int:
        """The model's number, 0 where no state of it was ever kept."""
        if model not in self._models:
            row = connection.execute(MODEL, (model,)).fetchone()
            if row is None:
                return 0
            self._models[model] = row[0]
        return self._models[model]

    def _scrub(self) -> None:
        """Writes the file anew and empties its log, so that no byte of what was deleted is left.

        Deleted rows are zeros at once, but where rows were moved to another page before, the old
        page may still hold a copy between its rows.
        """
        with self._writer, _told(self.path):
            connection = connect(self.path, busy_seconds=self.busy_seconds)
            try:
                connection.execute("PRAGMA temp_store = FILE")  # a copy of the whole for a while
                connection.execute("VACUUM")
                busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            finally:
                connection.close()
        if busy:
            message = (
                f"'{self.path}' is being read, so its log still holds what was forgotten: "
                "end long readers and forget again"
            )
            raise StoreError(message)

    @contextmanager
    def _writing(self, *, synchronous: str = "FULL") -> Iterator[sqlite3.Connection]:
        """A transaction that holds the file alone, committed where the block ends well."""
        with self._writer, self._connected() as connection:
            connection.execute(f"PRAGMA synchronous = {synchronous}")
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        """A connection for this thread alone; one that failed is not used again."""
        if self._closed:
            message = f"the store '{self.path}' is closed: open it again"
            raise StoreError(message)
        with _told(self.path):
            try:
                connection = self._idle.pop()
            except IndexError:
                connection = connect(self.path, busy_seconds=self.busy_seconds)
            try:
                yield connection
            except BaseException:
                connection.close()
                raise
        self._idle.append(connection)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """What went wrong with the file as a StoreError."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        message = f"'{path}' cannot be used ({error}): see that it is a store, writable, not full"
        raise StoreError(message) from error


@contextmanager
def _snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    """All statements of the block see the file as it was at the first of them."""
    connection.execute("BEGIN")
    yield
    connection.execute("COMMIT")


def _log(connection: sqlite3.Connection, write: Write, places: dict[str, _Place]) -> Receipt:
    """Logs one event behind the user's last, which ``places`` then says."""
    place = places.get(write.user) or _place(connection, write.user)
    row = (place.number, place.position + 1, write.event_id, *write[1:4])
    new = connection.execute(LOG, row).rowcount == 1
    places[write.user] = place._replace(position=place.position + new)
    if new:
        return Receipt(position=place.position + 1, repeated=False)
    (position,) = connection.execute(REPEATED, (place.number, write.event_id)).fetchone()
    return Receipt(position=position, repeated=True)


def _place(connection: sqlite3.Connection, user: str) -> _Place:
    found = connection.execute(FIND, (user,)).fetchone()
    return _Place._make(found or connection.execute(ENROL, (user,)).fetchone())


def _enter(connection: sqlite3.Connection, model: str) -> int:
    """The model's number, a new one for a new model."""
    connection.execute("INSERT INTO models (model) VALUES (?) ON CONFLICT DO NOTHING", (model,))
    return connection.execute(MODEL, (model,)).fetchone()[0]


def _read(
    connection: sqlite3.Connection, users: Sequence[str], *, model: str, number: int
) -> dict[str, Remembered]:
    """What is known of those among these users who are known."""
    size = 1 << max(len(users) - 1, 0).bit_length()  # few different statements
    asked = [*users, *[users[-1]] * (size - len(users))]
    rows = connection.execute(READ.format(",".join("?" * size)), (number, number, *asked))
    found = {}
    for user, place, epoch, position, kept_position, body in rows.fetchall():
        kept = None if body is None else Kept(user, model, epoch, kept_position, body)
        after: list[Logged] = []
        if position != kept_position:
            later = connection.execute(AFTER, (place, kept_position or 0))
            after = [Logged._make(row) for row in later]
        found[user] = Remembered(epoch, position, kept, after)
    return found


def _forget(connection: sqlite3.Connection, user: str) -> int:
    found = connection.execute(FIND, (user,)).fetchone()
    if found is None:
        return 0
    number = found[0]
    count = connection.execute("DELETE FROM logged WHERE user = ?", (number,)).rowcount
    connection.execute(UNSTATE, (2 * number, 2 * number + 1))
    connection.execute("DELETE FROM users WHERE number = ?", (number,))
    return count


def _forget_item(connection: sqlite3.Connection, user: str, *, item: str) -> int:
    found = connection.execute(FIND, (user,)).fetchone()
    if found is None:
        return 0
    number = found[0]
    count = connection.execute(
        "DELETE FROM logged WHERE user = ? AND item = ?", (number, item)
    ).rowcount
    if count:
        connection.execute(UNSTATE, (2 * number, 2 * number + 1))
        connection.execute(FORGOTTEN)
        connection.execute(RENEW, (number,))
    return count
