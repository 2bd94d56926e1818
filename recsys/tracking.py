"""The only file that knows MLflow."""

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger, MLFlowLogger

from recsys.errors import ConfigError


class _EpochLogger(MLFlowLogger):
    """Spells metrics as MLflow allows: ``val/ndcg@10`` is ``val/ndcg_at_10`` there."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        super().log_metrics({_spelled(name): value for name, value in metrics.items()}, step)


def mlflow_logger(*, uri: str | None, experiment: str, run: Path) -> Logger:
    """Lightning's logger into MLflow.

    Args:
        uri: Address of a tracking server; None keeps a SQLite file ``mlflow.db`` beside the run.
        experiment: Name of the MLflow experiment; a run is named after its folder.
        run: The run folder; artifacts of the SQLite store lie in ``mlflow`` beside it.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    for name in ("mlflow.store.db.utils", "alembic", MLFlowLogger.__module__):
        logging.getLogger(name).setLevel(logging.ERROR)  # they tell what a first run always does
    home = run.resolve().parent
    local = uri is None
    return _EpochLogger(
        experiment_name=experiment,
        run_name=run.name,
        tracking_uri=f"sqlite:///{home / 'mlflow.db'}" if local else uri,
        artifact_location=str(home / "mlflow") if local else None,
    )


def log_artifacts(logger: Logger, *, files: list[Path], settings: dict[str, Any]) -> None:
    """Adds files and settings to the run this logger belongs to."""
    if not isinstance(logger, MLFlowLogger):
        message = f"tracking '{type(logger).__name__}' keeps no artifacts: use mlflow"
        raise ConfigError(message)
    logger.log_hyperparams(settings)
    assert logger.run_id is not None
    for file in files:
        logger.experiment.log_artifact(logger.run_id, str(file))


def _spelled(name: str) -> str:
    return name.replace("@", "_at_")
