"""Requests that wait together are answered together, and none waits when nobody is being answered.

    idle ──► ask ──► a batch of what came in this turn of the loop ──► its thread
                       what arrives meanwhile is the next batch  ◄──┘

One thread answers, so a batch is also the lock. A batch is as large as can be answered within the
latency budget, judged by the batches before (``pace.py``). Who would wait longer than the patience
is refused at once, and who has waited longer when his batch begins is refused then: an answer that
comes too late costs as much as one in time.
"""

import asyncio
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Generic, NamedTuple, TypeVar

from serving.pace import Pace
from serving.problem import Problem

Question = TypeVar("Question")
Found = TypeVar("Found")

FEW: Final = 4  # questions that are answered together however long they take


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
        self._pace = Pace()
        self._ends = 0.0  # when the batch that is being answered will be done, about
        self._batches: queue.SimpleQueue[list | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Questions that are in no batch yet."""
        return len(self._waiting)

    def ask(self, question: Question) -> "asyncio.Future[Found]":
        """The answer, later; or a Problem, where it waits longer than the patience after all.

        Raises:
            Problem: Too many are waiting; it says for how long.
        """
        now = time.perf_counter()
        wait = self._wait(now)
        if len(self._waiting) >= self.budget.waiting or wait > self.budget.patience_seconds:
            raise _too_much(wait)
        future = self._loop.create_future()
        self._waiting.append((question, now, future))
        if not self._busy:
            self._busy = True
            self._loop.call_soon(self._start)
        return future

    def close(self) -> None:
        """Ends the thread after what it is doing."""
        self._batches.put(None)
        self._thread.join()

    def _wait(self, now: float) -> float:
        """Seconds until the batch of who asks now begins, about."""
        if not self._busy:
            return 0.0
        size = self._size()
        return max(self._ends - now, 0.0) + len(self._waiting) // size * self._pace.seconds(size)

    def _start(self) -> None:
        """Hands the next batch to the thread; without anybody to answer it is idle again."""
        now = time.perf_counter()
        size = self._size()
        some: list[tuple[Question, float, asyncio.Future[Found]]] = []
        while self._waiting and len(some) < size:
            question, asked, future = self._waiting.popleft()
            if now - asked <= self.budget.patience_seconds:
                some.append((question, asked, future))
            elif not future.cancelled():
                future.set_exception(_too_much(self._wait(now)))
        self._busy = bool(some)
        if some:
            self._ends = now + self._pace.seconds(len(some))
            self._batches.put(some)

    def _size(self) -> int:
        """As many as the budget of time allows; at least as many as cost what it costs to begin."""
        fixed, each = self._pace.fixed, self._pace.each
        if not each:
            return self.budget.batch
        fit = max(self.budget.batch_seconds - fixed, fixed) / each
        return min(self.budget.batch, max(int(fit), FEW))

    def _run(self) -> None:
        while (some := self._batches.get()) is not None:
            started = time.perf_counter()
            batch = Batch([one[0] for one in some], [one[1] for one in some])
            found: Sequence[Found | BaseException]
            try:
                found = self._answer(batch)
            except Exception as error:  # each caller hears of it, none waits for ever
                found = [error] * len(some)
            took = time.perf_counter() - started
            self._loop.call_soon_threadsafe(self._finish, some, found, took)

    def _finish(self, some: list, found: Sequence[Found | BaseException], took: float) -> None:
        """Gives the answers out and goes on with what came meanwhile."""
        self._pace.measured(len(some), took)
        self._start()
        for (_, _, future), answer in zip(some, found, strict=True):
            if future.cancelled():
                continue
            if isinstance(answer, BaseException):
                future.set_exception(answer)
            else:
                future.set_result(answer)


def _too_much(wait: float) -> Problem:
    wrong = "more is asked than can be answered"
    return Problem(429, wrong, remedy="ask later", wait=max(1.0, wait))
