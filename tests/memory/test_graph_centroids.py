"""Sharing events out among centroids: equations by hand, sums, clusters that are there."""

from functools import partial

import numpy as np
import pytest
import torch

from recsys.data.batches import Events
from recsys.input.table import own_rows
from recsys.memory.graph_centroids import GraphCentroids, clustering_loss

ITEMS, CENTROIDS, HEADS, WIDTH = 7, 3, 2, 4
TABLE = torch.randn(ITEMS + 1, WIDTH, generator=torch.Generator().manual_seed(3)).double()
HISTORY = [1, 4, 2, 2, 7, 5, 3, 1, 6, 4, 4, 2]


def encode(events):
    return TABLE[events.item]


def memory(*, centroids=CENTROIDS, width=WIDTH, seed=0):
    torch.manual_seed(seed)
    table = partial(own_rows, items=ITEMS)
    return GraphCentroids(table=table, width=width, centroids=centroids, heads=HEADS)


def had(*items):
    item = torch.tensor([items])
    return Events(item, 0 * item, 0 * item, item > 0)


def by_hand(made, vectors):
    """Slots and counts after these events: Khasahmadi et al. 2020, equations 1 to 4."""
    keys, weight = made.keys.detach().numpy(), made.weight.detach().numpy()
    total, count = np.zeros((CENTROIDS, WIDTH)), np.zeros(CENTROIDS)
    for vector in vectors:
        logit = np.zeros(CENTROIDS)
        for head in range(HEADS):
            near = np.array([1 / (1 + ((vector - key) ** 2).sum()) for key in keys[head]])
            logit += weight[head] * near / near.sum()
        share = np.exp(logit) / np.exp(logit).sum()
        for place in range(CENTROIDS):
            total[place] += share[place] * vector
            count[place] += share[place]
    mixed = total / count[:, None] @ made.cluster.weight.detach().numpy().T
    return np.where(mixed > 0, mixed, 0.01 * mixed), count


def test_every_event_equals_the_equations_by_hand():
    made, state = memory().double(), memory().double().initial_state(1)
    for length in range(1, len(HISTORY) + 1):
        with torch.no_grad():
            state = made.write(state, had(HISTORY[length - 1]), encode)
            slots = made.look(state, encode).slots
        told, count = by_hand(made, TABLE[HISTORY[:length]].numpy())
        np.testing.assert_allclose(slots.values[0].numpy(), told, atol=1e-10)
        np.testing.assert_allclose(slots.bias[0, 0].exp().numpy(), count, atol=1e-10)


def test_every_event_is_shared_out_wholly_and_the_state_never_grows():
    made = memory().double()
    state = made.write(made.initial_state(1), had(*HISTORY), encode)
    assert state.total.shape == (1, CENTROIDS, WIDTH)
    torch.testing.assert_close(state.events.sum(), torch.tensor(float(len(HISTORY))).double())
    torch.testing.assert_close(state.total.sum(1)[0], TABLE[HISTORY].sum(0))


def test_the_order_of_earlier_events_does_not_matter():
    made = memory().double()
    one, other = (
        made.look(made.write(made.initial_state(1), had(*items), encode), encode).slots
        for items in (HISTORY, HISTORY[-2::-1] + HISTORY[-1:])
    )
    torch.testing.assert_close(one.values, other.values)


def test_the_loss_is_the_divergence_from_what_is_sharper():
    shares = memory().double().shares(TABLE[None, 1:])
    chosen = shares[0, :5].detach().numpy()
    aim = chosen**2 / chosen.sum(0)
    aim /= aim.sum(1, keepdims=True)
    present = torch.arange(ITEMS)[None] < 5
    found = clustering_loss(shares, present=present).item()
    assert abs(found - (aim * np.log(aim / chosen)).sum() / 5) < 1e-12


@pytest.mark.parametrize("seed", [0, 1])
def test_centroids_find_four_clusters(seed):
    draw = torch.Generator().manual_seed(seed)
    middle = torch.randn(4, 8, generator=draw)
    cluster = torch.randint(4, (400,), generator=draw)
    points = (middle[cluster] + 0.3 * torch.randn(400, 8, generator=draw))[None]
    made = memory(centroids=4, width=8, seed=seed)
    optimizer = torch.optim.Adam(made.parameters(), lr=0.01)
    for _ in range(300):
        optimizer.zero_grad()
        clustering_loss(made.shares(points), present=torch.ones(1, 400) > 0).backward()
        optimizer.step()
    chosen = made.shares(points)[0].argmax(-1)
    purest = sum(cluster[chosen == place].bincount(minlength=4).max() for place in range(4))
    assert purest / 400 >= 0.98
