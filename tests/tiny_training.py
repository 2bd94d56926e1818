"""A data set to train on in a second, and a training of it in this process or in its own."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from hydra import compose, initialize_config_dir

from recsys.config import CONF
from tests.conftest import ROOT
from tests.tiny_data import prepare_frame, rows

SMALL = [
    *("width=8", "slots=6", "batch_size=16", "validation_batch_size=11"),
    *("optimizer.lr=0.01", "patience=99", "baselines=[popularity]", "dry_run=false"),
    *("tracking=none", "trainer.max_epochs=2", "trainer.accelerator=cpu"),
]


def data_set(folder: Path, *, users=57, items=40, seed=4):
    """Users who walk in circles of items, 3 to 20 steps each; the last two steps are held out."""
    draw = np.random.default_rng(seed)
    events = []
    for user in range(users):
        start, length = draw.integers(items), draw.integers(3, 21)
        stride = draw.integers(1, 3)
        events += [(user, 100 + (start + step * stride) % items, step) for step in range(length)]
    return prepare_frame(rows(*events), folder)


def config(data, run, *words):
    """The composed settings of a small training."""
    with initialize_config_dir(CONF, version_base=None):
        return compose("train", [*SMALL, f"data='{data}'", f"run='{run}'", *words])


def train(data, run: Path, *words) -> Path:
    """Trains in this process."""
    from recsys.train import main

    main.__wrapped__(config(data, run, *words))
    return run


def train_apart(data, run: Path, *words, code=None, seconds=150):
    """Trains in a process of its own, through the door or through this ``code``."""
    start = ["-c", code] if code else ["-m", "recsys.cli"]
    return subprocess.run(
        [sys.executable, *start, "train", *SMALL, f"data='{data}'", f"run='{run}'", *words],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        cwd=run.parent,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def strange(done):
    """What a training said on the terminal beside its facts."""
    facts = ("bundle ", "parity ", "dry run", "training: ", "devices: ", "epoch ", "evaluating ")
    lines = done.stderr.splitlines()
    return [line for line in lines if not line.startswith((*facts, "model: ", "popularity: "))]


def weights(run: Path, checkpoint="last"):
    """The weights of a checkpoint, by name."""
    file = run / "checkpoints" / f"{checkpoint}.ckpt"
    return torch.load(file, map_location="cpu", weights_only=True)["state_dict"]


def history(run: Path):
    """What history.csv says of every epoch, but for the time it took."""
    from recsys.curves import read

    return [
        {name: value for name, value in row.items() if name != "seconds"}
        for row in read(run / "history.csv")
    ]
