"""Users per CPU-second of ``recsys score`` on MovieLens-1M: whole histories, seen items masked.

    python -m benchmarks.score ml-1m_sas.txt.gz [--memories gru key_value] [--batches 8 16 32 64]

The models are not trained (speed does not depend on the weights); they read the newest 50 events.
A measurement is a whole job, without imports and without loading the bundle; settings take turns,
the best of the rounds counts, and ratios are to the first memory at the first batch size.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from hydra import compose, initialize_config_dir

from recsys import runtime
from recsys.bundle.assembly import assemble_bundle
from recsys.config import CONF
from recsys.data.prepared import Prepared, load
from recsys.engine.local import Local
from recsys.run import assemble
from recsys.scoring.checks import Limits
from recsys.scoring.job import Output, Standard, score
from recsys.scoring.plan import Options
from recsys.scoring.shard import WHOLE
from recsys.sink.parquet import Parquet
from recsys.source.table import Table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path, help="lines of `user item` in time order")
    parser.add_argument("--memories", nargs="+", default=["gru", "key_value"])
    parser.add_argument("--batches", type=int, nargs="+", default=[8, 16, 32, 64])
    parser.add_argument("--length", type=int, default=50)
    parser.add_argument("--users", type=int, help="the first of them; all when not given")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepared = prepare_data(given.data, folder / "data")
        histories = write_histories(prepared, folder / "histories.parquet", users=given.users)
        bundles = {
            memory: export(memory, prepared, folder / memory, length=given.length)
            for memory in given.memories
        }
        compare(bundles, histories, folder, batches=given.batches, rounds=given.rounds)


def prepare_data(path: Path, out: Path) -> Prepared:
    settings = [f"source.path={path.resolve()}", "source.layout=pairs", "split=leave_one_out"]
    words = [sys.executable, "-m", "recsys.cli", "prepare", "source=sequences", *settings]
    subprocess.run([*words, f"out={out}"], check=True, stdout=subprocess.DEVNULL)
    return load(out)


def write_histories(prepared: Prepared, path: Path, *, users: int | None) -> Table:
    """All events, in order of user and time, as a table with integer ids."""
    lengths = np.diff(prepared.histories.offset)
    items = prepared.catalogue["item_id"].gather(np.asarray(prepared.histories.item) - 1)
    frame = pl.DataFrame(
        {
            "user_id": np.repeat(np.arange(len(lengths)), lengths),
            "item_id": items,
            "timestamp": np.arange(len(items)),
        }
    )
    frame.filter(pl.col("user_id") < (users or len(lengths))).write_parquet(path)
    return Table(
        str(path),
        columns={name: name for name in frame.columns},
        separator=None,
        header=True,
        time_unit="order",
        items=None,
        item_columns={},
        list_separator="|",
    )


def export(memory: str, prepared: Prepared, folder: Path, *, length: int) -> runtime.Bundle:
    torch.manual_seed(7)
    settings = [f"memory={memory}", f"slots={length}", "data=none", "run=none"]
    with initialize_config_dir(config_dir=CONF, version_base=None):
        config = compose("train", overrides=settings)
    model = assemble(config, prepared=prepared).eval()
    folder.mkdir()
    assemble_bundle(model, folder, prepared=prepared, history=length, facts={"name": memory})
    return runtime.load(folder, graphs=("encode", "recommend"))


def compare(
    bundles: dict[str, runtime.Bundle],
    histories: Table,
    folder: Path,
    *,
    batches: list[int],
    rounds: int,
) -> None:
    settings = [(memory, size) for memory in bundles for size in batches]
    best = dict.fromkeys(settings, np.inf)
    users = 0
    for turn in range(rounds):
        for memory, size in settings:
            out = folder / f"{memory}-{size}-{turn}"
            started = time.process_time()
            counts = run(bundles[memory], histories, out, batch_size=size)
            best[memory, size] = min(best[memory, size], time.process_time() - started)
            users = counts["users"]
    reference = best[settings[0]]
    print("memory      batch  CPU-s  users/CPU-s  ratio")
    for (memory, size), seconds in best.items():
        rate = f"{users / seconds:>12,.0f}"
        print(f"{memory:<10} {size:>6} {seconds:>6.2f} {rate} {reference / seconds:>6.2f}")


def run(bundle: runtime.Bundle, histories: Table, out: Path, *, batch_size: int) -> dict[str, Any]:
    options = Options(
        k=10,
        seen="exclude",
        allow=None,
        deny=None,
        rerank=None,
        quota=None,
        category="categories",
        batch_size=batch_size,
        tile=8192,
        threads=1,
        road="full",
        part_rows=500_000,
    )
    passing = Limits(short=None, uncovered=None, repeated=0, seen=0, drift=None, users_lost=None)
    result = score(
        lambda: bundle,
        histories,
        Output(out, Parquet(), overwrite=False, restart=False),
        options=options,
        standard=Standard(passing, max_quarantined=0, yesterday=None),
        engine=Local(),
        shard=WHOLE,
    )
    assert result.summary is not None
    return result.summary["counts"]


if __name__ == "__main__":
    main()
