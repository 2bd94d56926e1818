"""What MLflow gets to know of a training."""

import logging

import pytest
from lightning.pytorch.loggers import CSVLogger

from tests.tiny_training import data_set, history, train


def test_a_run_that_is_not_tracked_keeps_nothing(tmp_path):
    from recsys.tracking import begin, keep

    begin(CSVLogger(tmp_path), run=tmp_path, settings={"seed": 7})
    assert not keep(tmp_path, files=[tmp_path])
    assert not list(tmp_path.iterdir())


@pytest.mark.filterwarnings("ignore:.*noload.* loader strategy")  # MLflow of SQLAlchemy
def test_a_training_is_one_mlflow_run_with_every_epoch(tmp_path, caplog):
    from mlflow.tracking import MlflowClient

    data = data_set(tmp_path / "data", users=13).folder
    caplog.set_level(logging.INFO)
    run = train(data, tmp_path / "run", "tracking=mlflow", "memory=gru")
    client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("recsys")
    (tracked,) = client.search_runs([experiment.experiment_id])

    assert tracked.info.run_name == "run"
    assert tracked.info.status == "FINISHED"
    assert tracked.data.params["memory._target_"] == "recsys.memory.gru.Gru"
    assert tracked.data.params["seed"] == "7"
    points = client.get_metric_history(tracked.info.run_id, "val/ndcg_at_10")
    expected = [row["val/ndcg@10"] for row in history(run)]
    assert [point.value for point in points] == pytest.approx(expected)
    losses = client.get_metric_history(tracked.info.run_id, "train/loss")
    assert len(losses) == len(expected) == 2
    artifacts = {file.path for file in client.list_artifacts(tracked.info.run_id)}
    assert artifacts == {"config.yaml", "metrics.json", "history.csv", "curves.png"}
    assert (tmp_path / "mlflow").is_dir()

    train(data, run, "tracking=mlflow", "memory=gru", "trainer.max_epochs=3", "resume=true")
    (still,) = client.search_runs([experiment.experiment_id])
    assert still.info.run_id == tracked.info.run_id
    points = client.get_metric_history(still.info.run_id, "val/ndcg_at_10")
    assert [point.value for point in points] == pytest.approx(
        [row["val/ndcg@10"] for row in history(run)]
    )
    foreign = [record for record in caplog.records if not record.name.startswith("recsys")]
    assert [record.getMessage() for record in foreign] == []
