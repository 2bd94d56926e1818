"""Folders that appear complete or not at all, even where a kill or a power cut comes between."""

import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from recsys.errors import ArtifactError, ConfigError

MANIFEST: Final = "manifest.json"
PARTIAL: Final = ".partial"


@contextmanager
def published(out: Path, *, overwrite: bool, marker: str = MANIFEST) -> Iterator[Path]:
    """A hidden folder beside ``out`` that takes its place when the block ends without an error.

    Everything in it reaches the disk before it gets its name. After an error nothing is left; after
    a kill only the hidden folder is, which the next run for the same ``out`` clears. Two runs for
    one ``out`` at the same time refuse each other (not on Windows, where open files are locked).

    Raises:
        ConfigError: ``out`` exists and may not be replaced (see :func:`refuse_existing`), or its
            parent cannot be written to.
        ArtifactError: Another run is writing ``out``.
    """
    out = out.absolute()
    refuse_existing(out, overwrite=overwrite, marker=marker)
    made = [parent for parent in out.parents if not parent.exists()]
    with kept(out) as hidden:
        try:
            _clear(hidden)
            yield hidden
            replace(out, hidden)
        except BaseException:
            shutil.rmtree(hidden, ignore_errors=True)
            _remove_empty(made)
            raise


@contextmanager
def kept(out: Path, *, shared: bool = False) -> Iterator[Path]:
    """The hidden folder beside ``out``, held for this process, with what an earlier run left.

    Nothing is removed at the end: the block moves what it made with :func:`replace`. ``shared``
    lets other shared holders in, for runs that write different files of one folder.

    Raises:
        ConfigError: The folder cannot be made.
        ArtifactError: Another run holds it.
    """
    out = out.absolute()
    hidden = hidden_folder(out)
    _make(hidden, out=out)
    lock = _lock(hidden, out=out, shared=shared)
    try:
        if not shared:
            _restore(out, old=_old(out))
        yield hidden
    finally:
        if lock is not None:
            os.close(lock)


@contextmanager
def held(path: Path, *, what: str) -> Iterator[None]:
    """Holds a file for this process, which another that asks for it is told.

    Raises:
        ArtifactError: Another run holds it.
    """
    if sys.platform == "win32":
        yield
        return
    import fcntl

    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            message = f"another run is doing {what}: wait for it"
            raise ArtifactError(message) from None
        yield


def hidden_folder(out: Path) -> Path:
    """Where a run for ``out`` works until it is complete."""
    out = out.absolute()
    return out.parent / f".{out.name}.partial"


def replace(out: Path, folder: Path) -> None:
    """Gives a folder of the same disk the name ``out``, once all in it has reached the disk."""
    _sync(folder)
    _exchange(folder, out=out.absolute(), old=_old(out.absolute()))


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file that has all of its content on disk as soon as it has its name.

    Two writers of one file do not disturb each other; the later one stays.
    """
    partial = path.parent / f".{path.name}.{os.getpid()}{PARTIAL}"
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    _flush(path.parent)


def _old(out: Path) -> Path:
    return out.parent / f".{out.name}.old"


def _remove_empty(folders: list[Path]) -> None:
    """Removes folders, innermost first, up to one that others have put something into."""
    with suppress(OSError):
        for folder in folders:
            folder.rmdir()


def _make(hidden: Path, *, out: Path) -> None:
    try:
        hidden.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"out='{out}' cannot be made ({error.strerror}): choose another folder"
        raise ConfigError(message) from error


def refuse_existing(out: Path, *, overwrite: bool, marker: str = MANIFEST) -> None:
    """Raises ConfigError where ``out`` exists and may not be replaced; before any work is done."""
    if not out.exists():
        return
    if not overwrite:
        message = f"out='{out}' exists: choose another folder or set overwrite=true"
        raise ConfigError(message)
    if not (out / marker).exists():
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


def _lock(hidden: Path, *, out: Path, shared: bool) -> int | None:
    """Holds the hidden folder for this process; the system lets go when the process ends."""
    if sys.platform == "win32":
        return None
    import fcntl

    handle = os.open(hidden, os.O_RDONLY)
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        renamed = not os.path.samestat(os.fstat(handle), hidden.stat())
    except OSError:
        renamed = True
    if renamed:  # the other run holds it, or has just given it its name
        os.close(handle)
        message = f"another run is writing '{out}': wait for it or give another out"
        raise ArtifactError(message)
    return handle


def _restore(out: Path, *, old: Path) -> None:
    """Mends an exchange that a kill cut in two: the old folder returns, or goes for good."""
    if old.exists() and not out.exists():
        old.rename(out)
    shutil.rmtree(old, ignore_errors=True)


def _clear(hidden: Path) -> None:
    for leftover in hidden.iterdir():
        if leftover.is_dir():
            shutil.rmtree(leftover)
        else:
            leftover.unlink()


def _exchange(hidden: Path, *, out: Path, old: Path) -> None:
    if out.exists():
        out.rename(old)
    hidden.rename(out)
    _flush(out.parent)
    shutil.rmtree(old, ignore_errors=True)


def _sync(folder: Path) -> None:
    for path in folder.rglob("*"):
        _flush(path)
    _flush(folder)


def _flush(path: Path) -> None:
    """Waits until the disk has it; Windows opens no folders, so there only files are waited for."""
    if sys.platform == "win32" and path.is_dir():
        return
    handle = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
