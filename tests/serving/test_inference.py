"""The Open Inference Protocol: Triton's own client, and the forms that the specification fixes."""

import gzip

import numpy as np
import pytest
import tritonclient.http as triton
from jsonschema_rs import validator_for
from tritonclient.utils import InferenceServerException

from recsys import runtime
from recsys.runtime import Events

# The forms of the specification's section on HTTP, as schemas.
TENSOR = {
    "type": "object",
    "required": ["name", "shape", "datatype"],
    "properties": {
        "name": {"type": "string"},
        "shape": {"type": "array", "items": {"type": "integer"}},
        "datatype": {
            "enum": [
                *("BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32"),
                *("INT64", "FP16", "FP32", "FP64", "BYTES"),
            ]
        },
        "parameters": {"type": "object"},
    },
}
FILLED = {
    **TENSOR,
    "required": [*TENSOR["required"], "data"],
    "properties": {**TENSOR["properties"], "data": {"type": "array"}},
}
FORMS = {
    "server": {
        "required": ["name", "version", "extensions"],
        "properties": {
            "name": {"type": "string"},
            "version": {"type": "string"},
            "extensions": {"type": "array", "items": {"type": "string"}},
        },
    },
    "model": {
        "required": ["name", "platform", "inputs", "outputs"],
        "properties": {
            "name": {"type": "string"},
            "versions": {"type": "array", "items": {"type": "string"}},
            "platform": {"type": "string"},
            "inputs": {"type": "array", "items": TENSOR},
            "outputs": {"type": "array", "items": TENSOR},
        },
    },
    "answer": {
        "required": ["model_name", "outputs"],
        "properties": {
            "model_name": {"type": "string"},
            "model_version": {"type": "string"},
            "id": {"type": "string"},
            "parameters": {"type": "object"},
            "outputs": {"type": "array", "items": FILLED},
        },
    },
    "error": {
        "required": ["error"],
        "properties": {"error": {"type": "string"}},
        "additionalProperties": False,
    },
}
STATE = {"last_item": [7, 3], "first_item": [7, 2], "last_behaviour": [0, 0]}
CANDIDATES = np.array([[4, 5, 6], [1, 2, 3]])


def conforms(name, value):
    validator_for({"type": "object", **FORMS[name]}).validate(value)


@pytest.fixture(scope="module")
def asked(service):
    with triton.InferenceServerClient(f"127.0.0.1:{service.port}") as client:
        yield client


def tensor(name, values, *, binary, datatype="INT64"):
    kind = {"INT64": np.int64, "FP32": np.float32}[datatype]
    array = np.asarray(values, dtype=kind)
    made = triton.InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array, binary_data=binary)
    return made


def state(*, binary):
    return [tensor(name, values, binary=binary) for name, values in STATE.items()]


def test_tritonclient_finds_a_healthy_server(asked):
    assert asked.is_server_live()
    assert asked.is_server_ready()
    assert asked.get_server_metadata()["extensions"] == ["binary_tensor_data"]


@pytest.mark.parametrize("graph", runtime.GRAPHS)
def test_tritonclient_finds_every_graph_and_its_version(asked, graph):
    metadata = asked.get_model_metadata(graph)
    (version,) = metadata["versions"]
    assert asked.is_model_ready(graph, version)
    assert asked.get_model_metadata(graph, version) == metadata
    with pytest.raises(InferenceServerException, match="the version served is"):
        asked.get_model_metadata(graph, "1")


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
def test_tritonclient_scores(asked, table, binary_in, binary_out):
    inputs = [*state(binary=binary_in), tensor("candidates", CANDIDATES, binary=binary_in)]
    outputs = [triton.InferRequestedOutput("scores", binary_data=binary_out)]
    answer = asked.infer("score", inputs, outputs=outputs, request_id="r-1")
    expected = np.stack([table[7, CANDIDATES[0]], table[3, CANDIDATES[1]]])
    np.testing.assert_array_equal(answer.as_numpy("scores"), expected)
    assert answer.get_response()["id"] == "r-1"
    assert answer.as_numpy("weights") is None


@pytest.mark.parametrize("packing", ["gzip", "deflate"])
def test_tritonclient_may_pack_what_it_sends(asked, table, packing):
    inputs = [*state(binary=True), tensor("candidates", CANDIDATES, binary=True)]
    answer = asked.infer("score", inputs, request_compression_algorithm=packing)
    np.testing.assert_array_equal(answer.as_numpy("scores")[1], table[3, CANDIDATES[1]])


def test_the_graphs_answer_as_the_bundle_does(asked, bundle):
    local = runtime.load(bundle, device="cpu")
    item = np.array([[3, 7, 0], [2, 3, 5]])
    events = Events(item, np.zeros_like(item), np.zeros_like(item))
    names = ("event_item", "event_time", "event_behaviour")
    inputs = [tensor(name, array, binary=True) for name, array in zip(names, events, strict=True)]
    answer = asked.infer("encode", inputs)
    for name, array in local.encode(events).items():
        np.testing.assert_array_equal(answer.as_numpy(name), array)


