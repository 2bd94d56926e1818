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

    def __init__(self, *, fixed=0.0, each=0.0):
        self.sizes, self.gate, self.fixed, self.each = [], threading.Event(), fixed, each
        self.gate.set()

    def __call__(self, batch):
        self.gate.wait(30)
        time.sleep(self.fixed + self.each * len(batch.questions))
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


def sizes_of(work, budget, *, asked):
    """Of the batches of one question and then of so many at once."""

    async def held():
        batcher = Batcher("b", work, budget)
        await batcher.ask(1)
        await asyncio.gather(*(batcher.ask(one) for one in range(asked)))
        batcher.close()
        return work.sizes

    return run(held())


def test_batches_keep_to_their_time():
    """A question takes 0.02 s or, on a busy machine, more: 5 or fewer fit into 0.1 s."""
    budget = FREE._replace(batch=64, batch_seconds=0.1)
    assert max(sizes_of(Doubling(each=0.02), budget, asked=15)) <= 5


@pytest.mark.parametrize("seconds", [0.1, 0.001])
def test_batches_are_full_where_a_large_one_takes_no_longer_than_a_small_one(seconds):
    """Also where no batch keeps to its time: smaller ones would only make more of them."""
    budget = FREE._replace(batch=64, batch_seconds=seconds, waiting=1000)
    assert 64 in sizes_of(Doubling(fixed=0.02), budget, asked=200)


def test_who_has_waited_longer_than_the_patience_is_not_answered_late():
    async def held():
        work = Doubling()
        batcher = Batcher("b", work, FREE._replace(patience_seconds=0.05))
        work.gate.clear()
        answered = [batcher.ask(1)]
        await asyncio.sleep(0)
        late = [batcher.ask(one) for one in range(20)]
        await asyncio.sleep(0.1)
        work.gate.set()
        found = await asyncio.gather(*answered, *late, return_exceptions=True)
        after = await batcher.ask(7)
        batcher.close()
        return found, after, work.sizes

    (first, *rest), after, sizes = run(held())
    assert (first, after) == (2, 14)
    assert [problem.status for problem in rest] == [429] * 20
    assert sizes == [1, 1]


@pytest.mark.parametrize("budget", [FREE._replace(waiting=5), FREE._replace(patience_seconds=0.05)])
def test_who_would_wait_too_long_is_told_so_at_once(budget):
    async def held():
        work = Doubling(fixed=0.02)
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
    assert 2 <= taken < 20
    assert refused == [(429, True)] * (21 - taken)
