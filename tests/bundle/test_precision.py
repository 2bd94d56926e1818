"""Graphs of fewer bits, on graphs small enough to know what each tensor holds."""

import numpy as np
import onnx
import onnx.parser
import onnxruntime
import pytest

from recsys.bundle import precision
from recsys.bundle.halving import HALF, halve

HEADER = '<ir_version: 10, opset_import: ["" : 20]>'
# The row of a table that belongs to a gap: one for every doubling.
ROWS = f"""{HEADER} rows (int64[user] gap) => (float[user,width] answer)
<float[1] base = {{0.001}}, int64[1] first = {{0}}> {{
    seconds = Cast <to = 1> (gap)
    log = Log (seconds)
    steps = Div (log, base)
    whole = Floor (steps)
    row = Cast <to = 7> (whole)
    rows = Gather <axis = 0> (table, row)
    answer = Add (rows, rows)
}}"""
# Vectors of length one, and of length zero where they are zero.
LENGTHS = f"""{HEADER} lengths (float[user,width] x) => (float[user,width] unit, float[user] first)
<float least = {{0.000000001}}, int64[1] one = {{1}}> {{
    heard = Mul (x, table)
    length = ReduceL2 <keepdims = 1> (heard, one)
    least_length = Clip (length, least)
    shape = Shape (heard)
    everywhere = Expand (least_length, shape)
    unit = Div (heard, everywhere)
    first = ReduceSum <keepdims = 0> (unit, one)
}}"""
# Seconds since the first event, 10^8 apart, become a weight between 0 and 1.
AGES = f"""{HEADER} ages (int64[user,event] time, float[user,event] state)
=> (float[user,event] answer, float[user,event] next) <float[1] year = {{31536000}}> {{
    seconds = Cast <to = 1> (time)
    years = Div (seconds, year)
    weight = Exp (years)
    twice = Mul (weight, table)
    answer = Add (twice, weight)
    next = Mul (state, table)
}}"""
HIDDEN = f"""{HEADER} hidden (bool[user,item] seen, float[user,item] scores, int64 k)
=> (float[user,k] best, int64[user,k] place)
<float below = {{-1000000000}}, int64[1] one = {{1}}> {{
    loud = Mul (scores, table)
    open = Where (seen, below, loud)
    length = Reshape (k, one)
    best, place = TopK <axis = 1, largest = 1, sorted = 1> (open, length)
}}"""
SUMS = f"""{HEADER} sums (float[event,width] x) => (float[width] last, float[event,width] all)
<float[3] zero = {{0, 0, 0}}> {{
    louder = Mul (x, table)
    last, all = Scan <num_scan_inputs = 1, body = step
        (float[width] before, float[width] event) => (float[width] after, float[width] shown) {{
            heard = Mul (event, table)
            after = Add (before, heard)
            shown = Identity (after)
        }}> (zero, louder)
}}"""
PRODUCT = f"""{HEADER} product (float[user,width] x) => (float[user,item] scores) {{
    scores = MatMul (x, table)
}}"""
TIME = 10**8 * np.array([[-3, -2, -1], [-1, 0, 0]])
STATE = np.array([[1.0, 2, 3], [4, 5, 6]], np.float32)


def written(folder, text, table):
    model = onnx.parser.parse_model(text)
    table = onnx.numpy_helper.from_array(np.array(table, np.float32), name="table")
    model.graph.initializer.append(table)
    onnx.checker.check_model(model)
    onnx.save(model, folder / "whole.onnx")
    return folder / "whole.onnx"


def answers(file, feeds):
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds), strict=True))


def types(file):
    return {part.name: part.data_type for part in onnx.load(file).graph.initializer}


def test_seconds_keep_float32_and_everything_after_them_is_halved(tmp_path):
    whole, feeds = written(tmp_path, AGES, [0.5, 0.25, 2]), {"time": TIME, "state": STATE}
    converted = precision.to_float16(whole, tmp_path / "half.onnx", feeds=feeds)
    found, expected = answers(tmp_path / "half.onnx", feeds), answers(whole, feeds)
    assert (converted.changed, converted.kept) == (4, 2)
    assert types(tmp_path / "half.onnx") == {"table" + HALF: 10, "year": 1}
    for name, values in expected.items():
        assert found[name].dtype == np.float32
        np.testing.assert_allclose(found[name], values, rtol=2e-3, atol=1e-5)


