"""The bundle, running: what leaves training, in the hands of ONNX Runtime and numpy alone.

Nothing here needs torch. Batch scoring and the online service are both built on this file, the
only one that imports ONNX Runtime.

    recurrent or slot memory ──► encode: events -> state      write: state, event -> next state
    catalogue ─────────────────► score: state, candidates     recommend: state -> the best k
"""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import onnxruntime
import polars as pl

from recsys.errors import ArtifactError, ConfigError
from recsys.folder import MANIFEST as MANIFEST
from recsys.folder import fingerprint
from recsys.hardware import cuda_devices
from recsys.recommendations import Recommendations as Recommendations
from recsys.recommendations import merge as merge

FORMAT: Final = 1
CPU: Final = "CPUExecutionProvider"
CUDA: Final = "CUDAExecutionProvider"
GRAPHS: Final = ("encode", "write", "score", "recommend")
APART: Final = ("look", "ask")  # only of bundles whose last hop can be taken apart
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

State = dict[str, np.ndarray]

logger = logging.getLogger(__name__)


class Events(NamedTuple):
    """Histories, oldest event first; item 0 is padding and stands at the end of a row."""

    item: np.ndarray  # int64 [user, event]: catalogue indices
    time: np.ndarray  # int64 [user, event]: seconds, or an order where the data has only that
    behaviour: np.ndarray  # int64 [user, event]: 0 for none, else place in manifest["behaviours"]


class Scored(NamedTuple):
    """Scores of given items and, where the memory has slots to read, how they were read."""

    scores: np.ndarray  # float32 [user, candidate]
    weights: np.ndarray | None  # float32 [user, candidate, slot]: None where nothing explains
    hop_weights: np.ndarray | None  # float32 [user, hop, slot]: None without context hops
    slot_item: np.ndarray | None  # int64 [user, slot]: None where there are no weights at all
    slot_age: np.ndarray | None  # int64 [user, slot]: as slot_item


