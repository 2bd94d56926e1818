"""Can the stages write where they must, and read what they were shipped with?"""

import shutil
import tempfile
from pathlib import Path

from recsys.config import CONF
from recsys.health.finding import Finding

_SCARCE_BYTES = 2**30


def place_findings() -> list[Finding]:
    """The folder of the configuration and the folder for temporary files."""
    return [configuration(Path(CONF)), temporary(Path(tempfile.gettempdir()))]


def configuration(folder: Path) -> Finding:
    """The settings of the stages, without which none of them starts."""
    if (folder / "command.yaml").is_file():
        return Finding("configuration", fact=str(folder))
    fact = f"not found at {folder}"
    return Finding("configuration", fact=fact, verdict="wrong", remedy="install recsys again")


def temporary(folder: Path) -> Finding:
    """``score`` and ``prepare`` put part files here; less than 1 GiB free is worth a note."""
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"recsys")
    except OSError as error:
        fact = f"{folder} cannot be written: {error.strerror}"
        remedy = "set TMPDIR to a folder that can be written"
        return Finding("temporary files", fact=fact, verdict="wrong", remedy=remedy)
    free = shutil.disk_usage(folder).free
    fact = f"{folder}, {free / 2**30:.1f} GiB free"
    if free < _SCARCE_BYTES:
        remedy = "set TMPDIR to a folder with more room"
        return Finding("temporary files", fact=fact, verdict="note", remedy=remedy)
    return Finding("temporary files", fact=fact)
