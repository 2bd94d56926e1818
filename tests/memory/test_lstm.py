"""Long short-term memory, against its equations unit by unit."""

import math

import pytest
import torch

from recsys.memory.lstm import Lstm
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


def lstm(*, remember=1.0, longest_lag=1, width=WIDTH):
    return Lstm(table=table, width=width, remember=remember, longest_lag=longest_lag)


def run(of, vectors):
    """Input, forget and output gates around a cell (Gers et al. 2000), unit by unit."""
    hidden, cell = [0.0] * WIDTH, [0.0] * WIDTH
    for vector in vectors:

        def told(gate, unit, vector=vector, hidden=hidden):
            row = gate * WIDTH + unit
            return (
                of["cell.bias_ih_l0"][row]
                + of["cell.bias_hh_l0"][row]
                + sum(of["cell.weight_ih_l0"][row, k] * vector[k] for k in range(WIDTH))
                + sum(of["cell.weight_hh_l0"][row, k] * hidden[k] for k in range(WIDTH))
            )

        cell = [
            sigmoid(told(1, unit)) * cell[unit] + sigmoid(told(0, unit)) * math.tanh(told(2, unit))
            for unit in range(WIDTH)
        ]
        hidden = [sigmoid(told(3, unit)) * math.tanh(cell[unit]) for unit in range(WIDTH)]
    return hidden, cell


def test_every_step_equals_the_equations():
    memory = stirred(lstm())
    vectors, events = story()
    _, contexts = along(memory, vectors, events)
    for place, state in enumerate(states(memory, vectors, events)):
        for user in range(len(vectors)):
            past = vectors[user, : place + 1][events.present[user, : place + 1]].tolist()
            hidden, cell = run(weights(memory), past)
            same(state.hidden[user], hidden)
            same(state.cell[user], cell)
            same(contexts[user, place], hidden)


def gates(memory):
    """Biases of the gates input, forget, update, output."""
    _, _, event_bias, recurrent_bias = memory.cell.all_weights[0]
    assert (recurrent_bias == 0).all()
    return event_bias.chunk(4)


def test_only_the_forget_gate_starts_with_a_bias():
    admit, keep, update, show = gates(lstm(remember=4.0))
    assert keep.tolist() == [4.0] * WIDTH
    assert not torch.cat([admit, update, show]).any()


def test_chrono_start_spreads_the_units_over_all_lags():
    torch.manual_seed(0)
    admit, keep, _, _ = gates(lstm(remember=0.0, longest_lag=60, width=2000))
    lag = keep.exp()
    torch.testing.assert_close(admit, -keep)
    assert (lag.min() >= 1, lag.max() <= 60) == (True, True)
    assert lag.mean().item() == pytest.approx(30.5, abs=1.5)  # the mean of U(1, 60)


def test_recurrent_weights_of_each_gate_start_orthogonal():
    for gate in lstm().cell.weight_hh_l0.chunk(4):
        torch.testing.assert_close(gate @ gate.T, torch.eye(WIDTH))


@pytest.mark.parametrize(("remember", "left"), [(1.0, 6.873e-9), (4.0, 0.3365)])
def test_the_forget_gate_alone_decides_what_is_left_after_60_events(remember, left):
    memory = lstm(remember=remember)
    with torch.no_grad():
        memory.cell.weight_ih_l0.zero_()
        memory.cell.weight_hh_l0.zero_()
    vectors, events = story(users=1, events=60, absent=0)
    full = memory.initial_state(1)._replace(cell=torch.ones(1, WIDTH))
    after = memory.write(full, events, lambda _: vectors)
    assert after.cell[0].tolist() == pytest.approx([left] * WIDTH, rel=0.01)
