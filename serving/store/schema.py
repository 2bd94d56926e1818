"""The file of the embedded store: its tables, how it is made, and which file is refused.

Who reads the file from outside finds every event in the view ``events``: user, position, event_id,
item, time, behaviour.
"""

import os
import sqlite3
from pathlib import Path
from typing import Final

from serving.store.contract import StoreError

VERSION: Final = 1
OURS: Final = 0x7265_6373  # application_id: "recs"
# A user keeps the states of two models: a model's number mod 2 is the place, so the states of a new
# model grow beside those that are served, and those of a third one replace the first's.
SCHEMA: Final = """
CREATE TABLE forgettings (count INTEGER NOT NULL);
INSERT INTO forgettings VALUES (0);
CREATE TABLE users (
    number INTEGER PRIMARY KEY, user TEXT NOT NULL UNIQUE,
    epoch INTEGER NOT NULL, position INTEGER NOT NULL);
CREATE TABLE logged (
    user INTEGER NOT NULL, position INTEGER NOT NULL, event_id TEXT,
    item TEXT NOT NULL, time INTEGER NOT NULL, behaviour TEXT,
    PRIMARY KEY (user, position)) WITHOUT ROWID;
CREATE UNIQUE INDEX once ON logged (user, event_id) WHERE event_id IS NOT NULL;
CREATE TABLE models (number INTEGER PRIMARY KEY, model TEXT NOT NULL UNIQUE);
CREATE TABLE states (
    place INTEGER PRIMARY KEY, model INTEGER NOT NULL,
    epoch INTEGER NOT NULL, position INTEGER NOT NULL, body BLOB NOT NULL);
CREATE VIEW events AS
    SELECT users.user, logged.position, event_id, item, time, behaviour
    FROM logged JOIN users ON users.number = logged.user;
"""


def connect(path: Path, *, busy_seconds: float) -> sqlite3.Connection:
    """A connection that overwrites what it deletes; of one thread at a time."""
    connection = sqlite3.connect(
        path, timeout=busy_seconds, isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA fullfsync = ON")  # macOS: past the disk's own cache
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection


def create(path: Path, *, busy_seconds: float) -> None:
    """Makes the file where there is none, readable for its owner only, and checks what is there."""
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    connection = connect(path, busy_seconds=busy_seconds)
    try:
        connection.execute("BEGIN IMMEDIATE")
        if _is_new(connection, path=path):
            for statement in SCHEMA.split(";\n"):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {OURS}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")
    finally:
        connection.close()


def _is_new(connection: sqlite3.Connection, *, path: Path) -> bool:
    """Whether the file is empty; one of somebody else or of a later version is refused."""
    (owner,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if (owner, version) == (OURS, VERSION):
        return False
    if owner == OURS:
        message = f"'{path}' is of version {version}, but this recsys reads {VERSION}: update it"
        raise StoreError(message)
    if tables:
        message = f"'{path}' is a database of another program: give another path"
        raise StoreError(message)
    return True
