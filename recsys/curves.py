"""What happened in every epoch, as a table that survives interruptions and as a picture."""

import csv
import logging
import time
from pathlib import Path

import lightning
from lightning.pytorch.callbacks import Callback

logger = logging.getLogger(__name__)
_EPOCH = "epoch"


class EpochHistory(Callback):
    """Appends one row an epoch to ``history.csv``; a resumed training replaces what it repeats."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.began = 0.0

    def on_train_epoch_start(
        self, trainer: lightning.Trainer, _: lightning.LightningModule
    ) -> None:
        self.began = time.perf_counter()

    def on_train_epoch_end(self, trainer: lightning.Trainer, _: lightning.LightningModule) -> None:
        """Writes the metrics of this epoch and says them."""
        if not trainer.is_global_zero:
            return
        row = {_EPOCH: float(trainer.current_epoch), "seconds": time.perf_counter() - self.began}
        row |= {name: float(value) for name, value in sorted(trainer.callback_metrics.items())}
        rows = [past for past in read(self.file) if past[_EPOCH] < trainer.current_epoch]
        write(self.file, [*rows, row])
        ndcg = {name: value for name, value in row.items() if name.startswith("val/ndcg")}
        logger.info(
            "epoch %d of %d: train/loss %.4f, %s, %.0f s",
            trainer.current_epoch + 1,
            trainer.max_epochs or 0,
            row["train/loss"],
            ", ".join(f"{name} {value:.4f}" for name, value in ndcg.items()),
            row["seconds"],
        )


def read(file: Path) -> list[dict[str, float]]:
    """The rows of a history; none where there is no file."""
    if not file.is_file():
        return []
    with file.open(newline="") as lines:
        return [
            {name: float(value) for name, value in row.items() if value}
            for row in csv.DictReader(lines)
        ]


def write(file: Path, rows: list[dict[str, float]]) -> None:
    """Replaces the file by these rows."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    temporary = file.with_suffix(".partial")
    with temporary.open("w", newline="") as lines:
        table = csv.DictWriter(lines, names)
        table.writeheader()
        table.writerows(rows)
    temporary.replace(file)


def draw(rows: list[dict[str, float]], *, picture: Path) -> None:
    """Loss and validation metrics by epoch, side by side."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    epochs = [row[_EPOCH] + 1 for row in rows]
    left.plot(epochs, [row.get("train/loss") for row in rows], marker=".")
    left.set(title="train/loss", xlabel=_EPOCH)
    for name in sorted({name for row in rows for name in row if name.startswith("val/")}):
        if "coverage" not in name:
            right.plot(epochs, [row.get(name) for row in rows], marker=".", label=name)
    right.set(title="validation", xlabel=_EPOCH)
    right.legend(fontsize="small")
    figure.savefig(picture, dpi=120)
