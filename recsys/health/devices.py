"""Which devices do the work: asked by running something, never by what a library lists."""

import json
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec

from recsys.health.finding import Finding

_NEGATION = (  # an ONNX graph of one node, y = -x
    "080a3a320a0b0a017812017922034e65671201675a0f0a0178120a0a08080112040a02080162"
    "0f0a0179120a0a08080112040a02080142040a001014"
)
# In a process of its own: a broken driver can end it, and its grumbling stays out of sight.
_PROBE = f"""
import json, numpy, onnxruntime
onnxruntime.set_default_logger_severity(4)
works = {{}}
for provider in onnxruntime.get_available_providers():
    session = onnxruntime.InferenceSession(bytes.fromhex("{_NEGATION}"), providers=[provider])
    answer = session.run(None, {{"x": numpy.ones(1, dtype=numpy.float32)}})[0]
    works[provider] = session.get_providers()[0] == provider and answer[0] == -1
print(json.dumps({{key: bool(value) for key, value in works.items()}}))
"""


def device_findings() -> list[Finding]:
    """ONNX Runtime and PyTorch, as far as they are installed."""
    findings = []
    if find_spec("onnxruntime") is not None:
        from recsys.hardware import cuda_devices

        findings.append(providers(works=probe(), gpus=cuda_devices()))
    if find_spec("torch") is not None:
        findings.append(torch())
    return findings


def probe() -> dict[str, bool]:
    """For each provider that ONNX Runtime lists, whether it ran a graph; empty after a crash."""
    command = [sys.executable, "-c", _PROBE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else {}


def providers(*, works: Mapping[str, bool], gpus: int) -> Finding:
    """What ONNX Runtime can run on; a GPU that it cannot use is wrong, to have none is not."""
    subject = "ONNX Runtime providers"
    names = {name: name.removesuffix("ExecutionProvider") for name in works}
    usable = [names[name] for name in works if works[name]]
    idle = [names[name] for name in works if not works[name]]
    fact = f"work: {', '.join(usable) or 'none'}"
    if idle:
        fact += f"; listed but without effect: {', '.join(idle)}"
    if "CPU" not in usable:
        remedy = "pip install --force-reinstall --no-deps onnxruntime-gpu"
        return Finding(subject, fact=fact, verdict="wrong", remedy=remedy)
    if gpus and "CUDA" not in usable:
        fact += f"; {gpus} GPU idle"
        return Finding(subject, fact=fact, verdict="wrong", remedy="pip install 'recsys[gpu]'")
    return Finding(subject, fact=fact)


def torch() -> Finding:
    """The build of PyTorch and the CUDA devices on which it really multiplies."""
    import torch

    build = f"{torch.__version__}, {torch.get_num_threads()} threads"
    if not torch.cuda.is_available():
        return Finding("PyTorch", fact=f"{build}, CPU only")
    try:
        torch.ones(2, 2, device="cuda").matmul(torch.ones(2, 2, device="cuda")).sum().item()
    except RuntimeError as error:
        fact = f"{build}; CUDA is listed but fails: {str(error).splitlines()[0]}"
        remedy = "match the driver with the CUDA version of this build of torch"
        return Finding("PyTorch", fact=fact, verdict="wrong", remedy=remedy)
    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return Finding("PyTorch", fact=f"{build}, CUDA {torch.version.cuda}: {', '.join(names)}")
