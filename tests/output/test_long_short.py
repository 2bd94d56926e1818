"""SHAN's two attentions, in plain loops."""

import numpy as np
import torch

from recsys.output.long_short import LongShort
from tests.output.slots import POSITIONS, ROWS, SLOTS, WIDTH, asked, slots

CONTEXT, _, _ = asked()
SESSION = torch.tensor([[1, 1, 2, 2, 3], [1, 2, 3, 4, 5], [7, 7, 7, 7, 7]])


def reader():
    torch.manual_seed(0)
    return LongShort(width=WIDTH).double()


def world(session):
    """Places in the order of their age."""
    made = slots()
    age = torch.arange(SLOTS - 1, -1, -1).expand_as(made.age)
    return made._replace(age=age, session=session)


def attention(logits):
    """Softmax over these and a null of logit 0."""
    loud = np.exp(np.array(logits))
    return loud / (1 + loud.sum())


def test_the_users_vector_equals_the_equations_by_hand():
    read, seen = reader(), world(SESSION)
    with torch.no_grad():
        view = read.look(seen, CONTEXT)
    look = {name: value.detach().numpy() for name, value in read.named_parameters()}

    def logit(which, user, vector):
        heard = look[f"{which}.weight"] @ vector + look[f"{which}.bias"]
        return user @ np.maximum(heard, 0)

    keys, values = seen.keys.numpy(), seen.values.numpy()
    for row, position in np.ndindex(ROWS, POSITIONS):
        user, bias = CONTEXT[row, position].numpy(), seen.bias[row, position].numpy()
        there = [place for place in range(SLOTS) if seen.filled[row, position, place]]
        now = SESSION[row, there[-1]] if there else None
        old = [place for place in there if SESSION[row, place] != now]
        current = [place for place in there if SESSION[row, place] == now]
        chosen = attention([logit("long", user, keys[row, place]) + bias[place] for place in old])
        past = chosen @ values[row, old]
        logits = [logit("short", user, keys[row, place]) + bias[place] for place in current]
        weights = attention(logits + [logit("short", user, past)] * bool(old))
        told = np.concatenate([values[row, current], past[None][: bool(old)]])
        np.testing.assert_allclose(view.user[row, position].numpy(), weights @ told, atol=1e-10)


def test_weights_of_slots_are_shown_as_one_hop():
    view = reader().look(world(SESSION), CONTEXT)
    assert view.hops.shape == (ROWS, 1, POSITIONS, SLOTS)
    assert (view.hops.sum(-1) < 1).all()
    assert (view.hops.transpose(1, 2)[:, :, 0][~view.slots.filled] == 0).all()


def test_a_memory_without_sessions_is_read_whole_twice():
    read = reader()
    told = read.look(world(None), CONTEXT).hops[:, 0]
    assert (told[world(None).filled] > 0).all()
