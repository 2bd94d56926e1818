"""What happened in every epoch, in a table and in a picture."""

from types import SimpleNamespace

import pytest
import torch

ROWS = [
    {"epoch": 0.0, "seconds": 1.5, "train/loss": 2.25, "val/ndcg@10": 0.125},
    {"epoch": 1.0, "seconds": 1.0, "train/loss": 1.75, "val/ndcg@10": 0.375, "val/mrr@10": 0.25},
]


def finish(callback, *, epoch, loss, first=True):
    """What Lightning tells a callback about one epoch."""
    metrics = {"train/loss": torch.tensor(loss), "val/ndcg@10": torch.tensor(0.5)}
    trainer = SimpleNamespace(
        is_global_zero=first, current_epoch=epoch, max_epochs=3, callback_metrics=metrics
    )
    callback.on_train_epoch_start(trainer, None)
    callback.on_train_epoch_end(trainer, None)


@pytest.fixture
def history(tmp_path):
    from recsys.curves import EpochHistory

    return EpochHistory(tmp_path / "history.csv")


def losses(history):
    from recsys.curves import read

    return [(row["epoch"], row["train/loss"]) for row in read(history.file)]


def test_what_is_written_is_read_again(tmp_path):
    from recsys.curves import read, write

    write(tmp_path / "history.csv", ROWS)
    assert read(tmp_path / "history.csv") == ROWS
    assert [file.name for file in tmp_path.iterdir()] == ["history.csv"]


def test_no_file_is_no_history(tmp_path):
    from recsys.curves import read

    assert read(tmp_path / "history.csv") == []


def test_every_epoch_adds_a_row(history):
    finish(history, epoch=0, loss=2.0)
    finish(history, epoch=1, loss=1.5)
    assert losses(history) == [(0, 2.0), (1, 1.5)]


def test_an_epoch_that_is_repeated_replaces_what_was_said_of_it_and_later_ones(history):
    for epoch, loss in enumerate((3.0, 2.0, 1.0)):
        finish(history, epoch=epoch, loss=loss)
    finish(history, epoch=1, loss=2.5)
    assert losses(history) == [(0, 3.0), (1, 2.5)]


def test_one_device_alone_writes(history):
    finish(history, epoch=0, loss=2.0, first=False)
    assert not history.file.exists()


def test_an_epoch_is_said_with_its_facts(history, caplog):
    with caplog.at_level("INFO", logger="recsys.curves"):
        finish(history, epoch=1, loss=1.5)
    assert caplog.messages == ["epoch 2 of 3: train/loss 1.5000, val/ndcg@10 0.5000, 0 s"]


def test_the_picture_shows_the_loss_and_every_validation_metric(tmp_path, monkeypatch):
    from matplotlib.axes import Axes

    from recsys import curves

    lines = []
    monkeypatch.setattr(Axes, "plot", lambda _, x, y, **how: lines.append((how.get("label"), x, y)))
    monkeypatch.setattr(Axes, "legend", lambda *_, **__: None)
    curves.draw(ROWS, picture=tmp_path / "curves.png")
    assert lines == [
        (None, [1, 2], [2.25, 1.75]),
        ("val/mrr@10", [1, 2], [None, 0.25]),
        ("val/ndcg@10", [1, 2], [0.125, 0.375]),
    ]
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_an_interrupted_history_can_be_drawn(tmp_path):
    from recsys import curves

    curves.draw(ROWS, picture=tmp_path / "two.png")
    curves.draw(ROWS[:1], picture=tmp_path / "one.png")
    assert (tmp_path / "one.png").stat().st_size > 1000
