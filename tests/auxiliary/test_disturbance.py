"""Holes and strangers in a history, drawn many times."""

import pytest
import torch

from recsys.auxiliary.disturbance import Disturbance, share_of, without_dot
from recsys.data.batches import Events, Window
from recsys.errors import ConfigError
from tests.contract.parts import ITEMS, histories, recommender


def disturbance(**shares):
    return Disturbance(**{"event_dropout": 0.0, "decoys": 0.0, "dot_dropout": 0.0, **shares})


def window():
    """User 0 takes 1 to 6, user 1 takes 11 to 14; each target is the next item."""
    item = torch.tensor([[1, 2, 3, 4, 5], [11, 12, 13, 0, 0]])
    events = Events(item, item * 60, item * 0, item > 0)
    target = torch.tensor([[2, 3, 4, 5, 6], [12, 13, 14, 0, 0]])
    return Window(events, target, (target > 0).float(), targets=8.0)


def test_nothing_is_drawn_where_nothing_is_disturbed():
    state = torch.get_rng_state()
    made, decoy = disturbance()(window())
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(made.events.present, window().events.present)
    assert not decoy.any()


def test_a_forgotten_event_keeps_its_target():
    torch.manual_seed(0)
    before = window()
    made = [disturbance(event_dropout=0.25)(before).window for _ in range(400)]
    kept = torch.stack([one.events.present for one in made])[:, before.events.present]
    assert kept.float().mean().item() == pytest.approx(0.75, abs=0.02)
    assert all(torch.equal(one.target, before.target) for one in made)


def test_decoys_are_the_events_of_another_user_in_their_order():
    torch.manual_seed(0)
    before = window()
    for _ in range(50):
        made, decoy = disturbance(decoys=0.5)(before)
        for row, (own, foreign) in enumerate(
            [((1, 2, 3, 4, 5), (11, 12, 13)), ((11, 12, 13), (1, 2, 3, 4, 5))]
        ):
            item, there = made.events.item[row], made.events.present[row]
            assert item[there & ~decoy[row]].tolist() == list(own)
            assert item[decoy[row]].tolist() == list(foreign)
            asked = made.target[row] > 0
            assert made.target[row][asked].tolist() == [one + 1 for one in own]
            assert not (asked & decoy[row]).any()
            assert torch.equal(made.weight[row] > 0, asked)


def test_decoys_stand_anywhere():
    torch.manual_seed(0)
    places = [disturbance(decoys=0.5)(window()).decoy[1] for _ in range(400)]
    share = torch.stack(places).float().mean(0)
    assert (share > 0.4).all()
    assert (share < 0.6).all()  # 5 of 10 places


def test_a_fifth_of_decoys_is_a_quarter_as_many_as_own_events():
    torch.manual_seed(0)
    made = disturbance(decoys=0.2)(window()).window
    assert made.events.item.shape == (2, 6)


def test_share_of_decoys_is_summed_from_the_end_of_the_slots():
    weights = torch.tensor(
        [[[0.5, 0.1, 0.2, 0.05], [0.0, 0.3, 0.3, 0.4]]]
    )  # a slot of an old state
    decoy = torch.tensor([[True, False, True]])
    torch.testing.assert_close(share_of(weights, decoy), torch.tensor([[0.15, 0.7]]))


@pytest.mark.parametrize(
    "wrong",
    [{"event_dropout": 1.0}, {"event_dropout": -0.1}, {"decoys": 0.6}, {"dot_dropout": 1.0}],
)
def test_shares_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError, match="set 0"):
        disturbance(**wrong)


def test_the_dot_product_is_dropped_in_a_share_of_the_steps():
    torch.manual_seed(0)
    dropped = [disturbance(dot_dropout=0.3).silences() for _ in range(400)]
    assert sum(dropped) / 400 == pytest.approx(0.3, abs=0.06)
    assert not disturbance().silences()


def test_without_the_dot_product_the_memory_answers_alone():
    model = recommender("memory=key_value")
    view, candidate = model.along(histories()), torch.arange(1, ITEMS + 1)
    with torch.no_grad():
        alone = model.scores(without_dot(view), candidate)
        dot = view.user @ model.response.answers(candidate).user.T
        torch.testing.assert_close(alone, model.scores(view, candidate) - dot)
