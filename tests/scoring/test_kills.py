import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from recsys.errors import ArtifactError, ConfigError, InputError
from recsys.folder import held, kept
from recsys.runtime import Bundle
from recsys.scoring.shard import Shard
from tests.scoring.killed import OPTIONS, job
from tests.tiny_bundle import world, write_bundle

ROOT = Path(__file__).parents[2]
ITEMS = 23
POINTS = {
    "while the histories are parted": ("open", "/spill"),
    "before the job is begun": ("os.link", "/job.json"),
    "before a part has its name": ("os.rename", "/part-00002.parquet"),
    "after a part, before its receipt": ("os.rename", "/receipts/00002.json"),
    "before the rows set aside have their name": ("os.rename", "/quarantine.parquet"),
    "before the summary": ("os.rename", "/summary.json"),
    "before the earlier lists make way": ("os.rename", "/.out.old"),
    "between the earlier lists and the new": ("os.rename", ".partial/lists"),
    "before the earlier lists go": ("shutil.rmtree", "/.out.old"),
    "before the job is forgotten": ("os.remove", "/job.json"),
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A bundle, histories, yesterday's lists, and what an uninterrupted job makes of them."""
    folder = tmp_path_factory.mktemp("kills")
    write_bundle(folder / "bundle", world(ITEMS, seed=3), history=5)
    rows = [(user, 100 + user * step % ITEMS, step) for step in range(6) for user in range(50)]
    rows += [(None, 104, 1), (7, 104, 10**9 * 9)]
    frame = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")
    frame.write_parquet(folder / "histories.parquet")
    job(folder, options=OPTIONS._replace(k=2))
    (folder / "out").rename(folder / "yesterday")
    job(folder)
    (folder / "out").rename(folder / "whole")
    return folder


@pytest.fixture
def place(shop, tmp_path):
    """The same shop in a folder of its own, with yesterday's lists published."""
    for name in ("bundle", "histories.parquet"):
        (tmp_path / name).symlink_to(shop / name)
    subprocess.run(["cp", "-r", shop / "yesterday", tmp_path / "out"], check=True)
    return tmp_path


def contents(folder):
    """Every file but how long it took; the paths of the histories differ from shop to shop."""
    found = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in ("timing.json", "summary.json")
    }
    summary = json.loads((folder / "summary.json").read_text())
    del summary["job"], summary["histories"]["path"]
    return found | {"summary.json": summary}


def killed(folder, *when, **environment):
    words = [sys.executable, "-m", "tests.scoring.killed", str(folder), *when]
    done = subprocess.run(
        words, cwd=ROOT, env=os.environ | environment, capture_output=True, check=False
    )
    return done.returncode


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there")
@pytest.mark.parametrize("moment", list(POINTS))
def test_a_job_that_is_killed_goes_on_and_ends_with_the_same_bytes(shop, place, moment):
    assert killed(place, *POINTS[moment]) == -signal.SIGKILL
    if (place / "out").exists():
        assert contents(place / "out") in [contents(shop / "yesterday"), contents(shop / "whole")]

    job(place)

    assert contents(place / "out") == contents(shop / "whole")
    assert sorted(path.name for path in place.iterdir()) == ["bundle", "histories.parquet", "out"]


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there")
def test_parts_that_are_done_are_not_done_again(place):
    assert killed(place, *POINTS["before the summary"]) == -signal.SIGKILL
    parts = place / ".out.partial" / "lists"
    before = {path.name: path.stat().st_mtime_ns for path in parts.glob("part-*")}

    job(place)

    assert {p.name: p.stat().st_mtime_ns for p in (place / "out").glob("part-*")} == before
    timing = json.loads((place / "out" / "timing.json").read_text())
    assert timing["parts_taken_over"] == len(before) >= 5


