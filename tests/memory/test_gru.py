"""The gated recurrent unit, against its equations unit by unit."""

import math

import pytest
import torch

from recsys.memory.gru import Gru
from tests.memory.step_by_step import (
    WIDTH,
    along,
    same,
    sigmoid,
    states,
    stirred,
    story,
    table,
    weights,
)


def gru(*, remember=1.0, longest_lag=1, width=WIDTH):
    return Gru(table=table, width=width, remember=remember, longest_lag=longest_lag)


def next_hidden(of, vector, hidden, *, cell="cell"):
    """Cho et al. 2014 with the reset gate behind the recurrent product, as PyTorch has it."""

    def told(side, part, gate, unit):
        row = gate * WIDTH + unit
        weight = of[f"{cell}.weight_{side}_l0"][row]
        return sum(weight[k] * part[k] for k in range(WIDTH)) + of[f"{cell}.bias_{side}_l0"][row]

    after = []
    for unit in range(WIDTH):
        reset = sigmoid(told("ih", vector, 0, unit) + told("hh", hidden, 0, unit))
        update = sigmoid(told("ih", vector, 1, unit) + told("hh", hidden, 1, unit))
        new = math.tanh(told("ih", vector, 2, unit) + reset * told("hh", hidden, 2, unit))
        after.append((1 - update) * new + update * hidden[unit])
    return after


def test_every_step_equals_the_equations():
    memory = stirred(gru())
    vectors, events = story()
    _, contexts = along(memory, vectors, events)
    hidden = [[0.0] * WIDTH for _ in vectors]
    for place, state in enumerate(states(memory, vectors, events)):
        for user in range(len(vectors)):
            if events.present[user, place]:
                vector = vectors[user, place].tolist()
                hidden[user] = next_hidden(weights(memory), vector, hidden[user])
            same(state.hidden[user], hidden[user])
            same(contexts[user, place], hidden[user])


def biases(memory):
    """Biases of the gates reset, update, new."""
    _, _, event_bias, recurrent_bias = memory.cell.all_weights[0]
    assert (recurrent_bias == 0).all()
    return event_bias.chunk(3)


def test_only_the_gate_that_multiplies_the_old_state_starts_with_a_bias():
    reset, update, new = biases(gru(remember=4.0))
    assert update.tolist() == [4.0] * WIDTH
    assert not torch.cat([reset, new]).any()


def test_chrono_start_spreads_the_units_over_all_lags():
    torch.manual_seed(0)
    _, update, _ = biases(gru(remember=0.0, longest_lag=60, width=1000))
    lag = update.exp()
    assert (lag.min() >= 1, lag.max() <= 60) == (True, True)
    assert lag.mean().item() == pytest.approx(30.5, abs=2)  # the mean of U(1, 60)


def test_recurrent_weights_start_orthogonal():
    weight = gru().cell.weight_hh_l0
    torch.testing.assert_close(weight.T @ weight, torch.eye(WIDTH))
