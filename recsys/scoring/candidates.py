"""Which items may be recommended, to all and to each: the catalogue, narrowed by tables of ids."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from recsys import tables
from recsys.errors import ConfigError, InputError
from recsys.scoring.pairs import Pairs, gather
from recsys.source.table import files, scan

Tables = str | Sequence[str] | None  # paths of Parquet or text files, folders or globs


class Candidates(NamedTuple):
    """What tables leave: to everybody, and of that to users they name."""

    items: np.ndarray  # int64, rising catalogue indices
    unknown: int  # ids of the tables, counted once a table, that no item has
    denied: Pairs | None  # what users may not get
    own: Pairs | None  # what alone they may get: of several tables what all say that name the user
    only_named: bool  # whether users whom the last table of ``own`` does not name get nothing


class _Table(NamedTuple):
    item: pl.DataFrame  # ``item``, 0 for an unknown id, and user_id where the table has one
    unknown: int


def choose(
    catalogue: pl.DataFrame, *, allow: Tables = None, deny: Tables = None, rerank: str | None = None
) -> Candidates:
    """Items of the catalogue that ``allow`` names, or all, without those that ``deny`` names.

    A table with a column ``user_id`` speaks of those users alone, any other of all users. A user
    whom no table of ``allow`` names is not narrowed by it.

    Args:
        catalogue: As in a bundle.
        allow: Tables (Parquet, CSV) with a column ``item_id``; an item must be in all of them.
        deny: The same; an item must be in none of them.
        rerank: A table of user_id and item_id: a user's list is the best of these, and no list
            comes to users without them.

    Raises:
        InputError: A table is missing, has no ``item_id`` or, to rerank, no ``user_id``.
        ConfigError: Nothing is left.
    """
    allowed, denied = _read(catalogue, allow), _read(catalogue, deny)
    given = [_given(catalogue, rerank)] if rerank is not None else []
    chosen = np.ones(catalogue.height + 1, dtype=bool)
    chosen[0] = False
    for table in _of_all(allowed):
        chosen &= np.isin(np.arange(len(chosen)), table[tables.ITEM].to_numpy())
    for table in _of_all(denied):
        chosen[table[tables.ITEM].to_numpy()] = False
    if not chosen.any():
        message = (
            f"allow={allow} and deny={deny} leave none of the {catalogue.height} items of the "
            "bundle: check that their item_id are those of the training data"
        )
        raise ConfigError(message)
    own, out = _of_users([*allowed, *given]), _of_users(denied)
    return Candidates(
        items=np.flatnonzero(chosen),
        unknown=sum(table.unknown for table in (*allowed, *denied, *given)),
        denied=gather(out) if out else None,
        own=gather(own) if own else None,
        only_named=rerank is not None,
    )


def lookup(ids: pl.Series, *, catalogue: pl.DataFrame) -> pl.Series:
    """Catalogue index of each id, null where the catalogue does not know it.

    An integer and its text are the same id when the two sides differ in type; ``007`` is not 7.
    """
    known = catalogue.select(tables.ITEM_ID, tables.ITEM)
    asked = ids.alias(tables.ITEM_ID).to_frame()
    if ids.dtype != known[tables.ITEM_ID].dtype:
        text = pl.col(tables.ITEM_ID).cast(pl.String)
        known, asked = known.with_columns(text), asked.with_columns(text)
    return asked.join(known, on=tables.ITEM_ID, how="left", maintain_order="left")[tables.ITEM]


def identified(path: str, *names: str) -> pl.LazyFrame:
    """A table in which these columns hold text or integers.

    Raises:
        InputError: One is missing or holds something else.
    """
    frame = scan(files(path), separator=None, header=True)
    schema = frame.collect_schema()
    for name in names:
        kind = schema.get(name)
        if kind is None or not (kind.is_integer() or kind == pl.String):
            given = ", ".join(f"'{column}' {kind}" for column, kind in schema.items())
            message = (
                f"'{path}' has no column '{name}' of text or integers, it has {given}: "
                "rename or cast the column that holds the ids"
            )
            raise InputError(message)
    return frame


def _read(catalogue: pl.DataFrame, paths: Tables) -> list[_Table]:
    """Each table in the numbers of the catalogue."""
    paths = [paths] if isinstance(paths, str) else paths or []
    return [_named(catalogue, path=path) for path in paths]


def _given(catalogue: pl.DataFrame, path: str) -> _Table:
    identified(path, tables.USER_ID, tables.ITEM_ID)
    return _named(catalogue, path=path)


def _named(catalogue: pl.DataFrame, *, path: str) -> _Table:
    frame = identified(path, tables.ITEM_ID)
    columns = [tables.ITEM_ID]
    if tables.USER_ID in frame.collect_schema():
        identified(path, tables.USER_ID)
        columns = [tables.USER_ID, tables.ITEM_ID]
    rows = frame.select(columns).drop_nulls(tables.ITEM_ID).unique().collect()
    if tables.USER_ID in columns and (missing := rows[tables.USER_ID].null_count()):
        message = f"user_id is empty in {missing} rows of '{path}': drop these rows or fill it"
        raise InputError(message)
    found = lookup(rows[tables.ITEM_ID], catalogue=catalogue)
    unknown = rows[tables.ITEM_ID].filter(found.is_null()).n_unique()
    coded = rows.with_columns(found.fill_null(0).alias(tables.ITEM)).drop(tables.ITEM_ID)
    return _Table(coded, unknown=unknown)


def _of_all(read: list[_Table]) -> list[pl.DataFrame]:
    return [table.item for table in read if tables.USER_ID not in table.item.columns]


def _of_users(read: list[_Table]) -> list[pl.DataFrame]:
    return [table.item for table in read if tables.USER_ID in table.item.columns]
