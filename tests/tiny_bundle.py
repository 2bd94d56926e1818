"""A bundle whose right answers are provable: an item-to-item table and the last item of a history.

The score of a candidate is ``table[last item, candidate] + behaviour of the last event``, and zero
plus that for a user with no event. Small whole numbers make every sum exact, so ties are real.
The reasons of a candidate are the last item (its weight is the score) and the first item of the
events given (weight one half), when that is another item. Taken ``apart``, the user's vector is
the row of all scores, an item answers with its own place in it, and the only slot is empty.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import polars as pl

STATE = {
    "last_item": "the newest item, 0 before the first event",
    "first_item": "the oldest item of the events encoded, 0 before the first event",
    "last_behaviour": "the behaviour of the newest event",
}
HEADER = '<ir_version: 10, opset_import: ["" : 20]>'
STATES = "int64[user] last_item, int64[user] first_item, int64[user] last_behaviour"
EVENTS = (
    "int64[user,event] event_item, int64[user,event] event_time, int64[user,event] event_behaviour"
)
EVENT = "int64[user] event_item, int64[user] event_time, int64[user] event_behaviour"
NEXT = "int64[user] next_last_item, int64[user] next_first_item, int64[user] next_last_behaviour"
ALL_SCORES = """
    rows = Gather <axis = 0> (table, last_item)
    bonus = Cast <to = 1> (last_behaviour)
    column = Unsqueeze (bonus, one)
    all = Add (rows, column)
"""
ENCODE = f"""{HEADER} encode ({EVENTS}) => ({STATES})
<int64[1] zero = {{0}}, int64[1] one = {{1}}, int64 nothing = {{0}}> {{
    present = Greater (event_item, nothing)
    ones = Cast <to = 7> (present)
    length = ReduceSum <keepdims = 1> (ones, one)
    before = Sub (length, one)
    last = Max (before, zero)
    first = Sub (last, last)
    last_column = GatherElements <axis = 1> (event_item, last)
    last_item = Squeeze (last_column, one)
    first_column = GatherElements <axis = 1> (event_item, first)
    first_item = Squeeze (first_column, one)
    behaviour_column = GatherElements <axis = 1> (event_behaviour, last)
    last_behaviour = Squeeze (behaviour_column, one)
}}"""
WRITE = f"""{HEADER} write ({STATES}, {EVENT}) => ({NEXT})
<int64 nothing = {{0}}> {{
    present = Greater (event_item, nothing)
    next_last_item = Where (present, event_item, last_item)
    empty = Equal (first_item, nothing)
    next_first_item = Where (empty, event_item, first_item)
    next_last_behaviour = Where (present, event_behaviour, last_behaviour)
}}"""
SCORE = f"""{HEADER} score ({STATES}, int64[user,candidate] candidates)
=> (float[user,candidate] scores, float[user,candidate,slot] weights) <int64[1] one = {{1}}> {{
    {ALL_SCORES}
    scores = GatherElements <axis = 1> (all, candidates)
    two = Add (one, one)
    weights = Unsqueeze (scores, two)
}}"""
REASONS = """same = Equal (first_item, last_item)
    other = Where (same, nothing, first_item)
    last_column = Unsqueeze (last_item, one)
    other_column = Unsqueeze (other, one)
    pair = Concat <axis = 1> (last_column, other_column)
    pairs = Unsqueeze (pair, one)
    list_shape = Shape (items)
    reason_shape = Concat <axis = 0> (list_shape, two)
    because_items = Expand (pairs, reason_shape)
    has_reason = Greater (because_items, nothing)
    score_column = Unsqueeze (scores, two)
    score_pairs = Expand (score_column, reason_shape)
    is_last = Constant <value = int64[2] {1, 0}> ()
    chosen = Greater (is_last, nothing)
    both = Where (chosen, score_pairs, half)
    because_weights = Where (has_reason, both, empty)
"""
RECOMMEND = f"""{HEADER} recommend ({STATES}, int64[candidate] candidates,
    int64[user,exclusion] excluded, int64 k)
=> (int64[user,k] items, float[user,k] scores,
    int64[user,k,reason] because_items, float[user,k,reason] because_weights)
<int64[1] one = {{1}}, int64[1] two = {{2}}, int64[2] slots = {{1, 2}}, int64 nothing = {{0}},
 float none = {{-1000000}}, float bottom = {{-500000}}, float half = {{0.5}},
 float empty = {{0}}> {{
    {ALL_SCORES}
    shape = Shape (excluded)
    fill = Expand (none, shape)
    masked = ScatterElements <axis = 1> (all, excluded, fill)
    open = Gather <axis = 1> (masked, candidates)
    length = Reshape (k, one)
    scores, place = TopK <axis = 1, largest = 1, sorted = 1> (open, length)
    found = Gather <axis = 0> (candidates, place)
    left = Greater (scores, bottom)
    items = Where (left, found, nothing)
    {REASONS}
}}"""

LOOK = f"""{HEADER} look ({STATES}) => (float[user,width] user_vector,
    float[user,head,slot] slot_weights, float[user,head,slot,part] slot_keys,
    float[user,head,slot,part] slot_values, int64[user,pair] past)
