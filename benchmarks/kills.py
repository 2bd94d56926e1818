"""A scoring job killed again and again at random: no user may be lost, doubled or different.

    python -m benchmarks.kills [--kills 200] [--seed 0] [--users 400]

Earlier lists lie where the new ones go. A job is started, killed, started again until it comes to
its end, then the next job begins. Half of the kills come before a random one of all that a job does
to files, half at a random time; both are SIGKILL. Where each hit is read off what it left on disk.
After every kill whoever reads the lists finds those of yesterday or of today, whole; after the last
run of a job they are compared, byte by byte, with those of a job that was left alone.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import polars as pl

from tests.scoring.killed import OPTIONS, job
from tests.tiny_bundle import world, write_bundle

ROOT = Path(__file__).resolve().parent.parent
ITEMS = 23
WORDS = [sys.executable, "-m", "tests.scoring.killed"]
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--users", type=int, default=400)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        matrix(Path(name), kills=given.kills, seed=given.seed, users=given.users)


def matrix(folder: Path, *, kills: int, seed: int, users: int) -> None:
    """Kills until there were enough, and prints what became of the users."""
    simulate(folder, users=users)
    job(folder, out="out", options=OPTIONS._replace(k=2))
    yesterday = (folder / "out").rename(folder / "yesterday")
    began = time.perf_counter()
    events = int(subprocess.check_output([*WORDS, folder], cwd=ROOT, env=ENVIRONMENT, text=True))
    seconds = time.perf_counter() - began
    today = (folder / "out").rename(folder / "today")
    whole = [contents(yesterday), contents(today)]
    draw, phases, jobs, torn = random.Random(seed), Counter[str](), 0, 0
    wrong = Counter[str]()
    while phases.total() < kills:
        jobs += 1
        shutil.rmtree(folder / "out", ignore_errors=True)
        shutil.copytree(yesterday, folder / "out")
        while killed(folder, draw, events=events, seconds=seconds):
            phases[phase(folder)] += 1
            torn += (folder / "out").exists() and contents(folder / "out") not in whole
        wrong += compare(folder / "out", today)
        wrong["jobs with other bytes"] += contents(folder / "out") != whole[1]
        print(f"{jobs} jobs, {phases.total()} kills", file=sys.stderr, flush=True)
    print(f"{phases.total()} kills of {jobs} jobs, {events} events in a job, seed {seed}")
    for name, number in phases.most_common():
        print(f"  {number:>4} {name}")
    print(f"after a kill, lists that were neither yesterday's nor today's: {torn}")
    for name in ("users lost", "users doubled", "users different", "jobs with other bytes"):
        print(f"{name}: {wrong[name]}")
    sys.exit(1 if torn or wrong.total() else 0)


def simulate(folder: Path, *, users: int) -> None:
    write_bundle(folder / "bundle", world(ITEMS, seed=3), history=5)
    rows = [(user, 100 + user * step % ITEMS, step) for step in range(6) for user in range(users)]
    rows += [(None, 104, 1), (7, 104, 10**10)]
    frame = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")
    frame.write_parquet(folder / "histories.parquet")


def killed(folder: Path, draw: random.Random, *, events: int, seconds: float) -> bool:
    """Starts the job with a kill in store; whether it came to it."""
    counted = draw.random() < 0.5
    words = [*WORDS, folder, str(draw.randint(1, events))] if counted else [*WORDS, folder]
    delay = draw.uniform(0.2, 1.0) * seconds
    with subprocess.Popen(
        words, cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        if not counted:
            time.sleep(delay)
            process.send_signal(signal.SIGKILL)
        _, said = process.communicate()
    if process.returncode not in (0, -signal.SIGKILL):
        sys.exit(f"the job ended with {process.returncode}: {said.decode()}")
    return process.returncode != 0


def phase(folder: Path) -> str:
    """What the job was at, from what it left."""
    hidden = folder / ".out.partial"
    if not hidden.exists():
        return "before it made its folder, or after it removed it"
    if not (hidden / "job.json").exists():
        return "parting the histories, or tidying up"
    if not (hidden / "lists").exists():
        return "published, tidying up"
    if not (folder / "out").exists():
        return "between the earlier lists and the new"
    if (hidden / "lists" / "summary.json").exists():
        return "summary written, publishing"
    done = len(list((hidden / "receipts").glob("*.json")))
    return "scoring parts, none done" if not done else "scoring parts"


def contents(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != "timing.json"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def compare(found: Path, expected: Path) -> Counter[str]:
    """Users whose lists are missing, there twice, or not those of the job left alone."""
    lists, right = (pl.read_parquet(folder / "part-*.parquet") for folder in (found, expected))
    keys = ["user_id", "rank"]
    doubled = lists.filter(lists.select(keys).is_duplicated())["user_id"].n_unique()
    lost = right.join(lists, on="user_id", how="anti")["user_id"].n_unique()
    same = right.join(lists, on=[*keys, "item_id", "score"], how="semi")
    different = right.join(same, on=keys, how="anti")["user_id"].n_unique() - lost
    strange = lists.join(right, on=keys, how="anti")["user_id"].n_unique()
    return Counter(
        {"users lost": lost, "users doubled": doubled, "users different": different + strange}
    )


if __name__ == "__main__":
    main()
