"""A training ends with a complete run, goes on after any interruption, and refuses early."""

import csv
import json
import math
import shutil
import signal

import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from recsys.config import CONF
from recsys.errors import ConfigError
from tests.tiny_training import SMALL, data_set, history, strange, train, train_apart, weights

KILLED_IN_STEP = """
import os, signal, sys
from recsys.cli import main
from recsys.system import RecommenderSystem

step = RecommenderSystem.training_step

def until(self, batch):
    if self.global_step == {step}:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, batch)

RecommenderSystem.training_step = until
sys.argv[0] = "recsys"
main()
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("train")


@pytest.fixture(scope="module")
def data(home):
    return data_set(home / "data").folder


@pytest.fixture(scope="module")
def straight(home, data):
    """Four epochs without a pause; dropout at its default of 0.2."""
    return train(data, home / "straight", "trainer.max_epochs=4")


def test_a_resumed_training_equals_an_uninterrupted_one(tmp_path, data, straight):
    run = train(data, tmp_path / "run", "trainer.max_epochs=2")
    assert len(history(run)) == 2
    train(data, run, "resume=true", "trainer.max_epochs=4")
    assert_same(run, straight)


def test_a_training_killed_in_the_middle_of_an_epoch_goes_on(tmp_path, data, straight):
    steps = int(torch.load(straight / "checkpoints/last.ckpt", weights_only=True)["global_step"])
    code = KILLED_IN_STEP.format(step=steps * 5 // 8)  # in the middle of the third of four
    run = tmp_path / "run"
    killed = train_apart(data, run, "trainer.max_epochs=4", code=code)
    assert killed.returncode == -signal.SIGKILL
    assert len(history(run)) == 2
    train(data, run, "resume=true", "trainer.max_epochs=4")
    assert_same(run, straight)


def test_a_training_killed_in_its_first_epoch_begins_again(tmp_path, data, straight):
    run = tmp_path / "run"
    train(data, run, "trainer.max_epochs=1")
    shutil.rmtree(run / "checkpoints")
    train(data, run, "resume=true", "trainer.max_epochs=4")
    assert_same(run, straight)


def test_the_last_checkpoint_is_of_the_newest_epoch_even_where_it_is_not_the_best(tmp_path, data):
    run = train(data, tmp_path / "run", "trainer.max_epochs=3", "optimizer.lr=0")  # no better epoch
    best, last = (checkpoint(run, name)["epoch"] for name in ("best", "last"))
    assert (best, last) == (0, 2)


def test_training_stops_after_epochs_without_a_better_one(tmp_path, data):
    words = ("trainer.max_epochs=9", "optimizer.lr=0", "patience=2")
    run = train(data, tmp_path / "run", *words)
    assert len(history(run)) == 3


def test_a_model_learns_what_popularity_cannot_know(straight):
    lost = [row["train/loss"] for row in history(straight)]
    assert lost[-1] < 0.9 * lost[0]
    systems = json.loads((straight / "metrics.json").read_text())["systems"]
    assert systems["model"]["ndcg@10"] > 3 * systems["popularity"]["ndcg@10"]


def test_a_run_records_where_it_came_from(straight, data):
    from recsys.data.prepared import load
    from recsys.run import _commit

    manifest = json.loads((straight / "manifest.json").read_text())
    assert manifest["seed"] == 7
    assert manifest["data_checksum"] == load(data).manifest["checksum"]
    assert manifest["commit"] == _commit()
    settings = OmegaConf.load(straight / "config.yaml")
    assert settings.memory == {
        "_target_": "recsys.memory.key_value.KeyValue",
        **{"width": 8, "slots": 6, "dropout": 0.2},
    }


def test_a_run_shows_every_epoch(straight):
    with (straight / "history.csv").open(newline="") as lines:
        table = list(csv.DictReader(lines))
    assert [float(row["epoch"]) for row in table] == [0, 1, 2, 3]
    assert {"seconds", "train/loss", "val/ndcg@10", "val/hit_rate@10"} <= set(table[0])
    assert (straight / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_the_best_model_stands_beside_the_baselines(straight, data):
    from recsys.data.prepared import load
    from recsys.evaluation.protocol import evaluate
    from recsys.run import load_model

    metrics = json.loads((straight / "metrics.json").read_text())
    assert metrics["part"] == "valid"
    assert list(metrics["systems"]) == ["model", "popularity"]
    best = max(row["val/ndcg@10"] for row in history(straight))
    assert metrics["systems"]["model"]["ndcg@10"] == pytest.approx(best, abs=1e-6)
    again = evaluate(
        load_model(straight), load(data), part="valid", ks=(10,), seen="exclude", batch_size=5
    )
    assert again.summary["ndcg@10"] == pytest.approx(best, abs=1e-6)


def test_checkpoints_hold_nothing_but_data(straight):
    for name in ("best", "last"):
        assert checkpoint(straight, name)["state_dict"]


def test_the_seed_decides_the_result(tmp_path, data):
    runs = [
        train(data, tmp_path / name, f"seed={seed}", "trainer.max_epochs=1")
        for name, seed in (("one", 1), ("same", 1), ("other", 2))
    ]
    one, same, other = (weights(run) for run in runs)
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


def test_averaged_weights_are_judged_kept_and_resumed(tmp_path, data, straight):
    words = ("averaging=0.9", "event_dropout=0.2", "half_life=0.5")
    run = train(data, tmp_path / "run", *words, "trainer.max_epochs=4")
    saved = checkpoint(run, "last")
    averaged, current = saved["state_dict"], saved["current_model_state"]
    name = "model.response.answer.weight"
    assert not torch.equal(averaged[name], current[name])
    assert weights(run)[name].isfinite().all()
    again = train(data, tmp_path / "again", *words, "trainer.max_epochs=2")
    train(data, again, "resume=true", *words, "trainer.max_epochs=4")
    assert_same(again, run)


def test_an_existing_run_is_left_alone(straight, data, monkeypatch):
    before = history(straight)
    monkeypatch.setattr("recsys.train.rehearse", lambda *_, **__: pytest.fail("too late"))
    with pytest.raises(ConfigError, match="exists: choose another name"):
        train(data, straight, "dry_run=true")
    assert history(straight) == before


@pytest.mark.parametrize("word", ["dropout=0.1", "batch_size=8", "memory=gru", "k=5"])
def test_another_setting_is_refused_on_resume(straight, data, word):
    with pytest.raises(ConfigError, match=r"resume with the same settings"):
        train(data, straight, "resume=true", "trainer.max_epochs=5", word)


@pytest.mark.parametrize(
    ("word", "rule"),
    [
        ("trainer.precision=16-mixed", "precision '16-mixed' cannot hold"),
        ("trainer.precision=16", "precision '16' cannot hold"),
        ("heads=3", "width 8 cannot be cut into 3 heads"),
        ("slots=0", "slots is a whole number from 1 but is '0'"),
        ("batch_size=-1", "batch_size is a whole number from 1 but is '-1'"),
        ("width=many", "width is a whole number from 1 but is 'many'"),
        ("validation_users=0", "validation_users is a whole number from 1 but is '0'"),
        ("patience=1.5", "patience is a whole number from 1 but is '1.5'"),
    ],
)
def test_what_cannot_work_is_refused_before_data_are_read(tmp_path, word, rule):
    with pytest.raises(ConfigError, match=rule):
        train(tmp_path / "nowhere", tmp_path / "run", word)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("broken", ["assemble_bundle", "top_k"])
def test_what_would_fail_at_the_end_fails_before_the_first_step(
    tmp_path, data, monkeypatch, broken
):
    from recsys.system import RecommenderSystem

    def fails(*_, **__):
        raise ConfigError(broken)

    steps = []
    monkeypatch.setattr(f"recsys.rehearsal.{broken}", fails)
    monkeypatch.setattr(RecommenderSystem, "training_step", lambda *_: steps.append(1))
    with pytest.raises(ConfigError, match=broken):
        train(data, tmp_path / "run", "dry_run=true")
    assert steps == []
    assert not (tmp_path / "run").exists()


def test_half_the_bits_train_too(tmp_path, data, straight):
    run = train(data, tmp_path / "run", "trainer.precision=bf16-mixed")
    rough, exact = (history(folder)[1]["train/loss"] for folder in (run, straight))
    assert math.isfinite(rough)
    assert rough != exact
    assert rough == pytest.approx(exact, rel=0.05)
    assert weights(run)["model.input.item.weight"].dtype == torch.float32


@pytest.mark.parametrize("memory", ["gru", "key_value"])
def test_every_loss_trains_every_memory(tmp_path, data, memory):
    for loss in ("full_softmax", "gbce", "bpr"):
        words = [f"memory={memory}", f"loss={loss}", "trainer.max_epochs=1"]
        run = train(data, tmp_path / loss, *words)
        assert math.isfinite(history(run)[0]["train/loss"])


def test_a_folder_may_be_called_by_a_number(tmp_path, data, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "1").symlink_to(data)
    stage("train", *SMALL, "data=1", "run=2", "trainer.max_epochs=1")
    stage("evaluate", "run=2", "out=3", "baselines=[popularity]")
    assert (tmp_path / "3" / "metrics.json").is_file()
    stage("prepare", "out=4", "source.users=50", "source.items=100", "source.events=9")
    assert (tmp_path / "4" / "catalogue.parquet").is_file()


@pytest.mark.parametrize("rehearsed", ["false", pytest.param("true", marks=pytest.mark.slow)])
def test_the_terminal_shows_facts_only_and_a_dry_run_changes_nothing(tmp_path, data, rehearsed):
    words = (f"dry_run={rehearsed}", "trainer.max_epochs=1")
    done = train_apart(data, tmp_path / "run", *words)
    assert done.returncode == 0, done.stderr
    assert strange(done) == []
    assert ("dry run" in done.stderr) == (rehearsed == "true")
    assert "ours ahead" in done.stdout
    assert_same(tmp_path / "run", train(data, tmp_path / "here", "trainer.max_epochs=1"))


@pytest.mark.slow
@pytest.mark.timeout(700)
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
def test_a_compiled_model_trains(tmp_path, data):
    words = ("trainer.max_epochs=1", "+trainer.limit_train_batches=2", "dropout=0.0")
    plain = train(data, tmp_path / "plain", *words)
    done = train_apart(
        data, tmp_path / "run", *words, "compile=true"
    )  # shape checks do not compile
    assert done.returncode == 0, done.stderr
    expected = history(plain)[0]["train/loss"]
    assert history(tmp_path / "run")[0]["train/loss"] == pytest.approx(expected, rel=1e-4)


def stage(name, *words):
    """Another stage with these settings, in this process."""
    from importlib import import_module

    with initialize_config_dir(CONF, version_base=None):
        cfg = compose(name, [*words])
    import_module(f"recsys.{name}").main.__wrapped__(cfg)


def checkpoint(run, name):
    return torch.load(run / "checkpoints" / f"{name}.ckpt", map_location="cpu", weights_only=True)


def assert_same(run, other):
    """The same weights to the last bit and the same history."""
    for name in ("best", "last"):
        one, two = weights(run, name), weights(other, name)
        assert one.keys() == two.keys()
        assert [key for key in one if not torch.equal(one[key], two[key])] == []
    assert history(run) == history(other)
