"""The differentiable neural computer: its equations by hand, and a memory told what to do."""

from functools import partial

import numpy as np
import pytest
import torch

from recsys.data.batches import Events
from recsys.input.table import own_rows
from recsys.memory.dnc import Dnc, Fixes, Heads, alike
from recsys.memory.links import forward
from tests.memory import by_hand

WIDTH, SLOTS, HEADS, CONTROLLER, STEPS, USERS = 5, 7, 2, 6, 24, 3
ALL, NONE = Fixes(mask=True, deallocate=True, sharpen=True), Fixes(False, False, False)
VARIANTS = [
    pytest.param(ALL, True, id="all"),
    pytest.param(NONE, True, id="none"),
    pytest.param(ALL._replace(mask=False), True, id="no_mask"),
    pytest.param(ALL._replace(deallocate=False), True, id="no_deallocation"),
    pytest.param(ALL._replace(sharpen=False), True, id="no_sharpening"),
    pytest.param(ALL, False, id="no_links"),
]


def computer(fixes=ALL, *, links=True, stir=0.4, **sizes):
    torch.manual_seed(0)
    asked = {"width": WIDTH, "slots": SLOTS, "heads": HEADS, "controller": CONTROLLER, **sizes}
    table = partial(own_rows, items=3)
    memory = Dnc(table=table, links=links, dropout=0.0, fixes=fixes, **asked)
    with torch.no_grad():
        for parameter in memory.parameters():
            parameter.add_(stir * torch.randn_like(parameter))
    return memory.double().eval()


def unasked(events):
    """I, where a memory has no reason to ask it."""
    raise AssertionError


def oneplus(number):
    return 1 + np.log1p(np.exp(number))


def allocated(used):
    """Along the slots by rising usage, a little more for each slot further on."""
    used = [usage * (1 - 1e-6) + 1e-6 for usage in used]
    order = sorted(range(len(used)), key=lambda slot: used[slot] + 1e-4 * slot)
    given, left = np.zeros(len(used)), 1.0
    for slot in order:
        given[slot] = (1 - used[slot]) * left
        left *= used[slot]
    return given


def by_content(key, mask, strength, memory):
    """Csordas and Schmidhuber 2019: the cosine of what the mask leaves of key and of slot."""
    seen = key * mask
    cosines = []
    for row in memory:
        part = row * mask
        long = np.sqrt(np.sum(part**2) + 1e-6) * np.sqrt(np.sum(seen**2) + 1e-6)
        cosines.append(np.sum(seen * part) / long)
    loud = np.exp(strength * np.array(cosines))
    return loud / loud.sum()


def sharp(weights, power):
    raised = ((weights + 1e-6) / (weights + 1e-6).max()) ** power
    return raised / raised.sum()


class ByHand:
    """One user's memory; Graves et al. 2016, with the repairs of 2019 where they are asked for."""

    def __init__(self, memory, fixes, *, links):
        self.net, self.fixes, self.linked = memory, fixes, links
        slots, heads = SLOTS, HEADS
        self.memory = np.zeros((slots, WIDTH))
        self.usage, self.precedence, self.write_weights = (np.zeros(slots) for _ in range(3))
        self.links = np.zeros((slots, slots))
        self.read_weights = np.zeros((heads, slots))
        self.carried = np.zeros(2 * CONTROLLER)

    def told(self):
        """The interface, cut in the order of the fields."""
        said = by_hand.normalised(self.net.norm, self.carried[:CONTROLLER])
        numbers = list(np.clip(by_hand.linear(self.net.interface, said), -20, 20))

        def take(count):
            return np.array([numbers.pop(0) for _ in range(count)])

        keys = (HEADS + 1) * WIDTH
        parts = {
            "key": take(keys).reshape(-1, WIDTH),
            "strength": oneplus(take(HEADS + 1)),
            "mask": by_hand.sigmoid(take(keys)).reshape(-1, WIDTH) if self.fixes.mask else None,
            "erase": by_hand.sigmoid(take(WIDTH)),
            "add": take(WIDTH),
            "allocate": by_hand.sigmoid(take(1))[0],
            "write": by_hand.sigmoid(take(1))[0],
            "free": by_hand.sigmoid(take(HEADS)),
            "mode": take(3 * HEADS if self.linked else HEADS).reshape(HEADS, -1),
            "power": oneplus(take(2 * HEADS)) if self.linked and self.fixes.sharpen else None,
        }
        assert numbers == []
        if parts["mask"] is None:
            parts["mask"] = np.ones((HEADS + 1, WIDTH))
        return parts

    def step(self, vector):
        read = np.concatenate([self.memory.T @ weights for weights in self.read_weights])
        heard = by_hand.normalised(self.net.heard, vector)
        given = np.concatenate([heard, read])
        self.carried = by_hand.controlled(self.net.controller.cell, given, self.carried)
        told = self.told()
        kept = np.ones(SLOTS)
        for head in range(HEADS):
            kept *= 1 - told["free"][head] * self.read_weights[head]
        self.usage = (self.usage + self.write_weights - self.usage * self.write_weights) * kept
        found = by_content(told["key"][0], told["mask"][0], told["strength"][0], self.memory)
        gate = told["allocate"]
        written = told["write"] * (gate * allocated(self.usage) + (1 - gate) * found)
        for slot in range(SLOTS):
            old = self.memory[slot] * (kept[slot] if self.fixes.deallocate else 1.0)
            old = old * (1 - written[slot] * told["erase"])
            self.memory[slot] = old + written[slot] * told["add"]
        self.write_weights = written
        if self.linked:
            self.link(written)
        self.read(told)

    def link(self, written):
        links = np.zeros((SLOTS, SLOTS))
        for i in range(SLOTS):
            for j in range(SLOTS):
                if i != j:
                    links[i, j] = (1 - written[i] - written[j]) * self.links[i, j]
                    links[i, j] += written[i] * self.precedence[j]
        self.links = links
        self.precedence = (1 - written.sum()) * self.precedence + written

    def read(self, told):
        before, self.read_weights = self.read_weights, np.zeros((HEADS, SLOTS))
        for head in range(HEADS):
            asks = (told[name][head + 1] for name in ("key", "mask", "strength"))
            weights = by_content(*asks, self.memory)
            if self.linked:
                on, back = self.links @ before[head], self.links.T @ before[head]
                if self.fixes.sharpen:
                    on = sharp(on, told["power"][head])
                    back = sharp(back, told["power"][HEADS + head])
                mode = by_hand.softmax(told["mode"][head])
                weights = mode[0] * back + mode[1] * weights + mode[2] * on
            self.read_weights[head] = weights


