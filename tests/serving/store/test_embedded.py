"""What is particular to the file of the embedded store."""

import random
import sqlite3
import stat

import pytest

from serving.store.contract import Kept, StoreError
from serving.store.embedded import Embedded
from serving.store.schema import VERSION
from tests.serving.store.stores import log, write


@pytest.fixture
def path(tmp_path):
    return tmp_path / "states.db"


@pytest.fixture
def store(path):
    made = Embedded(path, busy_seconds=5)
    yield made
    made.close()


def everything(path):
    """The bytes of the file, of its log and of its index."""
    return b"".join(file.read_bytes() for file in sorted(path.parent.glob(f"{path.name}*")))


def direct(path, statement):
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        return connection.execute(statement).fetchall()
    finally:
        connection.close()


def test_the_file_is_for_its_owner_only(store, path):
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    store.append([write("ann", 1)])
    modes = [stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()]
    assert modes == [0o600] * 3


def test_a_stranger_reads_all_events_while_the_store_is_open(store, path):
    store.append([write("ann", 5, time=60, behaviour="view", event_id="a"), write("bob", 6)])
    columns = "user, position, event_id, item, time, behaviour"
    found = direct(path, f"SELECT {columns} FROM events ORDER BY user, position")
    assert found == [("ann", 1, "a", "5", 60, "view"), ("bob", 1, None, "6", 0, None)]


def test_a_file_of_a_later_version_is_refused(store, path):
    store.close()
    direct(path, f"PRAGMA user_version = {VERSION + 1}")
    with pytest.raises(StoreError, match=f"version {VERSION + 1}"):
        Embedded(path, busy_seconds=5)


def test_a_database_of_another_program_is_refused_and_left_alone(path):
    direct(path, "CREATE TABLE users (name TEXT)")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="another program"):
        Embedded(path, busy_seconds=5)
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_refused_and_left_alone(path):
    path.write_bytes(b"user_id,item_id\n" * 100)
    with pytest.raises(StoreError, match="not a database"):
        Embedded(path, busy_seconds=5)
    assert path.read_bytes() == b"user_id,item_id\n" * 100


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(StoreError, match="absent"):
        Embedded(tmp_path / "absent" / "states.db", busy_seconds=5)


def test_a_file_held_by_another_process_is_a_store_error_after_the_wait(store, path):
    impatient = Embedded(path, busy_seconds=0.05)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked"):
        impatient.append([write("ann", 1)])
    with pytest.raises(StoreError, match="locked"):
        impatient.ready()
    assert log(impatient, "ann") == []
    other.close()
    assert impatient.append([write("ann", 1)])[0].position == 1
    impatient.close()


def test_a_full_disk_writes_nothing_and_is_told(store, path):
    store.append([write("ann", 1)])
    (pages,) = direct(path, "PRAGMA page_count")[0]
    for connection in store._idle:  # what a full disk says, SQLite says at a page too many
        connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError, match="full"):
        store.append([write(f"user {place}", "x" * 1000) for place in range(50)])
    assert list(store.users()) == ["ann"]
    assert store.append([write("ann", 2)])[0].position == 2


def names(draw, count):
    return [f"person-{place:06d}-{draw.getrandbits(64):016x}" for place in range(count)]


def test_forgotten_bytes_are_in_no_file(store, path):
    draw = random.Random(0)
    users = names(draw, 400)
    for turn in range(6):  # pages fill, split and are joined on the way
        draw.shuffle(users)
        store.append(
            [
                write(user, f"thing-{user}", behaviour=f"did-{user}", event_id=f"{user}/{turn}{e}")
                for user in users
                for e in range(draw.randint(0, 3))
            ]
        )
        known = store.read(users, model="m")
        states = [
            Kept(user, "m", found.epoch, found.position, f"state-{user}".encode() * 300)
            for user, found in zip(users, known, strict=True)
        ]
        store.keep(states)
        if turn == 3:
            store.forget(users[:50])
    there = list(store.users())
    gone, left, found = there[:200], there[200:], everything(path)
    assert all(user.encode() in found for user in there)
    store.forget(gone)
    found = everything(path)
    assert [user for user in gone if user.encode() in found] == []
    assert all(user.encode() in found for user in left)


def test_a_forgotten_item_is_in_no_file(store, path):
    draw = random.Random(0)
    items = names(draw, 300)
    store.append([write(f"user {draw.randrange(20)}", item) for item in items * 2])
    store.append([write("ann", item) for item in items])
    assert [store.forget_item("ann", item=item) for item in items[:20]] == [1] * 20
    others = {item for user in store.users() for _, item in log(store, user)}
    assert others == set(items)
    for user in store.users():
        store.forget_item(user, item=items[0])
    assert items[0].encode() not in everything(path)


def test_forgetting_says_so_when_a_reader_still_holds_the_bytes(path):
    store = Embedded(path, busy_seconds=0.05)
    store.append([write("ann-of-the-mill", 1)])
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM events").fetchall()
    with pytest.raises(StoreError, match="forget again"):
        store.forget(["ann-of-the-mill"])
    assert b"ann-of-the-mill" in everything(path)
    reader.close()
    assert store.forget(["ann-of-the-mill"]) == [0]
    assert b"ann-of-the-mill" not in everything(path)
    store.close()


def test_a_state_made_before_forgetting_does_not_come_into_the_file_after_it(store, path):
    store.append([write("ann", 1), write("bob", 1)])
    ann, bob = store.read(["ann", "bob"], model="m")
    store.forget(["ann"])
    store.forget_item("bob", item="1")
    store.append([write("ann", 2), write("bob", 2)])
    store.keep([Kept("ann", "m", ann.epoch, 1, b"what ann did")])
    store.keep([Kept("bob", "m", bob.epoch, 1, b"what bob did")])
    assert b"what ann did" not in everything(path)
    assert b"what bob did" not in everything(path)


def test_events_wait_for_the_disk_and_states_do_not(store):
    waits = []
    store.append([write("ann", 1)])
    (found,) = store.read(["ann"], model="m")
    state = Kept("ann", "m", found.epoch, 1, b"state")
    store.keep([state])
    (connection,) = store._idle
    for call in (lambda: store.append([write("ann", 2)]), lambda: store.keep([state])):
        call()
        waits.append(connection.execute("PRAGMA synchronous").fetchone()[0])
    assert waits == [2, 1]  # FULL syncs the log at every commit, NORMAL at checkpoints


def test_nothing_is_left_beside_the_file_once_it_is_closed(store, path):
    store.append([write("ann", 1)])
    store.close()
    assert list(path.parent.iterdir()) == [path]
