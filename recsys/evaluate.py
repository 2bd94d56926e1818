"""``recsys evaluate``: a run, or lists of any system, beside the baselines on held-out items."""

import logging
from functools import partial
from pathlib import Path

import hydra
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from recsys import console
from recsys.config import CONF
from recsys.data.prepared import load
from recsys.evaluation import results
from recsys.evaluation.comparison import by_k, compare, heading, scoreboard
from recsys.evaluation.contest import Contest
from recsys.evaluation.judge import judge, read_lists
from recsys.evaluation.options import check_options, check_systems
from recsys.evaluation.report import Report
from recsys.folder import published, refuse_existing
from recsys.run import Run, best_model, open_data, open_run

logger = logging.getLogger(__name__)


@hydra.main(config_path=CONF, config_name="evaluate", version_base=None)
def main(cfg: DictConfig) -> None:
    """Judges ours, then the baselines; writes everything and shows the comparison."""
    chosen = cfg.get("baselines", {})
    check_systems(run=cfg.run, lists=cfg.lists, data=cfg.data, baselines=chosen)
    check_options(part=cfg.part, seen=cfg.seen, ks=cfg.ks, metric=cfg.metric)
    out = Path(str(cfg.out or Path(str(cfg.run or ".")) / "evaluate" / cfg.part))
    refuse_existing(out, overwrite=cfg.overwrite, marker=results.METRICS)
    run = open_run(Path(str(cfg.run))) if cfg.run else None
    prepared = open_data(run) if run else load(Path(str(cfg.data)))
    contest = Contest(
        prepared, part=cfg.part, ks=tuple(cfg.ks), seen=cfg.seen, batch_size=cfg.batch_size
    )
    ours = _ours(cfg, run, contest)
    reports = ours | contest.judge_baselines(instantiate(chosen, _convert_="all"))
    how = {"metric": cfg.metric, "resamples": cfg.resamples, "seed": cfg.seed}
    differences = compare(reports, ours=next(iter(ours), None), **how)
    settings = OmegaConf.to_container(cfg, resolve=True)
    with published(out, overwrite=cfg.overwrite, marker=results.METRICS) as folder:
        results.save(folder, reports, differences, prepared=prepared, settings=settings)
    title = heading(prepared, part=cfg.part, seen=cfg.seen)
    console.table(title, *scoreboard(reports, differences, metric=cfg.metric))
    for name, report in ours.items():
        console.table(name, *by_k(report))
    logger.info("wrote %s and %s to '%s'", results.METRICS, results.USERS, out)


def _ours(cfg: DictConfig, run: Run | None, contest: Contest) -> dict[str, Report]:
    """The system in question; none where only the baselines are asked for."""
    if run:
        model = best_model(run, prepared=contest.prepared)
        return {"model": contest.judge_scorer("model", model)}
    if cfg.lists:
        return {"lists": contest.judge("lists", partial(judge, read_lists(Path(str(cfg.lists)))))}
    return {}
