"""The Open Inference Protocol, version 2: the bundle's graphs for clients that are there already.

Each graph is a model; its version is the beginning of the model's hash, so that a client may ask
for just the weights it knows. JSON and the binary tensor extension are understood and given.
"""

from functools import partial
from typing import Any, Final

import numpy as np
import orjson

from recsys import runtime
from serving import reading
from serving.api.operations import ready
from serving.exchange import Reply, Request
from serving.inference import tensors
from serving.inference.checks import check
from serving.inference.tensors import Expected
from serving.model import Model
from serving.problem import Problem
from serving.service import Service

LENGTH: Final = b"inference-header-content-length"
OCTETS: Final = b"application/octet-stream"
FIELDS: Final = ("id", "parameters", "inputs", "outputs")
PLATFORM: Final = "onnxruntime_onnx"


def server(_: Service, __: Request, ___: tuple[str, ...]) -> Reply:
    """``GET /v2``."""
    told = {"name": "recsys", "version": "2", "extensions": ["binary_tensor_data"]}
    return _json(told)


def live(_: Service, __: Request, ___: tuple[str, ...]) -> Reply:
    """``GET /v2/health/live``."""
    return _json({"live": True})


async def is_ready(service: Service, _: Request, __: tuple[str, ...]) -> Reply:
    """``GET /v2/health/ready``."""
    fine = await ready(service)
    return _json({"ready": fine}, status=200 if fine else 503)


def metadata(service: Service, _: Request, parameters: tuple[str, ...]) -> Reply:
    """``GET /v2/models/{model}[/versions/{version}]``."""
    model, graph = service.model, _graph(service.model, parameters)
    taken, given = (tensors.expected(told) for told in model.bundle.signature(graph))
    told = {
        "name": graph,
        "versions": [model.version],
        "platform": PLATFORM,
        "inputs": [_shape(one) for one in taken],
        "outputs": [_shape(one) for one in given],
    }
    return _json(told)


async def model_ready(service: Service, _: Request, parameters: tuple[str, ...]) -> Reply:
    """``GET /v2/models/{model}[/versions/{version}]/ready``."""
    graph = _graph(service.model, parameters)
    fine = await ready(service)
    return _json({"name": graph, "ready": fine}, status=200 if fine else 503)


async def infer(service: Service, request: Request, parameters: tuple[str, ...]) -> Reply:
    """``POST /v2/models/{model}[/versions/{version}]/infer``."""
    model = service.model
    graph = _graph(model, parameters)
    header, raw = _parts(request, most=service.caps.body_bytes)
    body = reading.mapping(header)
    reading.only(body, FIELDS)
    taken, given = (tensors.expected(told) for told in model.bundle.signature(graph))
    most = len(taken) + 1
    feeds = tensors.read(reading.array(body.get("inputs"), "inputs", most=most), raw)
    check(model, graph, feeds, taken, rows=service.caps.rows)
    wanted = _outputs(body, [one.name for one in given])
    found = await service.aside(partial(_run, model, graph, feeds))
    name = body.get("id")
    told: dict[str, Any] = {"model_name": graph, "model_version": model.version}
    if name is not None:
        told["id"] = reading.text(name, "id")
    return _reply(told, {one: found[one] for one in wanted}, wanted)


def _graph(model: Model, parameters: tuple[str, ...]) -> str:
    """The graph that a path names.

    Raises:
        Problem: There is no such model, or not in this version.
    """
    name, version = parameters[0], parameters[1] if len(parameters) > 1 else model.version
    known = [graph for graph in (*runtime.GRAPHS, *runtime.APART) if _has(model, graph)]
    if name not in known:
        rule = f"the models are {', '.join(known)}"
        raise Problem(404, rule, remedy="choose one", field="model", value=name)
    if version != model.version:
        rule = f"the version served is {model.version}"
        raise Problem(404, rule, remedy="ask for it or for none", field="version", value=version)
    return name


def _has(model: Model, graph: str) -> bool:
    return graph in model.bundle.manifest["graphs"]


def _parts(request: Request, *, most: int) -> tuple[bytes, bytes]:
    """JSON, and the bytes of tensors behind it."""
    body = reading.unpacked(request, most=most)
    length = request.headers.get(LENGTH)
    if length is None:
        return body, b""
    if not length.isdigit() or len(length) > 9 or int(length) > len(body):
        rule = "Inference-Header-Content-Length is the length of the JSON in the body"
        raise Problem(400, rule, remedy="correct it", value=length.decode("latin-1"))
    return body[: int(length)], body[int(length) :]


def _outputs(body: dict[str, Any], given: list[str]) -> dict[str, bool]:
    """Which outputs are wanted, and whether as bytes; all where none is named."""
    parameters = reading.record(body.get("parameters", {}), "parameters")
    usual = parameters.get("binary_data_output") is True
    named = reading.array(body.get("outputs", []), "outputs", most=len(given))
    found = {}
    for place, one in enumerate(named):
        field = f"outputs[{place}]"
        output = reading.record(one, field)
        name = reading.choice(output.get("name"), f"{field}.name", among=given)
        own = reading.record(output.get("parameters", {}), f"{field}.parameters")
        found[name] = own.get("binary_data", usual) is True
    return found or dict.fromkeys(given, usual)


def _run(model: Model, graph: str, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The graph's answer; what it cannot compute is the fault of a state that is none."""
    try:
        return model.bundle.run(graph, feeds)
    except Exception as error:  # the runtime's exceptions have no parent of their own
        rule = "the graph cannot compute with these tensors"
        raise Problem(400, rule, remedy="give a state that this model returned") from error


def _reply(told: dict[str, Any], found: dict[str, np.ndarray], binary: dict[str, bool]) -> Reply:
    raw, outputs = [], []
    for name, array in found.items():
        output = tensors.described(name, array)
        if binary[name]:
            raw.append(tensors.packed(array))
            output["parameters"] = {"binary_data_size": len(raw[-1])}
        else:
            output["data"] = np.ascontiguousarray(array).ravel()
        outputs.append(output)
    header = orjson.dumps(told | {"outputs": outputs}, option=orjson.OPT_SERIALIZE_NUMPY)
    if not any(binary.values()):
        return Reply(200, header)
    length = (LENGTH, b"%d" % len(header))
    return Reply(200, b"".join([header, *raw]), OCTETS, (length,))


def _shape(tensor: Expected) -> dict[str, Any]:
    return {"name": tensor.name, "datatype": tensor.datatype, "shape": list(tensor.shape)}


def _json(told: dict[str, Any], *, status: int = 200) -> Reply:
    return Reply(status, orjson.dumps(told))
