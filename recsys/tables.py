"""The tables that enter and leave recsys: the names of their columns and what may stand in them.

This is the only file that spells a column name. An interactions table in any accepted form goes
through :func:`interactions` (lazy; schema errors at once) and, once read, whole or in pieces,
through :func:`check` (values).
"""

from typing import Final

import polars as pl

from recsys import timestamps
from recsys.errors import ConfigError, InputError

USER_ID: Final = "user_id"
ITEM_ID: Final = "item_id"
TIMESTAMP: Final = "timestamp"
BEHAVIOUR: Final = "behaviour"
RATING: Final = "rating"
WEIGHT: Final = "weight"
TITLE: Final = "title"
CATEGORIES: Final = "categories"
CATEGORY: Final = "category"
ITEM: Final = "item"
COUNT: Final = "count"
RANK: Final = "rank"
SCORE: Final = "score"
BECAUSE: Final = "because"
ITEM_IDS: Final = "item_ids"
SCORES: Final = "scores"
FAULT: Final = "fault"

INTERACTIONS: Final = (USER_ID, ITEM_ID, TIMESTAMP)
RECOMMENDATIONS: Final = (USER_ID, RANK, ITEM_ID, SCORE)

UNITS: Final = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}


def interactions(frame: pl.LazyFrame, *, time_unit: str) -> pl.LazyFrame:
    """The same rows, in the same order, with the types that everything after this relies on.

    ``user_id`` and ``item_id`` become Int64 or stay text; ``timestamp`` becomes a Datetime in UTC
    to the microsecond (with ``time_unit`` ``order``: Int64, the number itself); ``behaviour``
    becomes text and ``rating`` Float64 where they exist. Numbers are read in ``time_unit``; text
    holds such numbers or ISO 8601 (no zone means UTC). A value that cannot be read becomes null
    and its text stands in ``fault``, which is null everywhere else.

    Raises:
        InputError: A column is missing or has a type that cannot be what its name says.
        ConfigError: ``time_unit`` is not ``s``, ``ms``, ``us``, ``ns`` or ``order``.
    """
    if time_unit not in (*UNITS, timestamps.ORDER):
        allowed = ", ".join((*UNITS, timestamps.ORDER))
        message = f"time_unit is one of {allowed}, but is '{time_unit}': choose one"
        raise ConfigError(message)
    schema = frame.collect_schema()
    require(schema, INTERACTIONS)
    columns = {
        USER_ID: _identifier(frame, schema, name=USER_ID),
        ITEM_ID: _identifier(frame, schema, name=ITEM_ID),
        TIMESTAMP: _time(frame, schema, time_unit=time_unit),
    }
    if BEHAVIOUR in schema:
        columns[BEHAVIOUR] = pl.col(BEHAVIOUR).cast(pl.String)
    if RATING in schema:
        columns[RATING] = _number(schema, name=RATING)
    unread = [_unread(columns[name], name=name) for name in (TIMESTAMP, RATING) if name in columns]
    return frame.select(**columns, **{FAULT: pl.coalesce(*unread)})


def require(schema: pl.Schema, names: tuple[str, ...]) -> None:
    """Raises InputError where one of these columns is missing, and says which columns there are."""
    for name in names:
        if name not in schema:
            given = ", ".join(f"'{column}'" for column in schema)
            message = (
                f"column '{name}' is missing, the table has {given}: "
                f"name the column that holds it with columns.{name}=NAME"
            )
            raise InputError(message)


def unusable(frame: pl.DataFrame) -> pl.Series:
    """Which rows have no user, no item or a value that cannot be read."""
    faulty = [pl.col(FAULT).is_not_null()] if FAULT in frame.columns else []
    missing = [pl.col(name).is_null() for name in INTERACTIONS]
    return frame.select(pl.any_horizontal(*missing, *faulty)).to_series()


def check(frame: pl.DataFrame, *, of: int | None = None) -> None:
    """Refuses rows without a user, an item or a readable time; costs nothing where all are good.

    Args:
        frame: A normalised table, or its unusable rows alone.
        of: Rows of the whole table, if these are not all.

    Raises:
        InputError: Names the column, the number of rows, a value and the remedy.
    """
    rows = frame.height if of is None else of
    faults = frame[FAULT].drop_nulls() if FAULT in frame.columns else pl.Series(dtype=pl.String)
    if faults.len():
        raise InputError(_explain(frame, faults, rows=rows))
    for name in INTERACTIONS:
        if missing := frame[name].null_count():
            message = f"{name} is empty in {missing} of {rows} rows: drop these rows or fill it"
            raise InputError(message)


def clock(schema: pl.Schema) -> str:
    """What a normalised ``timestamp`` counts: ``seconds``, or the places of an ``order``."""
    return "seconds" if schema[TIMESTAMP] == pl.Datetime else timestamps.ORDER


def seconds(schema: pl.Schema) -> pl.Expr:
    """A normalised ``timestamp`` as Int64: whole seconds, rounded down; an order as it is."""
    ticks = pl.col(TIMESTAMP).cast(pl.Int64)
    return ticks // timestamps.TICKS if clock(schema) == "seconds" else ticks


