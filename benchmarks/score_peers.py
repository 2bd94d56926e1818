"""A peer's batch scoring, a turn whenever it is asked for one.

    PYTHON benchmarks/score_peers.py PEER EVENTS.npz LENGTH K

``python -m benchmarks.score --peers PEER=PYTHON`` starts it with the Python of an environment that
has the peer alone: ``pip install implicit``, ``rectools[torch]``, ``replay-rec[torch]`` or
``recbole "numpy<2" "pandas<2.3" "scipy<1.13"``. ``user`` and ``item`` of the file are events,
every user's own in order. Ready, it says what it scores from; every line it reads is then a turn,
after which it says CPU seconds, of all threads, and users. Width is 64 as ours, sequences
have up to LENGTH events, lists K items of the whole catalogue; seen items are left out where the
peer can do that, which RecBole's sequential models cannot.
"""

import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Turn = Callable[[], int]  # makes lists; how many users they are of
WIDTH, BLOCKS, HEADS, BATCH = 64, 2, 2, 128


def main() -> None:
    logging.disable(logging.WARNING)
    name, file, length, k = sys.argv[1:]
    events = np.load(file)
    peers = {
        "implicit": implicit,
        "rectools": rectools,
        "replay": replay,
        "recbole": recbole,
        "recbole_din": recbole_din,
    }
    peer = peers[name]
    given, turn = peer(events["user"], events["item"], length=int(length), k=int(k))
    say(given)
    for _ in sys.stdin:
        started = time.process_time()
        users = turn()
        say(f"{time.process_time() - started} {users}")


def say(text: str) -> None:
    print(f"peer: {text}", flush=True)


def implicit(user: np.ndarray, item: np.ndarray, *, length: int, k: int) -> tuple[str, Turn]:
    """Alternating least squares: a product of ready factors."""
    from implicit.als import AlternatingLeastSquares
    from scipy.sparse import csr_matrix

    table = csr_matrix((np.ones(len(user), dtype=np.float32), (user, item)))
    model = AlternatingLeastSquares(factors=WIDTH, iterations=2, num_threads=1)
    model.fit(table, show_progress=False)
    everybody = np.arange(table.shape[0])

    def turn() -> int:
        items, _ = model.recommend(everybody, table, N=k, filter_already_liked_items=True)
        return len(items)

    return "vectors", turn


def rectools(user: np.ndarray, item: np.ndarray, *, length: int, k: int) -> tuple[str, Turn]:
    """SASRec."""
    import pandas
    from rectools.dataset import Dataset
    from rectools.models import SASRecModel

    table = pandas.DataFrame({"user_id": user, "item_id": item, "weight": 1.0})
    table["datetime"] = pandas.Timestamp(0) + pandas.to_timedelta(np.arange(len(user)), unit="s")
    dataset = Dataset.construct(table)
    model = SASRecModel(
        n_factors=WIDTH,
        n_blocks=BLOCKS,
        n_heads=HEADS,
        session_max_len=length,
        batch_size=BATCH,
        epochs=1,
    )
    model.fit(dataset)
    everybody = np.unique(user)

    def turn() -> int:
        found = model.recommend(everybody, dataset, k=k, filter_viewed=True)
        return found["user_id"].nunique()

    return "histories", turn


