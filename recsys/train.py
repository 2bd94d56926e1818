"""``recsys train``: a prepared folder becomes a run with its best model, curves and a comparison."""

import logging
import sys
import warnings
from pathlib import Path

import hydra
import lightning
import torch
from hydra.utils import instantiate
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint, RichProgressBar
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig

from recsys import curves
from recsys.comparison import compare
from recsys.config import CONF
from recsys.data.datamodule import HistoryData
from recsys.data.prepared import load
from recsys.errors import ConfigError
from recsys.rehearsal import rehearse
from recsys.run import (
    LAST,
    Run,
    assemble,
    create_run,
    load_model,
    open_run,
    training_counts,
    write_json,
)
from recsys.system import RecommenderSystem
from recsys.tracking import log_artifacts

logger = logging.getLogger(__name__)
HISTORY, CURVES, METRICS = "history.csv", "curves.png", "metrics.json"


@hydra.main(config_path=CONF, config_name="train", version_base=None)
def main(config: DictConfig) -> None:
    """Trains, or goes on training, and compares the result with the baselines."""
    prepared = load(Path(config.data))
    system = RecommenderSystem(
        model=assemble(config, prepared=prepared),
        loss=instantiate(config.loss, count=training_counts(prepared)),
        optimizer=instantiate(config.optimizer),
        items=prepared.items,
        k=config.k,
        seed=config.seed,
    )
    data = HistoryData(
        prepared=prepared,
        history=config.slots,
        batch_size=config.batch_size,
        validation_batch_size=config.validation_batch_size,
        validation_users=config.validation_users,
        seed=config.seed,
    )
    if config.dry_run and rank_zero_only.rank == 0:
        rehearse(system.model, prepared=prepared, history=config.slots, k=config.k)
    run = _open(config, prepared=prepared)
    if config.compile:
        _compile(system)
    trainer = _trainer(config, run=run)
    last = run.folder / LAST if config.resume else None
    trainer.fit(system, data, ckpt_path=last, weights_only=True)
    if trainer.is_global_zero:
        _finish(run, trainer=trainer, config=config)


def _open(config: DictConfig, *, prepared: Prepared) -> Run:
    ...
