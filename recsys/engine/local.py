"""Parts answered one after the other in this process, with as many threads as the job has."""

from collections.abc import Iterator, Sequence

from recsys.scoring.partition import Receipt, Work, Worker


class Local:
    """The engine that needs nothing: one part in memory at a time."""

    def run(self, work: Work, parts: Sequence[int]) -> Iterator[Receipt]:
        worker = Worker(work)
        for part in parts:
            yield worker.answer(part)