def replay(user: np.ndarray, item: np.ndarray, *, length: int, k: int) -> tuple[str, Turn]:
    """SASRec with its first weights, batches made beforehand."""
    import lightning
    import torch
    from replay.data import FeatureHint, FeatureSource, FeatureType
    from replay.data.nn import TensorFeatureInfo, TensorFeatureSource, TensorSchema
    from replay.nn.lightning import LightningModule
    from replay.nn.lightning.callback import TorchTopItemsCallback
    from replay.nn.lightning.postprocessor import SeenItemsFilter
    from replay.nn.sequential import SasRec
    from torch.utils.data import DataLoader

    items = int(item.max()) + 1
    column = TensorFeatureInfo(
        "item_id",
        is_seq=True,
        feature_type=FeatureType.CATEGORICAL,
        embedding_dim=WIDTH,
        padding_value=items,
        cardinality=items,
        feature_hint=FeatureHint.ITEM_ID,
        feature_sources=[TensorFeatureSource(FeatureSource.INTERACTIONS, "item_id")],
    )
    network = SasRec.from_params(
        TensorSchema([column]),
        embedding_dim=WIDTH,
        num_heads=HEADS,
        num_blocks=BLOCKS,
        max_sequence_length=length,
    )
    model = LightningModule(network)
    histories = np.split(item, np.flatnonzero(np.diff(user)) + 1)
    batches = []
    for first in range(0, len(histories), BATCH):
        some = histories[first : first + BATCH]
        newest = np.stack([_left_padded(past[-length:], length, padding=items) for past in some])
        longest = max(map(len, some))
        seen = np.stack([_left_padded(past, longest, padding=items) for past in some])
        known = torch.from_numpy(newest)
        batches.append(
            {
                "query_id": torch.arange(first, first + len(some)),
                "feature_tensors": {"item_id": known},
                "padding_mask": known != items,
                "seen_ids": torch.from_numpy(seen),
            }
        )

    def turn() -> int:
        lists = TorchTopItemsCallback(k, "query_id", [SeenItemsFilter(item_count=items)])
        trainer = lightning.Trainer(
            callbacks=[lists], logger=False, accelerator="cpu", enable_progress_bar=False
        )
        trainer.predict(model, DataLoader(batches, batch_size=None), return_predictions=False)
        return len(lists.get_result()[0])

    return "histories", turn


def _left_padded(past: np.ndarray, length: int, *, padding: int) -> np.ndarray:
    return np.concatenate([np.full(length - len(past), padding, dtype=np.int64), past])


def recbole(user: np.ndarray, item: np.ndarray, *, length: int, k: int) -> tuple[str, Turn]:
    """SASRec with its first weights; seen items stay."""
    model, batches, _ = _recbole("SASRec", user, item, length=length)

    def turn() -> int:
        users = 0
        for batch in batches:
            scores = model.full_sort_predict(batch[0])
            scores[:, 0] = -np.inf
            users += len(scores.topk(k).indices)
        return users

    return "histories", turn


def recbole_din(user: np.ndarray, item: np.ndarray, *, length: int, k: int) -> tuple[str, Turn]:
    """DIN with its first weights: every candidate a row, so four users only; seen items stay."""
    model, batches, items = _recbole("DIN", user, item, length=length)
    import torch

    some = batches[0][0][:4]

    def turn() -> int:
        rows = some.repeat_interleave(len(items))
        rows.update(items.repeat(len(some)))
        parts = [model.predict(rows[at : at + 2048]) for at in range(0, len(rows), 2048)]
        scores = torch.cat(parts).view(len(some), -1)
        scores[:, 0] = -np.inf
        return len(scores.topk(k).indices)

    return "histories", turn


def _recbole(
    name: str, user: np.ndarray, item: np.ndarray, *, length: int
) -> tuple[Any, list[Any], Any]:
    """A model, questions about each user's last event in batches, and all candidates."""
    import torch
    from recbole.config import Config
    from recbole.data import create_dataset, data_preparation
    from recbole.utils import get_model

    folder = Path("dataset/peer")
    folder.mkdir(parents=True)
    with (folder / "peer.inter").open("w") as file:
        print("user_id:token\titem_id:token\ttimestamp:float", file=file)
        np.savetxt(file, np.stack([user, item, np.arange(len(user))], axis=1), "%d", "\t")
    settings = {
        "data_path": "dataset",
        "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
        "MAX_ITEM_LIST_LENGTH": length,
        "embedding_size": WIDTH,
        "hidden_size": WIDTH,
        "train_neg_sample_args": None,
        "eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "mode": "full"},
        "eval_batch_size": 2 * BATCH,
        "metrics": ["Recall"],
        "valid_metric": "Recall@10",
        "use_gpu": False,
        "show_progress": False,
    }
    config = Config(model=name, dataset="peer", config_dict=settings)
    dataset = create_dataset(config)
    train, _, test = data_preparation(config, dataset)
    model = get_model(name)(config, train.dataset).eval().requires_grad_(False)
    torch.set_num_threads(1)
    return model, list(test), dataset.get_item_feature()


if __name__ == "__main__":
    main()