def test_tritonclient_recommends(asked, bundle):
    local = runtime.load(bundle, device="cpu")
    held = {name: np.array(values) for name, values in STATE.items()}
    given = {"candidates": np.arange(1, 31), "excluded": np.array([[7], [3]])}
    inputs = [tensor(name, array, binary=False) for name, array in given.items()]
    k = triton.InferInput("k", [], "INT64")
    k.set_data_from_numpy(np.array(5), binary_data=True)
    answer = asked.infer("recommend", [*state(binary=True), *inputs, k])
    expected = local.recommend(held, **given, k=5)
    np.testing.assert_array_equal(answer.as_numpy("items"), expected.items)
    np.testing.assert_array_equal(answer.as_numpy("because_items"), expected.because_items)


WRONG = {
    "another shape": ([1, 2, 3], "INT64", "the shape is"),
    "other users": ([[1, 2]], "INT64", "one number of users"),
    "another type": ([[1.0], [2.0]], "FP32", "the datatype is INT64"),
    "out of the catalogue": ([[1], [31]], "INT64", "these are 0 to 30"),
    "negative": ([[1], [-1]], "INT64", "these are 0 to 30"),
}


@pytest.mark.parametrize(("values", "datatype", "told"), WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("binary", [True, False])
def test_tritonclient_is_told_what_is_wrong(asked, values, datatype, told, binary):
    wrong = tensor("candidates", values, datatype=datatype, binary=binary)
    with pytest.raises(InferenceServerException, match=told) as caught:
        asked.infer("score", [*state(binary=binary), wrong])
    assert caught.value.status() == "400"


def test_a_missing_input_is_named(asked):
    with pytest.raises(InferenceServerException, match="candidates missing"):
        asked.infer("score", state(binary=True))


def test_the_forms_are_those_of_the_specification(api):
    conforms("server", api.get("/v2").json())
    conforms("model", api.get("/v2/models/recommend").json())
    inputs = [
        {"name": name, "shape": [2], "datatype": "INT64", "data": values}
        for name, values in STATE.items()
    ]
    inputs.append({"name": "candidates", "shape": [2, 1], "datatype": "INT64", "data": [[1], [2]]})
    answer = api.post("/v2/models/score/infer", json={"id": "a", "inputs": inputs})
    conforms("answer", answer.json())
    conforms("error", api.get("/v2/models/none").json())
    conforms("error", api.post("/v2/models/score/infer", content=b"{").json())


BROKEN = {
    "no JSON": b"{",
    "no inputs": b"{}",
    "inputs no array": b'{"inputs": 3}',
    "an input no object": b'{"inputs": [3]}',
    "both kinds of data": b'{"inputs": [{"name": "k", "shape": [1], "datatype": "INT64",'
    b' "data": [1], "parameters": {"binary_data_size": 8}}]}',
    "ragged": b'{"inputs": [{"name": "k", "shape": [2], "datatype": "INT64",'
    b' "data": [[1], [1, 2]]}]}',
    "too few": b'{"inputs": [{"name": "k", "shape": [2], "datatype": "INT64", "data": [1]}]}',
    "text": b'{"inputs": [{"name": "k", "shape": [1], "datatype": "INT64", "data": ["1"]}]}',
    "huge": b'{"inputs": [{"name": "k", "shape": [1], "datatype": "INT64", "data": [1e30]}]}',
    "too large for its type": b'{"inputs": [{"name": "k", "shape": [1], "datatype": "INT8",'
    b' "data": [300]}]}',
    "negative shape": b'{"inputs": [{"name": "k", "shape": [-1], "datatype": "INT64",'
    b' "data": []}]}',
    "enormous shape": b'{"inputs": [{"name": "k", "shape": [2147483648, 2147483648],'
    b' "datatype": "INT64", "data": []}]}',
    "unknown datatype": b'{"inputs": [{"name": "k", "shape": [1], "datatype": "X", "data": [1]}]}',
    "bytes that are not there": b'{"inputs": [{"name": "k", "shape": [1], "datatype": "INT64",'
    b' "parameters": {"binary_data_size": 8}}]}',
    "NaN": b'{"inputs": [{"name": "k", "shape": [1], "datatype": "FP32", "data": [NaN]}]}',
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_broken_requests_are_refused(api, body):
    reply = api.post("/v2/models/recommend/infer", content=body)
    assert reply.status_code in (400, 422)
    conforms("error", reply.json())


def test_a_wrong_header_length_is_refused(api):
    for length in ("-1", "999", "x", "9" * 30):
        headers = {"inference-header-content-length": length}
        reply = api.post("/v2/models/score/infer", content=b"{}", headers=headers)
        assert reply.status_code == 400


def test_a_small_body_that_unpacks_to_a_large_one_is_refused(api):
    packed = gzip.compress(b" " * 50_000_000)
    headers = {"content-encoding": "gzip"}
    reply = api.post("/v2/models/score/infer", content=packed, headers=headers)
    assert reply.status_code == 413


def test_a_state_that_is_none_is_no_fault_of_the_service(api):
    inputs = [{"name": name, "shape": [1], "datatype": "INT64", "data": [10**9]} for name in STATE]
    inputs.append({"name": "candidates", "shape": [1, 1], "datatype": "INT64", "data": [1]})
    reply = api.post("/v2/models/score/infer", json={"inputs": inputs})
    assert reply.status_code == 400
    assert "cannot compute" in reply.json()["error"]
