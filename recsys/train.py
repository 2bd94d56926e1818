"""``recsys train``: a prepared folder becomes a run: the best model, its curves, its rivals."""

import logging
from pathlib import Path

import hydra
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig

from recsys import console, curves
from recsys.config import CONF
from recsys.data.datamodule import HistoryData
from recsys.data.prepared import Prepared, load
from recsys.evaluation.comparison import compare, heading, scoreboard
from recsys.evaluation.contest import Contest
from recsys.fitting import check_settings, is_first_process, make_trainer, quick_methods
from recsys.rehearsal import rehearse
from recsys.run import (
    CONFIG,
    CURVES,
    HISTORY,
    LAST,
    METRICS,
    Run,
    assemble,
    create_run,
    load_model,
    resume_run,
    settings,
    training_counts,
    write_json,
)
from recsys.system import RecommenderSystem
from recsys.tracking import log_artifacts

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
    trainer = make_trainer(cfg, run=run)
    last = run.folder / LAST
    begun = cfg.resume and last.is_file()  # not where it was interrupted in the first epoch
    trainer.fit(system, data, ckpt_path=last if begun else None, weights_only=True)
    if trainer.is_global_zero:
        _finish(cfg, run, prepared)
        if trainer.logger:
            files = [run.folder / name for name in (CONFIG, METRICS, HISTORY, CURVES)]
            log_artifacts(trainer.logger, files=files, settings=settings(cfg))


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


def _finish(cfg: DictConfig, run: Run, prepared: Prepared) -> None:
    """The best model beside the baselines on the validation part, and the curves."""
    metric = f"ndcg@{cfg.k}"
    contest = Contest(prepared, part="valid", ks=(cfg.k,), seen="exclude", batch_size=256)
    baselines = {name: instantiate(options) for name, options in cfg.get("baselines", {}).items()}
    reports = {"model": contest.judge_scorer("model", load_model(run.folder))}
    reports |= contest.judge_baselines(baselines)
    differences = compare(reports, ours="model", metric=metric, resamples=2000, seed=cfg.seed)
    systems = {name: report.summary for name, report in reports.items()}
    write_json(run.folder / METRICS, {"part": "valid", "systems": systems})
    curves.draw(curves.read(run.folder / HISTORY), picture=run.folder / CURVES)
    columns, rows = scoreboard(reports, differences, metric=metric)
    console.table(heading(prepared, part="valid", seen="exclude"), columns, rows)


if __name__ == "__main__":
    main()
