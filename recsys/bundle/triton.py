"""A bundle as a model repository of the Triton Inference Server: one model a graph.

    encode/config.pbtxt   encode/1/model.onnx        what Triton reads
    manifest.json         catalogue.parquet          what makes of the folder a bundle still

Triton passes over files beside the folders of models, so the repository stays a bundle: everything
that reads one, ``recsys score`` included, reads this too.
"""

import json
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, Protocol

from recsys import runtime
from recsys.folder import published

MODEL: Final = "model.onnx"  # the name that Triton looks for
CONFIG: Final = "config.pbtxt"
TYPES: Final = {
    "tensor(bool)": "TYPE_BOOL",
    "tensor(int8)": "TYPE_INT8",
    "tensor(int32)": "TYPE_INT32",
    "tensor(int64)": "TYPE_INT64",
    "tensor(float16)": "TYPE_FP16",
    "tensor(float)": "TYPE_FP32",
}
SHARED: Final = ("recommend", "ask", "choose")  # they have inputs that all users of a call share


def publish_repository(
    folder: Path, out: Path, *, overwrite: bool, version: int, batch: int
) -> list[str]:
    """Writes the repository of this bundle, whole or not at all; the names of its models.

    Args:
        folder: What ``recsys export`` wrote.
        out: Folder to make.
        overwrite: Replace an earlier repository.
        version: Number of the version folders; Triton serves the highest one it finds.
        batch: Users that Triton may put into one call of a model.

    Raises:
        ArtifactError: The bundle is damaged.
        ConfigError: ``out`` exists, or cannot be made.
    """
    bundle = runtime.load(folder, graphs=(*runtime.GRAPHS, *runtime.APART), device="cpu")
    manifest = dict(bundle.manifest, graphs={})
    with published(out, overwrite=overwrite) as hidden:
        for name, graph in bundle.manifest["graphs"].items():
            file = f"{name}/{version}/{MODEL}"
            (hidden / file).parent.mkdir(parents=True)
            shutil.copyfile(folder / graph["file"], hidden / file)
            text = config(name, *bundle.signature(name), batch=0 if name in SHARED else batch)
            (hidden / name / CONFIG).write_text(text, encoding="utf-8")
            manifest["graphs"][name] = {**graph, "file": file}
        catalogue = manifest["catalogue"]["file"]
        shutil.copyfile(folder / catalogue, hidden / catalogue)
        written = json.dumps(manifest, indent=2, ensure_ascii=False)
        (hidden / runtime.MANIFEST).write_text(written, encoding="utf-8")
    return list(manifest["graphs"])


class Tensor(Protocol):
    """What ONNX Runtime tells of an input or an output."""

    name: str
    type: str
    shape: Sequence[int | str | None]  # a size by name is any


def config(name: str, inputs: Iterable[Tensor], outputs: Iterable[Tensor], *, batch: int) -> str:
    """The ModelConfig of a graph in protobuf's text form; ``batch`` 0: calls are not put together.

    Requests wait for nobody: what has arrived while a batch was computed is the next batch.
    """
    lines = [
        f'name: "{name}"',
        'platform: "onnxruntime_onnx"',
        f"max_batch_size: {batch}",
        *(line for tensor in inputs for line in _tensor("input", tensor, batched=batch > 0)),
        *(line for tensor in outputs for line in _tensor("output", tensor, batched=batch > 0)),
        *(["dynamic_batching { }"] if batch else []),
        'parameters { key: "intra_op_thread_count" value { string_value: "1" } }',
    ]
    return "\n".join(lines) + "\n"


def _tensor(side: str, tensor: Tensor, *, batched: bool) -> list[str]:
    """Its type and shape without the users; Triton has no tensor without axes, so one of one."""
    shape = tensor.shape[1:] if batched else tensor.shape
    dims = ", ".join(str(size if isinstance(size, int) else -1) for size in shape)
    scalar = ["  dims: [ 1 ]", "  reshape: { shape: [ ] }"]
    return [
        f"{side} {{",
        f'  name: "{tensor.name}"',
        f"  data_type: {TYPES[tensor.type]}",
        *([f"  dims: [ {dims} ]"] if dims else scalar),
        "}",
    ]