<int64[1] one = {{1}}, int64[2] flat = {{1, 1}}, int64[3] deep = {{1, 1, 1}}, float zero = {{0}}> {{
    {ALL_SCORES}
    user_vector = Identity (all)
    users = Shape (last_item)
    three = Concat <axis = 0> (users, flat)
    four = Concat <axis = 0> (users, deep)
    slot_weights = Expand (zero, three)
    slot_keys = Expand (zero, four)
    slot_values = Expand (zero, four)
    newest = Unsqueeze (last_item, one)
    oldest = Unsqueeze (first_item, one)
    past = Concat <axis = 1> (newest, oldest)
}}"""
ASK = f"""{HEADER} ask (int64[candidate] candidates) => (float[candidate,width] user_answers,
    float[candidate] biases, float[candidate,head,part] slot_queries,
    float[candidate,head,part] slot_answers)
<int64[2] flat = {{1, 1}}, float zero = {{0}}, float[2] values = {{0, 1}}> {{
    width = Shape <start = 0, end = 1> (table)
    user_answers = OneHot (candidates, width, values)
    count = Shape (candidates)
    biases = Expand (zero, count)
    three = Concat <axis = 0> (count, flat)
    slot_queries = Expand (zero, three)
    slot_answers = Expand (zero, three)
}}"""

CHOOSE = f"""{HEADER} choose (float[user,width] user_vector, float[user,head,slot] slot_weights,
    float[user,head,slot,part] slot_keys, float[user,head,slot,part] slot_values,
    int64[user,pair] past, int64[user,candidate] candidates, int64 k)
=> (int64[user,k] items, float[user,k] scores,
    int64[user,k,reason] because_items, float[user,k,reason] because_weights)
<int64[1] one = {{1}}, int64[1] two = {{2}}, int64[2] slots = {{1, 2}}, int64 nothing = {{0}},
 float none = {{-1000000}}, float bottom = {{-500000}}, float half = {{0.5}},
 float empty = {{0}}, int64 oldest = {{1}}> {{
    told = GatherElements <axis = 1> (user_vector, candidates)
    nobody = Equal (candidates, nothing)
    open = Where (nobody, none, told)
    length = Reshape (k, one)
    scores, place = TopK <axis = 1, largest = 1, sorted = 1> (open, length)
    found = GatherElements <axis = 1> (candidates, place)
    left = Greater (scores, bottom)
    items = Where (left, found, nothing)
    last_item = Gather <axis = 1> (past, nothing)
    first_item = Gather <axis = 1> (past, oldest)
    {REASONS}
}}"""


def world(items: int, *, seed: int = 0, values: int = 4) -> np.ndarray:
    """Scores of item to item, ``[items + 1, items + 1]`` whole numbers below ``values``."""
    table = np.random.default_rng(seed).integers(0, values, (items + 1, items + 1))
    table[0] = 0
    return table.astype(np.float32)


def write_bundle(
    folder: Path,
    table: np.ndarray,
    *,
    item_ids: pl.Series | None = None,
    history: int = 5,
    behaviours: tuple[str, ...] = (),
    explains: bool = True,
    apart: bool = False,
    user_ids: str = "Int64",
    time: str = "seconds",
) -> Path:
    """Writes the bundle; items are named 100, 101, ... unless ``item_ids`` says else."""
    folder.mkdir(parents=True)
    items = len(table) - 1
    item_ids = pl.Series("item_id", range(100, 100 + items)) if item_ids is None else item_ids
    catalogue = pl.DataFrame(
        {
            "item": pl.Series(range(1, items + 1), dtype=pl.Int32),
            "item_id": item_ids,
            "count": pl.Series([1] * items, dtype=pl.Int64),
            "title": [f"Title {item}" for item in range(1, items + 1)],
        }
    )
    catalogue.write_parquet(folder / "catalogue.parquet")
    texts = {"encode": ENCODE, "write": WRITE, "score": SCORE, "recommend": RECOMMEND}
    texts |= {"look": LOOK, "ask": ASK, "choose": CHOOSE} if apart else {}
    manifest = {
        "format": 1,
        "name": "tiny",
        "model_hash": hashlib.sha256(table.tobytes()).hexdigest(),
        "history": history,
        "explains": explains,
        "state": [
            {"name": name, "type": "int64", "axes": ["user"], "width": [], "meaning": meaning}
            for name, meaning in STATE.items()
        ],
        "graphs": {
            name: _write_graph(folder, name, text=text, table=table, explains=explains)
            for name, text in texts.items()
        },
        "catalogue": {
            "file": "catalogue.parquet",
            "sha256": _sha256(folder / "catalogue.parquet"),
            "items": items,
        },
        "behaviours": list(behaviours),
        "time": time,
        "ids": {"user_id": user_ids, "item_id": str(item_ids.dtype)},
        "opset": 20,
        "precision": "float32",
        "training_data": "0" * 64,
        "metrics": {},
        "parity": {},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2), encoding="utf-8")
    return folder


def rewrite_manifest(folder: Path, **changes: object) -> None:
    """Changes entries of the manifest, as another version of the export would have written them."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(manifest | changes), encoding="utf-8")


def _write_graph(
    folder: Path, name: str, *, text: str, table: np.ndarray, explains: bool
) -> dict[str, Any]:
    model = onnx.parser.parse_model(text)
    if "table" in text:
        model.graph.initializer.append(onnx.numpy_helper.from_array(table, name="table"))
    if not explains:
        kept = [o for o in model.graph.output if not o.name.startswith(("because", "weights"))]
        del model.graph.output[:]
        model.graph.output.extend(kept)
    onnx.checker.check_model(model)
    path = folder / f"{name}.onnx"
    onnx.save(model, path)
    return {
        "file": path.name,
        "sha256": _sha256(path),
        "inputs": [value.name for value in model.graph.input],
        "outputs": [value.name for value in model.graph.output],
    }


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
