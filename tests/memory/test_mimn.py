"""The multi-channel interest memory: its equations by hand, its channels, its even writes."""

from functools import partial

import numpy as np
import pytest
import torch

from recsys.input.table import own_rows
from recsys.memory.addressing import BLANK
from recsys.memory.mimn import Mimn
from tests.memory import by_hand

WIDTH, SLOTS, SLOT_WIDTH, HIDDEN, STEPS, USERS = 5, 4, 3, 6, 12, 2


def machine(controller="gru"):
    torch.manual_seed(0)
    memory = Mimn(
        table=partial(own_rows, items=3),
        width=WIDTH,
        slots=SLOTS,
        slot_width=SLOT_WIDTH,
        controller=controller,
        hidden=HIDDEN,
    )
    with torch.no_grad():
        for parameter in memory.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter))
    return memory


def one_event_by_hand(mimn, state, x):
    """Memory, channels, writes so far, what was read, controller."""
    memory, channels, total, read, carried = state
    heard = np.concatenate([by_hand.normalised(mimn.heard, x), read])
    carried = by_hand.controlled(mimn.controller.cell, heard, carried)
    said = carried[:HIDDEN]
    address = np.clip(by_hand.linear(mimn.address, said), -20, 20).reshape(2, -1)
    static = np.tanh(mimn.static.detach().double().numpy())
    alike = []
    for told in address:
        key, strength = np.tanh(told[:SLOT_WIDTH]), 2 * (1 + by_hand.softplus(told[SLOT_WIDTH]))
        cosines = [
            (by_hand.cosine(key, static[n]) + by_hand.cosine(key, memory[n])) / 2
            for n in range(SLOTS)
        ]
        alike.append(by_hand.softmax(strength * np.array(cosines)))
    spread = by_hand.linear(mimn.spread, np.concatenate([said, total / 400]))
    spread = np.clip(spread, -20, 20)
    shifts, power = by_hand.softmax(spread[:3]), 1 + by_hand.softplus(spread[3])
    write = by_hand.sharp(by_hand.rotated(alike[1], shifts), power)
    change = np.clip(by_hand.linear(mimn.change, said), -20, 20)
    erase, add = by_hand.sigmoid(change[:SLOT_WIDTH]), np.tanh(change[SLOT_WIDTH:])
    memory = by_hand.erased_and_added(memory, [(write, erase, add)])
    most = int(np.argmax(alike[0]))
    channels = channels.copy()
    given = np.concatenate([x, memory[most]])
    channels[most] = by_hand.gru_cell(mimn.channel, given, channels[most])
    return memory, channels, total + write, by_hand.read_from(memory, alike[0]), carried


@pytest.mark.parametrize("controller", ["gru", "lstm"])
def test_every_step_equals_the_equations_by_hand(controller):
    mimn = machine(controller)
    state = mimn.initial_state(USERS)
    hands = [
        (
            np.full((SLOTS, SLOT_WIDTH), BLANK),
            np.zeros((SLOTS, WIDTH)),
            np.zeros(SLOTS),
            np.zeros(SLOT_WIDTH),
            np.zeros(mimn.controller.state_width),
        )
        for _ in range(USERS)
    ]
    for vectors in torch.randn(STEPS, USERS, WIDTH):
        with torch.no_grad():
            state = mimn.step(state, vectors)
        for user in range(USERS):
            hands[user] = one_event_by_hand(mimn, hands[user], vectors[user].double().numpy())
            for field, expected in zip(state, hands[user], strict=True):
                np.testing.assert_allclose(field[user].numpy(), expected, atol=1e-5)


def test_an_event_moves_one_channel_and_no_other():
    mimn = machine()
    state = mimn.initial_state(USERS)
    for vectors in torch.randn(5, USERS, WIDTH):
        before, state = state, mimn.step(state, vectors)
        moved = (state.channels != before.channels).any(dim=2)
        assert (moved.sum(dim=1) == 1).all()


def test_every_event_counts_as_one_write():
    mimn = machine()
    state = mimn.initial_state(USERS)
    for vectors in torch.randn(7, USERS, WIDTH):
        state = mimn.step(state, vectors)
    torch.testing.assert_close(state.written.sum(dim=1), torch.full((USERS,), 7.0))


def test_a_loss_on_the_balance_of_writes_moves_the_spread_and_not_the_slots_keys():
    mimn = machine()
    state = mimn.step(mimn.initial_state(USERS), torch.randn(USERS, WIDTH))
    state.written.var(dim=1, correction=0).sum().backward()
    assert mimn.spread.weight.grad.abs().sum() > 0
    assert mimn.static.grad is None
    assert mimn.address.weight.grad is None


def test_balancing_writes_spreads_them():
    """One topic for ever: without the loss one slot has it all, with it all have their share."""
    mimn = machine()
    with torch.no_grad():
        mimn.spread.bias.copy_(torch.tensor([-1.0, 1.0, -1.0, 1.0]))  # writes where it looks
    vectors = torch.randn(1, WIDTH).expand(USERS, WIDTH)

    def share():
        state = mimn.initial_state(USERS)
        for _ in range(10):
            state = mimn.step(state, vectors)
        return state.written / 10

    updates = torch.optim.Adam(mimn.spread.parameters(), lr=0.1)
    before = share().amax().item()
    for _ in range(20):
        updates.zero_grad()
        share().var(dim=1, correction=0).mean().backward()
        updates.step()
    assert before > 0.5
    assert share().amax().item() < 0.35


def test_what_the_channels_keep_does_not_move_the_memory_they_follow():
    mimn = machine()
    state = mimn.step(mimn.initial_state(USERS), torch.randn(USERS, WIDTH))
    state.channels.sum().backward()
    assert mimn.change.weight.grad is None
    assert mimn.channel.weight_ih.grad.abs().sum() > 0


def test_a_user_takes_as_many_bytes_as_documented():
    state = machine().initial_state(1)
    floats = SLOTS * (SLOT_WIDTH + WIDTH + 1) + SLOT_WIDTH + HIDDEN
    assert sum(field.numel() * field.element_size() for field in state) == 4 * floats
