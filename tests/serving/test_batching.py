"""Batches: none waits for an idle thread, what comes meanwhile goes together, too many are told."""

import asyncio
import threading
import time

import pytest

from serving.batching import Batcher, Budget
from serving.problem import Problem

FREE = Budget(batch=8, batch_seconds=60, patience_seconds=60, waiting=100)


class Doubling:
    """Doubles numbers; keeps the sizes of its batches, and waits for the gate."""

    def __init__(self, *, seconds=0.0):
        self.sizes, self.gate, self.seconds = [], threading.Event(), seconds
        self.gate.set()

    def __call__(self, batch):
        self.gate.wait(30)
        time.sleep(self.seconds)
        self.sizes.append(len(batch.questions))
        return [2 * one if one >= 0 else ValueError(one) for one in batch.questions]


def run(work):
    return asyncio.run(asyncio.wait_for(work, 60))


def test_what_comes_in_one_turn_is_one_batch_and_comes_back_in_order():
    async def held():
        work = Doubling()
        batcher = Batcher("b", work, FREE)
        found = await asyncio.gather(*(batcher.ask(one) for one in range(8)))
        batcher.close()
        return found, work.sizes

    assert run(held()) == ([0, 2, 4, 6, 8, 10, 12, 14], [8])


def test_what_comes_while_one_is_answered_is_the_next_batch():
    async def held():
        work = Doubling()
        work.gate.clear()
        batcher = Batcher("b", work, FREE)
        futures = [batcher.ask(1)]
        await asyncio.sleep(0.05)  # it is being answered alone
        futures += [batcher.ask(one) for one in range(10)]
        work.gate.set()
        await asyncio.gather(*futures)
        batcher.close()
        return work.sizes

    assert run(held()) == [1, 8, 2]


def test_one_bad_question_is_its_own_misfortune():
    async def held():
        batcher = Batcher("b", Doubling(), FREE)
        some = (batcher.ask(one) for one in (1, -5, 3))
        found = await asyncio.gather(*some, return_exceptions=True)
        batcher.close()
        return found

    first, second, third = run(held())
    assert (first, third) == (2, 6)
    assert isinstance(second, ValueError)


def test_a_batch_that_fails_is_told_to_all_and_the_next_goes_on():
    async def held():
        def fails_once(batch):
            if -1 in batch.questions:
                raise OSError
            return batch.questions

        batcher = Batcher("b", fails_once, FREE)
        some = [batcher.ask(-1), batcher.ask(1)]
        failed = await asyncio.gather(*some, return_exceptions=True)
        after = await batcher.ask(7)
        batcher.close()
        return [type(one) for one in failed], after

    assert run(held()) == ([OSError, OSError], 7)


def test_batches_keep_to_their_time():
    async def held():
        budget = FREE._replace(batch=64, batch_seconds=0.05)
        work = Doubling(seconds=0.02)
        batcher = Batcher("b", work, budget)
        await batcher.ask(1)  # it takes 0.02 s, so two or fewer fit into 0.05 s
        await asyncio.gather(*(batcher.ask(one) for one in range(6)))
        batcher.close()
        return work.sizes

    assert run(held())[1] <= 2


@pytest.mark.parametrize("budget", [FREE._replace(waiting=5), FREE._replace(patience_seconds=0.05)])
def test_who_would_wait_too_long_is_told_so_at_once(budget):
    async def held():
        work = Doubling(seconds=0.02)
        batcher = Batcher("b", work, budget)
        await batcher.ask(0)
        work.gate.clear()
        taken, refused = [batcher.ask(0)], []
        await asyncio.sleep(0.05)
        for one in range(20):
            try:
                taken.append(batcher.ask(one))
            except Problem as problem:
                refused.append((problem.status, problem.wait >= 1))
        work.gate.set()
        await asyncio.gather(*taken)
        batcher.close()
        return len(taken), refused

    taken, refused = run(held())
    assert 2 <= taken < 10
    assert refused == [(429, True)] * (21 - taken)
