"""Lightning's door to the prepared data: which rows make a step, on which device."""

from typing import NamedTuple

import lightning
import numpy as np
from torch.utils.data import DataLoader, Dataset

from recsys.data.batches import (
    ALIKE,
    Question,
    Recency,
    Window,
    asked,
    by_length,
    question,
    weighed,
    window,
)
from recsys.data.prepared import Prepared
from recsys.data.split import training_events

_NOTHING = np.zeros(1, dtype=np.int64)


class Stretches(NamedTuple):
    """Training windows: targets ``[start, end)`` of a user whose history starts at ``begin``."""

    begin: np.ndarray
    start: np.ndarray
    end: np.ndarray


def stretches(prepared: Prepared, *, length: int) -> Stretches:
    """Cuts each training history, newest end first, into windows of up to ``length`` targets.

    Every training event is a target exactly once, a user's first one for the empty memory.
    """
    begin = np.asarray(prepared.histories.offset[:-1])
    train_end = np.asarray(prepared.split.train_end)
    windows = -((begin - train_end) // length)
    user = np.repeat(np.arange(len(begin)), windows)
    older = np.arange(len(user)) - np.repeat(np.cumsum(windows) - windows, windows)
    end = train_end[user] - older * length
    return Stretches(begin=begin[user], start=np.maximum(begin[user], end - length), end=end)


def steps(windows: Stretches, *, batch_size: int, seed: int, epoch: int) -> list[np.ndarray]:
    """Window indices of each step of an epoch, a different order every epoch.

    Windows of like length share a step, so that little is padding; which ones do is random.
    """
    generator = np.random.default_rng((seed, epoch))
    order = generator.permutation(len(windows.end))
    length = windows.end - windows.start
    pool = batch_size * 50
    pools = [order[first : first + pool] for first in range(0, len(order), pool)]
    order = np.concatenate([members[np.argsort(length[members])] for members in pools])
    batches = [order[first : first + batch_size] for first in range(0, len(order), batch_size)]
    return [batches[place] for place in generator.permutation(len(batches))]


class TrainingSteps(Dataset[Window]):
    """One device's share of every step of an epoch; one row of padding where it would be empty."""

    def __init__(
        self,
        prepared: Prepared,
        windows: Stretches,
        batches: list[np.ndarray],
        *,
        share: slice,
        recency: Recency,
    ) -> None:
        self.prepared, self.windows, self.batches = prepared, windows, batches
        self.share, self.recency = share, recency

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, step: int) -> Window:
        rows = self.batches[step]
        histories, recency = self.prepared.histories, self.recency
        begin, start, end = (bound[rows] for bound in self.windows)
        targets = weighed(histories, begin=begin, start=start, end=end, recency=recency)
        mine = rows[self.share]
        begin, start, end = (bound[mine] if len(mine) else _NOTHING for bound in self.windows)
        return window(
            histories, begin=begin, start=start, end=end, targets=targets, recency=recency
        )


class ValidationSteps(Dataset[Question]):
    """One device's blocks of the validation users, as many as any other device's; none repeats.

    An empty block becomes a user without truth, whom the metrics leave out.
    """

    def __init__(self, prepared: Prepared, blocks: list[np.ndarray], history: int) -> None:
        self.prepared, self.blocks, self.history = prepared, blocks, history

    def __len__(self) -> int:
        return len(self.blocks)

    def __getitem__(self, step: int) -> Question:
        users = self.blocks[step]
        if len(users):
            return question(self.prepared, "valid", users=users, history=self.history)
        nobody = question(self.prepared, "valid", users=_NOTHING, history=self.history)
        return nobody._replace(truth=nobody.truth[:0])


class HistoryData(lightning.LightningDataModule):
    """Batches of windows to train on and of questions to validate with.

    Args:
        prepared: The data set.
        history: Events a memory holds; also the targets of a window.
        batch_size: Windows of one step over all devices together.
        validation_batch_size: Users scored at once.
        validation_users: At most this many users, drawn once by the seed, judge every epoch.
        half_life: Age at which a target counts half, as a share of the time from the first
            training event to the last; infinity lets all count alike.
        seed: Orders the windows and draws the validation users.
    """

    def __init__(
        self,
        *,
        prepared: Prepared,
        history: int,
        batch_size: int,
        validation_batch_size: int,
        validation_users: int,
        half_life: float,
        seed: int,
    ) -> None:
        super().__init__()
        self.prepared, self.history, self.seed = prepared, history, seed
        self.batch_size, self.validation_batch_size = batch_size, validation_batch_size
        self.windows = stretches(prepared, length=history)
        users = asked(prepared, "valid")
        drawn = np.random.default_rng(seed).permutation(users)[:validation_users]
        self.judges = np.sort(drawn)
        self.recency = _recency(prepared, half_life=half_life)

    def train_dataloader(self) -> DataLoader[Window]:
        """This epoch's steps; the trainer asks anew every epoch."""
        trainer = self.trainer
        assert trainer is not None
        batches = steps(
            self.windows, batch_size=self.batch_size, seed=self.seed, epoch=trainer.current_epoch
        )
        share = slice(trainer.global_rank, None, trainer.world_size)
        return _whole(
            TrainingSteps(self.prepared, self.windows, batches, share=share, recency=self.recency)
        )

    def val_dataloader(self) -> DataLoader[Question]:
        """The judges, block by block, dealt out to the devices in turn."""
        trainer = self.trainer
        assert trainer is not None
        rounds = -(-len(self.judges) // (self.validation_batch_size * trainer.world_size))
        judges = by_length(self.prepared, "valid", users=self.judges)
        blocks = np.array_split(judges, rounds * trainer.world_size)
        mine = blocks[trainer.global_rank :: trainer.world_size]
        return _whole(ValidationSteps(self.prepared, mine, self.history))


def _recency(prepared: Prepared, *, half_life: float) -> Recency:
    """The half-life in the units of the data's times."""
    if not np.isfinite(half_life):
        return ALIKE
    time = prepared.histories.time[training_events(prepared.split, prepared.histories)]
    newest, oldest = int(time.max()), int(time.min())
    return Recency(newest=newest, half_life=half_life * max(newest - oldest, 1))


def _whole(dataset: Dataset) -> DataLoader:
    """A loader whose data set already makes whole batches."""
    return DataLoader(dataset, batch_size=None, shuffle=False)