def full_disk(monkeypatch, *, at):
    """Writing this part fails as on a disk without room: its temporary name is /dev/full."""
    opened = Path.open

    def open_full(path, *args, **kwargs):
        if path.name.startswith(f".part-{at:05}"):
            return opened(Path("/dev/full"), *args, **kwargs)
        return opened(path, *args, **kwargs)

    monkeypatch.setattr(Path, "open", open_full)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_stops_the_job_and_room_lets_it_go_on(shop, place, monkeypatch):
    full_disk(monkeypatch, at=3)
    with pytest.raises(ArtifactError, match=r"No space left on device.* goes on with the parts"):
        job(place)
    monkeypatch.undo()
    assert contents(place / "out") == contents(shop / "yesterday")
    assert len(list((place / ".out.partial" / "receipts").iterdir())) == 3

    job(place)

    assert contents(place / "out") == contents(shop / "whole")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"options": OPTIONS._replace(k=3)}, r"with options\.k=4, not 3: give the same settings"),
        ({"histories": True}, r"unfinished job with histories\.files\.histories\.parquet="),
    ],
)
def test_an_unfinished_job_is_only_continued_as_itself(place, monkeypatch, changes, message):
    full_disk(monkeypatch, at=3)
    with pytest.raises(ArtifactError):
        job(place)
    monkeypatch.undo()
    if changes.pop("histories", False):
        frame = pl.read_parquet(place / "histories.parquet")
        (place / "histories.parquet").unlink()
        frame.reverse().write_parquet(place / "histories.parquet")

    with pytest.raises(ConfigError, match=message):
        job(place, **changes)

    result = job(place, restart=True, **changes)
    assert result.summary["counts"]["users"] == 50


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_part_that_was_damaged_meanwhile_is_done_again(shop, place, monkeypatch):
    full_disk(monkeypatch, at=3)
    with pytest.raises(ArtifactError):
        job(place)
    monkeypatch.undo()
    (place / ".out.partial" / "lists" / "part-00001.parquet").write_bytes(b"rubbish")

    job(place)

    assert contents(place / "out") == contents(shop / "whole")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_histories_that_were_damaged_meanwhile_are_refused(place, monkeypatch):
    full_disk(monkeypatch, at=3)
    with pytest.raises(ArtifactError):
        job(place)
    monkeypatch.undo()
    spilt = place / ".out.partial" / "spill"
    spilt.write_bytes(spilt.read_bytes().replace(b"\x68\x00", b"\x69\x00"))

    with pytest.raises(ArtifactError, match="is damaged: run again with restart=true"):
        job(place)


def test_a_thread_that_dies_ends_the_job_and_nothing_is_lost(shop, place, monkeypatch):
    answered, calls = Bundle.encode, []

    def die_late(bundle, events):
        calls.append(1)
        if len(calls) == 6:
            raise MemoryError
        return answered(bundle, events)

    monkeypatch.setattr(Bundle, "encode", die_late)
    with pytest.raises(MemoryError):
        job(place, options=OPTIONS._replace(threads=2))
    monkeypatch.undo()
    assert contents(place / "out") == contents(shop / "yesterday")
    assert len(list((place / ".out.partial" / "receipts").iterdir())) > 0

    job(place)

    assert contents(place / "out") == contents(shop / "whole")


def test_shards_in_any_order_make_the_bytes_of_one_job(shop, place):
    for number in (3, 1, 2):
        part_way = job(place, shard=Shard(number, 3))
        assert part_way.summary is None
    assert part_way.done == part_way.parts == 6
    assert contents(place / "out") == contents(shop / "yesterday")

    result = job(place)

    assert contents(place / "out") == contents(shop / "whole")
    assert result.sample.height > 0