@pytest.mark.parametrize(("fixes", "links"), VARIANTS)
def test_every_step_equals_the_equations_by_hand(fixes, links):
    memory = computer(fixes, links=links)
    state = memory.initial_state(USERS)
    hands = [ByHand(memory, fixes, links=links) for _ in range(USERS)]
    draw = torch.Generator().manual_seed(1)
    for vectors in torch.randn(STEPS, USERS, WIDTH, generator=draw, dtype=torch.double):
        with torch.no_grad():
            state = memory.step(state, vectors)
        for user, hand in enumerate(hands):
            hand.step(vectors[user].numpy())
            np.testing.assert_allclose(state.memory[user], hand.memory, atol=1e-5)
            np.testing.assert_allclose(state.usage[user], hand.usage, atol=1e-5)
            np.testing.assert_allclose(state.write_weights[user], hand.write_weights, atol=1e-5)
            np.testing.assert_allclose(state.read_weights[user], hand.read_weights, atol=1e-5)
            np.testing.assert_allclose(state.controller[user], hand.carried, atol=1e-5)
            if links:
                np.testing.assert_allclose(state.links[user], hand.links, atol=1e-5)
                np.testing.assert_allclose(state.precedence[user], hand.precedence, atol=1e-5)


def told(memory, **orders):
    """The memory with these orders to its heads in place of the controller's; others are none."""
    heads, _, width = memory.shape

    def obey(said):
        users = said.shape[0]
        one = said.new_ones
        nothing = Heads(
            key=one(users, heads + 1, width),
            strength=one(users, heads + 1),
            mask=one(users, heads + 1, width),
            erase=0 * one(users, width),
            add=0 * one(users, width),
            allocate=one(users, 1),
            write=0 * one(users, 1),
            free=0 * one(users, heads),
            mode=torch.tensor([0.0, 1.0, 0.0]).to(said).expand(users, heads, 3),
            power=one(users, 2 * heads),
        )
        return nothing._replace(**orders)

    memory._heads = obey
    return memory


def obeyed(memory, state, **orders):
    with torch.no_grad():
        blank = torch.zeros(len(state.usage), memory.shape[2], dtype=torch.double)
        return told(memory, **orders).step(state, blank)


def story(memory, patterns):
    """A state into which these patterns are written, each into a slot of its own."""
    state = memory.initial_state(1)
    for pattern in patterns:
        state = obeyed(memory, state, add=pattern[None], write=torch.ones(1, 1).double())
    return state


def test_patterns_are_written_into_slots_of_their_own_and_linked_in_order():
    memory = computer()
    patterns = torch.eye(WIDTH).double()
    state = story(memory, patterns)
    torch.testing.assert_close(state.memory[0, :WIDTH], patterns, rtol=0, atol=1e-4)
    expected = torch.zeros(SLOTS, SLOTS).double()
    expected[range(1, WIDTH), range(WIDTH - 1)] = 1
    torch.testing.assert_close(state.links[0], expected, rtol=0, atol=1e-4)


