"""NDCG@10 with fewer slots, and with noise taken out, on the test users of a trained run.

    python -m benchmarks.compaction RUN [--users 1500]

Same model, same users, several views: all slots, the newest quarter, merged to a quarter, and with
half of the slots random events put in by us, before and after pruning. Ratios are to all slots.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from recsys.data.batches import Events, Question, asked, question
from recsys.evaluation.protocol import listable
from recsys.metrics.lists import top_k
from recsys.metrics.running import RankingMetrics
from recsys.model import MemoryRecommender
from recsys.output.compaction import compacted, merged, packed, pruned
from recsys.output.contract import View
from recsys.run import load_model, open_data, open_run

BATCH, RECENT = 50, 20
Change = Callable[[MemoryRecommender, View], View]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--users", type=int, default=1500)
    given = parser.parse_args()
    scorer = load_model(given.run)
    prepared = open_data(open_run(given.run))
    users = np.random.default_rng(0).permutation(asked(prepared, "test"))[: given.users]
    quarter = scorer.history // 4
    changes: dict[str, tuple[Change, bool]] = {
        "all slots": (lambda _, view: view, False),
        "equal slots merged": (lambda _, view: packed(merged(view)), False),
        f"newest {quarter}": (lambda _, view: newest(view, slots=quarter), False),
        f"merged to {quarter}": (lambda m, view: fewer(m, view, slots=quarter), False),
        "half noise": (lambda _, view: view, True),
        "half noise, pruned": (without_noise, True),
    }
    with torch.inference_mode():
        found = {}
        for name, (change, noisy) in changes.items():
            blocks = [
                question(prepared, "test", users=np.sort(some), history=scorer.history)
                for some in np.array_split(users, max(len(users) // BATCH, 1))
            ]
            found[name] = judge(scorer.model, blocks, change, noisy=noisy, items=prepared.items)
            ratio = found[name][0] / found["all slots"][0]
            slots, seconds = found[name][1:]
            print(
                f"{name:<22} NDCG@10 {found[name][0]:.4f}  ratio {ratio:.3f}  "
                f"slots {slots:.1f}  scoring {seconds:.1f} CPU-s",
                flush=True,
            )


def judge(
    model: MemoryRecommender, blocks: list[Question], change: Change, *, noisy: bool, items: int
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
        events = with_noise(asks.events, items=items, generator=generator) if noisy else asks.events
        state = model.write(model.memory.initial_state(len(events.item)), events)
        view = change(model, model.look(state))
        began = time.process_time()
        scores = model.scores(view, catalogue)[:, 0]
        seconds += time.process_time() - began
        slots.append(view.slots.filled.sum(-1).float().mean().item())
        ranking.update(top_k(listable(scores, hidden=asks.seen), 10), asks.truth)
    return float(ranking.compute()["ndcg@10"]), float(np.mean(slots)), seconds


def with_noise(events: Events, *, items: int, generator: torch.Generator) -> Events:
    """The newer half of each history at its times, with a random item before each event."""
    length = events.item.shape[1] // 2
    kept = Events(*(field[:, -length:] for field in events))
    random = torch.randint(1, items + 1, kept.item.shape, generator=generator)
    noise = kept._replace(item=random * kept.present)
    pairs = zip(noise, kept, strict=True)
    return Events(*(torch.stack(pair, dim=2).flatten(1) for pair in pairs))


def without_noise(model: MemoryRecommender, view: View) -> View:
    recent = view.slots.item[:, -RECENT:]
    return pruned(view, model.effect(view, recent), newest=5)


def newest(view: View, *, slots: int) -> View:
    filled = view.slots.filled & (view.slots.age < slots)
    return packed(view._replace(slots=view.slots._replace(filled=filled)))


def fewer(model: MemoryRecommender, view: View, *, slots: int) -> View:
    return packed(compacted(model.output, merged(view), slots=slots))


if __name__ == "__main__":
    main()
