"""A run's best model becomes a bundle, published only if it proves equal."""

import json
import logging
from pathlib import Path

from recsys.bundle.assembly import assemble_bundle
from recsys.bundle.parity import Parity
from recsys.folder import published
from recsys.run import METRICS, best_model, open_data, open_run
from recsys.tracking import keep

logger = logging.getLogger(__name__)


def publish_run(folder: Path, out: Path, *, overwrite: bool) -> Parity:
    """Traces, compares, publishes; the MLflow run of the training keeps the bundle too.

    Args:
        folder: A training's.
        out: Folder to make.
        overwrite: Replace an earlier bundle.

    Raises:
        ArtifactError: ONNX Runtime does not answer as PyTorch does, or the run is damaged.
        ConfigError: ``out`` exists, or cannot be made.
    """
    run = open_run(folder)
    prepared = open_data(run)
    scorer = best_model(run, prepared=prepared)
    metrics = run.folder / METRICS
    facts = {
        "name": run.folder.resolve().name,
        "metrics": json.loads(metrics.read_text()) if metrics.is_file() else {},
        "training": run.manifest,
    }
    with published(out, overwrite=overwrite) as hidden:
        parity = assemble_bundle(
            scorer.model.cpu(), hidden, prepared=prepared, history=scorer.history, facts=facts
        )
        files = sorted(file.name for file in hidden.iterdir())
    if keep(run.folder, files=[out / name for name in files], under="bundle"):
        logger.info("the bundle is kept in the MLflow run of '%s' too", run.folder)
    return parity
