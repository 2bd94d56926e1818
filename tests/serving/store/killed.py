"""Writers that are killed: clients that repeat what was not acknowledged, and what must be found.

A writer is a process with a few clients. Each sends its events one after the other, a few in a
call, and says of each that it is acknowledged. Killed, it is started again and sends what it had
not heard of once more, under the same event ids.
"""

import multiprocessing
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from serving.store.contract import Kept, Store, StoreError, Write

CLIENTS = 3
USERS = 2  # of all writers together, so that processes meet at one log
BATCH = 4


class Acknowledged(NamedTuple):
    client: str
    number: int  # of the client's events
    position: int
    repeated: bool


class Found(NamedTuple):
    """What became of all events of all clients."""

    kills: int
    acknowledged: int
    resent: int  # of these, found to be written already
    lost: int  # acknowledged, and not at its position
    doubled: int  # in the log more than once
    disordered: int  # a client's later event before its earlier one
    gaps: int  # positions that nobody has
    wrong_states: int  # kept states that are not of the events up to their position

    @property
    def clean(self):
        return self[3:] == (0,) * 5


def user_of(client):
    return f"user {sum(map(ord, client)) % USERS}"


def writing(make: Callable[[], Store], begin: dict[str, int], heard: Path):
    """A writer, until it is killed. What it acknowledges stands in a file, which outlives it."""
    store, line = make(), os.open(heard, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    clients = [
        threading.Thread(target=_client, args=(store, client, number, line))
        for client, number in begin.items()
    ]
    for client in clients:
        client.start()
    for client in clients:
        client.join()


def _client(store, client, number, line):
    user = user_of(client)
    while True:
        numbers = range(number, number + BATCH)
        events = [Write(user, f"{client}-{n}", n, None, f"{client}-{n}") for n in numbers]
        try:
            receipts = store.append(events)
        except StoreError:  # the server is being killed; the same once more
            time.sleep(0.01)
            continue
        for n, receipt in zip(numbers, receipts, strict=True):
            os.write(line, f"{client} {n} {receipt.position} {int(receipt.repeated)}\n".encode())
        number += BATCH
        _keep(store, user)


def _keep(store, user):
    """A state that says which events it was made of, as the memory of a bundle would."""
    try:
        (found,) = store.read([user], model="m")
        made = int(found.kept.body) if found.kept else 0
        body = str(made + len(found.after)).encode()
        store.keep([Kept(user, "m", found.epoch, found.position, body)])
    except StoreError:
        return


class Clients:
    """The clients of all writers, who remember what they were told."""

    def __init__(self, names):
        self.next = dict.fromkeys(names, 0)
        self.heard: list[Acknowledged] = []

    def hear(self, text):
        for words in text.decode().splitlines():
            client, number, position, repeated = words.rsplit(" ", 3)
            self.heard.append(Acknowledged(client, int(number), int(position), repeated == "1"))
            self.next[client] = int(number) + 1


def killing(make, folder, *, kills, seed, writers=2, kill_server=None):
    """Kills writers, or the server, at random moments; tells what the log is like afterwards."""
    draw = random.Random(seed)
    names = [[f"{writer}{client}" for client in range(CLIENTS)] for writer in range(writers)]
    clients = Clients([name for some in names for name in some])
    running = [_start(make, some, clients, folder) for some in names]
    for _ in range(kills):
        time.sleep(draw.uniform(0.01, 0.15))
        if kill_server and draw.random() < 0.5:
            kill_server()
            continue
        one = draw.randrange(writers)
        _kill(*running[one], clients=clients)
        running[one] = _start(make, names[one], clients, folder)
    for process, heard in running:
        _kill(process, heard, clients=clients)
    store = make()
    try:
        return judged(store, clients, kills=kills)
    finally:
        store.close()


def _start(make, names, clients, folder):
    """A new writer, once it is writing, so that kills hit writes and not its start."""
    heard = folder / f"heard-{names[0]}"
    begin = {name: clients.next[name] for name in names}
    process = multiprocessing.get_context("forkserver").Process(
        target=writing, args=(make, begin, heard)
    )
    process.start()
    while not heard.exists():
        time.sleep(0.005)
    return process, heard


def _kill(process, heard, *, clients):
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    clients.hear(heard.read_bytes())
    heard.unlink()


def judged(store, clients, *, kills):
    logs = {}
    for user in store.users():
        logs[user] = store.read([user], model="")[0].after
    places = {event.item: event.position for log in logs.values() for event in log}
    items = [event.item for log in logs.values() for event in log]
    lost = sum(places.get(f"{a.client}-{a.number}") != a.position for a in clients.heard)
    return Found(
        kills=kills,
        acknowledged=len({a[:2] for a in clients.heard}),
        resent=sum(a.repeated for a in clients.heard),
        lost=lost,
        doubled=len(items) - len(set(items)),
        disordered=sum(_disordered(log) for log in logs.values()),
        gaps=sum(log[-1].position - len(log) for log in logs.values()),
        wrong_states=sum(_wrong(store, user) for user in logs),
    )


def _disordered(log):
    newest, wrong = {}, 0
    for event in log:
        client = event.item.rpartition("-")[0]
        wrong += event.time < newest.get(client, -1)
        newest[client] = event.time
    return wrong


def _wrong(store, user):
    (found,) = store.read([user], model="m")
    return found.kept is not None and int(found.kept.body) != found.kept.position
