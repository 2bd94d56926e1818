"""``recsys train``: a prepared folder becomes a run: the best model, its curves, its rivals."""

import logging
from pathlib import Path

import hydra
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig

from recsys.config import CONF
from recsys.data.datamodule import HistoryData
from recsys.data.prepared import Prepared, load
from recsys.fitting import check_settings, is_first_process, make_trainer, quick_methods
from recsys.outcome import conclude
from recsys.rehearsal import rehearse
from recsys.run import LAST, Run, assemble, create_run, resume_run, settings, training_counts
from recsys.system import RecommenderSystem, sizes
from recsys.tracking import begin, keep

logger = logging.getLogger(__name__)


@hydra.main(config_path=CONF, config_name="train", version_base=None)
def main(cfg: DictConfig) -> None:
    """Trains, or goes on training, and compares the result with the baselines."""
    check_settings(cfg)
    prepared = load(Path(str(cfg.data)))
    data = _data(cfg, prepared)
    run = _run(cfg, prepared)
    torch.set_float32_matmul_precision("high")
    system = RecommenderSystem(
        model=assemble(cfg, prepared=prepared),
        loss=instantiate(cfg.loss, count=training_counts(prepared)),
        optimizer=instantiate(cfg.optimizer),
        items=prepared.items,
        k=cfg.k,
        seed=cfg.seed,
    )
    if cfg.compile:
        quick_methods(system.model)
    if is_first_process():
        logger.info(
            "training: %d windows, %s", len(data.windows.end), sizes(system.model, events=cfg.slots)
        )
    trainer = make_trainer(cfg, run=run)
    if trainer.is_global_zero:
        begin(trainer.logger, run=run.folder, settings=settings(cfg))
    last = run.folder / LAST
    begun = cfg.resume and last.is_file()  # not where it was interrupted in the first epoch
    trainer.fit(system, data, ckpt_path=last if begun else None, weights_only=True)
    if trainer.is_global_zero:
        rivals = {name: instantiate(one) for name, one in cfg.get("baselines", {}).items()}
        files = conclude(run, prepared=prepared, baselines=rivals, k=cfg.k, seed=cfg.seed)
        keep(run.folder, files=files)


def _data(cfg: DictConfig, prepared: Prepared) -> HistoryData:
    return HistoryData(
        prepared=prepared,
        history=cfg.slots,
        batch_size=cfg.batch_size,
        validation_batch_size=cfg.validation_batch_size,
        validation_users=cfg.validation_users,
        seed=cfg.seed,
    )


def _run(cfg: DictConfig, prepared: Prepared) -> Run:
    """The run folder, made by the first process; before that everything is tried once."""
    folder = Path(str(cfg.run))
    if cfg.resume or not is_first_process():
        return resume_run(folder, config=cfg, prepared=prepared)
    if cfg.dry_run:
        rehearse(assemble(cfg, prepared=prepared), prepared=prepared, history=cfg.slots, k=cfg.k)
    return create_run(folder, config=cfg, prepared=prepared)


if __name__ == "__main__":
    main()
