"""The same naive service behind LitServe, with its batches: a process for HTTP, one for the model.

``pip install litserve``; ``python -m benchmarks.serve`` starts it where that was done. As the other
it is spared the store: all states lie in memory from the start.
"""

import sys
from pathlib import Path

import litserve
import numpy as np

from benchmarks.serve_naive import remembered
from recsys import runtime, tables

BATCH = 64
WAIT = 0.002  # seconds to gather a batch


class Recommend(litserve.LitAPI):
    """Top lists of users with a kept state; a batch holds questions of one length."""

    def __init__(self, folder: str, store: str) -> None:
        super().__init__(max_batch_size=BATCH, batch_timeout=WAIT, api_path="/recommend")
        self.folder, self.store = folder, store

    def setup(self, device: str) -> None:
        self.bundle = runtime.load(Path(self.folder), device="cpu")
        self.states = remembered(self.bundle, Path(self.store))
        self.ids = [None, *self.bundle.catalogue[tables.ITEM_ID].to_list()]
        self.everything = np.arange(1, self.bundle.items + 1)

    def decode_request(self, request: dict, **_: object) -> tuple[int, int]:
        return request["user_id"], request["k"]

    def batch(self, inputs: list) -> list:
        return inputs

    def unbatch(self, output: list) -> list:
        return output

    def predict(self, x: list, **_: object) -> list:
        known = [self.states[user] for user, _ in x]
        state = {name: np.concatenate([one[name] for one, _ in known]) for name in known[0][0]}
        width = max(seen.shape[1] for _, seen in known)
        excluded = np.concatenate(
            [np.pad(seen, ((0, 0), (0, width - seen.shape[1]))) for _, seen in known]
        )
        found = self.bundle.recommend(
            state, candidates=self.everything, excluded=excluded, k=x[0][1]
        )
        rows = zip(x, found.items.tolist(), found.scores.tolist(), strict=True)
        return [(user, items, scores) for (user, _), items, scores in rows]

    def encode_response(self, output: tuple, **_: object) -> dict:
        user, items, scores = output
        ranked = enumerate(zip(items, scores, strict=True), 1)
        return {
            "user_id": user,
            "items": [
                {"rank": rank, "item_id": self.ids[item], "score": score}
                for rank, (item, score) in ranked
                if item
            ],
        }


if __name__ == "__main__":
    given, kept, port = sys.argv[1:]
    server = litserve.LitServer(Recommend(given, kept), accelerator="cpu")
    server.run(port=int(port), log_level="warning", generate_client_file=False)
