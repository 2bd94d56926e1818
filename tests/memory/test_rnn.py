"""The ungated recurrent network, against its equation unit by unit."""

import math

import torch

from recsys.memory.rnn import Rnn
from tests.memory.step_by_step import (
    EVENTS,
    WIDTH,
    along,
    same,
    states,
    stirred,
    story,
    table,
    weights,
)


def hidden(of, vectors):
    """tanh(W x + U h + b), unit by unit (Elman 1990)."""
    held = [0.0] * WIDTH
    for vector in vectors:
        held = [
            math.tanh(
                sum(of["event.weight"][unit, k] * vector[k] for k in range(WIDTH))
                + sum(of["recurrent.weight"][unit, k] * held[k] for k in range(WIDTH))
                + of["event.bias"][unit]
            )
            for unit in range(WIDTH)
        ]
    return held


def test_every_step_equals_the_equation():
    memory = stirred(Rnn(table=table, width=WIDTH))
    vectors, events = story()
    _, contexts = along(memory, vectors, events)
    for place, state in enumerate(states(memory, vectors, events)):
        for user in range(len(vectors)):
            past = vectors[user, : place + 1][events.present[user, : place + 1]].tolist()
            expected = hidden(weights(memory), past)
            same(state.hidden[user], expected)
            same(contexts[user, place], expected)
    assert place == EVENTS - 1


def test_it_starts_with_recurrent_weights_that_turn_but_do_not_shrink():
    recurrent = Rnn(table=table, width=WIDTH).recurrent.weight
    torch.testing.assert_close(recurrent @ recurrent.T, torch.eye(WIDTH))


def test_what_came_first_fades():
    torch.manual_seed(0)
    memory = Rnn(table=table, width=WIDTH)
    vectors, events = story(users=1, events=40, absent=0)
    vectors.requires_grad_()
    memory.write(memory.initial_state(1), events, lambda _: vectors).hidden.sum().backward()
    slope = vectors.grad[0].norm(dim=-1)
    assert slope[0] < 1e-3 * slope[-1]
