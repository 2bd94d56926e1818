"""The Neural Turing machine: its equations by hand, and heads that can be told what to do."""

from functools import partial

import numpy as np
import pytest
import torch

from recsys.input.table import own_rows
from recsys.memory.ntm import BLANK, Ntm
from tests.memory import by_hand

WIDTH, SLOTS, SLOT_WIDTH, HEADS, HIDDEN, STEPS, USERS = 5, 4, 3, 2, 6, 12, 2


def unasked(events):
    """I, where a memory has no reason to ask it."""
    raise AssertionError


def untrained(controller="gru", *, heads=HEADS, width=WIDTH, slots=SLOTS):
    torch.manual_seed(0)
    return Ntm(
        table=partial(own_rows, items=3),
        width=width,
        slots=slots,
        slot_width=SLOT_WIDTH,
        heads=heads,
        controller=controller,
        hidden=HIDDEN,
    )


def machine(*args, **sizes):
    """Far from where it starts."""
    memory = untrained(*args, **sizes)
    with torch.no_grad():
        for parameter in memory.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter))
    return memory


def one_event_by_hand(ntm, state, x):
    """Sections 3.1 to 3.3; state is memory, places of the heads, what was read, controller."""
    memory, places, read, carried = state
    given = np.concatenate([by_hand.normalised(ntm.heard, x), read])
    carried = by_hand.controlled(ntm.controller.cell, given, carried)
    said = carried[:HIDDEN]
    address = np.clip(by_hand.linear(ntm.address, said), -20, 20).reshape(2 * HEADS, -1)
    change = np.clip(by_hand.linear(ntm.change, said), -20, 20).reshape(HEADS, -1)
    after = []
    for head in range(2 * HEADS):
        told = address[head]
        key, rest = np.tanh(told[:SLOT_WIDTH]), told[SLOT_WIDTH:]
        strength, gate = by_hand.softplus(rest[0]), by_hand.sigmoid(rest[1])
        shifts, power = by_hand.softmax(rest[2:5]), 1 + by_hand.softplus(rest[5])
        content = by_hand.by_content(key, memory, strength)
        between = gate * content + (1 - gate) * places[head]
        after.append(by_hand.sharp(by_hand.rotated(between, shifts), power))
    writes = [
        (
            after[HEADS + head],
            by_hand.sigmoid(change[head][:SLOT_WIDTH]),
            np.tanh(change[head][SLOT_WIDTH:]),
        )
        for head in range(HEADS)
    ]
    memory = by_hand.erased_and_added(memory, writes)
    read = np.concatenate([by_hand.read_from(memory, after[head]) for head in range(HEADS)])
    return memory, after, read, carried


@pytest.mark.parametrize("controller", ["gru", "lstm", "feed_forward"])
def test_every_step_equals_the_equations_by_hand(controller):
    ntm = machine(controller)
    state = ntm.initial_state(USERS)
    start = [0.0] * SLOTS
    start[0] = 1.0
    hands = [
        (
            np.full((SLOTS, SLOT_WIDTH), BLANK),
            [np.array(start)] * (2 * HEADS),
            np.zeros(HEADS * SLOT_WIDTH),
            np.zeros(ntm.controller.state_width),
        )
        for _ in range(USERS)
    ]
    events = torch.randn(STEPS, USERS, WIDTH)
    for vectors in events:
        with torch.no_grad():
            state = ntm.step(state, vectors)
        for user in range(USERS):
            hands[user] = one_event_by_hand(ntm, hands[user], vectors[user].double().numpy())
            for field, expected in zip(state, hands[user], strict=True):
                np.testing.assert_allclose(field[user].numpy(), np.array(expected), atol=1e-5)


def test_a_head_told_to_move_on_writes_one_slot_after_another():
    ntm = machine("feed_forward", heads=1, slots=5)
    with torch.no_grad():
        for part in (ntm.address, ntm.change):
            part.weight.zero_()
        write = ntm.address.bias.view(2, SLOT_WIDTH + 6)
        write.zero_()
        write[:, SLOT_WIDTH + 1] = -20  # from where the head is
        write[1, SLOT_WIDTH + 4] = 20  # one on
        write[0, SLOT_WIDTH + 3] = 20  # stay
        write[:, SLOT_WIDTH + 5] = 20  # sharp
        ntm.change.bias[:SLOT_WIDTH] = 20
        ntm.change.bias[SLOT_WIDTH:] = 20
        state = ntm.initial_state(1)
        for _ in range(3):
            state = ntm.step(state, torch.zeros(1, WIDTH))
    filled = state.memory[0, :, 0].round().tolist()
    assert filled == [0, 1, 1, 1, 0]
    assert state.head_weights[0].round().tolist() == [[1, 0, 0, 0, 0], [0, 0, 0, 1, 0]]


@torch.no_grad()
def test_untrained_heads_move_on_by_one_slot_at_every_event():
    ntm = untrained()
    state, places = ntm.initial_state(USERS), []
    for vectors in torch.randn(SLOTS, USERS, WIDTH):
        state = ntm.step(state, vectors)
        places.append(state.head_weights.argmax(dim=2).unique().tolist())
    assert places == [[(event + 1) % SLOTS] for event in range(SLOTS)]


def test_every_head_starts_on_the_first_slot_and_nothing_is_shown():
    ntm = machine()
    state = ntm.initial_state(USERS)
    assert (state.head_weights[..., 0] == 1).all()
    assert (state.head_weights[..., 1:] == 0).all()
    assert (ntm.look(state, unasked).context == 0).all()


def test_weights_stay_a_choice_after_many_events():
    ntm = machine()
    state = ntm.initial_state(USERS)
    with torch.no_grad():
        for vectors in 3 * torch.randn(200, USERS, WIDTH):
            state = ntm.step(state, vectors)
    assert (state.head_weights >= 0).all()
    torch.testing.assert_close(state.head_weights.sum(-1), torch.ones(USERS, 2 * HEADS))
    assert all(field.isfinite().all() for field in state)


def test_a_user_takes_as_many_bytes_as_documented():
    ntm = machine("lstm")
    state = ntm.initial_state(1)
    carried = 2 * HIDDEN
    floats = SLOTS * SLOT_WIDTH + 2 * HEADS * SLOTS + HEADS * SLOT_WIDTH + carried
    assert sum(field.numel() * field.element_size() for field in state) == 4 * floats
