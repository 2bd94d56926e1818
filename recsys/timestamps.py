"""Whatever a table calls a time, as Int64 microseconds since 1970 UTC, in one lazy expression.

What cannot be read, or is by its size in another unit than it was said to be, becomes null:
the reader sees nulls, not an exception in the middle of a stream, and explains them afterwards.
"""

from typing import Final

import polars as pl

ORDER: Final = "order"
TICKS: Final = 1_000_000  # in a second
UNITS: Final = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
LATEST_SECONDS: Final = 10**11  # the year 5138: a larger number of seconds is another unit
EARLIEST_SECONDS: Final = 10**8  # March 1973: what was said to be finer may be seconds from here on
ZONED: Final = "%Y-%m-%dT%H:%M:%S%.f%#z"
LOCAL: Final = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d", "%Y%m%dT%H%M%S")


def from_integer(number: pl.Expr, *, time_unit: str) -> pl.Expr:
    """Integers counted in ``time_unit``; with ``order``, as they are.

    Null where the number would be in another unit: more than 10^11 seconds, and for the finer
    units also what reads as a date between 1973 and 5138 one unit up. Finer than a microsecond is
    cut.
    """
    if time_unit == ORDER:
        return number.cast(pl.Int64, strict=False)
    scale = UNITS[time_unit]
    whole = number.cast(pl.Int64, strict=False)
    ticks = whole // (scale // TICKS) if scale > TICKS else whole * (TICKS // scale)
    return pl.when(_plausible(whole.abs(), scale)).then(ticks)


def from_decimal(number: pl.Expr, *, time_unit: str) -> pl.Expr:
    """As :func:`from_integer` for floats; microseconds are rounded, an order has no fractions."""
    real = number.cast(pl.Float64, strict=False)
    if time_unit == ORDER:
        return pl.when(real == real.floor()).then(real.cast(pl.Int64, strict=False))
    scale = UNITS[time_unit]
    ticks = (real * (TICKS / scale)).round().cast(pl.Int64, strict=False)
    return pl.when(_plausible(real.abs(), scale)).then(ticks)


def from_text(text: pl.Expr, *, time_unit: str, first: str | None) -> pl.Expr:
    """Numbers in ``time_unit`` or ISO 8601, whichever ``first``, a value of the column, is.

    ISO times without a zone are UTC; ``2020-01-31``, ``2020-01-31 10:00`` and fractions are fine.
    """
    if time_unit == ORDER or first is None or _is_number(first):
        return _number_text(text.str.strip_chars(), time_unit=time_unit)
    iso = (
        text.str.strip_chars()
        .str.replace(r"^(\d{4}-\d{2}-\d{2}) ", "${1}T")
        .str.replace("[zZ]$", "+00:00")
    )
    zoned = iso.str.to_datetime(ZONED, time_unit="us", time_zone="UTC", strict=False)
    local = [iso.str.to_datetime(form, time_unit="us", strict=False) for form in LOCAL]
    return pl.coalesce(zoned.dt.replace_time_zone(None), *local).cast(pl.Int64)


def from_datetime(moment: pl.Expr, *, zoned: bool) -> pl.Expr:
    """Datetimes of any zone and resolution, or dates, which mean their first moment."""
    if zoned:
        moment = moment.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return moment.cast(pl.Datetime("us")).cast(pl.Int64)


def unit_of(number: float) -> str | None:
    """The unit in which this number is a date between 1973 and 5138; none for small numbers."""
    for unit, scale in UNITS.items():
        if EARLIEST_SECONDS * scale <= abs(number) < LATEST_SECONDS * scale:
            return unit
    return None


def _number_text(text: pl.Expr, *, time_unit: str) -> pl.Expr:
    """Float64 holds microseconds exactly, and is read once; the others need their integers."""
    real = from_decimal(text, time_unit=time_unit)
    if time_unit in (ORDER, "ns"):
        return pl.coalesce(from_integer(text, time_unit=time_unit), real)
    return real


def _plausible(size: pl.Expr, scale: int) -> pl.Expr:
    coarser = scale // 1_000
    mistaken = (size >= EARLIEST_SECONDS * coarser) & (size < LATEST_SECONDS * coarser)
    return (size < LATEST_SECONDS * scale) & ~mistaken


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
