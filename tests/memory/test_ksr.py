"""Knowledge-enhanced memory, against its equations written out attribute by attribute in NumPy."""

import numpy as np
import torch

from tests.contract.parts import ITEMS, WIDTH, histories, recommender

ATTRIBUTES = 5
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def ksr():
    return recommender("memory=ksr", f"memory.attributes={ATTRIBUTES}")


def arrays(module):
    return {name: part.detach().double().numpy() for name, part in module.named_parameters()}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def sequence(weights, vectors):
    """Hidden state of a gated recurrent unit (Cho et al. 2014, as PyTorch writes it)."""
    hidden = np.zeros(WIDTH)
    for vector in vectors:
        told = weights["sequence.cell.weight_ih_l0"] @ vector + weights["sequence.cell.bias_ih_l0"]
        held = weights["sequence.cell.weight_hh_l0"] @ hidden + weights["sequence.cell.bias_hh_l0"]
        reset = sigmoid(told[:WIDTH] + held[:WIDTH])
        update = sigmoid(told[WIDTH : 2 * WIDTH] + held[WIDTH : 2 * WIDTH])
        new = np.tanh(told[2 * WIDTH :] + reset * held[2 * WIDTH :])
        hidden = (1 - update) * new + update * hidden
    return hidden


def values(weights, items):
    """What each attribute holds after these items: Huang et al. 2018, the write operation."""
    keys = weights["key"]
    held = [np.zeros(WIDTH) for _ in keys]
    for item in items:
        known = weights["known.weight"][item]
        for attribute, key in enumerate(keys):
            told = np.tanh(weights["tell.weight"] @ known + weights["tell.bias"]) + key
            gate = sigmoid(held[attribute] @ told)
            held[attribute] = (1 - gate) * held[attribute] + gate * told
    return held


def user(weights, hidden, held):
    """The read operation and the user's vector."""
    asked = np.tanh(weights["ask.weight"] @ hidden)
    loud = np.exp([key @ asked for key in weights["key"]])
    read = sum(weight * value for weight, value in zip(loud / loud.sum(), held, strict=True))
    return np.tanh(weights["user.weight"] @ np.concatenate([hidden, read]))


def test_twelve_events_equal_the_equations_step_by_step():
    model, weights = ksr(), arrays(ksr().memory)
    events = histories(users=2, events=12, absent=0.2)
    events = type(events)(*(field[:1] for field in events))
    state = model.memory.initial_state(1)
    vectors = model.input(events)[0].detach().double().numpy()
    along = model.memory.along(state, events, model.input)
    past = []
    for place in range(12):
        state = model.write(state, type(events)(*(f[:, place : place + 1] for f in events)))
        past += [place] if events.present[0, place] else []
        hidden = sequence(weights, vectors[past])
        held = values(weights, events.item[0, past].tolist())
        expected = user(weights, hidden, held)
        np.testing.assert_allclose(state.liked[0].detach(), held, **CLOSE)
        np.testing.assert_allclose(
            model.memory.look(state, model.input).context[0, 0].detach(), expected, **CLOSE
        )
        np.testing.assert_allclose(along.context[place, 0].detach(), expected, **CLOSE)


def test_the_state_does_not_grow_with_the_history():
    model = ksr()
    for events in (1, 40):
        state = model.write(model.memory.initial_state(1), histories(users=1, events=events))
        taken = sum(field.element_size() * field[0].numel() for field in state)
        assert taken == 4 * WIDTH * (ATTRIBUTES + 1)


def test_a_score_is_a_dot_product_until_another_output_is_asked_for():
    model = ksr()
    view = model.look(model.write(model.memory.initial_state(2), histories(users=2)))
    everybody = torch.arange(ITEMS + 1)
    answers = model.response.answers(everybody)
    torch.testing.assert_close(
        model.scores(view, everybody), view.user @ answers.user.T + answers.bias
    )


def test_an_attribute_that_agrees_with_an_item_takes_more_of_it():
    model = ksr()
    with torch.no_grad():
        model.memory.known.weight[1] = 0.0
        model.memory.tell.bias.zero_()
        model.memory.key.copy_(torch.eye(ATTRIBUTES, WIDTH))
    events = histories(users=1, events=1, absent=0)
    events.item[:] = 1
    state = model.memory.initial_state(1)
    liked = 3 * torch.eye(ATTRIBUTES, WIDTH)[None].clone()
    liked[0, 1] = -liked[0, 1]
    after = model.write(state._replace(liked=liked), events).liked.detach()
    gates = [float((sign * 3 - after[0, a, a]) / (sign * 3 - 1)) for a, sign in ((0, 1), (1, -1))]
    np.testing.assert_allclose(gates, [sigmoid(3.0), sigmoid(-3.0)], rtol=1e-5)


def test_nobody_has_a_context_of_zero():
    model = ksr()
    assert (model.memory.look(model.memory.initial_state(2), model.input).context == 0).all()
