"""Every memory on MovieLens-100K (global time) and S3 Beauty (leave-one-out): README's table.

    python -m benchmarks.memories DATASETS WORK [--only gru ntm] [--on beauty] [--readme README.md]

Runs one system at a time and keeps what is done, so it can be stopped and started again. What a run
said is merged into ``memories.json`` beside this file, and the table is made of that; what it
knows is not run again, with ``--anew`` it is. ``DATASETS`` holds the folders ``ml-100k`` and
``s3rec``. All memories get the same recipe of a data set, but for Beauty's negatives and epochs;
``address=context`` is the control of a memory that candidates address.

Speed is of one process and one thread: positions a training step takes in a CPU-second, bytes of a
user's state after 50 events, and with ONNX Runtime microseconds to write one event of one user, and
scores a CPU-second while 64 users are given lists of the whole catalogue.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import DictConfig

from benchmarks import memories_table as record
from recsys import runtime
from recsys.bundle.assembly import assemble_bundle
from recsys.config import CONF
from recsys.data.batches import question, window
from recsys.data.datamodule import stretches
from recsys.data.prepared import Prepared, load
from recsys.model import MemoryRecommender
from recsys.run import assemble, training_counts

PLAIN, CONTROL = "", record.CONTROL
EPOCHS = 15  # on Beauty, at most; of the dear ones as many as some ten CPU-minutes hold
FEWER = {"dnc": 8, "entity_network": 7, "lsh": 5, "mann": 4, "rum": 7}
EVERYWHERE = [
    "tracking=none",
    "dry_run=false",
    "slots=50",
    "baselines=[]",
]


class DataSet(NamedTuple):
    prepare: list[str]
    train: list[str]
    floors: list[str]


def data_sets(folder: Path) -> dict[str, DataSet]:
    floors = ["popularity", "recent_popularity", "markov", "item_knn", "bpr_mf"]
    return {
        "ml-100k": DataSet(
            prepare=["source=movielens", f"source.path={folder / 'ml-100k'}"],
            train=[
                "half_life=0.1",
                "trainer.max_epochs=15",
                "patience=3",
                "batch_size=16",
                "optimizer.lr=0.001",
                "averaging=0.98",
                "loss.negatives=512",
            ],
            floors=[*floors, "ease"],
        ),
        "beauty": DataSet(
            prepare=[
                "source=sequences",
                f"source.path={folder / 's3rec' / 'Beauty.txt'}",
                "split=leave_one_out",
            ],
            train=[
                "patience=4",
                "batch_size=256",
                "optimizer.lr=0.004",
                "+optimizer.fused=true",
                "averaging=0.98",
                "dropout=0.4",
                "response.dropout=0",
                "validation_batch_size=64",
            ],
            floors=[*floors, "ease"],
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("datasets", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--only", nargs="+", help="memories; all of conf/memory when not given")
    parser.add_argument("--anew", action="store_true", help="also what the record knows already")
    parser.add_argument("--on", nargs="+", default=["ml-100k", "beauty"])
    parser.add_argument("--readme", type=Path, help="write the table between its marks in here")
    parser.add_argument("--speed", metavar="MEMORY", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.speed:
        print(json.dumps(speed(given.speed, given.work / "ml-100k" / "data")))
        return
    names = given.only or sorted(file.stem for file in (Path(CONF) / "memory").glob("*.yaml"))
    chosen = {name: data_sets(given.datasets)[name] for name in given.on}
    known = record.read()
    for name, data_set in chosen.items():
        prepare(given.work / name, data_set)
    for variant in (PLAIN, CONTROL):
        for name, data_set in chosen.items():
            for memory in names:
                done = name in known["memories"].get(memory + variant, {})
                overrides = variants(memory).get(variant)
                if overrides and (given.anew or not done):
                    words = [*data_set.train, *of_beauty(name, memory), *overrides]
                    judge(given.work / name, memory + variant, words)
                    record.write(record.merged(known, given.work))
    for memory in names:
        if given.anew or memory not in known["speed"]:
            measure(given.work, memory)
    known = record.merged(known, given.work)
    record.write(known)
    table = "\n".join(record.lines(known))
    print(table)
    if given.readme:
        record.put(table, given.readme)


def stage(*words: str) -> float:
    """Runs a stage; its CPU seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "recsys.cli", *words], check=True, stdout=sys.stderr)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def prepare(folder: Path, data_set: DataSet) -> None:
    data, floors = folder / "data", folder / "floors"
    if not data.exists():
        stage("prepare", *data_set.prepare, f"out={data}")
    if not floors.exists():
        wanted = f"baselines=[{','.join(data_set.floors)}]"
        stage("evaluate", f"data={data}", f"out={floors}", wanted)


