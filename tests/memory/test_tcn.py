"""Filters of growing dilation against sums written out by hand, and what they can see."""

import numpy as np
import pytest
import torch

from tests.contract.parts import config, recommender
from tests.memory.receptive_field import after_every_event, at_once, field, no_table, seen

WIDTH, KERNEL, EVENTS = 3, 3, 14


def tcn(dilations, *, width=WIDTH, kernel=KERNEL):
    from recsys.memory.tcn import Tcn

    torch.manual_seed(0)
    memory = Tcn(table=no_table, width=width, kernel=kernel, dilations=dilations, dropout=0.0)
    with torch.no_grad():
        for parameter in memory.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return memory.eval()


def convolved(x, weight, bias, *, dilation):
    """y[t, o] = bias[o] + the sum over taps k and inputs i of weight[o, i, k] x[t - back, i]."""
    outputs, inputs, taps = weight.shape
    y = np.zeros((len(x), outputs))
    for t in range(len(x)):
        for o in range(outputs):
            y[t, o] = bias[o]
            for k in range(taps):
                back = (taps - 1 - k) * dilation
                for i in range(inputs):
                    y[t, o] += weight[o, i, k] * x[t - back, i] if t >= back else 0.0
    return y


def layer_norm(x, weight, bias, *, least=1e-5):
    mean, variance = x.mean(), ((x - x.mean()) ** 2).mean()
    return (x - mean) / np.sqrt(variance + least) * weight + bias


def oracle(memory, x, *, dilations):
    """Bai et al. 2018, section 3, one block after another."""
    named = {name: value.detach().double().numpy() for name, value in memory.named_parameters()}
    for block, its in enumerate(dilations):
        found = x
        for place, dilation in enumerate(its):
            step = f"network.{block}.filters.{place}"
            at = f"{step}.convolution.filter"
            found = convolved(found, named[f"{at}.weight"], named[f"{at}.bias"], dilation=dilation)
            norm = [named[f"{step}.norm.{part}"] for part in ("weight", "bias")]
            found = np.array([np.maximum(layer_norm(row, *norm), 0) for row in found])
        x = x + found
    return x


def test_every_event_equals_the_sums_written_out():
    dilations = [[1, 2], [4], [1]]
    memory = tcn(dilations)
    vectors = torch.randn(1, EVENTS, WIDTH)
    expected = torch.from_numpy(oracle(memory, vectors[0].double().numpy(), dilations=dilations))
    with torch.no_grad():
        for run in (at_once, after_every_event):
            found = run(memory, vectors)[0].double()
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("dilations", "kernel", "length"),
    [([[1], [2], [4]], 3, 15), ([[1], [2], [4], [8]], 3, 31), ([[1, 1], [2, 2], [4, 4]], 2, 15)],
)
def test_it_sees_its_receptive_field_and_no_event_more(dilations, kernel, length):
    memory = tcn(dilations, width=8, kernel=kernel)
    assert memory.reach == length - 1
    assert torch.equal(seen(memory, width=8, events=36), field(length, events=36))


def test_what_lies_before_the_receptive_field_is_forgotten():
    memory = tcn([[1], [2]])
    recent = torch.randn(1, 7, WIDTH)
    with torch.no_grad():
        first, second = (
            after_every_event(memory, torch.cat([torch.randn(1, 5, WIDTH), recent], dim=1))[:, -1]
            for _ in range(2)
        )
    torch.testing.assert_close(first, second)


def test_a_state_takes_the_bytes_that_its_docstring_says():
    state = tcn([[1, 2], [4]]).initial_state(1)
    assert sum(field.nbytes for field in state) == 4 * WIDTH * (1 + (KERNEL - 1) * (1 + 2 + 4))


def test_filters_of_one_tap_remember_nothing():
    memory = tcn([[1], [1]], kernel=1)
    vectors = torch.randn(2, 4, WIDTH)
    with torch.no_grad():
        alone = at_once(memory, vectors[:, 3:])
        torch.testing.assert_close(after_every_event(memory, vectors)[:, 3:], alone)


def test_the_preset_of_nextitnet_has_blocks_of_two_dilations():
    cfg = config("experiment=nextitnet")
    assert cfg.memory.dilations == [[1, 2], [4, 8], [1, 2], [4, 8]]
    assert recommender("experiment=nextitnet").memory.reach == 2 * 2 * (1 + 2 + 4 + 8)
