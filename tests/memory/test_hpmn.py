"""Hierarchical periodic memory: clocks, and its equation layer by layer."""

import pytest
import torch

from recsys.memory.hpmn import Hpmn
from tests.memory.step_by_step import WIDTH, along, same, states, stirred, story, table, weights
from tests.memory.test_gru import next_hidden


def hpmn(*, period=2, span=20):
    return Hpmn(table=table, width=WIDTH, period=period, span=span, remember=1.0)


@pytest.mark.parametrize(
    ("period", "span", "periods"),
    [
        (2, 64, [1, 2, 4, 8, 16, 32]),
        (2, 63, [1, 2, 4, 8, 16]),
        (3, 100, [1, 3, 9, 27]),
        (2, 3, [1]),
    ],
)
def test_every_layer_changes_at_least_twice_in_the_span(period, span, periods):
    assert hpmn(period=period, span=span).periods == periods


@pytest.mark.parametrize("period", [2, 3])
def test_a_layer_changes_exactly_at_the_multiples_of_its_period(period):
    memory = stirred(hpmn(period=period, span=40))
    vectors, events = story(users=2, events=40, absent=0.2, seed=3)
    before = memory.initial_state(2)
    for state in states(memory, vectors, events):
        changed = (state.hidden != before.hidden).any(-1)
        for user in range(2):
            count = state.events[user].item()
            new = count > before.events[user].item()
            due = [new and count % every == 0 for every in memory.periods]
            assert changed[user].tolist() == due
        before = state
    assert before.events.tolist() == events.present.sum(1).tolist()


def test_every_step_equals_the_equation():
    memory = stirred(hpmn(period=2, span=16))
    vectors, events = story(events=24)
    slots, _ = along(memory, vectors, events)
    layers = len(memory.periods)
    held = [[[0.0] * WIDTH for _ in range(layers)] for _ in vectors]
    count, of = [0] * len(vectors), weights(memory)
    for place, state in enumerate(states(memory, vectors, events)):
        for user in range(len(vectors)):
            if events.present[user, place]:
                count[user] += 1
                below = vectors[user, place].tolist()
                for layer in range(layers):
                    if count[user] % 2**layer == 0:
                        cell = f"layers.{layer}"
                        old = held[user][layer]
                        held[user][layer] = next_hidden(of, below, old, cell=cell)
                    below = held[user][layer]
            same(state.hidden[user], held[user])
            same(slots[user, place].reshape(layers, WIDTH), held[user])


def test_the_count_belongs_to_the_state():
    memory = stirred(hpmn())
    vectors, events = story(users=1, events=11, absent=0)
    *_, last = states(memory, vectors, events)
    assert last.events.tolist() == [11]
    later = memory.write(last, type(events)(*(f[:, :1] for f in events)), lambda _: vectors[:, :1])
    assert [(later.hidden != last.hidden).any(-1)[0].tolist()] == [[True, True, True, False]]
    fresh = last._replace(events=torch.tensor([0]))
    other = memory.write(fresh, type(events)(*(f[:, :1] for f in events)), lambda _: vectors[:, :1])
    assert (other.hidden != last.hidden).any(-1)[0].tolist() == [True, False, False, False]
