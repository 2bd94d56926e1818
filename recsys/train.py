"""``recsys train``: a prepared folder becomes a run: the best model, its curves, its rivals."""

import logging
from pathlib import Path

import hydra
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig

from recsys.config import CONF
from recsys.data.prepared import Prepared, load
from recsys.fitting import (
    check_settings,
    is_first_process,
    make_data,
    make_objective,
    make_trainer,
    quick_methods,
)
from recsys.outcome import conclude
from recsys.rehearsal import rehearse
from recsys.run import (
    LAST,
    Run,
    assemble,
    create_run,
    refuse_existing_run,
    resume_run,
)
from recsys.system import RecommenderSystem, sizes
from recsys.tracking import keep

logger = logging.getLogger(__name__)


@hydra.main(config_path=CONF, config_name="train", version_base=None)
def main(cfg: DictConfig) -> None:
    """Trains, or goes on training, and compares the result with the baselines."""
    check_settings(cfg)
    prepared = load(Path(str(cfg.data)))
    data = make_data(cfg, prepared=prepared)
    run = _run(cfg, prepared)
    torch.set_float32_matmul_precision("high")
    system = RecommenderSystem(
        model=assemble(cfg, prepared=prepared),
        objective=make_objective(cfg, prepared=prepared),
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
    last = run.folder / LAST
    begun = cfg.resume and last.is_file()  # not where it was interrupted in the first epoch
    trainer.fit(system, data, ckpt_path=last if begun else None, weights_only=True)
    if trainer.is_global_zero:
        rivals = instantiate(cfg.get("baselines", {}), _convert_="all")
        files = conclude(run, prepared=prepared, baselines=rivals, k=cfg.k, seed=cfg.seed)
        keep(run.folder, files=files)


def _run(cfg: DictConfig, prepared: Prepared) -> Run:
    """The run folder, made by the first process; before that everything is tried once."""
    folder = Path(str(cfg.run))
    if cfg.resume or not is_first_process():
        return resume_run(folder, config=cfg, prepared=prepared)
    refuse_existing_run(folder)
    if cfg.dry_run:
        rehearse(assemble(cfg, prepared=prepared), prepared=prepared, history=cfg.slots, k=cfg.k)
    return create_run(folder, config=cfg, prepared=prepared)


if __name__ == "__main__":
    main()
