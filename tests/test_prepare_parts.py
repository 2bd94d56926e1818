"""A table larger than memory: whatever its pieces and parts, the same bytes or the same refusal."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recsys import parted
from recsys.data import histories, numbering, preparation, split
from recsys.data.prepared import load
from recsys.data.split import GlobalTime, LeaveOneOut, UserHoldout
from recsys.errors import ArtifactError, InputError
from recsys.parted import Parting
from tests.tiny_data import prepare_frame

ROOT = Path(__file__).parents[1]
EVENTS = 3000
SPLITTERS = {
    "last": LeaveOneOut(),
    "moments": GlobalTime(valid=0.1, test=0.13, valid_from=None, test_from=None),
    "strangers": UserHoldout(valid=0.2, test=0.2, holdout=0.3, seed=1),
}
RULES = {
    "nothing": {},
    "cap": {"history_cap": 12},
    "core": {"user_core": 8, "item_core": 4},
    "all": {"behaviours": ["buy", "view"], "min_rating": 2, "history_cap": 20, "item_core": 5},
}
# As a killed process sees the same table; each kill comes before the file's part is written.
KILLED = """
import os, signal, sys
from pathlib import Path
from recsys import parted
from tests import test_prepare_parts as here
here.divide(setattr, piece_rows=700, part_rows=500)
write = parted.Parting._write
def dying(self, rows, *, part):
    if (self.path.name, part) == (sys.argv[2], 2):
        os.kill(os.getpid(), signal.SIGKILL)
    write(self, rows, part=part)
parted.Parting._write = dying
here.prepare_frame(here.table(text=False), Path(sys.argv[1]))
"""


def table(*, text):
    """Few times, so that ties abound, and some rows twice; ids in no order."""
    random = np.random.default_rng(5)
    frame = pl.DataFrame(
        {
            "user_id": random.integers(-60, 60, EVENTS),
            "item_id": (random.random(EVENTS) ** 2 * 200).astype(np.int64),
            "timestamp": random.integers(0, 90, EVENTS),
            "behaviour": random.choice(["view", "cart", "buy"], EVENTS),
            "rating": random.integers(1, 6, EVENTS),
        }
    )
    ids = (pl.format("é{}", pl.col(name)).alias(name) for name in ("user_id", "item_id"))
    return frame.with_columns(*ids) if text else frame


def divide(change, *, piece_rows, part_rows):
    """Makes pieces, parts and all that is looked at together as small as this."""
    change(parted, "PIECE_ROWS", piece_rows)
    change(preparation, "PART_ROWS", part_rows)
    change(numbering, "WAITING", part_rows)
    for module in (histories, split):
        change(module, "STRETCH", part_rows)


@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("splitter", SPLITTERS)
def test_pieces_and_parts_change_no_byte(tmp_path, monkeypatch, text, rule, splitter):
    found = []
    for piece_rows, part_rows in ((EVENTS, EVENTS), (700, 1200), (41, 60)):
        divide(monkeypatch.setattr, piece_rows=piece_rows, part_rows=part_rows)
        out = tmp_path / str(part_rows)
        settings = {"splitter": SPLITTERS[splitter], **RULES[rule]}
        found.append(prepare_frame(table(text=text), out, **settings).manifest)
    assert found[0] == found[1] == found[2]
    assert found[0]["counts"]["interactions"] > 500


def test_a_user_larger_than_a_part_is_not_divided(tmp_path, monkeypatch):
    frame = table(text=False).with_columns(user_id=pl.col("user_id") // 60)
    whole = prepare_frame(frame, tmp_path / "whole")
    divide(monkeypatch.setattr, piece_rows=100, part_rows=7)
    assert prepare_frame(frame, tmp_path / "parts").manifest == whole.manifest
    assert whole.histories.users == 2


@pytest.mark.parametrize("piece_rows", [EVENTS, 100])
def test_bad_rows_are_counted_over_all_pieces(tmp_path, monkeypatch, piece_rows):
    divide(monkeypatch.setattr, piece_rows=piece_rows, part_rows=100)
    row = pl.int_range(pl.len())
    frame = table(text=False).with_columns(item_id=pl.when(row % 300 != 7).then(pl.col("item_id")))
    with pytest.raises(InputError, match=f"item_id is empty in 10 of {EVENTS} rows"):
        prepare_frame(frame, tmp_path / "out")
    late = table(text=False).with_columns(
        timestamp=pl.when(row < EVENTS - 3).then(pl.col("timestamp") + 10**9).otherwise(10**12)
    )
    with pytest.raises(InputError, match=f"3 of {EVENTS} rows look like milliseconds"):
        prepare_frame(late, tmp_path / "out")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there")
@pytest.mark.parametrize("file", ["rows", "numbers", "histories"])
def test_a_kill_leaves_no_folder_and_the_next_run_clears_up(tmp_path, file):
    words = [sys.executable, "-c", KILLED, str(tmp_path / "out"), file]
    done = subprocess.run(words, cwd=ROOT, env=os.environ, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == [".out.partial"]
    assert list((tmp_path / ".out.partial").rglob(file))

    after = prepare_frame(table(text=False), tmp_path / "out")

    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert after.manifest == prepare_frame(table(text=False), tmp_path / "whole").manifest
    named = {*after.manifest["files"], "manifest.json"}
    files = {path for path in after.folder.rglob("*") if path.is_file()}
    assert {path.relative_to(after.folder).as_posix() for path in files} == named


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("name", ["rows", "numbers", "histories", "item.npy"])
def test_a_full_disk_is_one_line_and_keeps_what_was_there(tmp_path, monkeypatch, name):
    before = prepare_frame(table(text=False), tmp_path / "out", history_cap=9).manifest
    opened = Path.open

    def open_full(path, *args, **kwargs):
        full = path.name == name and set(args[0]) & set("wa")
        return opened(Path("/dev/full") if full else path, *args, **kwargs)

    monkeypatch.setattr(Path, "open", open_full)
    with pytest.raises(ArtifactError, match=r"cannot be written \(No space left on device\): make"):
        prepare_frame(table(text=False), tmp_path / "out", overwrite=True)
    assert load(tmp_path / "out").manifest == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_parts_that_were_damaged_meanwhile_are_refused(tmp_path):
    path = tmp_path / "parts"
    with Parting(path, parts=0) as parting:
        parting.append(pl.DataFrame({"user": [104, 105]}))
    path.write_bytes(path.read_bytes().replace(b"\x68\x00", b"\x69\x00"))
    with pytest.raises(ArtifactError, match="is damaged: run again"):
        parting.parted.read(0)
