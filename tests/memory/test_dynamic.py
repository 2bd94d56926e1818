"""Facts against numpy, written from Cho et al. 2014; what they know of forgotten events."""

import numpy as np
import torch

from recsys.data.batches import Events
from tests.contract.parts import ITEMS, SLOTS, WIDTH, histories, part, recommender

STEPS = 14


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def numpy_facts(model, told):
    """What a gated recurrent unit has after each present event of one user."""
    w_in, w_back, b_in, b_back = (
        np.split(p.detach().double().numpy(), 3) for p in model.memory.gru.cell.all_weights[0]
    )
    with torch.no_grad():
        vectors = model.input(told)[0].double().numpy()
    hidden, facts = np.zeros(WIDTH), []
    for vector, there in zip(vectors, told.present[0], strict=True):
        if there:
            reset, update = (
                sigmoid(w_in[k] @ vector + b_in[k] + w_back[k] @ hidden + b_back[k]) for k in (0, 1)
            )
            recalled = w_back[2] @ hidden + b_back[2]
            new = np.tanh(w_in[2] @ vector + b_in[2] + reset * recalled)
            hidden = (1 - update) * new + update * hidden
            facts.append(hidden)
    return np.stack(facts)


def seen(model, told):
    with torch.no_grad():
        state = model.write(model.memory.initial_state(len(told.item)), told)
        return state, model.memory.look(state, model.input).slots


def test_facts_equal_numpy_and_the_oldest_are_forgotten():
    model, told = recommender("memory=dynamic"), histories(users=1, events=STEPS)
    facts, (state, slots) = numpy_facts(model, told), seen(model, told)
    assert len(facts) > 9
    np.testing.assert_allclose(slots.keys[0], facts[-SLOTS:], atol=1e-5)
    np.testing.assert_allclose(slots.values[0], facts[-SLOTS:], atol=1e-5)
    assert slots.item[0].tolist() == told.item[told.present][-SLOTS:].tolist()
    assert slots.age[0, 0].tolist() == [4, 3, 2, 1, 0]
    np.testing.assert_allclose(
        model.memory.look(state, model.input).context[0, 0], facts[-1], atol=1e-5
    )


def test_along_shows_the_facts_of_its_time_only():
    model, told = recommender("memory=dynamic"), histories(users=1, events=STEPS, absent=0)
    facts = numpy_facts(model, told)
    with torch.no_grad():
        along = model.memory.along(model.memory.initial_state(1), told, model.input)
    for position in range(STEPS):
        filled = along.slots.filled[0, position]
        expected = facts[max(position + 1 - SLOTS, 0) : position + 1]
        np.testing.assert_allclose(along.slots.keys[0, filled], expected, atol=1e-5)
        np.testing.assert_allclose(along.context[0, position], facts[position], atol=1e-5)


def test_a_fact_still_knows_what_was_forgotten():
    model, told = recommender("memory=dynamic"), histories(users=1, events=SLOTS + 2, absent=0)
    item = told.item.clone()
    item[0, 0] = item[0, 0] % ITEMS + 1
    other = Events(item, told.time, told.behaviour, told.present)
    (_, before), (_, after) = seen(model, told), seen(model, other)
    assert torch.equal(before.item, after.item)
    assert not torch.equal(before.keys, after.keys)


def test_a_question_asked_apart_is_a_fact_of_its_own():
    model, told = recommender("memory=dynamic"), histories(users=1, events=STEPS, absent=0)
    question = part(told, slice(4, 5))
    state, _ = seen(model, question)
    context = model.memory.look(state, model.input).context[:, 0]
    np.testing.assert_allclose(context.detach(), numpy_facts(model, question), atol=1e-5)


def test_a_user_takes_the_same_space_from_the_first_event_on():
    model = recommender("memory=dynamic")
    empty, (state, _) = model.memory.initial_state(1), seen(model, histories(users=1, events=40))
    size = SLOTS * (4 * WIDTH + 16)
    assert sum(field.nbytes for field in state) == size
    assert sum(field.numel() * field.element_size() for field in empty) == size
