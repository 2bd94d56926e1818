"""A prepared folder: the data set that training and evaluation share, verified when opened."""

import hashlib
import json
from pathlib import Path
from typing import Any, Final, NamedTuple

import polars as pl

from recsys.data import histories as history_files
from recsys.data import split as split_files
from recsys.data.histories import Histories
from recsys.data.preparation import HISTORIES, Content
from recsys.data.split import Split
from recsys.errors import ArtifactError
from recsys.folder import MANIFEST, fingerprint, fingerprints
from recsys.tables import USER_ID

FORMAT: Final = 1
CATALOGUE: Final = "catalogue.parquet"
USERS: Final = "users.parquet"


class Prepared(NamedTuple):
    """What a prepared folder holds; arrays are memory-mapped and read-only."""

    folder: Path
    catalogue: pl.DataFrame  # row r is item r + 1: item, item_id, count in training, features
    users: pl.Series  # user_id by user index
    histories: Histories
    split: Split
    manifest: dict[str, Any]

    @property
    def items(self) -> int:
        """Number of items in the catalogue; their indices are 1 to this."""
        return self.catalogue.height

    @property
    def behaviours(self) -> list[str]:
        """Names of the behaviours 1, 2, ...; empty where the data names none."""
        return list(self.manifest["behaviours"])


def load(folder: Path) -> Prepared:
    """Opens a prepared folder after comparing every file with its checksum.

    Raises:
        ArtifactError: No prepared folder, one of another format, or a file was changed or lost.
    """
    folder = Path(folder)
    manifest = _manifest(folder)
    _verify(folder, manifest["files"])
    return Prepared(
        folder=folder,
        catalogue=pl.read_parquet(folder / CATALOGUE),
        users=pl.read_parquet(folder / USERS)[USER_ID],
        histories=history_files.read(folder / HISTORIES),
        split=split_files.read(folder),
        manifest=manifest,
    )


def save(content: Content, folder: Path, *, facts: dict[str, Any]) -> dict[str, Any]:
    """Writes a data set into the folder that holds its histories and gives back its manifest.

    Args:
        content: What to write.
        folder: That it was built in.
        facts: What else the manifest says: version, source, options.
    """
    content.catalogue.write_parquet(folder / CATALOGUE)
    content.users.to_frame(USER_ID).write_parquet(folder / USERS)
    split_files.write(content.split, folder)
    files = fingerprints(folder)
    checksum = hashlib.sha256("".join(files.values()).encode()).hexdigest()
    manifest = {"format": FORMAT, **facts, **content.facts, "files": files, "checksum": checksum}
    text = json.dumps(manifest, indent=2, default=str)
    (folder / MANIFEST).write_text(f"{text}\n", encoding="utf-8")
    return manifest


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    if not path.is_file():
        message = f"'{folder}' is no prepared folder: make one with recsys prepare"
        raise ArtifactError(message)
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        message = f"'{path}' is damaged ({error}): run recsys prepare again"
        raise ArtifactError(message) from error
    found = manifest.get("format") if isinstance(manifest, dict) else None
    if found != FORMAT:
        message = (
            f"'{folder}' has format {found}, but this recsys reads {FORMAT}: "
            "run recsys prepare again"
        )
        raise ArtifactError(message)
    if "files" not in manifest:
        message = f"'{path}' is damaged (it names no files): run recsys prepare again"
        raise ArtifactError(message)
    return manifest


def _verify(folder: Path, files: dict[str, str]) -> None:
    for name, expected in files.items():
        path = folder / name
        if not path.is_file():
            message = f"'{path}' is missing: run recsys prepare again"
            raise ArtifactError(message)
        if fingerprint(path) != expected:
            message = f"'{path}' was changed since (sha256 differs): run recsys prepare again"
            raise ArtifactError(message)