def variants(memory: str) -> dict[str, list[str]]:
    """The memory as it is configured, and where the candidate addresses its slots the control."""
    cfg = configuration(f"memory={memory}")
    plain = [f"memory={memory}"]
    if "address" not in cfg.output:
        return {PLAIN: plain}
    return {PLAIN: plain, CONTROL: [*plain, "output.address=context"]}


def of_beauty(data: str, memory: str) -> list[str]:
    """There a candidate that reads costs a read, so such memories are given fewer negatives."""
    if data != "beauty":
        return []
    reads = instantiate(configuration(f"memory={memory}").output).slot_width > 0
    epochs = FEWER.get(memory, EPOCHS)
    return [f"loss.negatives={128 if reads else 512}", f"trainer.max_epochs={epochs}"]


def judge(folder: Path, name: str, overrides: list[str]) -> None:
    run = folder / name
    if (run / "cost.json").exists():
        return
    words = [f"data={folder / 'data'}", f"run={run}", *EVERYWHERE, *overrides]
    if run.exists():
        words.append("resume=true")
    spent = stage("train", *words)
    stage("evaluate", f"run={run}", "baselines=[]")
    (run / "cost.json").write_text(json.dumps({"cpu_seconds": spent}))


def measure(work: Path, memory: str) -> None:
    file = work / "speed" / f"{memory}.json"
    file.parent.mkdir(exist_ok=True)
    if not file.exists():
        words = [sys.executable, "-m", "benchmarks.memories", ".", str(work), "--speed", memory]
        said = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout
        file.write_text(said.splitlines()[-1])


def configuration(*overrides: str) -> DictConfig:
    with initialize_config_dir(CONF, version_base=None):
        return compose("train", ["data=none", "run=none", *EVERYWHERE, *overrides])


def speed(memory: str, data: Path) -> dict[str, float]:
    """Of an untrained model: its speed does not depend on the weights."""
    torch.set_num_threads(1)
    prepared, cfg = load(data), configuration(f"memory={memory}")
    model = assemble(cfg, prepared=prepared)
    bundle_folder = data.parent / f"bundle_{memory}"
    bundle_folder.mkdir(exist_ok=True)
    found = {"positions": training_speed(cfg, model, prepared)}
    assemble_bundle(model.eval(), bundle_folder, prepared=prepared, history=50, facts={})
    bundle = runtime.load(bundle_folder, device="cpu")
    asks = question(prepared, "test", users=long_histories(prepared, 64), history=50)
    events = runtime.Events(*(field.numpy() for field in asks.events[:3]))
    state = bundle.encode(events)
    found["bytes"] = sum(field[0].nbytes for field in state.values())
    one = {name: field[:1] for name, field in state.items()}
    event = runtime.Events(*(field[:1, -1] for field in events))
    found["write_us"] = 1e6 * best_of(lambda: bundle.write(one, event=event), repeat=200)
    catalogue = np.arange(1, prepared.items + 1)
    nothing = np.zeros((64, 1), dtype=np.int64)
    seconds = best_of(
        lambda: bundle.recommend(state, candidates=catalogue, excluded=nothing, k=10), repeat=5
    )
    return found | {"scores": 64 * prepared.items / seconds}


def training_speed(cfg: DictConfig, model: MemoryRecommender, prepared: Prepared) -> float:
    """Positions a CPU-second, forward, backward and update, in windows of 50."""
    loss = instantiate(cfg.loss, count=training_counts(prepared))
    updates = torch.optim.Adam(model.parameters())
    windows = stretches(prepared, length=50)
    full = np.flatnonzero(windows.end - windows.start == 50)[:64]
    rows = {name: bound[full] for name, bound in windows._asdict().items()}
    batch = window(prepared.histories, **rows, targets=1.0)
    item, log_expected = loss.draw(torch.Generator().manual_seed(0))

    def step() -> None:
        view = model.along(batch.events)
        target = batch.target.reshape(view.user.shape[:2])
        positive = model.own_scores(view, target).flatten()
        negative = model.scores(view, item).flatten(0, 1)
        same = target.flatten()[:, None] == item
        updates.zero_grad()
        loss(positive, negative, log_expected, same).mean().backward()
        updates.step()

    model.train()
    return batch.target.numel() / best_of(step, repeat=3)


def long_histories(prepared: Prepared, users: int) -> np.ndarray:
    cut = np.asarray(prepared.split.test_start) - np.asarray(prepared.histories.offset[:-1])
    return np.sort(np.argsort(-cut, kind="stable")[:users])


def best_of(work: Callable[[], object], *, repeat: int) -> float:
    """CPU seconds of the quickest of so many."""
    work()
    times = []
    for _ in range(repeat):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times)


if __name__ == "__main__":
    main()
