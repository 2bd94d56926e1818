"""A memory run event by event over known vectors, to be compared with equations in NumPy."""

from functools import partial

import numpy as np
import torch

from recsys.data.batches import Events
from recsys.input.table import own_rows

USERS, EVENTS, WIDTH = 3, 14, 6
CLOSE = {"rtol": 1e-5, "atol": 1e-5}
table = partial(own_rows, items=9)


def story(*, users=USERS, events=EVENTS, absent=0.2, seed=0):
    """Random vectors, and events of which some are absent; the vectors of those are zero."""
    draw = torch.Generator().manual_seed(seed)
    present = torch.rand(users, events, generator=draw) >= absent
    vectors = torch.randn(users, events, WIDTH, generator=draw) * present[..., None]
    blank = torch.zeros(users, events, dtype=torch.long)
    return vectors, Events(present.long(), blank, blank, present)


def stirred(memory):
    """The memory with every parameter moved, so that nothing hides behind a start of zero."""
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in memory.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=draw))
    return memory.eval()


def weights(memory):
    """Parameters by name, in double precision."""
    return {name: part.detach().double().numpy() for name, part in memory.named_parameters()}


def states(memory, vectors, events):
    """The state after every event, each written from the state before it."""
    state = memory.initial_state(vectors.shape[0])
    for place in range(vectors.shape[1]):
        one = slice(place, place + 1)
        known = vectors[:, one]
        state = memory.write(
            state, Events(*(f[:, one] for f in events)), lambda _, known=known: known
        )
        yield state


def along(memory, vectors, events):
    """Slot values and contexts after every event, from one pass."""
    seen = memory.along(memory.initial_state(len(vectors)), events, lambda _: vectors)
    shape = (*vectors.shape[:2], -1)
    return seen.slots.values.flatten(1).reshape(shape), seen.context.reshape(shape)


def same(found, expected):
    np.testing.assert_allclose(found.detach().numpy(), expected, **CLOSE)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    loud = np.exp(np.asarray(x) - np.max(x))
    return loud / loud.sum()


def nothing(events):
    """I of a memory that asks for no vector."""
    raise AssertionError
