"""Gated filters against sums written out by hand, and what they can see."""

import numpy as np
import pytest
import torch

from tests.memory.receptive_field import after_every_event, at_once, field, no_table, seen
from tests.memory.test_tcn import convolved

WIDTH, KERNEL, EVENTS = 3, 2, 14


def wavenet(dilations, *, width=WIDTH, kernel=KERNEL):
    from recsys.memory.wavenet import WaveNet

    torch.manual_seed(0)
    memory = WaveNet(table=no_table, width=width, kernel=kernel, dilations=dilations, dropout=0.0)
    with torch.no_grad():
        for parameter in memory.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return memory.eval()


def oracle(memory, x, *, dilations):
    """Van den Oord et al. 2016, section 2.3 equation 2 and figure 4."""
    named = {name: value.detach().double().numpy() for name, value in memory.named_parameters()}

    def linear(at, rows):
        return rows @ named[f"network.{at}.weight"].T + named[f"network.{at}.bias"]

    skips = np.zeros_like(x)
    for place, dilation in enumerate(dilations):
        at = f"network.gated.{place}.convolution.filter"
        both = convolved(x, named[f"{at}.weight"], named[f"{at}.bias"], dilation=dilation)
        width = x.shape[1]
        z = np.tanh(both[:, :width]) / (1 + np.exp(-both[:, width:]))
        skips = skips + linear(f"skip.{place}", z)
        if place + 1 < len(dilations):
            x = x + linear(f"on.{place}", z)
    return linear("out.3", np.maximum(linear("out.1", np.maximum(skips, 0)), 0))


def test_every_event_equals_the_sums_written_out():
    dilations = [1, 2, 4]
    memory = wavenet(dilations)
    vectors = torch.randn(1, EVENTS, WIDTH)
    expected = torch.from_numpy(oracle(memory, vectors[0].double().numpy(), dilations=dilations))
    with torch.no_grad():
        for run in (at_once, after_every_event):
            found = run(memory, vectors)[0].double()
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("dilations", "kernel", "length"),
    [([1, 2, 4], 3, 15), ([1, 2, 4, 8], 3, 31), ([1, 2, 4, 8, 16], 2, 32)],
)
def test_it_sees_its_receptive_field_and_no_event_more(dilations, kernel, length):
    memory = wavenet(dilations, width=8, kernel=kernel)
    assert memory.reach == length - 1
    assert torch.equal(seen(memory, width=8, events=36), field(length, events=36))


def test_a_state_takes_the_bytes_that_its_docstring_says():
    state = wavenet([1, 2, 4]).initial_state(1)
    assert sum(field.nbytes for field in state) == 4 * WIDTH * (1 + (KERNEL - 1) * (1 + 2 + 4))


def test_a_layer_starts_as_little_more_than_its_input():
    from recsys.memory.wavenet import WaveNet

    torch.manual_seed(0)
    memory = WaveNet(table=no_table, width=64, kernel=2, dilations=[1, 2], dropout=0.0)
    found = memory.network.on[0](torch.rand(100, 64) * 2 - 1)
    assert found.abs().mean() < 0.1 * 0.5  # 0.5 is the mean of what comes in
