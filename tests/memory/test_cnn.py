"""A plain convolution over the last few events: a control that must not see further back."""

import pytest
import torch

from recsys.data.batches import Events
from tests.contract.parts import histories, recommender


def context(model, events):
    state = model.write(model.memory.initial_state(len(events.item)), events)
    return model.memory.look(state, model.input).context[:, 0]


@pytest.mark.parametrize("kernel", [3, 5])
def test_it_sees_the_newest_events_and_no_other(kernel):
    model = recommender("memory=cnn", f"memory.kernel={kernel}")
    events = histories(users=1, events=9, absent=0)
    before = context(model, events)
    seen = []
    for place in range(9):
        item = events.item.clone()
        item[:, place] = item[:, place] % 11 + 1
        seen.append(not torch.equal(context(model, events._replace(item=item)), before))
    assert seen == [place >= 9 - kernel for place in range(9)]


def test_the_order_of_what_it_sees_counts():
    model = recommender("memory=cnn")
    events = histories(users=1, events=5, absent=0)
    turned = Events(*(field.flip(1) for field in events))
    assert not torch.allclose(context(model, events), context(model, turned))


def test_the_state_is_the_window_and_never_grows():
    model = recommender("memory=cnn", "memory.kernel=4")
    for events in (0, 2, 9):
        past = histories(users=1, events=events, absent=0)
        state = model.write(model.memory.initial_state(1), past)
        assert sum(field.nbytes for field in state) == 4 * 24


def test_each_window_weighs_every_place_with_a_matrix_of_its_own():
    model = recommender("memory=cnn", "memory.kernel=3")
    memory, events = model.memory, histories(users=1, events=3, absent=0)
    vectors = model.input(events)[0].detach()
    kernel, bias = memory.convolve.weight.detach(), memory.convolve.bias.detach()
    inner = sum(kernel[:, :, place] @ vectors[place] for place in range(3)) + bias
    outer = memory.respond[2].weight @ inner.clamp(min=0) + memory.respond[2].bias
    torch.testing.assert_close(context(model, events)[0], outer)


def test_nobody_has_a_context_of_zero():
    model = recommender("memory=cnn")
    assert not model.memory.look(model.memory.initial_state(2), model.input).context.any()
