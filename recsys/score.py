"""``recsys score``: a bundle and a table of histories become recommendations, without torch."""

import logging
import os
from pathlib import Path

import hydra
from hydra.utils import instantiate
from omegaconf import DictConfig

from recsys import console, runtime
from recsys.config import CONF
from recsys.scoring.job import SUMMARY, Options, score
from recsys.scoring.publish import published
from recsys.scoring.report import facts, readable

logger = logging.getLogger(__name__)


@hydra.main(config_path=CONF, config_name="score", version_base=None)
def main(cfg: DictConfig) -> None:
    """Reads the settings, scores and shows what came of it."""
    if cfg.histories is not None:
        cfg.source.path = cfg.histories
    out = Path(cfg.out)
    options = Options(
        k=cfg.k,
        seen=cfg.seen,
        allow=cfg.allow,
        deny=cfg.deny,
        batch_size=cfg.batch_size,
        tile=cfg.tile,
        threads=cfg.threads or os.cpu_count() or 1,
        part_rows=cfg.part_rows,
    )
    source = instantiate(cfg.source, _convert_="all")
    with published(out, overwrite=cfg.overwrite, marker=SUMMARY) as folder:
        bundle = runtime.load(Path(cfg.bundle), graphs=("encode", "recommend"), device=cfg.device)
        result = score(bundle, source, folder, options=options)
    counts = result.summary["counts"]
    logger.info(
        "%d recommendations for %d users in %s", counts["recommendations"], counts["users"], out
    )
    console.table(f"scored {out}", ["what", "count"], facts(counts))
    shown = readable(result.sample, catalogue=bundle.catalogue)
    console.table("the first users", ["user", "rank", "recommended", "because of"], shown)


if __name__ == "__main__":
    main()