def test_seconds_as_float16_would_count_for_nothing(tmp_path):
    model = onnx.load(written(tmp_path, AGES, [0.5, 0.25, 2]))
    for place, node in enumerate(model.graph.node):
        node.name = str(place)
    names = [name for node in model.graph.node for name in node.output]
    with np.errstate(over="ignore"):
        halve(model, numbers=[*names, "state", "table", "year"], kept=())
    onnx.save(model, tmp_path / "half.onnx")
    found = answers(tmp_path / "half.onnx", {"time": TIME, "state": STATE})
    assert not (np.abs(found["answer"][0, :2]) < 0.1).any()  # e^-9.5 and e^-6.3 by right
    np.testing.assert_allclose(found["next"], STATE * [0.5, 0.25, 2], rtol=2e-3)


def test_an_index_is_found_as_before(tmp_path):
    whole = written(tmp_path, ROWS, np.arange(5000)[:, None] / 1024)
    feeds = {"gap": np.arange(1, 147)}
    precision.to_float16(whole, tmp_path / "half.onnx", feeds=feeds)
    assert types(tmp_path / "half.onnx")["table" + HALF] == onnx.TensorProto.FLOAT16
    found, expected = answers(tmp_path / "half.onnx", feeds), answers(whole, feeds)
    np.testing.assert_allclose(found["answer"], expected["answer"], rtol=1e-3)


def test_nothing_is_divided_by_what_is_zero_in_float16(tmp_path):
    whole = written(tmp_path, LENGTHS, [1.0, 1])
    shown, given = np.array([[3, 4], [1, 1]], np.float32), np.array([[0, 0], [3, 4]], np.float32)
    precision.to_float16(whole, tmp_path / "half.onnx", feeds={"x": shown})  # without a zero
    found = answers(tmp_path / "half.onnx", {"x": given})["unit"]
    np.testing.assert_allclose(found, [[0, 0], [0.6, 0.8]], atol=1e-3)


def test_what_is_hidden_stays_below_every_score(tmp_path):
    whole = written(tmp_path, HIDDEN, [1.0, 1, 1])
    feeds = {
        "seen": np.array([[True, False, False], [False, True, True]]),
        "scores": np.array([[9, -8, -900], [-5, 4, 3]], np.float32),
        "k": np.array(3),
    }
    precision.to_float16(whole, tmp_path / "half.onnx", feeds=feeds)
    found = answers(tmp_path / "half.onnx", feeds)
    assert found["place"].tolist() == [[1, 2, 0], [0, 1, 2]]
    assert found["best"].tolist() == [[-8, -900, -1e9], [-5, -1e9, -1e9]]


def test_a_graph_inside_a_node_keeps_float32_and_reads_its_weights_as_such(tmp_path):
    feeds = {"x": np.arange(12, dtype=np.float32).reshape(4, 3)}
    whole = written(tmp_path, SUMS, [0.5, 1, 2])
    precision.to_float16(whole, tmp_path / "half.onnx", feeds=feeds)
    assert types(tmp_path / "half.onnx") == {"table": 1, "table" + HALF: 10, "zero": 1}
    found = answers(tmp_path / "half.onnx", feeds)
    assert found["last"].tolist() == [4.5, 22, 104]


def test_products_of_int8_are_within_a_step_of_their_range(tmp_path):
    draw = np.random.default_rng(0)
    x, table = draw.uniform(-1, 1, (5, 16)), draw.uniform(-1, 1, (16, 7))
    whole = written(tmp_path, PRODUCT, table)
    converted = precision.to_int8(whole, tmp_path / "eight.onnx")
    found = answers(tmp_path / "eight.onnx", {"x": x.astype(np.float32)})["scores"]
    assert (converted.changed, converted.kept) == (1, 0)
    assert types(tmp_path / "eight.onnx")["table_quantized"] == onnx.TensorProto.UINT8
    step = 2 / 255
    assert 0 < np.abs(found - x @ table).max() < 16 * step


def test_a_graph_that_cannot_run_is_named(tmp_path):
    (tmp_path / "look.onnx").write_bytes(b"no graph")
    with pytest.raises(precision.ArtifactError, match=r"look.onnx cannot be run at precision=int8"):
        precision.runs(tmp_path / "look.onnx", precision="int8")
