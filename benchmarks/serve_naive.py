"""The service that most people would write first: FastAPI, pydantic, one call a request.

It is spared what ours does: no store (all states lie in memory from the start), no keys, no
numbers, no limits. ``python -m benchmarks.serve`` starts it.
"""

import sys
from pathlib import Path

import numpy as np
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from recsys import runtime, tables
from serving.states import States
from serving.store.embedded import Embedded


class Question(BaseModel):
    user_id: int
    k: int = 10


class Item(BaseModel):
    rank: int
    item_id: int
    title: str | None
    score: float


class Answer(BaseModel):
    user_id: int
    items: list[Item]


def application(bundle: runtime.Bundle, states: dict) -> FastAPI:
    app = FastAPI()
    ids = [None, *bundle.catalogue[tables.ITEM_ID].to_list()]
    titled = tables.TITLE in bundle.catalogue.columns
    titles = [None, *bundle.catalogue[tables.TITLE].to_list()] if titled else [None] * len(ids)
    everything = np.arange(1, bundle.items + 1)

    @app.post("/recommend")
    async def recommend(question: Question) -> Answer:
        state, seen = states[question.user_id]
        found = bundle.recommend(state, candidates=everything, excluded=seen, k=question.k)
        rows = zip(found.items[0].tolist(), found.scores[0].tolist(), strict=True)
        items = [
            Item(rank=rank, item_id=ids[item], title=titles[item], score=score)
            for rank, (item, score) in enumerate(rows, 1)
            if item
        ]
        return Answer(user_id=question.user_id, items=items)

    return app


def remembered(bundle: runtime.Bundle, path: Path) -> dict:
    """Every user's state, each in arrays of its own."""
    states, found = States(Embedded(path, busy_seconds=5), bundle), {}
    users = list(states.store.users())
    for user in users:
        recalled = states.recall([user])
        found[int(user)] = (recalled.state, recalled.seen)
    return found


if __name__ == "__main__":
    folder, store, port = sys.argv[1:]
    loaded = runtime.load(Path(folder), device="cpu")
    app = application(loaded, remembered(loaded, Path(store)))
    uvicorn.run(app, port=int(port), log_level="warning", access_log=False)
