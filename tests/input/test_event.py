from functools import partial

import pytest
import torch

from recsys.data.batches import Events
from recsys.input.event import EventInput
from recsys.input.table import own_rows

ITEMS, WIDTH = 9, 4


def one(item, *, behaviour=0, time=0):
    """One event of one user."""
    item, behaviour, time = (torch.tensor([[value]]) for value in (item, behaviour, time))
    return Events(item, time, behaviour, item != 0)


def encoder(*, behaviours=2, dropout=0.0):
    torch.manual_seed(0)
    return EventInput(
        table=partial(own_rows, items=ITEMS), behaviours=behaviours, width=WIDTH, dropout=dropout
    ).eval()


@pytest.mark.parametrize("behaviours", [0, 2])
def test_padding_is_the_zero_vector(behaviours):
    assert (encoder(behaviours=behaviours)(one(0)) == 0).all()


def test_padding_stays_the_zero_vector_when_trained():
    encode = encoder()
    step = torch.optim.SGD(encode.parameters(), lr=1.0)
    (encode(one(0)).sum() + encode(one(3, behaviour=1)).sum()).backward()
    step.step()
    assert (encode(one(0)) == 0).all()


def test_the_behaviour_moves_the_vector_by_its_own():
    encode = encoder()
    none, view, buy = (encode(one(3, behaviour=kind)) for kind in (0, 1, 2))
    other = encode(one(5, behaviour=2)) - encode(one(5))
    assert not torch.allclose(view, none)
    assert not torch.allclose(view, buy)
    torch.testing.assert_close(buy - none, other)


def test_data_without_behaviours_learns_none():
    encode = encoder(behaviours=0)
    assert [name for name, _ in encode.named_parameters()] == ["item.weight"]
    assert torch.equal(encode(one(3, behaviour=1)), encode(one(3)))


def test_a_query_is_the_item_without_a_behaviour():
    encode = encoder()
    candidates = torch.tensor([3, 5, 7])
    query = encode.query(candidates)
    for item, vector in zip(candidates.tolist(), query, strict=True):
        assert torch.equal(vector, encode(one(item))[0, 0])
    assert encode.query(torch.tensor([[1, 2], [3, 4], [5, 6]])).shape == (3, 2, WIDTH)


def test_dropout_acts_in_training_alone():
    encode = encoder(dropout=0.5)
    event = one(3, behaviour=1)
    assert torch.equal(encode(event), encode(event))
    encode.train()
    vectors = torch.cat([encode(event) for _ in range(50)])
    assert 0.3 < (vectors == 0).float().mean() < 0.7
