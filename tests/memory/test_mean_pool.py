"""The mean of all events: a control that must not know order."""

import torch

from recsys.memory.mean_pool import MeanPool
from tests.memory.step_by_step import (
    WIDTH,
    along,
    nothing,
    same,
    states,
    stirred,
    story,
    table,
    weights,
)


def pool():
    return stirred(MeanPool(table=table, width=WIDTH, dropout=0.0))


def test_the_state_is_the_sum_and_the_count_and_the_context_the_networks_answer_to_their_mean():
    memory, (vectors, events) = pool(), story()
    of = weights(memory)
    _, contexts = along(memory, vectors, events)
    for place, state in enumerate(states(memory, vectors, events)):
        for user in range(len(vectors)):
            past = vectors[user, : place + 1][events.present[user, : place + 1]].double().numpy()
            assert state.events[user].item() == len(past)
            same(state.total[user], past.sum(0))
            if len(past):
                inner = of["network.0.weight"] @ past.mean(0) + of["network.0.bias"]
                answer = of["network.3.weight"] @ inner.clip(min=0) + of["network.3.bias"]
                same(contexts[user, place], answer)


def test_the_order_of_events_makes_no_difference():
    memory, (vectors, events) = pool(), story(absent=0)
    shuffled = vectors[:, torch.randperm(vectors.shape[1])]
    start = memory.initial_state(3)
    one, other = (memory.write(start, events, lambda _, it=it: it) for it in (vectors, shuffled))
    torch.testing.assert_close(
        memory.look(one, nothing).context, memory.look(other, nothing).context
    )


def test_nobody_has_a_context_of_zero():
    memory = pool()
    assert not memory.look(memory.initial_state(2), nothing).context.any()
