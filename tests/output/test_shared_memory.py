"""MA-GNN's vector, term by term."""

import numpy as np
import torch

from recsys.output.shared_memory import SharedMemory
from tests.output.slots import POSITIONS, ROWS, SLOTS, WIDTH, asked, slots

WINDOW, ASPECTS, UNITS = 2, 3, 4
CONTEXT, _, _ = asked()


def reader():
    torch.manual_seed(0)
    sizes = {"window": WINDOW, "aspects": ASPECTS, "units": UNITS}
    return SharedMemory(width=WIDTH, **sizes).double()


def world(*, ages=None):
    made = slots()
    age = torch.arange(SLOTS - 1, -1, -1) if ages is None else ages
    return made._replace(age=age.expand_as(made.age), bias=torch.zeros_like(made.bias))


def by_hand(look, *, keys, values, recent, before, user):
    """The user's vector from what stands in the window and before it."""
    mean = values[recent].mean(0) if recent else np.zeros(WIDTH)
    short = np.tanh(look["short.weight"] @ np.concatenate([mean, user]))
    read = np.zeros((ASPECTS, WIDTH))
    heard = [np.tanh(look["slot.weight"] @ k + look["present.weight"] @ user) for k in keys[before]]
    for aspect in range(ASPECTS):
        loud = [np.exp(look["attend.weight"][aspect] @ one) for one in heard]
        for place, one in zip(before, loud, strict=True):
            read[aspect] += one / (1 + sum(loud)) * values[place]
    asked = np.tanh(read).mean(0)
    units = np.exp(look["keys"] @ asked)
    long = asked + units / units.sum() @ look["values"]
    inside = look["gate.weight"] @ np.concatenate([mean, short, user]) + look["gate.bias"]
    gate = 1 / (1 + np.exp(-inside))
    return gate * short + (1 - gate) * long + look["bilinear.weight"] @ mean


def test_the_users_vector_equals_the_equations_by_hand():
    read, seen = reader(), world()
    with torch.no_grad():
        found = read.look(seen, CONTEXT).user.numpy()
    look = {name: value.detach().numpy() for name, value in read.named_parameters()}
    for row, position in np.ndindex(ROWS, POSITIONS):
        there = [place for place in range(SLOTS) if seen.filled[row, position, place]]
        recent = [place for place in there if place >= SLOTS - WINDOW]
        before = [place for place in there if place < SLOTS - WINDOW]
        expected = by_hand(
            look,
            keys=seen.keys[row].numpy(),
            values=seen.values[row].numpy(),
            recent=recent,
            before=before or there,
            user=CONTEXT[row, position].numpy(),
        )
        np.testing.assert_allclose(found[row, position], expected, atol=1e-10)


def test_where_nothing_is_older_than_the_window_the_window_is_the_past_too():
    read, seen = reader(), world(ages=torch.zeros(SLOTS, dtype=torch.long))
    louder = seen._replace(keys=seen.keys + 1)
    assert not torch.allclose(read.look(louder, CONTEXT).user, read.look(seen, CONTEXT).user)
