"""NDCG@10 with fewer slots, and with noise taken out, on the test users of a trained run.

    python -m benchmarks.compaction RUN [--users 1500]

Same model, same users, several views: all slots, the newest quarter, merged to a quarter; and the
newer half of the events alone, with as much noise put in by us, and with the noise taken out again.
Ratios are to all slots.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from recsys.data.batches import Question, asked, question
from recsys.evaluation.protocol import listable
from recsys.memory.log import LogState
from recsys.metrics.lists import top_k
from recsys.metrics.running import RankingMetrics
from recsys.model import MemoryRecommender
from recsys.noise import denoised
from recsys.output.compaction import compacted, merged, packed
from recsys.output.contract import View
from recsys.run import load_model, open_data, open_run

BATCH = 50
Change = Callable[[MemoryRecommender, LogState], View]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--users", type=int, default=1500)
    given = parser.parse_args()
    scorer = load_model(given.run)
    prepared = open_data(open_run(given.run))
    users = np.random.default_rng(0).permutation(asked(prepared, "test"))[: given.users]
    quarter = scorer.history // 4
    changes: dict[str, tuple[Change, int]] = {
        "all slots": (looked, 0),
        "equal slots merged": (lambda m, state: packed(merged(m.look(state))), 0),
        f"newest {quarter}": (lambda m, state: newest(m.look(state), slots=quarter), 0),
        f"merged to {quarter}": (lambda m, state: fewer(m, m.look(state), slots=quarter), 0),
        "newer half": (looked, 1),
        "newer half and noise": (looked, 2),
        "the same, denoised": (cleaned, 2),
        "newer half, denoised": (cleaned, 1),
    }
    with torch.inference_mode():
        found = {}
        for name, (change, rows) in changes.items():
            blocks = [
                question(prepared, "test", users=np.sort(some), history=scorer.history)
                for some in np.array_split(users, max(len(users) // BATCH, 1))
            ]
            found[name] = judge(scorer.model, blocks, change, rows=rows, items=prepared.items)
            ratio = found[name][0] / found["all slots"][0]
            slots, seconds = found[name][1:]
            print(
                f"{name:<22} NDCG@10 {found[name][0]:.4f}  ratio {ratio:.3f}  "
                f"slots {slots:.1f}  scoring {seconds:.1f} CPU-s",
                flush=True,
            )


def judge(
    model: MemoryRecommender, blocks: list[Question], change: Change, *, rows: int, items: int
) -> tuple[float, float, float]:
    """NDCG@10, mean number of filled slots, CPU seconds of scoring the catalogue."""
    ranking, catalogue, slots, seconds = (
        RankingMetrics((10,), items=items),
        torch.arange(items + 1),
        [],
        0.0,
    )
    generator = torch.Generator().manual_seed(0)
    for asks in blocks:
        state = model.write(model.memory.initial_state(len(asks.user)), asks.events)
        if rows:
            state = halved(state, noise=rows == 2, items=items, generator=generator)
        view = change(model, state)
        began = time.process_time()
        scores = model.scores(view, catalogue)[:, 0]
        seconds += time.process_time() - began
        slots.append(view.slots.filled.sum(-1).float().mean().item())
        ranking.update(top_k(listable(scores, hidden=asks.seen), 10), asks.truth)
    return float(ranking.compute()["ndcg@10"]), float(np.mean(slots)), seconds


def halved(state: LogState, *, noise: bool, items: int, generator: torch.Generator) -> LogState:
    """The newer half of each log; with noise a random item before each of its events."""
    places = state.item.shape[1] // 2
    kept = LogState(*(field[:, -places:] for field in state))
    if not noise:
        return kept
    random = torch.randint(1, items + 1, kept.item.shape, generator=generator)
    strange = kept._replace(item=random * (kept.item > 0))
    return LogState(
        *(torch.stack(pair, dim=2).flatten(1) for pair in zip(strange, kept, strict=True))
    )


def looked(model: MemoryRecommender, state: LogState) -> View:
    return model.look(state)


def cleaned(model: MemoryRecommender, state: LogState) -> View:
    return model.look(denoised(model, state, below=0.8, rounds=3))


def newest(view: View, *, slots: int) -> View:
    filled = view.slots.filled & (view.slots.age < slots)
    return packed(view._replace(slots=view.slots._replace(filled=filled)))


def fewer(model: MemoryRecommender, view: View, *, slots: int) -> View:
    return packed(compacted(model.output, merged(view), slots=slots))


if __name__ == "__main__":
    main()