class Bundle:
    """A verified bundle: its catalogue, its manifest and its graphs ready to run.

    Calls from several threads at once are safe. ``device`` says what the graphs run on.
    """

    def __init__(
        self,
        *,
        manifest: dict[str, Any],
        catalogue: pl.DataFrame,
        sessions: dict[str, onnxruntime.InferenceSession],
        device: str,
    ) -> None:
        self.manifest = manifest
        self.catalogue = catalogue
        self.history: int = manifest["history"]
        self.explains: bool = manifest["explains"]
        self.items: int = manifest["catalogue"]["items"]
        self.state: tuple[str, ...] = tuple(entry["name"] for entry in manifest["state"])
        self.device = device
        self._sessions = sessions

    def encode(self, events: Events) -> State:
        """The state after these events, of which a user has at most ``history``."""
        assert events.item.shape[1] <= self.history
        feeds = {
            "event_item": events.item,
            "event_time": events.time,
            "event_behaviour": events.behaviour,
        }
        return self.run("encode", feeds)

    def write(self, state: State, *, event: Events) -> State:
        """The state after one more event of each user; arrays of ``event`` are ``[user]``."""
        feeds = {
            "event_item": event.item,
            "event_time": event.time,
            "event_behaviour": event.behaviour,
        }
        following = self.run("write", state | feeds)
        return {name: following[f"next_{name}"] for name in self.state}

    def score(self, state: State, *, candidates: np.ndarray) -> Scored:
        """Scores of given items ``[user, candidate]``, and how much each slot counted."""
        result = self.run("score", state | {"candidates": candidates})
        told = {name: result.get(name) for name in Scored._fields[1:]}
        return Scored(scores=result["scores"], **told)

    @property
    def certifies(self) -> bool:
        """Whether ``look`` and ``ask`` can be called."""
        return set(APART) <= set(self._sessions)

    def look(self, state: State) -> dict[str, np.ndarray]:
        """The last hop before anybody asks; the manifest tells what the arrays mean."""
        return self.run("look", state)

    def ask(self, candidates: np.ndarray) -> dict[str, np.ndarray]:
        """What these candidates bring to the last hop, for every user the same."""
        return self.run("ask", {"candidates": candidates})

    def recommend(
        self,
        state: State,
        *,
        candidates: np.ndarray,
        excluded: np.ndarray,
        k: int,
        tile: int | None = None,
    ) -> Recommendations:
        """The best ``k`` of the candidates for each user, without the excluded ones.

        Args:
            state: As ``encode`` or ``write`` returned it.
            candidates: int64 ``[candidate]``, distinct catalogue indices in rising order.
            excluded: int64 ``[user, exclusion]``, 0 where a user has fewer exclusions.
            k: Length of the lists; shorter when there are fewer candidates.
            tile: Candidates read at once; ``None`` reads all. The lists are the same.
        """
        step = tile or max(len(candidates), 1)
        best: Recommendations | None = None
        for start in range(0, max(len(candidates), 1), step):
            part = candidates[start : start + step]
            found = self._recommend(state, candidates=part, excluded=excluded, k=k)
            best = found if best is None else merge(best, found, k=k)
        assert best is not None
        return best

    def _recommend(
        self, state: State, *, candidates: np.ndarray, excluded: np.ndarray, k: int
    ) -> Recommendations:
        length = np.array(min(k, len(candidates)), dtype=np.int64)
        feeds = {"candidates": candidates, "excluded": excluded, "k": length}
        result = self.run("recommend", state | feeds)
        return Recommendations(
            items=result["items"],
            scores=result["scores"],
            because_items=result.get("because_items"),
            because_weights=result.get("because_weights"),
        )

    def signature(self, graph: str) -> tuple[list[Any], list[Any]]:
        """What a graph takes and gives: objects with ``name``, ``type`` and ``shape``."""
        session = self._sessions[graph]
        return session.get_inputs(), session.get_outputs()

    def run(self, graph: str, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """All outputs of a graph, by name; the manifest tells what they mean."""
        outputs = self.manifest["graphs"][graph]["outputs"]
        return dict(zip(outputs, self._sessions[graph].run(outputs, feeds), strict=True))


def load(
    folder: Path, *, graphs: Sequence[str] = GRAPHS, device: str = "auto", threads: int = 1
) -> Bundle:
    """Reads a bundle after checking its version and every hash in it.

    Args:
        folder: What ``recsys export`` wrote.
        graphs: Those that will be used; the others are verified but not started. Those of
            ``APART`` are passed over where the bundle has none.
        device: ``cpu``, ``cuda``, or ``auto``: CUDA where a device answers, else the CPU.
        threads: Processor threads inside one call; callers with threads of their own give 1.

    Raises:
        ArtifactError: The bundle is missing, damaged, incomplete or of another version.
        ConfigError: ``device`` is unknown, or ``cuda`` and no device answers.
    """
    manifest = _manifest(folder)
    for entry in (*manifest["graphs"].values(), manifest["catalogue"]):
        _verify(folder / entry["file"], sha256=entry["sha256"])
    provider = _provider(device)
    sessions = {
        name: _session(folder / manifest["graphs"][name]["file"], provider, threads=threads)
        for name in graphs
        if name in GRAPHS or name in manifest["graphs"]
    }
    found = {session.get_providers()[0] for session in sessions.values()} or {provider}
    if device == "cuda" and found != {CUDA}:
        message = "device=cuda, but ONNX Runtime lacks CUDA libraries: install recsys[gpu]"
        raise ConfigError(message)
    device = "cuda" if found == {CUDA} else "cpu"
    catalogue = pl.read_parquet(folder / manifest["catalogue"]["file"])
    logger.info("bundle %s: %d items, device %s", folder, catalogue.height, device)
    return Bundle(manifest=manifest, catalogue=catalogue, sessions=sessions, device=device)


def _manifest(folder: Path) -> dict[str, Any]:
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


def _provider(device: str) -> str:
    """What to ask for; ONNX Runtime offers CUDA where its library is installed, device or not."""
    if device not in ("auto", "cpu", "cuda"):
        message = f"device is auto, cpu or cuda, but is '{device}': choose one"
        raise ConfigError(message)
    present = CUDA in onnxruntime.get_available_providers() and cuda_devices() > 0
    if device == "cuda" and not present:
        message = "device is cuda, but no CUDA device answers: set device=cpu or auto"
        raise ConfigError(message)
    return CUDA if present and device != "cpu" else CPU


def _session(path: Path, provider: str, *, threads: int) -> onnxruntime.InferenceSession:
    """A session; threads that wait do not spin. It falls back to the CPU without an error."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    providers = list(dict.fromkeys((provider, CPU)))
    try:
        return onnxruntime.InferenceSession(path, sess_options=options, providers=providers)
    except Exception as error:  # the runtime's exceptions have no parent of their own
        reason = str(error).splitlines()[0]
        message = f"'{path}' cannot be run ({reason}): export it again"
        raise ArtifactError(message) from error