def test_the_whole_job_does_what_shards_left_out(shop, place):
    job(place, shard=Shard(2, 3))

    job(place)

    assert contents(place / "out") == contents(shop / "whole")


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there")
def test_histories_parted_for_a_job_that_never_began_are_not_those_of_another(place):
    assert killed(place, *POINTS["before the job is begun"], SHARD="1/3") == -signal.SIGKILL
    frame = pl.read_parquet(place / "histories.parquet")
    (place / "histories.parquet").unlink()
    frame.with_columns(user_id=pl.col("user_id") + 1000).write_parquet(place / "histories.parquet")

    job(place, shard=Shard(1, 3))
    job(place)

    assert pl.read_parquet(place / "out" / "*.parquet")["user_id"].min() == 1000


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there")
def test_a_shard_that_is_killed_goes_on(shop, place):
    point = ("os.rename", "/receipts/00003.json")
    assert killed(place, *point, SHARD="1/3") == -signal.SIGKILL

    for number in (1, 2, 3):
        job(place, shard=Shard(number, 3))
    job(place)

    assert contents(place / "out") == contents(shop / "whole")


@pytest.mark.skipif(sys.platform == "win32", reason="folders are not locked there")
def test_jobs_and_shards_refuse_each_other_where_they_must(place):
    with kept(place / "out") as folder:
        with pytest.raises(ArtifactError, match="another run is writing"):
            job(place)
        with pytest.raises(ArtifactError, match="another run is writing"):
            job(place, shard=Shard(1, 3))
    with kept(place / "out", shared=True), held(folder / "shard-1-of-3.lock", what="shard 1/3"):
        with pytest.raises(ArtifactError, match="another run is writing"):
            job(place)
        with pytest.raises(ArtifactError, match="another run is doing shard 1/3"):
            job(place, shard=Shard(1, 3))
        job(place, shard=Shard(2, 3))


def test_a_shard_does_not_drop_what_others_do(place):
    with pytest.raises(ConfigError, match="restart=true drops the parts of all shards"):
        job(place, shard=Shard(1, 3), restart=True)


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root writes anywhere")
def test_an_output_that_cannot_be_written_is_said_before_any_work(place):
    place.chmod(0o500)
    with pytest.raises(ConfigError, match="cannot be made"):
        job(place, out="elsewhere")
    place.chmod(0o700)


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        ("mkdir", ConfigError, r"cannot be made \(Read-only file system\)"),
        ("open", ArtifactError, r"cannot be written \(Read-only file system\)"),
    ],
)
def test_a_disk_that_turns_read_only_is_said_and_keeps_the_earlier_lists(
    shop, place, monkeypatch, call, error, said
):
    before, done = contents(place / "out"), getattr(Path, call)

    def refuse(path, *args, **kwargs):
        if ".partial" in str(path) and (call == "mkdir" or set(args[0]) & set("wa")):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        return done(path, *args, **kwargs)

    monkeypatch.setattr(Path, call, refuse)
    with pytest.raises(error, match=said):
        job(place)
    monkeypatch.undo()
    assert contents(place / "out") == before

    job(place)

    assert contents(place / "out") == contents(shop / "whole")


def cut(path):
    path.write_bytes(path.read_bytes()[:-200])


def garble(path):
    """The end, which is read first, says nothing of it: it shows when the rows are read."""
    content = path.read_bytes()
    path.write_bytes(content[:20] + bytes(60) + content[80:])


@pytest.mark.parametrize("damage", [cut, garble])
def test_one_damaged_file_of_many_stops_the_job_and_mending_it_lets_it_run(shop, place, damage):
    frame = pl.read_parquet(place / "histories.parquet")
    (place / "histories.parquet").unlink()
    (place / "histories.parquet").mkdir()
    for number, rows in enumerate(frame.iter_slices(80)):
        rows.write_parquet(place / "histories.parquet" / f"{number}.parquet")
    second = place / "histories.parquet" / "1.parquet"
    whole = second.read_bytes()
    damage(second)

    with pytest.raises(InputError, match=r"^histories cannot be read[^\n]*$"):
        job(place)
    assert contents(place / "out") == contents(shop / "yesterday")

    second.write_bytes(whole)
    job(place)

    lists = pl.read_parquet(place / "out" / "*.parquet")
    assert lists.equals(pl.read_parquet(shop / "whole" / "*.parquet"))
