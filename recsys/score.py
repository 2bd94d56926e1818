"""``recsys score``: a bundle and a table of histories become recommendations, without torch.

    part-00000.parquet ...  user_id as given, rank Int32 from 1, item_id as in training,
                            score Float32, because List(Struct(item_id, weight Float32)), best first
    summary.json            what was counted, settings, checksums of histories and of every part

The lists of a user stand together in one part. The folder appears when all of it is on disk.
"""

import logging
from pathlib import Path

import hydra
from hydra.utils import instantiate
from omegaconf import DictConfig, ListConfig

from recsys import console, runtime
from recsys.config import CONF
from recsys.errors import ConfigError
from recsys.folder import published
from recsys.hardware import processors
from recsys.scoring.job import SUMMARY, Options, score
from recsys.scoring.report import facts, readable
from recsys.source.contract import Source

GRAPHS = ("encode", "recommend", *runtime.APART)
logger = logging.getLogger(__name__)


@hydra.main(config_path=CONF, config_name="score", version_base=None)
def main(cfg: DictConfig) -> None:
    """Reads the settings, scores and shows what came of it."""
    out = Path(cfg.out)
    options = Options(
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
    source = _source(cfg)
    with published(out, overwrite=cfg.overwrite, marker=SUMMARY) as folder:
        bundle = runtime.load(Path(cfg.bundle), graphs=GRAPHS, device=cfg.device)
        result = score(bundle, source, folder, options=options)
    counts = result.summary["counts"]
    logger.info(
        "%d recommendations for %d users in %s", counts["recommendations"], counts["users"], out
    )
    console.table(f"scored {out}", ["what", "count"], facts(counts))
    shown = readable(result.sample, catalogue=bundle.catalogue)
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
