"""The README's commands do what it says, and the demo's are the README's."""

import re
import shlex
import sys
from pathlib import Path

import polars as pl
import pytest

from recsys import cli, tables
from recsys.cli import STAGES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SMALL = ["width=8", "slots=6", "batch_size=8", "trainer.max_epochs=1", "tracking=none"]
TRAIN_QUICKLY = [*SMALL, "dry_run=false", "trainer.accelerator=cpu"]


def commands(heading):
    """The words of every recsys command below a heading, comments and line ends joined."""
    section = README.split(f"## {heading}\n")[1].split("\n## ")[0]
    blocks = "\n".join(re.findall(r"```\n(.*?)```", section, flags=re.DOTALL))
    lines = blocks.replace("\\\n", " ").splitlines()
    words = [shlex.split(line, comments=True) for line in lines]
    return [line for line in words if line[:1] == ["recsys"]]


def movielens(folder):
    """A few users in the layout of MovieLens-1M, and later events of theirs as a table."""
    folder.mkdir(parents=True)
    events = [
        (user, 1 + (user + step) % 9, 1000 * step + user)
        for user in range(1, 13)
        for step in range(7)
    ]
    ratings = "".join(f"{user}::{movie}::5::{time}\n" for user, movie, time in events)
    (folder / "ratings.dat").write_text(ratings)
    films = "".join(f"{movie}::Film {movie} (1999)::Drama|Comedy\n" for movie in range(1, 10))
    (folder / "movies.dat").write_text(films, encoding="latin-1")
    return pl.DataFrame(events, schema=list(tables.INTERACTIONS), orient="row")


def run(monkeypatch, words):
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0, words


def test_the_six_commands_lead_from_a_data_set_to_lists(tmp_path, monkeypatch, capsys):
    from tests.symbols import unchecked

    monkeypatch.chdir(tmp_path)
    movielens(tmp_path / "data" / "ml-1m").write_parquet("new_events.parquet")
    six = commands("Seven commands")[:6]
    assert [words[1] for words in six] == [
        "doctor",
        "prepare",
        "train",
        "evaluate",
        "export",
        "score",
    ]
    with unchecked():
        for words in six[1:]:
            extra = TRAIN_QUICKLY if words[1] == "train" else []
            run(monkeypatch, [*words, *extra])
    lists = pl.read_parquet("runs/lists/*.parquet")
    assert lists[tables.USER_ID].n_unique() == 12
    assert lists[tables.RANK].min() == 1
    assert "Film" in capsys.readouterr().out


def test_a_table_of_ones_own_is_prepared(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = dict(zip(tables.INTERACTIONS, ("customer", "sku", "at"), strict=True))
    movielens(tmp_path / "unused").rename(names).write_csv("events.csv")
    own = [words for words in commands("Seven commands") if "source=table" in words]
    assert len(own) == 1
    run(monkeypatch, own[0])
    assert (tmp_path / "runs" / "data" / "manifest.json").is_file()


def test_every_stage_is_in_the_readme_and_every_command_is_a_stage():
    told = commands("Seven commands") + commands("Memories")
    stages = {words[1] for words in told}
    assert stages == set(STAGES)


def test_the_commands_of_the_demo_compose():
    from hydra import compose, initialize_config_dir

    from recsys.config import CONF

    lines = re.findall(r"\$\(BIN\)/recsys (.*)", (ROOT / "Makefile").read_text())
    assert [line.split()[0] for line in lines] == [
        "prepare",
        "train",
        "evaluate",
        "export",
        "score",
    ]
    with initialize_config_dir(CONF, version_base=None):
        for line in lines:
            stage, *overrides = line.replace("$(DEMO)", "runs/demo").split()
            assert compose(stage, overrides)
