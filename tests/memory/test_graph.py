"""The walk as a graph: equations by hand, node by node, and what a graph must not notice."""

from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import torch

from recsys.data.batches import Events
from recsys.input.table import own_rows
from recsys.memory import graph
from recsys.memory.contract import Slots
from recsys.memory.graph import Graph
from tests.output.slots import reader

ITEMS, SLOTS, WIDTH = 6, 7, 4
WALK = [1, 2, 3, 1, 2, 4, 4, 5, 1, 6, 2, 3, 5, 1]
BEHAVIOUR = [1, 2, 2, 1, 1, 2, 1, 2, 2, 1, 1, 2, 1, 2]
TABLE = torch.randn(ITEMS + 1, WIDTH, generator=torch.Generator().manual_seed(3)).double()


def encode(events, table=TABLE):
    return table[events.item] + 0.1 * events.behaviour[..., None]


def memory(*, propagations=2, slots=SLOTS, seed=0):
    torch.manual_seed(seed)
    table = partial(own_rows, items=ITEMS)
    return Graph(table=table, width=WIDTH, slots=slots, propagations=propagations).double()


def walked(*walks, behaviour=None):
    item = torch.tensor(walks)
    kind = torch.zeros_like(item) if behaviour is None else torch.tensor([behaviour])
    return Events(item, torch.arange(item.shape[1]).expand_as(item), kind, item > 0)


def seen(made, events, *, by=encode):
    """Slots and context after the last event."""
    state = made.write(made.initial_state(len(events.item)), events, by)
    return made.look(state, by).slots


def sigmoid(number):
    return 1 / (1 + np.exp(-number))


def by_hand(made, walk, vectors):
    """Node states of one walk: SR-GNN, equations 1 to 5, one node after another."""
    weights = {name: value.detach().numpy() for name, value in made.named_parameters()}
    heard = np.split(weights["heard.weight"], 3)
    bias = np.split(weights["heard.bias"], 3)
    update_gate, reset_gate = np.split(weights["gates.weight"], 2)
    place = np.array(walk)
    nodes = {item: vectors[place == item].mean(axis=0) for item in walk}
    edges = list(pairwise(walk))
    for _ in range(made.propagations):
        after = {}
        for item, was in nodes.items():
            out = [nodes[end] for start, end in edges if start == item]
            into = [nodes[start] for start, end in edges if end == item]
            none = np.zeros((1, WIDTH))
            message = np.concatenate([np.mean(out or none, axis=0), np.mean(into or none, axis=0)])
            update = sigmoid(heard[0] @ message + bias[0] + update_gate @ was)
            reset = sigmoid(heard[1] @ message + bias[1] + reset_gate @ was)
            new = heard[2] @ message + bias[2] + weights["recalled.weight"] @ (reset * was)
            after[item] = (1 - update) * was + update * np.tanh(new)
        nodes = after
    return nodes


def test_every_position_equals_the_equations_by_hand():
    made, events = memory(), walked(WALK, behaviour=BEHAVIOUR)
    vectors = encode(events)[0].numpy()
    with torch.no_grad():
        along = made.along(made.initial_state(1), events, encode)
    for newest in range(len(WALK)):
        first = max(newest + 1 - SLOTS, 0)
        walk = WALK[first : newest + 1]
        nodes = by_hand(made, walk, vectors[first : newest + 1])
        readable = along.slots.filled[newest, 0]
        shown = along.slots.keys[newest, readable].numpy()
        np.testing.assert_allclose(shown, [nodes[item] for item in walk], atol=1e-12)
        np.testing.assert_allclose(along.context[newest, 0].numpy(), nodes[walk[-1]], atol=1e-12)


def test_a_state_equals_the_equations_by_hand():
    made, events = memory(), walked(WALK, behaviour=BEHAVIOUR)
    slots = seen(made, events)
    nodes = by_hand(made, WALK[-SLOTS:], encode(events)[0, -SLOTS:].numpy())
    expected = [nodes[item] for item in WALK[-SLOTS:]]
    np.testing.assert_allclose(slots.keys[0].detach().numpy(), expected, atol=1e-12)
    assert slots.item[0].tolist() == WALK[-SLOTS:]


def test_other_names_for_the_nodes_change_nothing():
    made, events = memory(), walked(WALK, behaviour=BEHAVIOUR)
    name = torch.tensor([0, 4, 6, 1, 5, 2, 3])
    renamed = TABLE.clone()
    renamed[name] = TABLE
    again = seen(made, events._replace(item=name[events.item]), by=lambda e: encode(e, renamed))
    assert torch.equal(again.keys, seen(made, events).keys)


def test_two_walks_over_the_same_edges_are_one_graph():
    made = memory()
    one, other = (
        seen(made, walked([1, 2, 1, 3, 1, 2, 1])),
        seen(made, walked([1, 3, 1, 2, 1, 2, 1])),
    )
    for item in (1, 2, 3):
        nodes = [slots.keys[slots.item == item][0] for slots in (one, other)]
        torch.testing.assert_close(*nodes)


def test_the_direction_of_an_edge_counts():
    made = memory()
    there, back = seen(made, walked([1, 2, 3])), seen(made, walked([3, 2, 1]))
    assert not torch.allclose(there.keys[0, 1], back.keys[0, 1])


@pytest.mark.parametrize("propagations", range(4))
def test_news_travels_one_edge_a_propagation(propagations):
    made, table = memory(propagations=propagations), TABLE.clone().requires_grad_()
    slots = seen(made, walked([1, 2, 3, 4, 5, 6]), by=lambda events: encode(events, table))
    slots.keys[slots.item == 1].sum().backward()
    heard = table.grad[1:].abs().sum(-1) > 0
    assert heard.tolist() == [place <= propagations for place in range(6)]


def test_an_item_had_three_times_is_one_slot_with_the_logarithm_of_three():
    made, read = memory(), reader(strength=4.0)
    events = walked([1, 2, 1, 3, 1])
    slots = seen(made, events)
    first = slots.keys[slots.item == 1]
    torch.testing.assert_close(first, first[:1].expand(3, -1))
    wide = torch.nn.functional.pad(slots.keys, (0, 8)).detach()
    draw = torch.Generator().manual_seed(5)
    context, query, answer = (
        torch.randn(1, 1, 12, generator=draw, dtype=torch.float64) for _ in range(3)
    )

    def score(places, bias):
        none = torch.zeros(1, 1, len(places), dtype=torch.long)
        keys = wide[:, places]
        chosen = Slots(keys, keys, bias, none == 0, none, none, slots.item[:, places])
        return read.each(read.look(chosen, context), query, answer)

    thrice = torch.tensor([[[3.0, 1.0, 1.0]]], dtype=torch.float64).log()
    merged, apart = score([5, 2, 4], thrice), score([1, 2, 3, 4, 5], torch.zeros(1, 1, 5).double())
    torch.testing.assert_close(merged, apart)


def test_users_in_turns_give_the_same_states_and_gradients(monkeypatch):
    events = walked(WALK, WALK[::-1], WALK[3:] + WALK[:3])
    found = []
    for at_once in (graph.AT_ONCE, 1):
        monkeypatch.setattr(graph, "AT_ONCE", at_once)
        made = memory()
        keys = made.along(made.initial_state(3), events, encode).slots.keys
        keys.square().sum().backward()
        found.append((keys, made.heard.weight.grad))
    torch.testing.assert_close(*found)


def test_a_user_without_events_is_at_zero():
    made = memory()
    state = made.initial_state(2)
    slots, context = made.look(state, encode)
    assert (context == 0).all()
    assert not slots.filled.any()
