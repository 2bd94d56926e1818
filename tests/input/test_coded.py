from functools import partial

import pytest
import torch

from recsys.input.coded import CodedInput
from recsys.input.table import own_rows
from tests.input.test_event import one

ITEMS, WIDTH, CODES = 12, 4, 3


def coded(*, codes=CODES, patience=1000, dropout=0.0):
    torch.manual_seed(0)
    table = partial(own_rows, items=ITEMS)
    return CodedInput(
        table=table,
        behaviours=2,
        width=WIDTH,
        dropout=dropout,
        codes=codes,
        patience=patience,
    ).eval()


def place(encode, rows):
    """Puts items 1 and on at these places."""
    with torch.no_grad():
        encode.event.item.weight[1:] = torch.tensor(rows)


def test_items_of_a_group_ask_the_same_and_others_do_not():
    encode = coded()
    everything = torch.arange(1, ITEMS + 1)
    group, query = encode.codes(everything), encode.query(everything)
    assert sorted(set(group.tolist())) == [1, 2, 3]
    for one_item in range(ITEMS):
        for other in range(ITEMS):
            same = torch.equal(query[one_item], query[other])
            assert same == (group[one_item] == group[other])


def test_events_keep_vectors_of_their_own():
    encode = coded()
    vectors = [encode(one(item, behaviour=1))[0, 0] for item in range(1, ITEMS + 1)]
    assert len({tuple(vector.tolist()) for vector in vectors}) == ITEMS


def test_padding_asks_with_the_zero_vector():
    encode = coded()
    assert (encode.query(torch.tensor([0])) == 0).all()
    assert encode.codes(torch.tensor([0])).tolist() == [0]


def test_groups_follow_what_is_learned():
    encode = coded(codes=2, patience=1).train()
    near, far = [0.1, 0.0, 0.0, 0.0], [0.0, 5.0, 0.0, 0.0]
    place(encode, [near, far] * 3 + [far] * 6)

    for _ in range(3):
        encode.query(torch.tensor([1]))

    group = encode.codes(torch.arange(1, ITEMS + 1)).tolist()
    assert group[0] == group[2] == group[4]
    assert set(group[1::2] + group[6:]) == {3 - group[0]}
    torch.testing.assert_close(encode.eval().query(torch.tensor([1, 2])), torch.tensor([near, far]))


def test_a_group_that_lost_its_items_takes_the_one_furthest_from_its_own():
    encode = coded(codes=3, patience=1).train()
    place(encode, [[1.0, 0, 0, 0]] * 11 + [[0, 0, 0, 9.0]])

    encode.query(torch.tensor([1]))

    group = encode.codes(torch.arange(1, ITEMS + 1)).tolist()
    assert group.count(group[-1]) == 1


def test_groups_stand_still_between_rounds_and_after_training():
    encode = coded(patience=3).train()
    before = encode.group.clone()
    place(encode, torch.randn(ITEMS, WIDTH).tolist())
    for _ in range(2):
        encode.query(torch.tensor([1]))
    assert torch.equal(encode.group, before)
    encode.query(torch.tensor([1]))
    assert not torch.equal(encode.group, before)
    after = encode.eval().group.clone()
    for _ in range(9):
        encode.query(torch.tensor([1]))
    assert torch.equal(encode.group, after)


def test_the_gradient_of_a_query_is_that_of_its_item():
    encode = coded().train()
    encode.query(torch.tensor([4])).sum().backward()
    moved = encode.event.item.weight.grad
    assert (moved[4] == 1).all()
    assert moved.abs().sum() == WIDTH


def test_a_stored_model_has_its_groups():
    encode = coded(patience=1).train()
    place(encode, torch.randn(ITEMS, WIDTH).tolist())
    encode.query(torch.tensor([1]))
    other = coded()
    other.load_state_dict(encode.state_dict())
    candidates = torch.arange(ITEMS + 1)
    assert torch.equal(other.query(candidates), encode.eval().query(candidates))


@pytest.mark.parametrize("codes", [12, 40])
def test_as_many_codes_as_items_is_every_item_for_itself(codes):
    encode = coded(codes=codes)
    candidates = torch.arange(1, ITEMS + 1)
    torch.testing.assert_close(encode.query(candidates), encode.event.query(candidates))
