"""MovieLens as GroupLens publishes it: 100k, 1m and latest-small, with titles and genres."""

from pathlib import Path
from typing import Any, Final

import polars as pl

from recsys import tables
from recsys.errors import InputError
from recsys.folder import fingerprint

LAYOUTS: Final = {  # ratings, items
    "100k": ("u.data", "u.item"),
    "1m": ("ratings.dat", "movies.dat"),
    "latest": ("ratings.csv", "movies.csv"),
}
FIELDS: Final = (tables.USER_ID, tables.ITEM_ID, tables.RATING, tables.TIMESTAMP)
FIRST_GENRE: Final = 5  # in u.item: id, title, two dates and an address stand before the flags
NO_GENRE: Final = ("unknown", "(no genres listed)")


class MovieLens:
    """One MovieLens folder; which edition it is shows in the names of its files."""

    def __init__(self, path: str) -> None:
        self.folder = Path(path)
        here = [name for name, (file, _) in LAYOUTS.items() if (self.folder / file).is_file()]
        if not here:
            names = ", ".join(ratings for ratings, _ in LAYOUTS.values())
            message = (
                f"no MovieLens ratings in '{path}' ({names}): set source.path to the folder that "
                "was unpacked"
            )
            raise InputError(message)
        self.layout = here[0]

    def interactions(self) -> pl.LazyFrame:
        """One event a rating, in file order."""
        ratings = self.folder / LAYOUTS[self.layout][0]
        if self.layout == "latest":
            frame = pl.scan_csv(ratings, infer_schema=False)
            names = dict(zip(("userId", "movieId", "rating", "timestamp"), FIELDS, strict=True))
            frame = frame.rename(names)
        elif self.layout == "100k":
            frame = pl.scan_csv(
                ratings, separator="\t", has_header=False, new_columns=FIELDS, infer_schema=False
            )
        else:  # fields lie between pairs of colons, so every other field is empty
            frame = pl.scan_csv(ratings, separator=":", has_header=False, infer_schema=False)
            fields = zip(frame.collect_schema().names()[::2], FIELDS, strict=True)
            frame = frame.select(pl.col(column).alias(name) for column, name in fields)
        return tables.interactions(frame.select(FIELDS), time_unit="s")

    def items(self) -> pl.DataFrame:
        """``item_id``, ``title`` and ``categories`` (genres); a film without genre has none."""
        path = self.folder / LAYOUTS[self.layout][1]
        if not path.is_file():
            message = f"'{path}' is missing: unpack the whole MovieLens archive"
            raise InputError(message)
        rows = {"100k": self._flagged, "1m": _colons, "latest": _commas}[self.layout](path)
        return rows.with_columns(
            pl.col(tables.ITEM_ID).cast(pl.Int64),
            pl.col(tables.CATEGORIES).list.filter(~pl.element().is_in(NO_GENRE)),
        )

    def describe(self) -> dict[str, Any]:
        """Path, edition and checksums, for the manifest."""
        paths = [self.folder / name for name in LAYOUTS[self.layout]]
        return {
            "kind": "movielens",
            "path": str(self.folder),
            "layout": self.layout,
            "files": {path.name: fingerprint(path) for path in paths},
            "time": "seconds",
        }

    def _flagged(self, path: Path) -> pl.DataFrame:
        genres = [line.split("|")[0] for line in _lines(self.folder / "u.genre") if line]
        rows = [line.split("|") for line in _lines(path) if line]
        return _items(
            [row[0] for row in rows],
            [row[1] for row in rows],
            [
                [name for name, flag in zip(genres, row[FIRST_GENRE:], strict=False) if flag == "1"]
                for row in rows
            ],
        )


def _colons(path: Path) -> pl.DataFrame:
    rows = [line.split("::") for line in _lines(path) if line]
    return _items(
        [row[0] for row in rows], [row[1] for row in rows], [row[2].split("|") for row in rows]
    )


def _commas(path: Path) -> pl.DataFrame:
    table = pl.read_csv(path, infer_schema=False)
    return table.select(
        pl.col("movieId").alias(tables.ITEM_ID),
        pl.col("title").alias(tables.TITLE),
        pl.col("genres").str.split("|").alias(tables.CATEGORIES),
    )


def _items(ids: list[str], titles: list[str], genres: list[list[str]]) -> pl.DataFrame:
    columns = {tables.ITEM_ID: ids, tables.TITLE: titles, tables.CATEGORIES: genres}
    return pl.DataFrame(columns, schema_overrides={tables.CATEGORIES: pl.List(pl.String)})


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="latin-1").split("\n")
