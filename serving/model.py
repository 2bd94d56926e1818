"""A bundle in the words of callers: ids for indices, titles, categories, ready pieces of JSON."""

import hashlib
import logging
import time
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import orjson
import polars as pl

from recsys import runtime, tables
from recsys.errors import ArtifactError
from recsys.runtime import Bundle, Events

WARM: Final = (1, 16)  # users of the questions asked before anybody else may ask
INTEGER: Final = "Int64"

logger = logging.getLogger(__name__)


class Item(NamedTuple):
    """What a caller sees of an item."""

    item_id: str | int
    title: str | None


class Model:
    """What is served: a verified bundle and its catalogue."""

    def __init__(self, bundle: Bundle) -> None:
        """Reads the catalogue once, so that no request has to."""
        catalogue, ids = bundle.catalogue.sort(tables.ITEM), bundle.manifest["ids"]
        self.bundle = bundle
        self.hash: str = bundle.manifest["model_hash"]
        self.version = self.hash[:12]
        self.clock: str = bundle.manifest["time"]
        self.everything = np.arange(1, bundle.items + 1, dtype=np.int64)
        self.behaviours = {name: n for n, name in enumerate(bundle.manifest["behaviours"], 1)}
        self._whole_users = ids[tables.USER_ID] == INTEGER
        self._ids: list[str | int] = catalogue[tables.ITEM_ID].to_list()
        self._titles = _column(catalogue, tables.TITLE)
        self._categories = _categories(catalogue)
        self._heads: dict[int, bytes] = {}
        self.index = {str(item_id): place for place, item_id in enumerate(self._ids, 1)}
        self._named = _named(catalogue)

    def item(self, index: int) -> Item:
        """The item of a catalogue index, from 1."""
        return Item(self._ids[index - 1], self._titles[index - 1])

    def head(self, index: int) -> bytes:
        """``"item_id":7,"title":"Heat"``; made once for each item that is ever listed."""
        head = self._heads.get(index)
        if head is None:
            item = self.item(index)._asdict()
            head = self._heads[index] = orjson.dumps(item)[1:-1]
        return head

    def indices(self, item_ids: tuple[str, ...]) -> list[int]:
        """Catalogue indices of the ids that the catalogue knows."""
        return [self.index[item_id] for item_id in item_ids if item_id in self.index]

    def open(
        self, item_ids: tuple[str, ...] | None, *, any_of: tuple[str, ...], none_of: tuple[str, ...]
    ) -> np.ndarray:
        """Rising indices of the candidates that ids and categories leave."""
        if item_ids is None:
            left = self.everything
        else:
            left = np.array(sorted(set(self.indices(item_ids))), dtype=np.int64)
        if any_of:
            left = left[np.isin(left, self._in(any_of))]
        return left[~np.isin(left, self._in(none_of))] if none_of else left

    def user(self, user: str) -> str | int:
        """A user's id as the training data had it: an integer where all of them were."""
        return int(user) if self._whole_users and _printed(user) else user

    def item_id(self, item_id: str) -> str | int:
        """The same of an item, which the catalogue need not know."""
        index = self.index.get(item_id)
        return item_id if index is None else self._ids[index - 1]

    def search(self, query: str, *, limit: int) -> list[dict[str, str | int | None]]:
        """Items by id or by a part of their title: first those that begin with it."""
        low = query.lower()
        title, item_id = pl.col("title_low"), pl.col("id_text")
        named = self._named.lazy()
        if low:
            hit = title.str.contains(low, literal=True) | (item_id == query)
            order = [item_id != query, ~title.str.starts_with(low), -pl.col(tables.COUNT)]
            named = named.filter(hit.fill_null(False)).sort(order, maintain_order=True)
        else:
            named = named.sort(-pl.col(tables.COUNT), maintain_order=True)
        found = named.select(tables.ITEM).head(limit).collect()[tables.ITEM]
        return [self.item(index)._asdict() for index in found]

    def warm(self) -> None:
        """Answers questions of nobody, as large as the first ones may be.

        Raises:
            ArtifactError: The graphs fail, or answer with what are no numbers.
        """
        started = time.perf_counter()
        for users in WARM:
            self._try(users)
        took = time.perf_counter() - started
        logger.info("model %s is warm after %.2f s", self.version, took)

    def _try(self, users: int) -> None:
        """Every graph once."""
        bundle, event = self.bundle, np.ones((users, 1), dtype=np.int64)
        nothing = np.zeros((users, 1), dtype=np.int64)
        try:
            state = bundle.encode(Events(event, time=nothing, behaviour=nothing))
            state = bundle.write(state, event=Events(event[:, 0], nothing[:, 0], nothing[:, 0]))
            bundle.run("score", state | {"candidates": event})
            lists = bundle.recommend(
                state, candidates=self.everything[:256], excluded=nothing, k=10, tile=None
            )
        except Exception as error:  # whatever the runtime raises says the same
            message = f"the bundle's graphs fail ({type(error).__name__}): export it again"
            raise ArtifactError(message) from error
        if not np.isfinite(lists.scores).all():
            message = "the bundle gives scores that are no numbers: train again and export that run"
            raise ArtifactError(message)

    def _in(self, names: tuple[str, ...]) -> np.ndarray:
        """Items that are in any of these categories."""
        parts = [self._categories[name] for name in names if name in self._categories]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)


def load(folder: Path, *, device: str) -> Model:
    """The verified and warmed model of a bundle.

    Raises:
        ArtifactError: The bundle is missing, damaged or answers nonsense.
    """
    graphs = (*runtime.GRAPHS, *runtime.APART)
    model = Model(runtime.load(folder, graphs=graphs, device=device))
    model.warm()
    return model


def signature(folder: Path) -> str | None:
    """What changes when another bundle takes this place; None while there is none."""
    try:
        return hashlib.sha256((folder / runtime.MANIFEST).read_bytes()).hexdigest()
    except OSError:
        return None


def _printed(text: str) -> bool:
    """Whether this is an integer of 64 bits as it is printed."""
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 19:
        return False
    return str(int(text)) == text and -(2**63) <= int(text) < 2**63


def _column(catalogue: pl.DataFrame, name: str) -> list[str | None]:
    if name not in catalogue.columns:
        return [None] * catalogue.height
    return catalogue[name].cast(pl.String).to_list()


def _named(catalogue: pl.DataFrame) -> pl.DataFrame:
    """What is searched."""
    titles = pl.Series("title_low", _column(catalogue, tables.TITLE), dtype=pl.String)
    return pl.DataFrame(
        {
            tables.ITEM: catalogue[tables.ITEM],
            tables.COUNT: catalogue[tables.COUNT].cast(pl.Int64),
            "title_low": titles.str.to_lowercase(),
            "id_text": catalogue[tables.ITEM_ID].cast(pl.String),
        }
    )


def _categories(catalogue: pl.DataFrame) -> dict[str, np.ndarray]:
    """The items of each category."""
    if tables.CATEGORIES not in catalogue.columns:
        return {}
    pairs = catalogue.select(tables.ITEM, tables.CATEGORIES)
    if isinstance(pairs.schema[tables.CATEGORIES], pl.List):
        pairs = pairs.explode(tables.CATEGORIES)
    groups = pairs.drop_nulls().group_by(tables.CATEGORIES).agg(tables.ITEM)
    items = (np.sort(np.array(some, dtype=np.int64)) for some in groups[tables.ITEM].to_list())
    return dict(zip(groups[tables.CATEGORIES].cast(pl.String).to_list(), items, strict=True))
