"""``recsys prepare``: interactions from any source become the folder that is trained on."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import hydra
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from recsys import console
from recsys.config import CONF
from recsys.data.preparation import build
from recsys.data.prepared import save
from recsys.data.selection import Selection
from recsys.data.split import Splitter
from recsys.errors import ArtifactError
from recsys.folder import published, refuse_existing
from recsys.source.contract import Source, read, read_items

log = logging.getLogger(__name__)


@hydra.main(config_path=CONF, config_name="prepare", version_base=None)
def main(cfg: DictConfig) -> None:
    """Reads the settings, prepares, and shows what came of it."""
    manifest = prepare(
        instantiate(cfg.source, _convert_="all"),
        Path(str(cfg.out)),
        selection=instantiate(cfg.selection, _convert_="all"),
        splitter=instantiate(cfg.split),
        extends=Path(str(cfg.extends)) if cfg.extends else None,
        overwrite=cfg.overwrite,
        options=OmegaConf.to_object(cfg),
    )
    log.info("prepared %(interactions)d interactions, %(users)d users", manifest["counts"])
    console.table(f"prepared {cfg.out}", ["counted", "number"], _rows(manifest["counts"]))


def prepare(
    source: Source,
    out: Path,
    *,
    selection: Selection,
    splitter: Splitter,
    extends: Path | None,
    overwrite: bool,
    options: object,
) -> dict[str, Any]:
    """Writes the prepared folder, whole or not at all, and gives back its manifest.

    Raises:
        RecsysError: The table, an option or the folder to make cannot be used, or the disk is full.
    """
    refuse_existing(out, overwrite=overwrite)
    features = read_items(source)
    facts = {"recsys": _version(), "source": source.describe(), "options": options}
    with _writable(out), published(out, overwrite=overwrite) as folder:
        return save(
            build(
                read(source),
                folder,
                features=features,
                selection=selection,
                splitter=splitter,
                extends=extends,
            ),
            folder,
            facts=facts,
        )


@contextmanager
def _writable(out: Path) -> Iterator[None]:
    """Turns the errors of writing into one line."""
    try:
        yield
    except OSError as error:
        message = f"out='{out}' cannot be written ({error.strerror}): make room or mend the disk"
        raise ArtifactError(message) from error


def _rows(counts: dict[str, Any]) -> list[tuple[str, int]]:
    """Counts as a table, and what each rule dropped if it did."""
    dropped = [(f"dropped by {rule}", lost) for rule, lost in counts["dropped"].items() if lost]
    plain = [(name.replace("_", " "), n) for name, n in counts.items() if isinstance(n, int)]
    return plain + dropped


def _version() -> str:
    """Of the installed package; a checkout that is only imported has none."""
    try:
        return version("recsys")
    except PackageNotFoundError:
        return "checkout"
