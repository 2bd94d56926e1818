"""The hidden folder of an unfinished job: what it is, and which parts of it are done.

    job.json                what is scored, from what, how: written when the job is ready to go
    spill, spill.json       the histories, parted by user (spill-3-of-16 of a shard)
    lists/part-00000...     the lists of a part
    aside/, receipts/       rows set aside; what is in a part, written when all else of it is there

``lists`` with a summary in it is what takes the place of ``out``; the rest goes.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from recsys.errors import ConfigError
from recsys.folder import PARTIAL, fingerprint
from recsys.scoring.partition import Receipt, aside_name, receipt_name

JOB: Final = "job.json"
FOLDERS: Final = ("lists", "aside", "receipts")


class Workspace(NamedTuple):
    """The folder of one job; several processes may write parts in it."""

    folder: Path

    @property
    def lists(self) -> Path:
        """What is to be published."""
        return self.folder / "lists"

    @property
    def begun(self) -> bool:
        """Whether a job is here that can be continued."""
        return (self.folder / JOB).is_file()

    def check(self, identity: Mapping[str, Any]) -> None:
        """Refuses to continue another job.

        Raises:
            ConfigError: Names what differs.
        """
        if not self.begun:
            return
        found = dict(_flat(json.loads((self.folder / JOB).read_bytes())))
        given = dict(_flat(json.loads(json.dumps(identity, default=str))))
        names = [name for name in {**found, **given} if found.get(name) != given.get(name)]
        if names:
            name = names[0]
            message = (
                f"'{self.folder}' holds an unfinished job with {name}={found.get(name)}, not "
                f"{given.get(name)}: give the same settings to continue it, or restart=true to "
                "drop it"
            )
            raise ConfigError(message)

    def begin(self, identity: Mapping[str, Any]) -> None:
        """Makes the folder ready for parts; of two shards that begin at once, the first counts."""
        for name in FOLDERS:
            (self.folder / name).mkdir(exist_ok=True)
        if not self.begun:
            draft = self.folder / f".{JOB}.{os.getpid()}{PARTIAL}"
            draft.write_text(json.dumps(identity, indent=2, default=str), encoding="utf-8")
            with suppress(FileExistsError):
                (self.folder / JOB).hardlink_to(draft)
            draft.unlink()
        self.check(identity)

    def done(self, parts: int) -> dict[int, Receipt]:
        """Receipts of the parts that are there, as they were written."""
        found = {}
        for part in range(parts):
            path = self.folder / receipt_name(part)
            if path.is_file():
                receipt = Receipt(**json.loads(path.read_bytes()))
                if self._complete(receipt):
                    found[part] = receipt
        return found

    def clear(self) -> None:
        """Removes all; ``job.json`` last, so that a kill in between leaves a job that is known."""
        for path in self.folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != JOB:
                path.unlink()
        (self.folder / JOB).unlink(missing_ok=True)

    def _complete(self, receipt: Receipt) -> bool:
        """Whether the files of a part are those that the receipt was written for."""
        files = [
            (self.lists / (receipt.file or ""), receipt.sha256),
            (self.folder / aside_name(receipt.part), receipt.aside),
        ]
        return all(
            wanted is None or (path.is_file() and fingerprint(path) == wanted)
            for path, wanted in files
        )


def name_of(identity: Mapping[str, Any]) -> str:
    """A job's name: equal for equal inputs, bundle and settings."""
    text = json.dumps(identity, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _flat(value: Mapping[str, Any], *, above: str = "") -> Iterator[tuple[str, Any]]:
    for name, inner in value.items():
        if isinstance(inner, dict):
            yield from _flat(inner, above=f"{above}{name}.")
        else:
            yield f"{above}{name}", inner
