"""One training's folder: what was asked for, what came of it, and how to get the model back.

- config.yaml: the resolved configuration; manifest.json: seed, data, commit, versions
- checkpoints/best.ckpt and last.ckpt; history.csv: metrics of every epoch; curves.png: a picture
- metrics.json: the model beside the baselines
"""

import json
import os
import pickle
import platform
import subprocess
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from recsys import tables
from recsys.data.batches import Events, Question
from recsys.data.prepared import Prepared, load
from recsys.errors import ArtifactError, ConfigError
from recsys.input.table import own_rows
from recsys.model import MemoryRecommender

FORMAT = 1
CONFIG, MANIFEST = "config.yaml", "manifest.json"
BEST, LAST = "checkpoints/best.ckpt", "checkpoints/last.ckpt"
HISTORY, CURVES, METRICS = "history.csv", "curves.png", "metrics.json"
_DECISIVE = (
    *("input", "memory", "output", "response", "loss", "auxiliary", "teaching", "support"),
    *("optimizer", "seed", "slots"),
    *("event_dropout", "dot_dropout", "decoys", "half_life", "averaging"),
    *("batch_size", "validation_users", "patience", "k"),
)
_MAY_DIFFER = ("max_epochs", "max_time", "devices", "num_nodes", "accelerator", "strategy")


class Run(NamedTuple):
    """An opened run folder."""

    folder: Path
    config: DictConfig
    manifest: dict[str, Any]

    @property
    def data(self) -> Path:
        """The prepared folder it was trained on."""
        return Path(self.manifest["data"])


class TrainedScorer(NamedTuple):
    """A trained model as the evaluation sees it."""

    model: MemoryRecommender
    history: int
    items: int

    def scores(self, question: Question) -> Tensor:
        """Scores of items 0 to I for each user of the question, where the model is."""
        device = next(self.model.parameters()).device
        events = Events(*(field.to(device) for field in question.events))
        with torch.inference_mode():
            return self.model(events, torch.arange(self.items + 1, device=device)).float()


