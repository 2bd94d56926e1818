import json
import sys

import polars as pl
import pytest

from recsys.errors import ConfigError
from recsys.evaluate import main
from recsys.prepare import main as prepare


def run(stage, *words, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["recsys", *words])
    stage()


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Twelve users who all go round the same circle of nine items, each from another place."""
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    monkeypatch.chdir(tmp_path)
    circle = [[100 + (start + step) % 9 for step in range(6)] for start in range(12)]
    lines = [f"{user} {item}" for user, items in enumerate(circle, start=1) for item in items]
    (tmp_path / "pairs.txt").write_text("\n".join(lines))
    source = ["source=sequences", "source.path=pairs.txt", "source.layout=pairs"]
    run(prepare, *source, "split=leave_one_out", "out=data", monkeypatch=monkeypatch)
    return tmp_path


def test_baselines_alone_are_judged(data, monkeypatch, capsys):
    chosen = "baselines=[popularity,markov,ease]"
    run(
        main, "data=data", chosen, "out=results", "ks=[2]", "metric=ndcg@2", monkeypatch=monkeypatch
    )

    written = json.loads((data / "results" / "metrics.json").read_text())
    assert list(written["systems"]) == ["popularity", "markov", "ease"]
    assert written["systems"]["markov"]["metrics"]["hit_rate@2"] == 1
    assert written["split"]["leaks"] is True
    assert written["differences"] == {}
    assert "leaks" in capsys.readouterr().out


def test_lists_are_compared_with_the_baselines(data, monkeypatch):
    truth = [100 + (start + 5) % 9 for start in range(12)]
    lists = pl.DataFrame({"user_id": range(1, 13), "rank": 1, "item_id": truth})
    lists.write_parquet("lists.parquet")

    run(main, "lists=lists.parquet", "data=data", "part=test", monkeypatch=monkeypatch)

    written = json.loads((data / "evaluate" / "test" / "metrics.json").read_text())
    users = pl.read_parquet(data / "evaluate" / "test" / "users.parquet")
    assert written["systems"]["lists"]["metrics"]["ndcg@10"] == 1
    assert written["differences"]["popularity"]["low"] > 0
    assert set(users["system"]) == {"lists", *written["differences"]}
    assert users.height == 12 * 6


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "nothing to judge: give run=RUN"),
        (["data=data", "baselines=[]"], "nothing to judge: give run=RUN"),
        (["lists=lists.parquet"], "nothing to judge: give run=RUN"),
        (["run=somewhere", "data=data"], "run=somewhere brings its model and its data but data="),
        (["data=data", "part=tset"], "part is one of valid, test but is 'tset'"),
        (["data=data", "seen=mask"], "seen is one of exclude, keep but is 'mask'"),
        (["data=data", "metric=ndcg@7"], "but is 'ndcg@7': choose one"),
        (["data=data", "ks=[0,10]"], r"ks are list lengths of 1 or more but are \[0, 10\]"),
        (["data=data", "ks=[]"], r"ks are list lengths of 1 or more but are \[\]"),
        (["data=data", "out=data"], "holds no metrics.json"),
    ],
)
def test_what_cannot_be_done_is_refused_before_the_work(data, monkeypatch, words, message):
    with pytest.raises(ConfigError, match=message):
        run(main, *words, monkeypatch=monkeypatch)

    assert not (data / "evaluate").exists()
