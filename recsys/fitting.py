"""How a training is driven: Lightning's trainer with its callbacks, for one or many devices."""

import logging
import sys
import warnings
from pathlib import Path

import lightning
import torch
from hydra.utils import instantiate
from lightning.pytorch.callbacks import (
    Callback,
    EarlyStopping,
    EMAWeightAveraging,
    ModelCheckpoint,
    RichProgressBar,
)
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig

from recsys.auxiliary.disturbance import DISTURBANCES, Disturbance
from recsys.curves import EpochHistory
from recsys.data.datamodule import HistoryData
from recsys.data.prepared import Prepared
from recsys.errors import ConfigError
from recsys.model import MemoryRecommender
from recsys.run import BEST, HISTORY, LAST, Run, settings, training_counts
from recsys.system import Objective
from recsys.tracking import begin

logger = logging.getLogger(__name__)
_AT_LEAST_ONE = ("width", "heads", "slots", "batch_size", "validation_batch_size", "k")
_TALKATIVE = ("lightning.pytorch.utilities.rank_zero", "lightning.fabric.utilities")


def check_settings(cfg: DictConfig) -> None:
    """Refuses what could not work, before data are read.

    Raises:
        ConfigError: A size below one, a width that the heads do not divide, or half precision.
    """
    for name in (*_AT_LEAST_ONE, "validation_users", "patience"):
        if not isinstance(cfg[name], int) or cfg[name] < 1:
            message = f"{name} is a whole number from 1 but is '{cfg[name]}': set {name}=1 or more"
            raise ConfigError(message)
    if cfg.half_life is not None and not cfg.half_life > 0:
        message = f"half_life is above 0 but is '{cfg.half_life}': set half_life=0.1, or null"
        raise ConfigError(message)
    if not 0 <= cfg.averaging < 1:
        message = (
            f"averaging is from 0 to below 1 but is '{cfg.averaging}': set 0.999, or 0 for none"
        )
        raise ConfigError(message)
    if cfg.width % cfg.heads:
        message = f"width {cfg.width} cannot be cut into {cfg.heads} heads: set width to a multiple"
        raise ConfigError(message)
    if "16" in str(cfg.trainer.precision) and "bf16" not in str(cfg.trainer.precision):
        message = (
            f"trainer.precision '{cfg.trainer.precision}' cannot hold the read's exponentials: "
            "set bf16-mixed"
        )
        raise ConfigError(message)


def is_first_process() -> bool:
    """False in the processes that Lightning starts for further devices."""
    return bool(getattr(rank_zero_only, "rank", 0) == 0)


def make_objective(cfg: DictConfig, *, prepared: Prepared) -> Objective:
    """What the configuration asks of the model at every step."""
    return Objective(
        loss=instantiate(cfg.loss, count=training_counts(prepared)),
        auxiliaries=instantiate(cfg.get("auxiliary", {})),
        disturbance=Disturbance(**{name: cfg[name] for name in DISTURBANCES}),
        teaching=instantiate(cfg.teaching),
        support=instantiate(cfg.support, prepared=prepared) if cfg.get("support") else None,
    )


def make_data(cfg: DictConfig, *, prepared: Prepared) -> HistoryData:
    """The batches of the configuration."""
    return HistoryData(
        prepared=prepared,
        history=cfg.slots,
        batch_size=cfg.batch_size,
        validation_batch_size=cfg.validation_batch_size,
        validation_users=cfg.validation_users,
        half_life=_half_life(cfg),
        seed=cfg.seed,
    )


def _half_life(cfg: DictConfig) -> float:
    return float("inf") if cfg.half_life is None else float(cfg.half_life)


def make_trainer(cfg: DictConfig, *, run: Run) -> lightning.Trainer:
    """The trainer of the configuration, with checkpoints, early stopping and the epoch history."""
    metric = f"val/ndcg@{cfg.k}"
    callbacks: list[Callback] = [
        EarlyStopping(monitor=metric, mode="max", patience=cfg.patience),
        EpochHistory(run.folder / HISTORY),
        _checkpoint(run.folder / BEST, monitor=metric),
        _checkpoint(run.folder / LAST, monitor=None),
    ]
    if cfg.averaging:
        callbacks.append(EMAWeightAveraging(decay=cfg.averaging, use_buffers=False))
    watched = sys.stderr.isatty()
    if watched:
        callbacks.append(RichProgressBar())
    _silence()
    trainer = lightning.Trainer(
        **cfg.trainer,
        callbacks=callbacks,
        logger=_logger(cfg, run=run),
        use_distributed_sampler=False,
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
        enable_model_summary=False,
        enable_progress_bar=watched,
        log_every_n_steps=1,  # nothing is logged by steps; more would warn of short epochs
        default_root_dir=run.folder,
    )
    if trainer.is_global_zero:
        begin(trainer.logger, run=run.folder, settings=settings(cfg))
        device = trainer.strategy.root_device.type
        logger.info("devices: %d (%s), precision %s", trainer.world_size, device, trainer.precision)
    return trainer


def quick_methods(model: MemoryRecommender) -> None:
    """Compiles what a training step calls; the first steps then take minutes, the rest less."""
    called = {model: ("remembered", "scores", "own_scores"), model.output: ("look",)}
    for part, names in called.items():
        for name in names:
            setattr(part, name, torch.compile(getattr(part, name), dynamic=True))


def _checkpoint(file: Path, *, monitor: str | None) -> ModelCheckpoint:
    """Keeps the epoch with the highest ``monitor`` in this file; without one the newest epoch."""
    return ModelCheckpoint(
        dirpath=file.parent,
        filename=file.stem,
        monitor=monitor,
        mode="max",
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )


def _logger(cfg: DictConfig, *, run: Run) -> Logger | bool:
    return instantiate(cfg.tracking, run=run.folder) if cfg.tracking else False


def _silence() -> None:
    """Lightning's advertisements and hints that nobody must act on."""
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*Checkpoint directory .* exists and is not empty.*")
    warnings.filterwarnings("ignore", message=".*LeafSpec.* is deprecated", module="lightning")
