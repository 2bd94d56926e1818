"""``recsys score``: a bundle and a table of histories become recommendations, without torch.

    part-00000.parquet ...  user_id as given, rank Int32 from 1, item_id as in training,
                            score Float32, because List(Struct(item_id, weight Float32)), best first
    summary.json            what was counted, settings, checksums of histories and of every part
    timing.json             how long it took: all that two equal jobs do not have in common

The lists of a user stand together in one part. The folder appears when all of it is on disk; a job
that was killed goes on when the same command comes again. ``docs/scoring.md`` says more.
"""

import logging
from functools import partial
from pathlib import Path
from typing import Final

import hydra
from hydra.utils import instantiate
from omegaconf import DictConfig, ListConfig

from recsys import console, runtime
from recsys.config import CONF
from recsys.errors import ConfigError
from recsys.hardware import processors
from recsys.scoring import shard
from recsys.scoring.checks import Limits
from recsys.scoring.forecast import forecast
from recsys.scoring.job import Output, Result, Standard, score
from recsys.scoring.plan import Options
from recsys.scoring.report import facts, readable
from recsys.source.contract import Source

GRAPHS: Final = ("encode", "recommend", *runtime.APART)

logger = logging.getLogger(__name__)


@hydra.main(config_path=CONF, config_name="score", version_base=None)
def main(cfg: DictConfig) -> None:
    """Reads the settings, scores and shows what came of it."""
    options = _options(cfg)
    limits = Limits(**cfg.checks)
    sink = instantiate(cfg.sink)
    bundle = Path(cfg.bundle)
    load = partial(runtime.load, bundle, graphs=GRAPHS, device=cfg.device)
    if cfg.forecast:
        found = forecast(load, _source(cfg), sink, options=options)
        console.table(f"forecast of {cfg.out}", ["what", "number"], found.rows())
        return
    result = score(
        load,
        _source(cfg),
        Output(Path(cfg.out), sink, overwrite=cfg.overwrite, restart=cfg.restart),
        options=options,
        standard=Standard(limits, cfg.max_quarantined, cfg.yesterday),
        engine=instantiate(cfg.engine),
        shard=shard.parse(cfg.shard),
    )
    _show(result, cfg.out, bundle=bundle)


def _options(cfg: DictConfig) -> Options:
    """The settings of the job as plain values."""
    return Options(
        k=cfg.k,
        seen=cfg.seen,
        allow=_paths(cfg.allow),
        deny=_paths(cfg.deny),
        rerank=cfg.rerank,
        quota=cfg.quota,
        category=cfg.category,
        batch_size=cfg.batch_size,
        tile=cfg.tile,
        threads=cfg.threads or processors(),
        road=cfg.road,
        part_rows=cfg.part_rows,
    )


def _show(result: Result, out: str, *, bundle: Path) -> None:
    """Counts and the first lists; of a shard, how much of the job is done."""
    if result.summary is None:
        done = f"{result.done} of {result.parts} parts of {out} are done"
        logger.info("%s; the same command without shard publishes them", done)
        return
    counts = result.summary["counts"]
    logger.info(
        "%d recommendations for %d users in %s", counts["recommendations"], counts["users"], out
    )
    if (recall := result.summary["work"].get("recall")) is not None:
        sampled = result.summary["work"]["sampled_users"]
        logger.info("approximate lists: recall %.4f of the exact ones, %d users", recall, sampled)
    console.table(f"scored {out}", ["what", "count"], facts(counts))
    shares = [(name, share) for name, share in result.summary["checks"].items()]
    console.table("checks", ["what", "share"], shares)
    if result.sample.height:
        catalogue = runtime.load(bundle, graphs=()).catalogue
        shown = readable(result.sample, catalogue=catalogue)
        console.table("the first users", ["user", "rank", "recommended", "reasons"], shown)


def _paths(given: str | ListConfig | None) -> str | list[str] | None:
    """One table or several, as plain values."""
    return list(given) if isinstance(given, ListConfig) else given


def _source(cfg: DictConfig) -> Source:
    """Any source will do; ``histories`` is the short way to name a file."""
    if cfg.histories is not None:
        if "path" not in set(cfg.source):  # in alone passes over a setting without a value
            message = "histories names a file, but this source reads none: leave one of them out"
            raise ConfigError(message)
        cfg.source.path = cfg.histories
    return instantiate(cfg.source, _convert_="all")


if __name__ == "__main__":
    main()
