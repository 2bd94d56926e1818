"""The bundle, running: what leaves training, in the hands of ONNX Runtime and numpy alone.

Nothing here needs torch. Batch scoring and the online service are both built on this file, the
only one that imports ONNX Runtime.

    recurrent or slot memory ──► encode: events -> state      write: state, event -> next state
    catalogue ─────────────────► score: state, candidates     recommend: state -> the best k
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import onnxruntime
import polars as pl

from recsys.errors import ArtifactError, ConfigError
from recsys.hardware import cuda_devices
from recsys.manifest import APART as APART
from recsys.manifest import FORMAT as FORMAT
from recsys.manifest import GRAPHS as GRAPHS
from recsys.manifest import MANIFEST as MANIFEST
from recsys.manifest import verified
from recsys.recommendations import Recommendations as Recommendations
from recsys.recommendations import merge as merge

CPU: Final = "CPUExecutionProvider"
CUDA: Final = "CUDAExecutionProvider"
State = dict[str, np.ndarray]
Held = dict[str, onnxruntime.OrtValue]  # a state where the graphs run, for look and recommend

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
        return self.run("encode", self._events(events))

    def hold(self, events: Events) -> Held:
        """As ``encode``, but the state stays on the device, for ``look`` and ``recommend`` alone.

        On CUDA it crosses to the host for no tile of the catalogue. (Candidates do cross at every
        call: to know that they are those of the call before takes as long.)
        """
        session = self._sessions["encode"]
        binding = session.io_binding()
        for name, values in self._events(events).items():
            binding.bind_cpu_input(name, np.ascontiguousarray(values))
        for name in self.state:
            binding.bind_output(name, self.device)
        session.run_with_iobinding(binding)
        return dict(zip(self.state, binding.get_outputs(), strict=True))

    def write(self, state: State, *, event: Events) -> State:
        """The state after one more event of each user; arrays of ``event`` are ``[user]``."""
        following = self.run("write", state | self._events(event))
        return {name: following[f"next_{name}"] for name in self.state}

    def score(self, state: State, *, candidates: np.ndarray) -> Scored:
        """Scores of given items ``[user, candidate]``, and how much each slot counted."""
        result = self.run("score", state | {"candidates": candidates})
        told = {name: result.get(name) for name in Scored._fields[1:]}
        return Scored(scores=result["scores"], **told)

    @property
    def certifies(self) -> bool:
        """Whether ``look``, ``ask`` and ``choose`` can be called."""
        return set(APART) <= set(self._sessions)

    @property
    def coded(self) -> bool:
        """Whether many candidates ask with the same query, which ``ask`` then numbers."""
        return self.certifies and "slot_codes" in self.manifest["graphs"]["ask"]["outputs"]

    def look(self, state: State | Held) -> dict[str, np.ndarray]:
        """The last hop before anybody asks; the manifest tells what the arrays mean."""
        return self.run("look", state)

    def ask(self, candidates: np.ndarray) -> dict[str, np.ndarray]:
        """What these candidates bring to the last hop, for every user the same."""
        return self.run("ask", {"candidates": candidates})

    def choose(
        self, looked: dict[str, np.ndarray], *, candidates: np.ndarray, k: int
    ) -> Recommendations:
        """The best ``k`` of few candidates of each user's own: int64 ``[user, candidate]``, rising.

        ``looked`` is what ``look`` returned; 0 is no candidate and stands in front.
        """
        length = np.array(min(k, candidates.shape[1]), dtype=np.int64)
        return _lists(self.run("choose", looked | {"candidates": candidates, "k": length}))

    def recommend(
        self,
        state: State | Held,
        *,
        candidates: np.ndarray,
        excluded: np.ndarray,
        k: int,
        tile: int | None = None,
    ) -> Recommendations:
        """The best ``k`` of the candidates for each user, without the excluded ones.

        Args:
            state: As ``encode``, ``write`` or ``hold`` returned it.
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
        self, state: State | Held, *, candidates: np.ndarray, excluded: np.ndarray, k: int
    ) -> Recommendations:
        length = np.array(min(k, len(candidates)), dtype=np.int64)
        feeds = {"candidates": candidates, "excluded": excluded, "k": length}
        return _lists(self.run("recommend", {**state, **feeds}))

    def _events(self, events: Events) -> State:
        return {f"event_{name}": values for name, values in events._asdict().items()}

    def signature(self, graph: str) -> tuple[list[Any], list[Any]]:
        """What a graph takes and gives: objects with ``name``, ``type`` and ``shape``."""
        session = self._sessions[graph]
        return session.get_inputs(), session.get_outputs()

    def run(
        self, graph: str, feeds: Mapping[str, np.ndarray | onnxruntime.OrtValue]
    ) -> dict[str, np.ndarray]:
        """All outputs of a graph, by name; the manifest tells what they mean."""
        outputs = self.manifest["graphs"][graph]["outputs"]
        session = self._sessions[graph]
        if not any(isinstance(values, onnxruntime.OrtValue) for values in feeds.values()):
            return dict(zip(outputs, session.run(outputs, feeds), strict=True))
        binding = session.io_binding()
        for name, values in feeds.items():
            if isinstance(values, onnxruntime.OrtValue):
                binding.bind_ortvalue_input(name, values)
            else:
                binding.bind_cpu_input(name, np.ascontiguousarray(values))
        for name in outputs:
            binding.bind_output(name, "cpu")
        session.run_with_iobinding(binding)
        return dict(zip(outputs, binding.copy_outputs_to_cpu(), strict=True))


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
    manifest = verified(folder)
    provider = _provider(device)
    files = {
        name: folder / manifest["graphs"][name]["file"]
        for name in graphs
        if name in GRAPHS or name in manifest["graphs"]
    }
    sessions = _sessions(files, provider, threads=threads)
    if provider == CUDA and any(one.get_providers()[0] != CUDA for one in sessions.values()):
        if device == "cuda":
            message = "device=cuda, but ONNX Runtime lacks CUDA libraries: install recsys[gpu]"
            raise ConfigError(message)
        logger.warning("a CUDA device is here, but ONNX Runtime lacks its libraries: using the CPU")
        provider = CPU
        sessions = _sessions(files, provider, threads=threads)
    device = "cuda" if provider == CUDA else "cpu"
    catalogue = pl.read_parquet(folder / manifest["catalogue"]["file"])
    logger.info("bundle %s: %d items, device %s", folder, catalogue.height, device)
    return Bundle(manifest=manifest, catalogue=catalogue, sessions=sessions, device=device)


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


def _sessions(
    files: Mapping[str, Path], provider: str, *, threads: int
) -> dict[str, onnxruntime.InferenceSession]:
    return {name: _session(path, provider, threads=threads) for name, path in files.items()}


def _session(path: Path, provider: str, *, threads: int) -> onnxruntime.InferenceSession:
    """A session; threads that wait do not spin. It falls back to the CPU without an error.

    Products on CUDA keep all bits of float32: less is what a bundle of float16 is for.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    providers = [(CUDA, {"use_tf32": "0"}), CPU] if provider == CUDA else [CPU]
    try:
        return onnxruntime.InferenceSession(path, sess_options=options, providers=providers)
    except Exception as error:  # the runtime's exceptions have no parent of their own
        reason = str(error).splitlines()[0]
        message = f"'{path}' cannot be run ({reason}): export it again"
        raise ArtifactError(message) from error


def _lists(result: dict[str, np.ndarray]) -> Recommendations:
    """What a graph that lists gave."""
    return Recommendations(
        items=result["items"],
        scores=result["scores"],
        because_items=result.get("because_items"),
        because_weights=result.get("because_weights"),
    )
