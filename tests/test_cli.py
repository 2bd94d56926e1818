import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from recsys.cli import STAGES

ROOT = Path(__file__).parents[1]
READY = [stage for stage in STAGES if (ROOT / "conf" / f"{stage}.yaml").is_file()]


@pytest.fixture
def recsys(tmp_path):
    """Run the command in an empty folder; gives exit code, standard output and error."""

    def run(*words: str, **environment: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, "-m", "recsys.cli", *words],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    return run


def refused(answer: tuple[int, str, str]) -> str:
    """The one line of an error that the user can mend."""
    code, out, error = answer
    assert code == 2
    assert out == ""
    assert error.count("\n") == 1
    return error.strip()


@pytest.mark.parametrize("words", [(), ("--help",), ("-h",)])
def test_help_lists_every_stage_with_a_line(recsys, words):
    code, out, _ = recsys(*words)
    assert code == 0
    for stage, summary in STAGES.items():
        assert f"  {stage:<9} {summary}\n" in out


def test_an_unknown_stage_is_answered_with_all_stages(recsys):
    line = refused(recsys("trian"))
    assert line.startswith("recsys: there is no stage 'trian': choose one of prepare, train")


@pytest.mark.parametrize("stage", READY)
def test_every_stage_has_help(recsys, stage):
    code, out, _ = recsys(stage, "--help")
    assert code == 0
    assert f"recsys {stage}: give any setting below as name=value." in out
    assert f"conf/{stage}.yaml says what each setting means" in out


@pytest.mark.parametrize("stage", READY)
def test_every_stage_shows_its_configuration(recsys, stage):
    code, out, _ = recsys(stage, "--cfg", "job")
    assert code == 0
    shown = yaml.safe_load(out)
    assert "hydra" not in shown
    given = yaml.safe_load((ROOT / "conf" / f"{stage}.yaml").read_text(encoding="utf-8"))
    assert set(given) - {"defaults"} <= set(shown)


def test_an_option_of_a_group_changes_the_configuration(recsys):
    code, out, _ = recsys("prepare", "source=table", "--cfg", "job")
    assert code == 0
    assert yaml.safe_load(out)["source"]["_target_"] == "recsys.source.table.Table"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("doctor", "outt=x"), "recsys doctor: there is no setting 'outt': did you mean 'out'?"),
        (("prepare", "sorce=table"), "there is no setting 'sorce': did you mean 'source'?"),
        (("prepare", "source.userz=5"), "no setting 'source.userz': did you mean 'source.users'"),
        (("prepare", "users=5"), "there is no setting 'users': did you mean 'source.users'?"),
        (("prepare", "source=table", "source.pth=x"), "did you mean 'source.path'"),
        (("train", "memory.slotz=5"), "no setting 'memory.slotz': did you mean 'memory.slots'?"),
        (("prepare", "zzzzzz=5"), "no setting 'zzzzzz': --cfg job lists the settings"),
        (("prepare", "-m", "source.userz=1,2"), "did you mean 'source.users'"),
    ],
)
def test_an_unknown_setting_is_answered_with_the_nearest_name(recsys, words, line):
    assert line in refused(recsys(*words))


def test_an_unknown_option_of_a_group_is_answered_with_the_nearest_and_all(recsys):
    line = refused(recsys("prepare", "source=tabel"))
    assert "source has no option 'tabel': did you mean 'table'? choose one of movielens" in line


def test_a_word_that_is_no_setting_is_refused(recsys):
    line = refused(recsys("prepare", "quickly"))
    assert line == "recsys prepare: cannot read the setting 'quickly': write name=value"


def test_a_setting_without_value_that_needs_one_is_named(recsys):
    assert refused(recsys("prepare")) == "recsys prepare: 'out' has no value: give out=..."


def test_a_bad_value_is_answered_with_rule_value_and_remedy(recsys):
    line = refused(recsys("prepare", "source.users=many", "out=prepared"))
    assert line == ("recsys prepare: source.users is 'many': set a whole number of at least 1")


def test_an_added_setting_that_no_part_takes_is_refused(recsys):
    line = refused(recsys("prepare", "+source.colour=red", "out=prepared"))
    assert line == "recsys prepare: Synthetic takes no setting 'colour': leave it out"


def test_a_stage_leaves_nothing_behind_in_the_folder_where_it_was_started(recsys, tmp_path):
    recsys("doctor")
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_runs_the_stage_for_each_value(recsys, tmp_path):
    small = ("source.users=50", "source.items=60", "source.events=6", "out=seed-${source.seed}")
    code, _, error = recsys("prepare", "--multirun", *small, "source.seed=1,2")
    assert code == 0, error
    assert (tmp_path / "seed-1" / "manifest.json").is_file()
    assert (tmp_path / "seed-2" / "manifest.json").is_file()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("recsys pre", {"prepare", "train", "doctor"}),
        ("recsys prepare source=", {"source=table", "source=movielens"}),
        ("recsys doctor o", {"out="}),
    ],
)
def test_the_shell_completes_stages_groups_and_settings(recsys, line, words):
    code, out, _ = recsys("-sc", "query=bash", COMP_LINE=line)
    assert code == 0
    assert words <= set(out.split())


def test_the_shell_completion_installs(recsys):
    code, out, _ = recsys("--shell-completion", "install=bash")
    assert code == 0
    assert "complete -o nospace" in out


def test_a_missing_package_is_answered_with_what_to_install():
    from recsys.complaint import one_line

    line = one_line(ModuleNotFoundError(name="torch"), stage="train", overrides=[])
    assert line == "package 'torch' is not installed: pip install 'recsys[train]'"


def test_a_bug_keeps_its_traceback():
    from recsys.complaint import one_line

    assert one_line(KeyError("x"), stage="train", overrides=[]) is None
    assert one_line(ModuleNotFoundError(name="recsys.x"), stage="train", overrides=[]) is None
