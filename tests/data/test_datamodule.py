"""Which rows make a step, on which device: nothing twice, nothing lost."""

from itertools import chain
from types import SimpleNamespace

import numpy as np
import pytest

from tests.evaluation.tiny import prepared

LENGTHS = [4, 1, 2, 3, 9, 17, 30, 5, 6, 11]


@pytest.fixture
def ragged():
    """Ten users, no item twice, so that an item tells the event it stands for."""
    return numbered(LENGTHS)


def numbered(lengths):
    ends = np.cumsum(lengths)
    histories = [
        range(end - length + 1, end + 1) for end, length in zip(ends, lengths, strict=True)
    ]
    return prepared(histories, items=int(ends[-1]))


def module(data, *, epoch=0, device=0, devices=1, **sizes):
    """The data module as one device's trainer sees it in one epoch."""
    from recsys.data.datamodule import HistoryData

    settings = {"history": 7, "batch_size": 4, "validation_batch_size": 3, "seed": 5}
    made = HistoryData(
        prepared=data, **{"validation_users": 100, "half_life": np.inf, **settings, **sizes}
    )
    made.trainer = SimpleNamespace(current_epoch=epoch, global_rank=device, world_size=devices)
    return made


def training(data, **how):
    return list(module(data, **how).train_dataloader())


def validation(data, **how):
    return list(module(data, **how).val_dataloader())


def targets(batches):
    """Items to predict, in order of the steps."""
    return [batch.target[batch.target > 0].tolist() for batch in batches]


def flat(lists):
    """All members, ascending."""
    return sorted(chain.from_iterable(lists))


def training_items(data):
    """Items of all training events."""
    ends = zip(data.histories.offset[:-1], data.split.train_end, strict=True)
    return sorted(int(item) for first, end in ends for item in data.histories.item[first:end])


@pytest.mark.parametrize("length", [1, 2, 3, 7, 29, 500])
def test_every_training_event_is_a_target_exactly_once(ragged, length):
    found = targets(training(ragged, history=length))
    assert flat(found) == training_items(ragged)


@pytest.mark.parametrize("length", [1, 2, 7, 500])
def test_beside_a_target_stands_the_event_before_it(ragged, length):
    first = set(ragged.histories.item[ragged.histories.offset[:-1]].tolist())
    for batch in training(ragged, history=length):
        assert batch.target.shape[1] <= length
        wanted = batch.target > 0
        before = batch.events.item[wanted]
        begins = np.isin(batch.target[wanted], list(first))
        assert (before[~begins] == batch.target[wanted][~begins] - 1).all()
        assert (before[begins] == 0).all()
        assert (batch.events.present == (batch.events.item > 0)).all()


def test_users_without_training_events_make_no_window(ragged):
    split = ragged.split._replace(train_end=np.asarray(ragged.histories.offset[:-1]).copy())
    split.train_end[4] += 2
    begins = int(ragged.histories.offset[4])
    found = targets(training(ragged._replace(split=split)))
    assert found == [ragged.histories.item[begins : begins + 2].tolist()]


def test_the_order_differs_by_epoch_and_is_fixed_by_the_seed(ragged):
    first, again, later = (targets(training(ragged, epoch=epoch)) for epoch in (0, 0, 1))
    other = targets(training(ragged, seed=6))
    assert first == again
    assert first != later
    assert first != other
    assert flat(first) == flat(later)


def test_windows_of_like_length_share_a_step():
    lengths = np.random.default_rng(3).lognormal(3.3, 1, 600).astype(int) + 3
    steps = training(numbered(lengths), history=50, batch_size=16)
    places = sum(batch.target.numel() for batch in steps)
    padding = 1 - sum(batch.targets for batch in steps) / places
    assert padding < 0.15


@pytest.mark.parametrize("devices", [2, 3, 8])
@pytest.mark.parametrize("batch_size", [1, 4, 5])
def test_devices_share_out_every_step(ragged, devices, batch_size):
    alone = training(ragged, batch_size=batch_size)
    shares = [
        training(ragged, batch_size=batch_size, device=device, devices=devices)
        for device in range(devices)
    ]
    assert {len(share) for share in shares} == {len(alone)}
    for step, parts in zip(alone, zip(*shares, strict=True), strict=True):
        together = flat(targets(parts))
        assert together == flat(targets([step]))
        assert all(len(part.target) for part in parts)  # not every layer takes no rows
        assert {part.targets for part in parts} == {step.targets} == {len(together)}


@pytest.mark.parametrize("devices", [1, 2, 3, 4, 11])
@pytest.mark.parametrize("size", [1, 2, 3, 64])
def test_every_judge_is_asked_once_and_no_device_is_left_without_a_block(ragged, devices, size):
    how = {"devices": devices, "validation_batch_size": size}
    shares = [validation(ragged, device=device, **how) for device in range(devices)]
    blocks = [block for share in shares for block in share]
    judged = [block.user[block.truth[:, 0]].tolist() for block in blocks]
    assert flat(judged) == module(ragged).judges.tolist() == [0, *range(3, 10)]
    assert len({len(share) for share in shares}) == 1
    assert all(len(block.user) in range(1, size + 1) for block in blocks)


def test_at_most_so_many_judges_are_drawn_by_the_seed(ragged):
    some = module(ragged, validation_users=4).judges
    assert len(some) == 4
    assert (np.diff(some) > 0).all()
    assert (module(ragged, validation_users=4).judges == some).all()
    others = [module(ragged, validation_users=4, seed=seed).judges.tolist() for seed in range(9)]
    assert len({tuple(judges) for judges in others}) > 1


def test_a_judge_is_shown_the_events_a_memory_holds(ragged):
    (block,) = validation(ragged, history=7, validation_batch_size=64)
    assert block.events.item.shape == (8, 7)
    assert len(block.seen) == sum(length - 2 for length in LENGTHS if length > 2)
