"""A bundle of float32 becomes one of fewer bits in its folder, if it answers nearly the same."""

import json
import logging
import shutil
from pathlib import Path
from typing import Final

import numpy as np

from recsys import runtime
from recsys.bundle import precision as graphs
from recsys.bundle.fidelity import Fidelity, compare
from recsys.bundle.parity import arrays, excluded
from recsys.data.batches import asked, question
from recsys.data.prepared import Prepared
from recsys.errors import ArtifactError, ConfigError
from recsys.folder import fingerprint
from recsys.run import write_json

PRECISIONS: Final = ("float32", "float16", "int8")
SHOWN: Final = 16  # users for whom the ranges of all tensors are measured
EVERY: Final = (*runtime.GRAPHS, *runtime.APART)

logger = logging.getLogger(__name__)


def check_precision(name: str) -> None:
    """Raises ConfigError for a precision that does not exist, before any work."""
    if name not in PRECISIONS:
        message = f"precision is one of {', '.join(PRECISIONS)}, but is '{name}': choose one"
        raise ConfigError(message)


def lower(folder: Path, *, precision: str, prepared: Prepared, history: int) -> Fidelity:
    """Replaces the graphs of an unpublished bundle and says in its manifest what that costs.

    Args:
        folder: Of a bundle of float32 that has passed the parity gate.
        precision: ``float16`` or ``int8``.
        prepared: Whose users are asked.
        history: Newest events a state holds.

    Raises:
        ArtifactError: ONNX Runtime refuses the graphs, or they lose more than is allowed.
    """
    whole = runtime.load(folder, graphs=EVERY, device="cpu")
    reduced = folder / f".{precision}"
    shutil.copytree(folder, reduced, ignore=shutil.ignore_patterns(f".{precision}"))
    try:
        manifest = _convert(whole, folder, reduced, precision=precision, prepared=prepared)
        ours = runtime.load(reduced, graphs=EVERY, device="cpu")
        found = compare(whole, ours, prepared=prepared, history=history)
        logger.info(
            "%s beside float32 on %d users: score error %.1e, list overlap %.3f, NDCG@10 %.4f, "
            "lost %.4f, seen items %d",
            precision,
            *found,
        )
        found.check(precision)
        write_json(reduced / runtime.MANIFEST, manifest | {"fidelity": found._asdict()})
        for file in reduced.iterdir():
            file.replace(folder / file.name)
    finally:
        shutil.rmtree(reduced)
    return found


def _convert(
    whole: runtime.Bundle, folder: Path, reduced: Path, *, precision: str, prepared: Prepared
) -> dict[str, object]:
    """Writes the graphs and the manifest of fewer bits; returns that manifest."""
    feeds = _feeds(whole, prepared=prepared)
    described, kept = {}, {}
    for name, graph in whole.manifest["graphs"].items():
        source, target = folder / graph["file"], reduced / graph["file"]
        if precision == "float16":
            converted = graphs.to_float16(source, target, feeds=feeds[name])
        else:
            converted = graphs.to_int8(source, target)
        graphs.runs(target, precision=precision)
        described[name] = graph | {"sha256": fingerprint(target)}
        kept[name] = converted._asdict()
    if not any(count["changed"] for count in kept.values()):
        message = f"the graphs hold nothing that precision={precision} changes: export as float32"
        raise ArtifactError(message)
    manifest = json.loads((folder / runtime.MANIFEST).read_bytes())
    manifest |= {"precision": precision, "graphs": described, "converted": kept}
    write_json(reduced / runtime.MANIFEST, manifest)
    return manifest


def _feeds(bundle: runtime.Bundle, *, prepared: Prepared) -> dict[str, graphs.Feeds]:
    """What every graph is given for some real users, and what comes of it for the next one."""
    users = asked(prepared, "valid")[:SHOWN]
    asks = question(prepared, "valid", users=users, history=bundle.history)
    events, candidates = arrays(asks.events), np.arange(1, bundle.items + 1)
    state = bundle.encode(events)
    named = {f"event_{name}": field for name, field in events._asdict().items()}
    first = {name: np.ascontiguousarray(field[:, 0]) for name, field in named.items()}
    everybody = {"candidates": np.repeat(candidates[None], len(users), axis=0)}
    lists = {
        "candidates": candidates,
        "excluded": excluded(asks),
        "k": np.array(min(10, bundle.items)),
    }
    few = {"candidates": everybody["candidates"][:, :50], "k": lists["k"]}
    choose = bundle.look(state) | few if bundle.certifies else {}
    return {
        "encode": named,
        "write": state | first,
        "score": state | everybody,
        "recommend": state | lists,
        "look": state,
        "ask": {"candidates": candidates},
        "choose": choose,
    }