def create_run(folder: Path, *, config: DictConfig, prepared: Prepared) -> Run:
    """Makes the folder of a new training.

    Raises:
        ConfigError: The folder exists.
    """
    refuse_existing_run(folder)
    manifest = {
        "format": FORMAT,
        "data": str(prepared.folder.resolve()),
        "data_checksum": prepared.manifest["checksum"],
        "seed": config.seed,
        "commit": _commit(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    folder.mkdir(parents=True)
    OmegaConf.save(config, folder / CONFIG, resolve=True)
    write_json(folder / MANIFEST, manifest)
    return Run(folder=folder, config=config, manifest=manifest)


def refuse_existing_run(folder: Path) -> None:
    """Raises ConfigError where the folder of a new training exists; before any work is done."""
    if folder.exists():
        message = f"run '{folder}' exists: choose another name, delete it, or set resume=true"
        raise ConfigError(message)


def resume_run(folder: Path, *, config: DictConfig, prepared: Prepared) -> Run:
    """Opens the run that an interrupted training left, to go on with the same settings.

    Raises:
        ArtifactError: No run, or other data than it was trained on.
        ConfigError: A setting that decides the result differs; the number of epochs and devices
            may.
    """
    run = open_run(folder)
    if run.manifest["data_checksum"] != prepared.manifest["checksum"]:
        message = f"run '{folder}' was trained on other data than '{prepared.folder}': give its own"
        raise ArtifactError(message)
    began = _decisive(run.config)
    for name, now in _decisive(config).items():
        if now != began.get(name):
            message = (
                f"'{name}' was {began.get(name)} when run '{folder}' began and is {now} now: "
                "resume with the same settings"
            )
            raise ConfigError(message)
    return run


def open_run(folder: Path) -> Run:
    """Opens a run folder.

    Raises:
        ArtifactError: No run, or one of another format.
    """
    if not (folder / MANIFEST).is_file():
        message = f"'{folder}' is no run: make one with recsys train run={folder}"
        raise ArtifactError(message)
    manifest = json.loads((folder / MANIFEST).read_text())
    if manifest.get("format") != FORMAT:
        found = manifest.get("format")
        message = f"run '{folder}' has format {found}, not {FORMAT}: train it again"
        raise ArtifactError(message)
    config = OmegaConf.load(folder / CONFIG)
    assert isinstance(config, DictConfig)
    return Run(folder=folder, config=config, manifest=manifest)


def open_data(run: Run) -> Prepared:
    """The prepared folder of a run.

    Raises:
        ArtifactError: It is gone, damaged, or no longer the data the run was trained on.
    """
    prepared = load(run.data)
    if prepared.manifest["checksum"] != run.manifest["data_checksum"]:
        message = (
            f"'{run.data}' was prepared again since run '{run.folder}' was trained: train again"
        )
        raise ArtifactError(message)
    return prepared


def load_model(folder: Path) -> TrainedScorer:
    """The best model of the run in this folder; its data are opened and verified too.

    Raises:
        ArtifactError: The run has no finished epoch yet, or its folder or data are damaged.
    """
    run = open_run(folder)
    return best_model(run, prepared=open_data(run))


def best_model(run: Run, *, prepared: Prepared) -> TrainedScorer:
    """The best model of a run, ready to score, on a GPU where there is one.

    Raises:
        ArtifactError: The run has no finished epoch yet, or its checkpoint is damaged.
    """
    folder = run.folder
    if not (folder / BEST).is_file():
        message = f"run '{folder}' has no finished epoch yet: train it (resume=true goes on)"
        raise ArtifactError(message)
    model = assemble(run.config, prepared=prepared)
    saved = _checkpoint(folder / BEST)
    weights = {name: value for name, value in saved.items() if name.startswith("model.")}
    model.load_state_dict({name.removeprefix("model."): value for name, value in weights.items()})
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return TrainedScorer(model.eval().to(device), history=run.config.slots, items=prepared.items)


def assemble(config: DictConfig, *, prepared: Prepared) -> MemoryRecommender:
    """I, G, O and R of the configuration, sized for this data; weights from the seed."""
    torch.manual_seed(config.seed)
    items = prepared.items
    table = partial(own_rows, items=items)
    output = instantiate(config.output)
    input = instantiate(config.input, table=table, behaviours=len(prepared.behaviours))
    sizes = {"items": items, "slot_width": output.slot_width}
    return MemoryRecommender(
        input=input,
        memory=instantiate(config.memory, table=table),
        output=output,
        response=instantiate(config.response, known=input.known, **sizes),
    )


def settings(config: DictConfig) -> dict[str, Any]:
    """The configuration as flat names and values, for a tracker."""
    flat = OmegaConf.to_container(config, resolve=True)
    assert isinstance(flat, dict)
    pairs = ((str(name), value) for name, value in flat.items())
    nested = {name: value if isinstance(value, dict) else {"": value} for name, value in pairs}
    return {
        f"{name}.{key}".rstrip("."): value
        for name, values in nested.items()
        for key, value in values.items()
    }


def training_counts(prepared: Prepared) -> Tensor:
    """How often each item 0..I stands in the training part; 0 for padding."""
    counts = torch.zeros(prepared.items + 1, dtype=torch.long)
    counts[1:] = prepared.catalogue[tables.COUNT].to_torch()
    return counts


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Writes a file that is either the old one or the new one, never half of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(content, indent=2) + "\n")
    temporary.replace(path)


def _checkpoint(file: Path) -> dict[str, Tensor]:
    """The weights in a checkpoint.

    Raises:
        ArtifactError: It cannot be read.
    """
    try:
        return dict(torch.load(file, map_location="cpu", weights_only=True)["state_dict"])
    except (OSError, RuntimeError, EOFError, KeyError, pickle.UnpicklingError) as error:
        message = f"'{file}' is damaged ({type(error).__name__}): train the run again"
        raise ArtifactError(message) from error


def _decisive(config: DictConfig) -> dict[str, Any]:
    """The settings that decide what comes of a training, by name."""
    whole = OmegaConf.to_container(config, resolve=True)
    assert isinstance(whole, dict)
    trainer = {f"trainer.{name}": value for name, value in whole["trainer"].items()}
    kept = {name: trainer[name] for name in trainer if name.split(".")[1] not in _MAY_DIFFER}
    return {name: whole.get(name) for name in _DECISIVE} | kept


def _commit() -> str | None:
    """The commit of the checkout the code runs from; None where there is none."""
    here = Path(__file__).parent
    command = ["git", "-C", str(here), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
