"""What this process serves with: the model, the store and the threads that answer."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import numpy as np
import orjson

from serving import lists
from serving.batching import Batch, Batcher, Budget
from serving.exchange import Reply
from serving.lists import Question, Served
from serving.metrics import Metrics
from serving.model import Model
from serving.problem import Problem
from serving.states import States
from serving.store.contract import Receipt, Store, StoreError, Write

Found = TypeVar("Found")

logger = logging.getLogger(__name__)


class Caps(NamedTuple):
    """How much one request may ask for."""

    body_bytes: int  # also after it was unpacked
    list_length: int
    ids: int  # in one array
    requests: int  # in one body
    rows: int  # users in one tensor


class Service:
    """One process's share of the service; made on its loop."""

    def __init__(
        self,
        model: Model,
        store: Store,
        *,
        caps: Caps,
        budget: Budget,
        tile: int | None,
        metrics: Metrics,
    ) -> None:
        self.store = store
        self.caps = caps
        self.metrics = metrics
        self.served = self.states_of(model)
        self.draining = False
        self._tile = tile
        self.questions: Batcher[Question, Reply] = Batcher("recommend", self._recommend, budget)
        self.writes: Batcher[Sequence[Write], Reply] = Batcher("events", self._append, budget)
        self._aside = ThreadPoolExecutor(1, thread_name_prefix="aside")
        self._aside_waiting = 0
        self._most_aside = budget.waiting

    @property
    def model(self) -> Model:
        """The model that answers now."""
        return self.served.model

    def states_of(self, model: Model) -> Served:
        """A model with what it makes of the store's logs."""
        return Served(model, States(self.store, model.bundle))

    def take(self, served: Served) -> None:
        """Serves this model from the next batch on."""
        self.served = served

    async def aside(self, work: Callable[[], Found]) -> Found:
        """The result of what is rarely asked for, done beside the batches.

        Raises:
            Problem: Too much is waiting.
        """
        if self._aside_waiting >= self._most_aside:
            raise Problem(429, "more is asked than can be answered", remedy="ask later", wait=1)
        self._aside_waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._aside, work)
        finally:
            self._aside_waiting -= 1

    def measure(self, *, connections: int) -> None:
        """Enters how much is waiting now."""
        waiting = (self.questions.waiting, self.writes.waiting, self._aside_waiting)
        for kind, count in zip(("recommend", "events", "aside"), waiting, strict=True):
            self.metrics.set("recsys_waiting", kind, to=count)
        self.metrics.set("recsys_connections", to=connections)

    def close(self) -> None:
        """Ends the threads and lets go of the store."""
        self.questions.close()
        self.writes.close()
        self._aside.shutdown()
        self.store.close()

    def _recommend(self, batch: Batch[Question]) -> list[Reply]:
        self._waited(batch, "recommend")
        found = lists.answer(self.served, batch.questions, tile=self._tile, metrics=self.metrics)
        return [Reply(200, text) for text in found]

    def _append(self, batch: Batch[Sequence[Write]]) -> list[Reply]:
        """All writes of the batch at once: one wait for the disk, all of them or none."""
        self._waited(batch, "events")
        started = time.perf_counter()
        writes = [write for some in batch.questions for write in some]
        receipts = iter(self.store.append(writes))
        took = time.perf_counter() - started
        self.metrics.observe("recsys_stage_seconds", "append", value=took)
        replies = []
        for some in batch.questions:
            mine = [next(receipts) for _ in some]
            self._count(some, mine)
            events = [receipt._asdict() for receipt in mine]
            replies.append(Reply(200, orjson.dumps({"events": events})))
        return replies

    def _count(self, writes: Sequence[Write], receipts: Sequence[Receipt]) -> None:
        repeated = sum(receipt.repeated for receipt in receipts)
        index, behaviours = self.model.index, self.model.behaviours
        unknown = sum(
            write.item not in index
            or not (write.behaviour is None or not behaviours or write.behaviour in behaviours)
            for write in writes
        )
        self.metrics.add("recsys_events", "repeated", amount=repeated)
        self.metrics.add("recsys_events", "written", amount=len(receipts) - repeated)
        self.metrics.add("recsys_events_unknown", amount=unknown)

    def _waited(self, batch: Batch, kind: str) -> None:
        now = time.perf_counter()
        self.metrics.observe("recsys_batch_requests", kind, value=len(batch.asked))
        if kind == "recommend":
            waits = now - np.array(batch.asked)
            self.metrics.observe_all("recsys_stage_seconds", "wait", values=waits)


def unavailable(error: StoreError) -> Problem:
    """What a caller is told when the store fails."""
    remedy = "send it again, events with the same event_id"
    return Problem(503, f"the state store cannot be used now ({error})", remedy=remedy, wait=1)
