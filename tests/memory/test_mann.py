"""Least recently used access: its equations by hand, and the ring it becomes."""

from functools import partial

import numpy as np
import pytest
import torch

from recsys.errors import ConfigError
from recsys.input.table import own_rows
from recsys.memory.addressing import BLANK
from recsys.memory.mann import DECAY, Mann, least_used
from tests.memory import by_hand

WIDTH, SLOTS, SLOT_WIDTH, HEADS, HIDDEN, STEPS, USERS = 5, 7, 3, 2, 6, 14, 2


def untrained(*, controller="lstm", emptied="gated", heads=HEADS, slots=SLOTS):
    torch.manual_seed(0)
    return Mann(
        table=partial(own_rows, items=3),
        width=WIDTH,
        slots=slots,
        slot_width=SLOT_WIDTH,
        heads=heads,
        controller=controller,
        hidden=HIDDEN,
        emptied=emptied,
    )


def machine(**settings):
    """Far from where it starts."""
    memory = untrained(**settings)
    with torch.no_grad():
        for parameter in memory.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter))
    return memory


def one_event_by_hand(mann, state, x):
    """Memory, read weights, usage, what was read, controller."""
    memory, reads, usage, read, carried = state
    given = np.concatenate([by_hand.normalised(mann.heard, x), read])
    carried = by_hand.controlled(mann.controller.cell, given, carried)
    address = np.clip(by_hand.linear(mann.address, carried[:HIDDEN]), -20, 20).reshape(HEADS, -1)
    order = sorted(range(SLOTS), key=lambda n: (usage[n], n))
    again = [by_hand.sigmoid(told[-1]) for told in address]
    least = [np.eye(SLOTS)[order[head]] for head in range(HEADS)]
    writes = [again[h] * reads[h] + (1 - again[h]) * least[h] for h in range(HEADS)]
    memory = memory.copy()
    if mann.emptied == "always":
        memory[order[0]] = 0
    if mann.emptied == "gated":
        for head in range(HEADS):
            memory[order[head]] *= again[head]
    for head in range(HEADS):
        add = np.tanh(address[head][SLOT_WIDTH : 2 * SLOT_WIDTH])
        for n in range(SLOTS):
            memory[n] += writes[head][n] * add
    raw = mann.strength.detach().double().numpy()
    reads = [
        by_hand.by_content(
            np.tanh(address[h][:SLOT_WIDTH]), memory, 1 + 19 * by_hand.sigmoid(raw[h])
        )
        for h in range(HEADS)
    ]
    usage = DECAY * usage + sum(reads) + sum(writes)
    read = np.concatenate([by_hand.read_from(memory, weights) for weights in reads])
    return memory, reads, usage, read, carried


@pytest.mark.parametrize("emptied", ["always", "gated", "never"])
def test_every_step_equals_the_equations_by_hand(emptied):
    mann = machine(emptied=emptied)
    state = mann.initial_state(USERS)
    first = np.eye(SLOTS)[0]
    start = (
        np.full((SLOTS, SLOT_WIDTH), BLANK),
        [first] * HEADS,
        first,
        np.zeros(HEADS * SLOT_WIDTH),
        np.zeros(mann.controller.state_width),
    )
    hands = [start] * USERS
    for vectors in torch.randn(STEPS, USERS, WIDTH):
        with torch.no_grad():
            state = mann.step(state, vectors)
        for user in range(USERS):
            hands[user] = one_event_by_hand(mann, hands[user], vectors[user].double().numpy())
            for field, expected in zip(state, hands[user], strict=True):
                np.testing.assert_allclose(field[user].numpy(), np.array(expected), atol=1e-5)


def test_each_head_has_a_least_used_slot_of_its_own_and_ties_go_to_the_first():
    usage = torch.tensor([[0.5, 0.0, 0.2, 0.0, 0.0], [0.3, 0.1, 0.2, 0.4, 0.5]])
    least = least_used(usage, heads=3)
    assert least.argmax(dim=2).tolist() == [[1, 3, 4], [1, 2, 0]]
    assert (least.sum(dim=2) == 1).all()


def test_rounding_does_not_choose_between_slots_never_used():
    usage = torch.full((1, 4), 0.7) - torch.tensor([[0.0, 1e-7, 2e-7, 3e-7]])
    assert least_used(usage, heads=1).argmax().item() == 0


def test_writing_only_where_least_was_used_is_a_ring():
    mann = machine(controller="feed_forward", heads=1, slots=4)
    with torch.no_grad():
        mann.address.weight[:SLOT_WIDTH] = 0
        mann.address.bias[:SLOT_WIDTH] = 0  # looks for nothing, so reads are alike
        mann.address.weight[-1] = 0
        mann.address.bias[-1] = -20  # never where was just read
        state = mann.initial_state(1)
        changed = []
        for vector in torch.randn(9, 1, WIDTH):
            before, state = state.memory, mann.step(state, vector)
            moved = (state.memory - before).abs().sum(dim=2)[0]
            assert moved.sort().values[:-1].max() < 1e-6
            changed.append(int(moved.argmax()))
    assert changed == [1, 2, 3, 0, 1, 2, 3, 0, 1]


@torch.no_grad()
def test_untrained_heads_write_every_event_into_slots_of_its_own():
    mann = untrained()
    state, changed = mann.initial_state(1), []
    for vector in torch.randn(3, 1, WIDTH):
        before, state = state.memory, mann.step(state, vector)
        moved = (state.memory - before).abs().sum(dim=2)[0]
        changed.append(moved.topk(HEADS).indices.sort().values.tolist())
    assert changed == [[1, 2], [3, 4], [5, 6]]


def test_usage_has_no_gradient():
    mann = machine()
    state = mann.step(mann.initial_state(USERS), torch.randn(USERS, WIDTH))
    assert not state.usage.requires_grad
    assert state.memory.requires_grad


def test_an_emptied_slot_holds_only_what_is_written_now():
    mann = machine(controller="feed_forward", emptied="always", heads=1)
    with torch.no_grad():
        mann.address.weight[-1] = 0
        mann.address.bias[-1] = -20
        state = mann.initial_state(1)._replace(memory=torch.full((1, SLOTS, SLOT_WIDTH), 9.0))
        after = mann.step(state, torch.randn(1, WIDTH))
    assert (after.memory[0, 1].abs() <= 1).all()
    torch.testing.assert_close(after.memory[0, 2:], state.memory[0, 2:])


def test_more_heads_than_slots_are_refused():
    with pytest.raises(ConfigError, match="heads"):
        machine(heads=3, slots=2)


def test_a_user_takes_as_many_bytes_as_documented():
    state = machine().initial_state(1)
    floats = SLOTS * (SLOT_WIDTH + HEADS + 1) + HEADS * SLOT_WIDTH + 2 * HIDDEN
    assert sum(field.numel() * field.element_size() for field in state) == 4 * floats
