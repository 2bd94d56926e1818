"""A bundle folder from a model: graphs, catalogue, manifest, and proof that they agree."""

import hashlib
import logging
from pathlib import Path
from typing import Any

from recsys import runtime
from recsys.bundle.meaning import describe, meanings
from recsys.bundle.parity import Parity, compare
from recsys.bundle.tracing import OPSET, graphs, state_names, trace_all
from recsys.data.prepared import CATALOGUE, Prepared
from recsys.folder import fingerprint
from recsys.model import MemoryRecommender
from recsys.run import write_json

logger = logging.getLogger(__name__)


def assemble_bundle(
    model: MemoryRecommender,
    folder: Path,
    *,
    prepared: Prepared,
    history: int,
    facts: dict[str, Any],
) -> Parity:
    """Fills an empty folder with a bundle and passes it through the parity gate.

    Args:
        model: On the CPU.
        folder: Exists and is empty; the caller publishes it only if this returns.
        prepared: Whose catalogue goes with the bundle, and whose users prove the parity.
        history: Newest events a state holds.
        facts: What else the manifest should say, such as the name and the metrics.

    Raises:
        ArtifactError: ONNX Runtime does not answer as PyTorch does.
    """
    traced = graphs(model, items=prepared.items)
    described = trace_all(traced, folder, names=list(traced))
    (folder / CATALOGUE).write_bytes((prepared.folder / CATALOGUE).read_bytes())
    files = {name: graph | _hashed(folder / graph["file"]) for name, graph in described.items()}
    catalogue = _hashed(folder / CATALOGUE) | {"items": prepared.items}
    manifest = {
        **_of_model(model, history=history),
        "graphs": files,
        "tensors": meanings(files),
        "catalogue": catalogue,
        **_of_data(prepared),
        **facts,
    }
    write_json(folder / runtime.MANIFEST, manifest)
    bundle = runtime.load(folder, graphs=(*runtime.GRAPHS, *runtime.APART), device="cpu")
    parity = compare(model, bundle, prepared=prepared, history=history)
    write_json(folder / runtime.MANIFEST, manifest | {"parity": parity._asdict()})
    logger.info(
        "parity on %d users: score error %.1e, list overlap %.3f, seen items %d, write error %.1e, "
        "read error %.1e",
        *parity,
    )
    parity.check()
    return parity


def _hashed(file: Path) -> dict[str, Any]:
    return {"file": file.name, "sha256": fingerprint(file)}


def _of_model(model: MemoryRecommender, *, history: int) -> dict[str, Any]:
    return {
        "format": runtime.FORMAT,
        "model_hash": model_hash(model),
        "history": history,
        "explains": model.explains,
        "state": [describe(model.memory, name) for name in state_names(model.memory)],
        "opset": OPSET,
        "precision": "float32",
    }


def _of_data(prepared: Prepared) -> dict[str, Any]:
    return {
        "behaviours": prepared.behaviours,
        "time": prepared.manifest["time"],
        "ids": prepared.manifest["ids"],
        "training_data": prepared.manifest["checksum"],
    }


def model_hash(model: MemoryRecommender) -> str:
    """SHA-256 over names, shapes and values of all weights; states belong to this model alone."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(f"{name} {tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
