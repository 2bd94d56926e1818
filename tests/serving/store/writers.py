"""A crowd that writes to one user at the same time: processes, each of many threads."""

import multiprocessing
import threading
import time
from typing import NamedTuple

from tests.serving.store.stores import write


class Written(NamedTuple):
    event_id: str
    position: int
    sent: float  # by a clock that all processes share
    acknowledged: float


def crowd(make, *, processes, threads):
    """What each of the writers was told; all begin at once."""
    context = multiprocessing.get_context("forkserver")
    start, told = context.Barrier(processes), context.Queue()
    running = [
        context.Process(target=_process, args=(make, number, threads, start, told))
        for number in range(processes)
    ]
    for process in running:
        process.start()
    found = [row for _ in running for row in told.get(timeout=120)]
    for process in running:
        process.join()
    return [Written(*row) for row in found]


def _process(make, number, threads, start, told):
    store, found, ready = make(), [], threading.Barrier(threads)
    start.wait()

    def work(thread):
        event_id = f"{number}-{thread}"
        ready.wait()
        sent = time.monotonic()
        (receipt,) = store.append([write("ann", event_id, event_id=event_id)])
        found.append((event_id, receipt.position, sent, time.monotonic()))

    workers = [threading.Thread(target=work, args=(thread,)) for thread in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    store.close()
    told.put(found)
