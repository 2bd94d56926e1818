"""The only file that knows MLflow."""

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from lightning.pytorch.loggers import Logger, MLFlowLogger
from mlflow.tracking import MlflowClient

NOTE: Final = "mlflow.json"  # in the run folder: where the run is tracked, and as which run


class _EpochLogger(MLFlowLogger):
    """Spells metrics as MLflow allows: ``val/ndcg@10`` is ``val/ndcg_at_10`` there."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        super().log_metrics({_spelled(name): value for name, value in metrics.items()}, step)


def mlflow_logger(*, uri: str | None, experiment: str, run: Path) -> Logger:
    """Lightning's logger into MLflow; a resumed training goes on in the MLflow run it began.

    Args:
        uri: Address of a tracking server; None keeps a SQLite file ``mlflow.db`` beside the run.
        experiment: Name of the MLflow experiment; a run is named after its folder.
        run: The run folder; artifacts of the SQLite store lie in ``mlflow`` beside it.
    """
    _quiet()
    home = run.resolve().parent
    local = uri is None
    return _EpochLogger(
        experiment_name=experiment,
        run_name=run.name,
        run_id=json.loads((run / NOTE).read_text())["run_id"] if (run / NOTE).is_file() else None,
        tracking_uri=f"sqlite:///{home / 'mlflow.db'}" if local else uri,
        artifact_location=str(home / "mlflow") if local else None,
    )


def begin(logger: Logger | None, *, run: Path, settings: dict[str, Any]) -> None:
    """Tells MLflow the settings, and the run folder which MLflow run it is; once."""
    if isinstance(logger, _EpochLogger) and not (run / NOTE).is_file():
        logger.log_hyperparams(settings)
        note = {"uri": logger._tracking_uri, "run_id": logger.run_id}
        (run / NOTE).write_text(json.dumps(note) + "\n")


def keep(run: Path, *, files: list[Path], under: str | None = None) -> bool:
    """Adds files to the MLflow run of a run folder; False where it has none."""
    if not (run / NOTE).is_file():
        return False
    _quiet()
    note = json.loads((run / NOTE).read_text())
    client = MlflowClient(note["uri"])
    for file in files:
        client.log_artifact(note["run_id"], str(file), under)
    return True


def _quiet() -> None:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    for name in ("mlflow.store.db.utils", "alembic", MLFlowLogger.__module__):
        logging.getLogger(name).setLevel(logging.ERROR)  # they tell what a first run always does


def _spelled(name: str) -> str:
    return name.replace("@", "_at_")
