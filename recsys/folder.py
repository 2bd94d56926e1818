"""Folders that appear complete or not at all."""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from recsys.errors import ConfigError

MANIFEST: Final = "manifest.json"


@contextmanager
def published(out: Path, *, overwrite: bool, marker: str = MANIFEST) -> Iterator[Path]:
    """A hidden folder beside ``out`` to write into, renamed to ``out`` when the block ends well.

    A block that raises leaves nothing behind; one that is killed leaves only the hidden folder.
    With ``overwrite`` an existing ``out`` is replaced, but only if it holds ``marker``, the file
    that shows it to be of this kind.

    Raises:
        ConfigError: ``out`` exists and may not be replaced.
    """
    refuse_existing(out, overwrite=overwrite, marker=marker)
    out.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        (work / "new").mkdir()
        yield work / "new"
        if out.exists():
            out.rename(work / "old")
        (work / "new").rename(out)
    finally:
        shutil.rmtree(work)


def refuse_existing(out: Path, *, overwrite: bool, marker: str = MANIFEST) -> None:
    """Raises ConfigError where ``out`` exists and may not be replaced; before any work is done."""
    if not out.exists():
        return
    if not overwrite:
        message = f"out='{out}' exists: choose another folder or set overwrite=true"
        raise ConfigError(message)
    if not (out / marker).is_file():
        message = f"out='{out}' holds no {marker}, so it is not overwritten: choose another folder"
        raise ConfigError(message)


def fingerprints(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder but its manifest, by relative path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    return {path.relative_to(folder).as_posix(): fingerprint(path) for path in files}


def fingerprint(path: Path) -> str:
    """SHA-256 of one file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
