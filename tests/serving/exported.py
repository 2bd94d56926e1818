"""Bundles of memories of the configuration, with the graphs that states need and no others."""

import hashlib

import onnxruntime
import polars as pl

from recsys.bundle import tracing
from recsys.bundle.meaning import describe
from recsys.runtime import Bundle
from tests.contract.parts import ITEMS, recommender
from tests.symbols import unchecked

BEHAVIOURS = ("buy", "view")


def exported(
    memory, folder, *, history, seed=1, first_id=100, items=ITEMS, graphs=("encode", "write")
):
    """The bundle of a memory whose items are called 100, 101, ... and whose slots are five."""
    model = recommender(f"memory={memory}", seed=seed)
    with unchecked():
        described = tracing.trace_all(tracing.graphs(model, items=ITEMS), folder, names=graphs)
    sessions = {
        name: onnxruntime.InferenceSession(
            folder / graph["file"], providers=["CPUExecutionProvider"]
        )
        for name, graph in described.items()
    }
    return Bundle(
        manifest=manifest(model, described, history=history, seed=seed),
        catalogue=catalogue(first_id, items),
        sessions=sessions,
        device="cpu",
    )


def manifest(model, described, *, history, seed):
    return {
        "model_hash": hashlib.sha256(str(seed).encode()).hexdigest(),
        "history": history,
        "explains": model.explains,
        "state": [describe(model.memory, name) for name in tracing.state_names(model.memory)],
        "graphs": described,
        "catalogue": {"items": ITEMS, "sha256": "0"},
        "behaviours": list(BEHAVIOURS),
        "time": "seconds",
        "ids": {"user_id": "String", "item_id": "Int64"},
    }


def catalogue(first_id, items):
    return pl.DataFrame(
        {
            "item": pl.Series(range(1, items + 1), dtype=pl.Int32),
            "item_id": range(first_id, first_id + items),
            "count": [1] * items,
        }
    )