def canonical(ids: pl.Series) -> pl.Series:
    """Ids as Int64 where every one is the text of an integer as it is printed; else unchanged.

    ``007`` and ``+7`` are names: a column that holds one of them stays text.

    Raises:
        InputError: Every id is the text of a decimal such as ``12.0``, the trace of a float column.
    """
    if ids.dtype != pl.String or not ids.len():
        return ids
    numbers = ids.cast(pl.Int64, strict=False)
    if not numbers.null_count():
        printed = numbers.cast(pl.String).str.len_bytes().sum()
        return numbers if printed == ids.str.len_bytes().sum() else ids
    if ids.head(1).str.contains(r"^-?\d+\.0+$").all() and ids.str.contains(r"^-?\d+\.0+$").all():
        raise InputError(_decimal(ids.name, ids[0]))
    return ids


def _identifier(frame: pl.LazyFrame, schema: pl.Schema, *, name: str) -> pl.Expr:
    """Int64 from any integer type, text from text and categories; empty text is null."""
    kind = schema[name]
    if kind.is_integer():
        return pl.col(name).cast(pl.Int64, strict=False)
    if kind in (pl.String, pl.Categorical, pl.Enum):
        text = pl.col(name).cast(pl.String)
        return pl.when(text != "").then(text)
    if kind.is_float() or kind.is_decimal():
        raise InputError(_decimal(name, _first(frame, name=name)))
    message = f"{name} is text or an integer, but is {kind}: choose another column"
    raise InputError(message)


def _decimal(name: str, value: object) -> str:
    return (
        f"{name} is text or an integer, but holds decimals such as {value}: "
        "write it as integers or text"
    )


def _time(frame: pl.LazyFrame, schema: pl.Schema, *, time_unit: str) -> pl.Expr:
    kind, column = schema[TIMESTAMP], pl.col(TIMESTAMP)
    if kind == pl.String:
        first = _first(frame, name=TIMESTAMP)
        ticks = timestamps.from_text(column, time_unit=time_unit, first=first)
    elif kind.is_integer():
        ticks = timestamps.from_integer(column, time_unit=time_unit)
    elif kind.is_numeric():
        ticks = timestamps.from_decimal(column, time_unit=time_unit)
    elif kind in (pl.Datetime, pl.Date) and time_unit != timestamps.ORDER:
        zoned = isinstance(kind, pl.Datetime) and kind.time_zone is not None
        ticks = timestamps.from_datetime(column, zoned=zoned)
    else:
        message = (
            f"{TIMESTAMP} is {kind}, but time_unit={time_unit} reads numbers, datetimes or "
            "ISO 8601 text (order: whole numbers): choose another column or unit"
        )
        raise InputError(message)
    return ticks if time_unit == timestamps.ORDER else ticks.cast(pl.Datetime("us"))


def _number(schema: pl.Schema, *, name: str) -> pl.Expr:
    if schema[name].is_numeric() or schema[name] == pl.String:
        return pl.col(name).cast(pl.Float64, strict=False)
    message = f"{name} is a number, but is {schema[name]}: choose another column"
    raise InputError(message)


def _unread(value: pl.Expr, *, name: str) -> pl.Expr:
    return pl.when(value.is_null() & pl.col(name).is_not_null()).then(pl.col(name).cast(pl.String))


def _first(frame: pl.LazyFrame, *, name: str) -> str | None:
    """A value of the column for a decision or a message; none in an empty column."""
    values = frame.select(pl.col(name).drop_nulls()).head(1).collect()
    return str(values.item()) if values.height else None


def _explain(frame: pl.DataFrame, faults: pl.Series, *, rows: int) -> str:
    """Which of the ways to misread a column this is."""
    untimed = frame.filter(pl.col(TIMESTAMP).is_null())[FAULT].drop_nulls()
    if not untimed.len():
        return f"{RATING} '{faults[0]}' is no number in {faults.len()} rows: correct these rows"
    many = f"{untimed.len()} of {rows} rows"
    if clock(frame.schema) == timestamps.ORDER:
        return f"{TIMESTAMP} '{untimed[0]}' is no whole number in {many}: correct or drop them"
    numbers = untimed.cast(pl.Float64, strict=False)
    unit = timestamps.unit_of(numbers[0]) if not numbers.null_count() else None
    if unit is None:
        value = untimed.filter(numbers.is_null() | numbers.is_nan()).extend(untimed)[0]
        return (
            f"{TIMESTAMP} '{value}' is no time ({many} cannot be read): "
            "give numbers since 1970 or ISO 8601, one kind throughout"
        )
    if untimed.len() == rows:
        return f"{TIMESTAMP} {untimed[0]} is in {UNITS[unit]}: set source.time_unit={unit}"
    return (
        f"{TIMESTAMP} mixes units, {many} look like {UNITS[unit]}, such as {untimed[0]}: "
        "write all in one unit"
    )
