"""A run's best model becomes a bundle, published only if it proves equal."""

import json
import logging
from pathlib import Path
from typing import NamedTuple

from recsys.bundle.assembly import assemble_bundle
from recsys.bundle.fidelity import Fidelity
from recsys.bundle.lowering import check_precision, lower
from recsys.bundle.parity import Parity
from recsys.folder import published
from recsys.run import METRICS, best_model, open_data, open_run
from recsys.tracking import keep

logger = logging.getLogger(__name__)


class Proof(NamedTuple):
    """What was found before a bundle was let out."""

    parity: Parity
    fidelity: Fidelity | None  # of a bundle of fewer bits


def publish_run(folder: Path, out: Path, *, overwrite: bool, precision: str) -> Proof:
    """Traces, compares, publishes; the MLflow run of the training keeps the bundle too.

    Args:
        folder: A training's.
        out: Folder to make.
        overwrite: Replace an earlier bundle.
        precision: ``float32``, or one of fewer bits.

    Raises:
        ArtifactError: ONNX Runtime does not answer as PyTorch does, fewer bits lose too much, or
            the run is damaged.
        ConfigError: ``out`` exists, or cannot be made; or there is no such precision.
    """
    check_precision(precision)
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
        fidelity = None
        if precision != "float32":
            fidelity = lower(hidden, precision=precision, prepared=prepared, history=scorer.history)
        files = sorted(file.name for file in hidden.iterdir())
    if keep(run.folder, files=[out / name for name in files], under="bundle"):
        logger.info("the bundle is kept in the MLflow run of '%s' too", run.folder)
    return Proof(parity, fidelity)
