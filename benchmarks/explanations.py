"""Do the reasons matter? Delete them from the histories and recommend again.

    python benchmarks/explanations.py run=RUN [users=500]

For each user of the test part: the best unseen item, its strongest reason (leave one slot out, in
closed form, with the user's vector held still), and what its score becomes when that event is
deleted and everything is computed anew. Beside it the same for a random other event.
"""

import sys
from pathlib import Path

import numpy as np
import torch

from recsys.data.batches import Events, Question, asked, question
from recsys.evaluation.protocol import listable
from recsys.run import TrainedScorer, best_model, open_data, open_run


def without(events: Events, place: torch.Tensor) -> Events:
    """The events with one place of each row made absent."""
    kept = events.present & (torch.arange(events.item.shape[1]) != place[:, None])
    return Events(*(field * kept for field in events[:3]), kept)


def deleted(scorer: TrainedScorer, asks: Question, draw: np.random.Generator) -> np.ndarray:
    """Promised fall, real fall, fall after a random deletion; a row a user with a reason."""
    model, events = scorer.model.cpu(), asks.events
    catalogue = torch.arange(scorer.items + 1)
    with torch.inference_mode():
        best, item = listable(model(events, catalogue), hidden=asks.seen).max(dim=1)
        state = model.write(model.memory.initial_state(len(item)), events)
        effect = model.effect(model.look(state), item[:, None]).effect[:, 0]
        promised, slot = effect.max(dim=1)
        newest = events.present.sum(1) - 1  # a state has its newest event in the last slot
        reason = newest - (effect.shape[1] - 1 - slot)
        other = torch.from_numpy(draw.integers(0, np.maximum(newest.numpy(), 1)))
        other = torch.where(other == reason, newest, other)
        falls = [
            best - model(without(events, place), catalogue).gather(1, item[:, None])[:, 0]
            for place in (reason, other)
        ]
    told = (promised > 0) & (newest > 0)
    return torch.stack([promised, *falls], dim=1)[told].numpy()


def main() -> None:
    given = dict(word.split("=") for word in sys.argv[1:])
    run = open_run(Path(given["run"]))
    prepared = open_data(run)
    scorer = best_model(run, prepared=prepared)
    draw = np.random.default_rng(0)
    users = np.sort(draw.permutation(asked(prepared, "test"))[: int(given.get("users", 500))])
    batches = [users[first : first + 50] for first in range(0, len(users), 50)]
    rows = [
        deleted(scorer, question(prepared, "test", users=some, history=scorer.history), draw)
        for some in batches
    ]
    promised, fall, chance = np.concatenate(rows).T
    print(f"{len(fall)} of {len(users)} best items have a reason")
    print(f"deleting it lowers the score: {(fall > 0).mean():.3f}")
    print(f"more than deleting a random other event: {(fall > chance).mean():.3f}")
    print(
        f"mean fall {fall.mean():.3f}, promised {promised.mean():.3f}, random {chance.mean():.3f}"
    )
    print(f"correlation of promised and real fall: {np.corrcoef(fall, promised)[0, 1]:.3f}")


if __name__ == "__main__":
    main()
