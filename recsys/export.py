"""``recsys export``: a run's best model becomes a bundle, published only if it proves equal."""

import json
import logging
from pathlib import Path

import hydra
from omegaconf import DictConfig

from recsys import console
from recsys.bundle.assembly import assemble_bundle
from recsys.bundle.lowering import check_precision, lower
from recsys.config import CONF
from recsys.folder import published, refuse_existing
from recsys.run import METRICS, best_model, open_data, open_run
from recsys.tracking import keep

logger = logging.getLogger(__name__)


@hydra.main(config_path=CONF, config_name="export", version_base=None)
def main(cfg: DictConfig) -> None:
    """Traces, compares, publishes."""
    out = Path(str(cfg.out))
    refuse_existing(out, overwrite=cfg.overwrite)
    check_precision(cfg.precision)
    run = open_run(Path(str(cfg.run)))
    prepared = open_data(run)
    scorer = best_model(run, prepared=prepared)
    metrics = run.folder / METRICS
    facts = {
        "name": run.folder.resolve().name,
        "metrics": json.loads(metrics.read_text()) if metrics.is_file() else {},
        "training": run.manifest,
    }
    with published(out, overwrite=cfg.overwrite) as folder:
        parity = assemble_bundle(
            scorer.model.cpu(), folder, prepared=prepared, history=scorer.history, facts=facts
        )
        lost = None
        if cfg.precision != "float32":
            lost = lower(folder, precision=cfg.precision, prepared=prepared, history=scorer.history)
        sizes = {file.name: file.stat().st_size for file in sorted(folder.iterdir())}
    if keep(run.folder, files=[out / name for name in sizes], under="bundle"):
        logger.info("the bundle is kept in the MLflow run of '%s' too", run.folder)
    console.table(f"bundle {out}", ["file", "bytes"], sizes.items())
    shown = [[what, f"{value:.3g}"] for what, value in parity._asdict().items()]
    console.table("parity with PyTorch", ["what", "value"], shown)
    if lost is not None:
        shown = [[what, f"{value:.3g}"] for what, value in lost._asdict().items()]
        console.table(f"{cfg.precision} beside float32", ["what", "value"], shown)


if __name__ == "__main__":
    main()
