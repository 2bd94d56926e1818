"""What a bundle says of itself, and whether its files are those that it speaks of."""

import json
from pathlib import Path
from typing import Any, Final

from recsys.errors import ArtifactError
from recsys.folder import MANIFEST as MANIFEST
from recsys.folder import fingerprint

FORMAT: Final = 1
GRAPHS: Final = ("encode", "write", "score", "recommend")
APART: Final = ("look", "ask", "choose")  # only of bundles whose last hop can be taken apart
ENTRIES: Final = (
    "history",
    "explains",
    "state",
    "graphs",
    "catalogue",
    "behaviours",
    "ids",
    "time",
)


def verified(folder: Path) -> dict[str, Any]:
    """The manifest of a bundle in which every file is what was published.

    Raises:
        ArtifactError: The bundle is missing, damaged, incomplete or of another version.
    """
    manifest = _complete(folder)
    for entry in (*manifest["graphs"].values(), manifest["catalogue"]):
        _verify(folder / entry["file"], sha256=entry["sha256"])
    return manifest


def _complete(folder: Path) -> dict[str, Any]:
    """The manifest, of this version and complete."""
    path = folder / MANIFEST
    if not path.is_file():
        message = f"'{folder}' is no bundle, it has no {MANIFEST}: give what export wrote"
        raise ArtifactError(message)
    try:
        manifest = json.loads(path.read_bytes())
    except ValueError:
        message = f"'{path}' is damaged: export the bundle again"
        raise ArtifactError(message) from None
    found = manifest.get("format") if isinstance(manifest, dict) else None
    if found != FORMAT:
        message = (
            f"'{folder}' is a bundle of format {found}, but this recsys reads format {FORMAT}: "
            "export it again with this version"
        )
        raise ArtifactError(message)
    missing = [name for name in ENTRIES if name not in manifest]
    missing += [f"graph '{name}'" for name in GRAPHS if name not in manifest.get("graphs", ())]
    if missing:
        message = f"'{path}' lacks {', '.join(missing)}: export the bundle again"
        raise ArtifactError(message)
    return manifest


def _verify(path: Path, *, sha256: str) -> None:
    if not path.is_file():
        message = f"'{path}' is missing from the bundle: export it again"
        raise ArtifactError(message)
    if (found := fingerprint(path)) != sha256:
        message = f"'{path}' is damaged, sha256 {found[:12]} not {sha256[:12]}: export it again"
        raise ArtifactError(message)
