"""Requests that wait together are answered together, and none waits when nobody is being answered.

    idle ──► ask ──► a batch of what came in this turn of the loop ──► its thread
                       what arrives meanwhile is the next batch  ◄──┘

One thread answers, so a batch is also the lock. A batch is as large as can be answered within the
latency budget, judged by the batches before; who would wait longer than the patience is refused at
once, because an answer that comes too late costs as much as one in time.
"""

import asyncio
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Generic, NamedTuple, TypeVar

from serving.problem import Problem

Question = TypeVar("Question")
Found = TypeVar("Found")

MEMORY: Final = 0.8  # of the mean time, how much is kept when a batch was measured


class Budget(NamedTuple):
    """How long things may take, and how many may wait."""

    batch: int  # most in one batch
    batch_seconds: float  # a batch takes about this at most
    patience_seconds: float  # nobody waits longer for the batch it is in
    waiting: int  # nor behind more than so many


class Batch(NamedTuple, Generic[Question]):
    """What is answered at once, and since when each has been waiting."""

    questions: list[Question]
    asked: list[float]  # time.perf_counter


class Batcher(Generic[Question, Found]):
    """Collects questions on the loop and answers them in a thread of its own."""

    def __init__(
        self, name: str, answer: Callable[[Batch[Question]], Sequence[Found]], budget: Budget
    ) -> None:
        """A batcher; its loop is the running one.

        Args:
            name: For its thread.
            answer: Called in the thread; as many answers as questions, in their order. A question's
                answer may be an exception, which then is that question's alone.
            budget: Of time and places.
        """
        self.budget = budget
        self._answer = answer
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[Question, float, asyncio.Future[Found]]] = deque()
        self._busy = False
        self._each = 0.0  # seconds a question takes inside a batch
        self._batches: queue.SimpleQueue[list | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Questions that are in no batch yet."""
        return len(self._waiting)

    def ask(self, question: Question) -> "asyncio.Future[Found]":
        """The answer, later.

        Raises:
            Problem: Too many are waiting; it says for how long.
        """
        ahead = len(self._waiting)
        if ahead >= self.budget.waiting or ahead * self._each > self.budget.patience_seconds:
            wait = max(1.0, ahead * self._each)
            raise Problem(429, "more is asked than can be answered", remedy="ask later", wait=wait)
        future = self._loop.create_future()
        self._waiting.append((question, time.perf_counter(), future))
        if not self._busy:
            self._busy = True
            self._loop.call_soon(self._start)
        return future

    def close(self) -> None:
        """Ends the thread after what it is doing."""
        self._batches.put(None)
        self._thread.join()

    def _start(self) -> None:
        """Hands the next batch to the thread."""
        some = [self._waiting.popleft() for _ in range(min(self._size(), len(self._waiting)))]
        self._batches.put(some)

    def _size(self) -> int:
        """As many as the budget of time allows, one at least."""
        if not self._each:
            return self.budget.batch
        return max(1, min(self.budget.batch, int(self.budget.batch_seconds / self._each)))

    def _run(self) -> None:
        while (some := self._batches.get()) is not None:
            started = time.perf_counter()
            batch = Batch([one[0] for one in some], [one[1] for one in some])
            found: Sequence[Found | BaseException]
            try:
                found = self._answer(batch)
            except Exception as error:  # each caller hears of it, none waits for ever
                found = [error] * len(some)
            took = (time.perf_counter() - started) / len(some)
            self._loop.call_soon_threadsafe(self._finish, some, found, took)

    def _finish(self, some: list, found: Sequence[Found | BaseException], took: float) -> None:
        """Gives the answers out and goes on with what came meanwhile."""
        self._each = MEMORY * self._each + (1 - MEMORY) * took if self._each else took
        if self._waiting:
            self._start()
        else:
            self._busy = False
        for (_, _, future), answer in zip(some, found, strict=True):
            if future.cancelled():
                continue
            if isinstance(answer, BaseException):
                future.set_exception(answer)
            else:
                future.set_result(answer)
