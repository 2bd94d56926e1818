"""User memory by features, against its equations number by number."""

import math

import pytest
import torch

from recsys.memory.rum import Rum
from tests.memory.by_hand import normalised
from tests.memory.step_by_step import (
    WIDTH,
    along,
    nothing,
    same,
    sigmoid,
    softmax,
    states,
    stirred,
    story,
    table,
    weights,
)

FEATURES, MERGE = 4, 0.3


def rum():
    return stirred(Rum(table=table, width=WIDTH, features=FEATURES, strength=4.0, merge=MERGE))


def address(of, vector):
    """Softmax over the features of strength times cosine (equation 7, with a cosine)."""
    strength = 20 * sigmoid(of["strength"])
    length = math.sqrt(sum(x * x for x in vector)) or 1.0
    return softmax(
        [
            strength * sum(k * x for k, x in zip(key, vector, strict=True))
            / (math.sqrt(sum(k * k for k in key)) * length)
            for key in of["keys"]
        ]
    )  # fmt: skip


def written(of, values, vector):
    """Erase and add (equations 9 to 12)."""
    weight = address(of, vector)
    told = {
        name: [
            sum(of[f"{name}.weight"][j, k] * vector[k] for k in range(WIDTH))
            + of[f"{name}.bias"][j]
            for j in range(WIDTH)
        ]
        for name in ("erase", "add")
    }
    return [
        [
            values[f][j] * (1 - weight[f] * sigmoid(told["erase"][j]))
            + weight[f] * math.tanh(told["add"][j])
            for j in range(WIDTH)
        ]
        for f in range(FEATURES)
    ]


def test_every_step_equals_the_equations():
    memory, (vectors, events) = rum(), story()
    of = weights(memory)
    seen, contexts = along(memory, vectors, events)
    values = [[[0.0] * WIDTH for _ in range(FEATURES)] for _ in vectors]
    newest = [[0.0] * WIDTH for _ in vectors]
    for place, state in enumerate(states(memory, vectors, events)):
        for user in range(len(vectors)):
            if events.present[user, place]:
                newest[user] = normalised(memory.heard, vectors[user, place].double().numpy())
                values[user] = written(of, values[user], newest[user])
            read = address(of, newest[user]) @ values[user]
            same(state.values[user], values[user])
            same(seen[user, place].reshape(FEATURES, WIDTH), values[user])
            same(
                contexts[user, place],
                [n + MERGE * r for n, r in zip(newest[user], read, strict=True)],
            )


def test_an_event_changes_only_the_feature_it_shows():
    memory = rum()
    with torch.no_grad():
        memory.keys.copy_(torch.eye(FEATURES, WIDTH))
        memory.strength.fill_(100.0)  # twenty, the strongest
    events = story(users=1, events=1, absent=0)[1]
    shown = torch.eye(WIDTH)[None, 2:3]
    state = memory.write(memory.initial_state(1), events, lambda _: shown)
    change = state.values[0].norm(dim=-1).tolist()
    assert change[2] > 0.1
    assert change[:2] + change[3:] == pytest.approx([0.0] * 3, abs=1e-6)


def test_the_keys_are_the_same_for_every_user_and_after_every_event():
    memory, (vectors, events) = rum(), story()
    for state in states(memory, vectors, events):
        assert torch.equal(memory.look(state, nothing).slots.keys, memory.keys.expand(3, -1, -1))
