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

from recsys.data.batches import Events, asked, question
from recsys.evaluation.protocol import listable
from recsys.run import load_model, open_data, open_run


def without(events: Events, place: torch.Tensor) -> Events:
    """The events with one place of each row made absent."""
    kept = events.present & (torch.arange(events.item.shape[1]) != place[:, None])
    return Events(*(field * kept for field in events[:3]), kept)


def main() -> None:
    given = dict(word.split("=") for word in sys.argv[1:])
    run = open_run(Path(given["run"]))
    prepared, scorer = open_data(run), load_model(run.folder)
    model = scorer.model.cpu()
    draw = np.random.default_rng(0)
    users = np.sort(draw.permutation(asked(prepared, "test"))[: int(given.get("users", 500))])
    falls, random_falls, promised, explained = [], [], [], 0
    for first in range(0, len(users), 50):
        asks = question(prepared, "test", users=users[first : first + 50], history=scorer.history)
        events = asks.events
        catalogue = torch.arange(prepared.items + 1)
        with torch.inference_mode():
            scores = listable(model(events, catalogue), hidden=asks.seen)
            best, item = scores.max(dim=1)
            state = model.write(model.memory.initial_state(len(item)), events)
            effect = model.effect(model.look(state), item[:, None]).effect[:, 0]
            strongest, slot = effect.max(dim=1)
            # the state keeps present events at its end, so slots count back from the newest
            behind = effect.shape[1] - 1 - slot
            newest = events.present.sum(1) - 1
            place = newest - behind
            other = torch.from_numpy(draw.integers(0, np.maximum(newest.numpy(), 1)))
            other = torch.where(other == place, newest, other)
            told = (strongest > 0) & (newest > 0)
            after = model(without(events, place), catalogue).gather(1, item[:, None])[:, 0]
            after_other = model(without(events, other), catalogue).gather(1, item[:, None])[:, 0]
        explained += int(told.sum())
        falls += (best - after)[told].tolist()
        random_falls += (best - after_other)[told].tolist()
        promised += strongest[told].tolist()
    fall, chance, promise = (np.array(values) for values in (falls, random_falls, promised))
    print(f"{explained} of {len(users)} best items have a reason")
    print(f"deleting it lowers the score: {(fall > 0).mean():.3f}")
    print(f"more than deleting a random other event: {(fall > chance).mean():.3f}")
    print(f"mean fall {fall.mean():.3f}, promised {promise.mean():.3f}, random {chance.mean():.3f}")
    print(f"correlation of promised and real fall: {np.corrcoef(fall, promise)[0, 1]:.3f}")


if __name__ == "__main__":
    main()