def test_a_successor_is_read_over_the_links_from_what_is_alike():
    memory = computer()
    patterns = torch.eye(WIDTH).double()
    state = story(memory, patterns)
    for place in range(WIDTH - 1):
        key = patterns[place].expand(1, 1, -1)
        strength = torch.full((1, 1), 20.0).double()
        found = alike(key, state.memory, strength, mask=torch.ones_like(key))
        read = forward(state.links, found) @ state.memory
        torch.testing.assert_close(read[0, 0], patterns[place + 1], rtol=0, atol=1e-3)


@pytest.mark.parametrize(("mode", "way"), [([0.0, 0.0, 1.0], 1), ([1.0, 0.0, 0.0], -1)])
def test_a_head_walks_over_the_links_one_slot_an_event(mode, way):
    memory = computer(heads=1)
    patterns = torch.eye(WIDTH).double()
    state = story(memory, patterns)
    state = obeyed(
        memory,
        state,
        key=patterns[2].expand(1, 2, -1),
        strength=torch.full((1, 2), 20.0).double(),
    )
    follow = torch.tensor(mode).double().expand(1, 1, 3)
    power = torch.full((1, 2), 3.0).double()
    for place in (2 + way, 2 + 2 * way):
        state = obeyed(memory, state, mode=follow, power=power)
        assert state.read_weights[0, 0, place] > 0.99


@pytest.mark.parametrize(("deallocate", "left"), [(True, 0.0), (False, 1.0)])
def test_what_is_freed_is_written_next_and_erased_only_with_the_repair(deallocate, left):
    memory = computer(ALL._replace(deallocate=deallocate), heads=1)
    patterns = torch.eye(WIDTH).double()
    state = story(memory, patterns)
    third = torch.zeros(1, 1, SLOTS).double()
    third[..., 2] = 1
    state = obeyed(memory, state._replace(read_weights=third), free=torch.ones(1, 1).double())
    assert state.usage[0, 2] == 0
    assert state.memory[0, 2, 2].item() == pytest.approx(left, abs=1e-4)
    assert state.usage[0, [0, 1, 3, 4]].min() > 0.99
    state = obeyed(memory, state, write=torch.ones(1, 1).double())
    assert state.write_weights[0, 2] > 0.99


def test_a_mask_hides_what_a_head_does_not_look_for():
    slots = torch.tensor([[[1.0, 5.0], [1.0, -5.0], [-1.0, 5.0]]])
    key, strength = torch.tensor([[[1.0, 0.0]]]), torch.tensor([[10.0]])
    masked = alike(key, slots, strength, mask=torch.tensor([[[1.0, 0.0]]]))
    torch.testing.assert_close(masked[0, 0], torch.tensor([0.5, 0.5, 0.0]), rtol=0, atol=1e-4)


def test_cosine_weights_of_known_slots():
    slots = torch.tensor([[[2.0, 0.0], [0.0, 3.0], [-1.0, 0.0], [0.0, 0.0]]])
    key = torch.tensor([[[7.0, 0.0]]])
    found = alike(key, slots, torch.tensor([[2.0]]).log(), mask=torch.ones(1, 1, 2))
    expected = torch.tensor([[[4 / 9, 2 / 9, 1 / 9, 2 / 9]]])  # 2, 1, 1/2 and 1
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("links", "numbers"), [(True, 16 * 87 + 128), (False, 16 * 70 + 128)])
def test_a_state_takes_as_many_bytes_as_the_page_says(links, numbers):
    memory = computer(links=links, width=64, slots=16, heads=4, controller=64)
    assert sum(field[0].numel() for field in memory.initial_state(2)) == numbers


def test_the_context_of_nobody_is_zero():
    memory = computer(stir=1.0)
    assert torch.equal(
        memory.look(memory.initial_state(2), unasked).context,
        torch.zeros(2, 1, WIDTH).double(),
    )


def test_without_links_the_state_holds_none_and_still_learns():
    memory = computer(links=False)
    vectors = torch.randn(2, 6, WIDTH, dtype=torch.double)
    there = torch.ones(2, 6, dtype=torch.long)
    events = Events(there, there, there, there > 0)
    along = memory.along(memory.initial_state(2), events, lambda _: vectors)
    assert memory.initial_state(2).links.numel() == 0
    (along.context.square().sum() + along.slots.values.square().sum()).backward()
    assert all(parameter.grad is not None for parameter in memory.parameters())


def test_dropout_falls_on_the_bypass_only():
    memory = computer()
    memory.dropout.p = 0.5
    state = story(memory, torch.eye(WIDTH).double())
    quiet = state._replace(controller=torch.zeros_like(state.controller))
    memory.train()
    assert torch.equal(memory.look(quiet, unasked).context, memory.look(quiet, unasked).context)
    assert not torch.equal(memory.look(state, unasked).context, memory.look(state, unasked).context)
