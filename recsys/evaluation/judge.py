"""Judge lists that any system wrote: a table of user_id, rank and item_id."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
import torch

from recsys.data.batches import Part, questions
from recsys.data.prepared import Prepared
from recsys.errors import InputError
from recsys.evaluation.report import Answer, Report, report
from recsys.tables import ITEM, ITEM_ID, RANK, USER_ID

_USER = "user"
_COLUMNS = (USER_ID, RANK, ITEM_ID)


def judge(
    lists: pl.DataFrame,
    prepared: Prepared,
    *,
    part: Part,
    ks: tuple[int, ...],
    batch_size: int,
    advance: Callable[[int], None] = lambda users: None,
) -> Report:
    """Metrics of given lists, for every user with held-out items.

    A user without a list misses everything; lists of users without truth are not looked at. A
    rank that is absent, an item that the catalogue does not know and an item listed again are
    misses at their places.

    Args:
        lists: Columns user_id, rank from 1, item_id; other columns are not read.
        prepared: The data set with its split.
        part: ``valid`` or ``test``.
        ks: List lengths; ranks beyond the largest are not read.
        batch_size: Users judged together.
        advance: Told the number of users just judged.

    Raises:
        InputError: A column is missing, ill-typed or has empty rows, a rank is below one or occurs
            twice for a user, or no user of the lists is in the data.
    """
    table = _indexed(lists, prepared, k=max(ks))
    user, place, item = (table[name].to_numpy() for name in (_USER, RANK, ITEM))

    def answers() -> Iterator[Answer]:
        for question in questions(prepared, part, batch_size=batch_size, history=1):
            asked = question.user.numpy()
            first, last = np.searchsorted(user, [asked[0], asked[-1] + 1])
            row = np.searchsorted(asked, user[first:last])
            known = asked[row] == user[first:last]
            given = np.zeros((len(asked), max(ks)), dtype=np.int64)
            given[row[known], place[first:last][known] - 1] = item[first:last][known]
            yield Answer(question=question, lists=torch.from_numpy(given))
            advance(len(asked))

    return report(answers(), prepared=prepared, ks=ks)


def read_lists(path: Path) -> pl.DataFrame:
    """The user_id, rank and item_id columns of a Parquet file, or of all those in a folder.

    Raises:
        InputError: Nothing is there, it is no Parquet, or a column is missing.
    """
    files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    if not files or not files[0].exists():
        msg = f"lists='{path}' is no Parquet file and no folder with one: check the path"
        raise InputError(msg)
    try:
        frame = pl.scan_parquet(files)
        require(frame.collect_schema())
        return frame.select(_COLUMNS).collect()
    except pl.exceptions.ComputeError as error:
        msg = f"lists='{path}' cannot be read as Parquet ({error}): write it again"
        raise InputError(msg) from error


def require(schema: pl.Schema) -> None:
    """Raise InputError where lists lack a column or hold ids that are neither integers nor text."""
    for name in _COLUMNS:
        if name not in schema:
            msg = f"lists need a column '{name}' but have {', '.join(schema)}: rename yours"
            raise InputError(msg)
        if not (schema[name].is_integer() or (schema[name] == pl.String and name != RANK)):
            kinds = "a whole number" if name == RANK else "an integer or text"
            msg = f"'{name}' of the lists must be {kinds} but is {schema[name]}: cast it"
            raise InputError(msg)


def _indexed(lists: pl.DataFrame, prepared: Prepared, *, k: int) -> pl.DataFrame:
    """Columns user (index), rank, item (0 where unknown), by user; ranks up to k."""
    _check(lists)
    users = prepared.users.alias(USER_ID).to_frame().with_row_index(_USER)
    items = prepared.catalogue.select(ITEM_ID, ITEM)
    known = _joined(lists.filter(pl.col(RANK) <= k), users, on=USER_ID).drop_nulls(_USER)
    if known.is_empty():
        msg = f"none of the {lists.height} rows of the lists is of a user of this data: give others"
        raise InputError(msg)
    table = _joined(known, items, on=ITEM_ID).sort(_USER, RANK)
    return table.select(_USER, RANK, pl.col(ITEM).fill_null(0))


def _joined(lists: pl.DataFrame, known: pl.DataFrame, *, on: str) -> pl.DataFrame:
    """Lists with what is known of each id; an integer and its text are the same id."""
    if lists[on].dtype != known[on].dtype:
        text = pl.col(on).cast(pl.String)
        lists, known = lists.with_columns(text), known.with_columns(text)
    return lists.join(known, on=on, how="left")


def _check(lists: pl.DataFrame) -> None:
    require(lists.schema)
    for name in _COLUMNS:
        if empty := lists[name].null_count():
            msg = f"'{name}' is empty in {empty} rows of the lists: drop them"
            raise InputError(msg)
    lowest = lists[RANK].min()
    if isinstance(lowest, int) and lowest < 1:
        msg = f"the best '{RANK}' is 1 but the lists hold {lowest}: count from 1"
        raise InputError(msg)
    twice = lists.select(USER_ID, RANK).is_duplicated()
    if twice.any():
        user, rank = lists.filter(twice).select(USER_ID, RANK).row(0)
        msg = f"{RANK} {rank} of user '{user}' occurs twice in the lists: give a rank to each item"
        raise InputError(msg)
