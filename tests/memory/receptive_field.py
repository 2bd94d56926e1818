"""What a causal network sees, by gradients; and small stories to run it over."""

import torch

from recsys.data.batches import Events


def story(vectors):
    """Events of which only the vectors matter; all are present."""
    blank = torch.zeros(vectors.shape[:2], dtype=torch.long)
    return Events(blank + 1, blank, blank, present=blank == 0)


def no_table(width):
    """What a memory is given that needs no table of items."""
    return torch.nn.Identity(width)


def after_every_event(memory, vectors):
    """The context after every event of these vectors, each written from the state before it."""
    state, found = memory.initial_state(vectors.shape[0]), []
    for place in range(vectors.shape[1]):
        one = vectors[:, place : place + 1]
        state = memory.write(state, story(one), lambda _, one=one: one)
        found.append(memory.look(state, no_table).context[:, 0])
    return torch.stack(found, dim=1)


def at_once(memory, vectors):
    """The same in one pass."""
    start = memory.initial_state(vectors.shape[0])
    along = memory.along(start, story(vectors), lambda _: vectors)
    return along.context.reshape(vectors.shape)


def seen(memory, *, width, events):
    """Which events (last axis) each event's context changes with."""
    torch.manual_seed(0)
    vectors = torch.randn(1, events, width, requires_grad=True)
    context = at_once(memory.double(), vectors.double())
    rows = []
    for place in range(events):
        (slope,) = torch.autograd.grad(context[0, place].sum(), vectors, retain_graph=True)
        rows.append(slope[0].abs().sum(-1) > 0)
    return torch.stack(rows)


def field(length, *, events):
    """The same of a network that sees the newest ``length`` events."""
    back = torch.arange(events)[:, None] - torch.arange(events)
    return (back >= 0) & (back < length)
