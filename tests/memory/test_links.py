"""Which slot was written after which: known answers worked out by hand."""

from itertools import pairwise

import torch

from recsys.memory.links import backward, forward, linked, preceded, sharpened

ORDER = [2, 0, 3, 1]  # slots, in the order of writing


def one_hot(*slots):
    return torch.eye(4)[list(slots)]


def after(writes):
    """Links and precedence after these writes, each one tensor of weights."""
    links, precedence = torch.zeros(1, 4, 4), torch.zeros(1, 4)
    for weights in writes:
        links = linked(links, precedence=precedence, write_weights=weights)
        precedence = preceded(precedence, weights)
    return links, precedence


def test_sharp_writes_are_linked_in_their_order():
    links, precedence = after([one_hot(slot) for slot in ORDER])
    expected = torch.zeros(4, 4)
    for before, later in pairwise(ORDER):
        expected[later, before] = 1
    assert torch.equal(links[0], expected)
    assert torch.equal(precedence, one_hot(1))


def test_the_first_write_follows_nothing():
    links, precedence = after([one_hot(2)])
    assert torch.equal(links, torch.zeros(1, 4, 4))
    assert torch.equal(precedence, one_hot(2))


def test_half_a_write_leaves_half_of_what_was_there():
    links, precedence = after([one_hot(0), 0.5 * one_hot(1)])
    assert links[0, 1, 0] == 0.5
    assert precedence.tolist() == [[0.5, 0.5, 0, 0]]
    links, precedence = after([one_hot(0), 0.5 * one_hot(1), 0.5 * one_hot(2)])
    assert links[0, 1, 0] == 0.5  # neither end was written again
    assert links[0, 2].tolist() == [0.25, 0.25, 0, 0]
    assert precedence.tolist() == [[0.25, 0.25, 0.5, 0]]


def test_a_write_of_nothing_changes_nothing():
    links, precedence = after([one_hot(0), one_hot(1)])
    again, same = after([one_hot(0), one_hot(1), torch.zeros(1, 4)])
    assert torch.equal(links, again)
    assert torch.equal(precedence, same)


def test_a_slot_written_anew_loses_its_old_links():
    links, _ = after([one_hot(slot) for slot in (0, 1, 2, 1)])
    assert links[0, 1].tolist() == [0, 0, 1, 0]  # 1 now follows 2, not 0
    assert links[0, 2].tolist() == [0, 0, 0, 0]  # 2 followed the old 1


def test_rows_and_columns_never_sum_to_more_than_one_and_no_slot_follows_itself():
    draw = torch.Generator().manual_seed(0)
    links, precedence = torch.zeros(5, 4, 4), torch.zeros(5, 4)
    for _ in range(50):
        weights = torch.rand(5, 1, generator=draw) * torch.rand(5, 4, generator=draw).softmax(1)
        links = linked(links, precedence=precedence, write_weights=weights)
        precedence = preceded(precedence, weights)
        assert (links >= 0).all()
        assert (links.sum(1) <= 1 + 1e-5).all()
        assert (links.sum(2) <= 1 + 1e-5).all()
        assert (links.diagonal(dim1=1, dim2=2) == 0).all()
        assert (precedence.sum(1) <= 1 + 1e-5).all()


def test_links_lead_on_and_back():
    links, _ = after([one_hot(slot) for slot in ORDER])
    heads = torch.stack([one_hot(0)[0], one_hot(3)[0]])[None]
    assert torch.equal(forward(links, heads)[0], one_hot(3, 1))
    assert torch.equal(backward(links, heads)[0], one_hot(2, 0))


def test_nothing_read_leads_nowhere():
    links, _ = after([one_hot(slot) for slot in ORDER])
    assert torch.equal(forward(links, torch.zeros(1, 2, 4)), torch.zeros(1, 2, 4))


def test_sharpening_squares_the_odds_at_power_two():
    found = sharpened(torch.tensor([[[0.4, 0.2, 0.2, 0.0]]]), torch.tensor([[2.0]]))
    expected = torch.tensor([[[4 / 6, 1 / 6, 1 / 6, 0.0]]])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)


def test_sharpening_nothing_is_everything_alike():
    found = sharpened(torch.zeros(1, 1, 4), torch.tensor([[5.0]]))
    torch.testing.assert_close(found, torch.full((1, 1, 4), 0.25))
