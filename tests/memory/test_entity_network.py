"""Recurrent entity network, against its equations number by number."""

import math

import torch

from recsys.memory.entity_network import EntityNetwork
from tests.memory.by_hand import normalised
from tests.memory.step_by_step import (
    WIDTH,
    along,
    same,
    sigmoid,
    softmax,
    states,
    stirred,
    story,
    table,
    weights,
)

ENTITIES = 4


def network():
    return stirred(EntityNetwork(table=table, width=WIDTH, entities=ENTITIES))


def dot(left, right):
    return sum(a * b for a, b in zip(left, right, strict=True))


def normal(vector):
    length = math.sqrt(dot(vector, vector))
    return [x / length for x in vector]


def written(of, hidden, vector):
    """Henaff et al. 2017, equations 2 to 5, entity by entity; PReLU has one slope."""
    slope, after = of["update.weight"][0], []
    for key, held in zip(of["keys"], hidden, strict=True):
        gate = sigmoid(dot(vector, held) + dot(vector, key))
        update = [
            dot(of["content.weight"][j], held)
            + dot(of["key.weight"][j], key)
            + dot(of["event.weight"][j], vector)
            for j in range(WIDTH)
        ]
        update = [x if x > 0 else slope * x for x in update]
        after.append(normal([h + gate * u for h, u in zip(held, update, strict=True)]))
    return after


def present(of, hidden, newest):
    """What the newest event asks of the contents, mapped and added to it (equation 6)."""
    weight = softmax([dot(newest, held) for held in hidden])
    read = [dot(weight, column) for column in zip(*hidden, strict=True)]
    return [newest[j] + dot(of["told.weight"][j], read) for j in range(WIDTH)]


def test_every_step_equals_the_equations():
    memory, (vectors, events) = network(), story()
    of = weights(memory)
    seen, contexts = along(memory, vectors, events)
    hidden = [[normal(key) for key in of["keys"]] for _ in vectors]
    newest = [[0.0] * WIDTH for _ in vectors]
    for place, state in enumerate(states(memory, vectors, events)):
        for user in range(len(vectors)):
            if events.present[user, place]:
                newest[user] = normalised(memory.heard, vectors[user, place].double().numpy())
                hidden[user] = written(of, hidden[user], newest[user])
            same(state.hidden[user], hidden[user])
            same(seen[user, place].reshape(ENTITIES, WIDTH), hidden[user])
            same(contexts[user, place], present(of, hidden[user], newest[user]))


def test_slots_have_length_one_whatever_happened():
    memory, (vectors, events) = network(), story(events=30)
    for state in states(memory, 100 * vectors, events):
        torch.testing.assert_close(state.hidden.norm(dim=-1), torch.ones(3, ENTITIES))


def test_a_slot_whose_key_and_content_an_event_contradicts_stays_as_it_is():
    memory = network()
    with torch.no_grad():
        memory.heard.weight.fill_(1000.0)
    state = memory.initial_state(1)
    events = story(users=1, events=1, absent=0)[1]
    against = -memory.keys[None, 2:3].detach()
    after = memory.write(state, events, lambda _: against)
    torch.testing.assert_close(after.hidden[0, 2], state.hidden[0, 2])
    assert not torch.equal(after.hidden, state.hidden)
