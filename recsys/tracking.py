"""The only file that knows MLflow."""

import os
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger, MLFlowLogger

from recsys.errors import ConfigError


def mlflow_logger(*, uri: str | None, experiment: str, run: Path) -> Logger:
    """Lightning's logger into MLflow.

    Args:
        uri: Address of a tracking server; None keeps a SQLite file ``mlflow.db`` beside the run.
        experiment: Name of the MLflow experiment; a run is named after its folder.
        run: The run folder; artifacts of the SQLite store lie in ``mlflow`` beside it.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    home = run.resolve().parent
    local = uri is None
    return MLFlowLogger(
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
