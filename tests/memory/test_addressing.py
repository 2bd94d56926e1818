"""Addresses worked out by hand."""

import math

import torch

from recsys.memory.addressing import content_weights, cosine, sharpened, shifted, written


def test_content_weights_grow_with_likeness():
    memory = torch.tensor([[[1.0, 0.0], [0.0, 3.0], [-2.0, 0.0]]])
    weights = content_weights(
        torch.tensor([[[5.0, 0.0]]]), memory, strength=torch.tensor([[math.log(2)]])
    )
    torch.testing.assert_close(weights, torch.tensor([[[4 / 7, 2 / 7, 1 / 7]]]))


def test_an_empty_slot_is_like_nothing_and_gradients_stay_finite():
    memory = torch.zeros(1, 2, 3, requires_grad=True)
    key = torch.zeros(1, 1, 3, requires_grad=True)
    alike = cosine(key, memory)
    assert (alike == 0).all()
    alike.sum().backward()
    assert memory.grad.isfinite().all()
    assert key.grad.isfinite().all()


def test_slots_stand_in_a_circle():
    last = torch.tensor([[[0.0, 0.0, 0.0, 1.0]]])
    back, stay, on = (torch.eye(3)[None, place, None] for place in range(3))
    assert shifted(last, on.transpose(0, 1)).tolist() == [[[1, 0, 0, 0]]]
    assert shifted(last, stay.transpose(0, 1)).tolist() == [[[0, 0, 0, 1]]]
    assert shifted(last, back.transpose(0, 1)).tolist() == [[[0, 0, 1, 0]]]


def test_an_undecided_shift_spreads_the_weight():
    weights = torch.tensor([[[0.0, 1.0, 0.0, 0.0, 0.0]]])
    spread = shifted(weights, torch.tensor([[[0.25, 0.5, 0.25]]]))
    assert spread.tolist() == [[[0.25, 0.5, 0.25, 0, 0]]]


def test_a_power_of_two_squares_and_shares_out():
    weights = torch.tensor([[[0.25, 0.5, 0.25]]])
    torch.testing.assert_close(
        sharpened(weights, torch.tensor([[2.0]])), torch.tensor([[[1 / 6, 4 / 6, 1 / 6]]])
    )


def test_the_greatest_power_of_many_slots_is_finite():
    weights = torch.full((1, 1, 200), 1 / 200)
    sharp = sharpened(weights, torch.tensor([[21.0]]))
    torch.testing.assert_close(sharp, weights)


def test_dividing_by_the_largest_weight_leaves_the_gradient_as_it_is():
    weights = torch.tensor([[[0.1, 0.7, 0.2]]], dtype=torch.double, requires_grad=True)
    power = torch.tensor([[3.0]], dtype=torch.double)
    assert torch.autograd.gradcheck(lambda each: sharpened(each, power), (weights,))


def test_a_head_erases_and_adds_where_it_stands():
    memory = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    after = written(
        memory,
        torch.tensor([[[0.0, 0.5]]]),
        erase=torch.tensor([[[1.0, 0.0]]]),
        add=torch.tensor([[[10.0, 20.0]]]),
    )
    assert after.tolist() == [[[1, 2], [6.5, 14]]]


def test_no_head_erases_what_another_adds():
    memory = torch.ones(1, 1, 1)
    one = torch.ones(1, 2, 1)
    after = written(memory, one, erase=one, add=torch.tensor([[[2.0], [3.0]]]))
    assert after.item() == 5
