"""What people read: result tables on standard output, progress on standard error."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table on standard output; numbers stand at the right, floats show four decimals."""
    rows = [list(row) for row in rows]
    view = Table(title=title, title_justify="left")
    for place, name in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[place], int | float) for row in rows)
        view.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        view.add_row(*(_cell(value) for value in row))
    Console(soft_wrap=False).print(view)


@contextmanager
def progress(description: str, total: int | None, unit: str) -> Iterator[Callable[[int], None]]:
    """A bar with rate and time left; only its last line where nobody watches a terminal.

    Args:
        description: What is done, as a verb: "scoring".
        total: How many units there are; None where that is not known.
        unit: The plural of what is counted: "users".

    Yields:
        A function to call with the number of units just finished.

    Example:
        >>> with progress("scoring", total=2, unit="users") as advance:
        ...     advance(2)
    """
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(unit),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    started, done = time.perf_counter(), 0

    def advance(units: int) -> None:
        nonlocal done
        done += units
        bar.advance(task, units)

    with bar:
        task = bar.add_task(description, total=total)
        yield advance
    seconds = time.perf_counter() - started
    rate = done / max(seconds, 1e-9)
    console.print(
        Text(f"{description}: {done:,} {unit} in {seconds:.1f} s ({rate:,.0f} {unit}/s)"),
        soft_wrap=True,
    )


class _Rate(ProgressColumn):
    """Units finished in a second, empty until there is an estimate."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f} {self._unit}/s")


def _cell(value: object) -> Text:
    if isinstance(value, float):
        return Text(f"{value:.4f}")
    if isinstance(value, int) and not isinstance(value, bool):
        return Text(f"{value:,}")
    return Text(str(value))
