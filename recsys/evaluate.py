"""``recsys evaluate``: a run, or lists of any system, beside the baselines on held-out items."""

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

import hydra
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from recsys import console
from recsys.config import CONF
from recsys.data.batches import asked
from recsys.data.prepared import Prepared, load
from recsys.evaluation import results
from recsys.evaluation.comparison import compare, facts, heading, scoreboard
from recsys.evaluation.judge import judge, read_lists
from recsys.evaluation.options import check_options, check_systems
from recsys.evaluation.protocol import evaluate
from recsys.evaluation.report import Report
from recsys.folder import published, refuse_existing
from recsys.run import load_model, open_data, open_run

logger = logging.getLogger(__name__)


@hydra.main(config_path=CONF, config_name="evaluate", version_base=None)
def main(cfg: DictConfig) -> None:
    """Judges ours, then the baselines; writes everything and shows the comparison."""
    check_systems(run=cfg.run, lists=cfg.lists, data=cfg.data)
    check_options(part=cfg.part, seen=cfg.seen, ks=cfg.ks, metric=cfg.metric)
    out = Path(cfg.out or Path(cfg.run or ".") / "evaluate" / cfg.part)
    refuse_existing(out, overwrite=cfg.overwrite, marker=results.METRICS)
    prepared = open_data(open_run(Path(cfg.run))) if cfg.run else load(Path(cfg.data))
    ours, baselines = _ours(cfg, prepared), _baselines(cfg, prepared)
    reports = ours | baselines
    how = {"metric": cfg.metric, "resamples": cfg.resamples, "seed": cfg.seed}
    differences = compare(reports, ours=next(iter(ours), None), **how)
    settings = OmegaConf.to_container(cfg, resolve=True)
    with published(out, overwrite=cfg.overwrite, marker=results.METRICS) as folder:
        results.save(folder, reports, differences, prepared=prepared, settings=settings)
    columns, rows = scoreboard(reports, differences, metric=cfg.metric)
    console.table(heading(prepared, part=cfg.part, seen=cfg.seen), columns, rows)
    logger.info("wrote %s and %s to '%s'", results.METRICS, results.USERS, out)


def _ours(cfg: DictConfig, prepared: Prepared) -> dict[str, Report]:
    """The system in question; none where only the baselines are asked for."""
    if cfg.run:
        model = partial(evaluate, load_model(Path(cfg.run)), seen=cfg.seen)
        return {"model": _judged("model", model, cfg, prepared)}
    if cfg.lists:
        lists = partial(judge, read_lists(Path(cfg.lists)))
        return {"lists": _judged("lists", lists, cfg, prepared)}
    return {}


def _baselines(cfg: DictConfig, prepared: Prepared) -> dict[str, Report]:
    """Each fitted, judged and forgotten before the next."""
    reports = {}
    for name, options in (cfg.get("baselines") or {}).items():
        scorer = instantiate(options).fit(prepared)
        reports[name] = _judged(name, partial(evaluate, scorer, seen=cfg.seen), cfg, prepared)
    return reports


def _judged(
    name: str, judged: Callable[..., Report], cfg: DictConfig, prepared: Prepared
) -> Report:
    """A report, with progress while it is made and its counts when it is done."""
    users = len(asked(prepared, cfg.part))
    how = {"part": cfg.part, "ks": tuple(cfg.ks), "batch_size": cfg.batch_size}
    with console.progress(f"evaluating {name}", total=users, unit="users") as advance:
        report = judged(prepared, advance=advance, **how)
    logger.info("%s: %s", name, facts(report))
    return report
