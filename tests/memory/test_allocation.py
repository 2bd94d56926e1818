"""Where a memory writes: known answers worked out by hand, and the sorted definition."""

import numpy as np
import pytest
import torch

from recsys.memory.allocation import allocation, retention, usage

CLOSE = {"rtol": 0, "atol": 1e-5}


def sorted_definition(used):
    """Graves et al. 2016: along the slots by rising usage, what all before left over."""
    given = np.zeros(len(used))
    left = 1.0
    for place in np.argsort(used, kind="stable"):
        given[place] = (1 - used[place]) * left
        left *= used[place]
    return given


@pytest.mark.parametrize(
    ("used", "expected"),
    [
        ([0.5, 0.25], [0.125, 0.75]),
        ([0.2, 0.5, 0.1], [0.08, 0.01, 0.9]),
        ([0.0, 0.0, 0.0], [1.0, 0.0, 0.0]),
        ([0.5, 0.5, 0.5], [0.5, 0.25, 0.125]),
        ([1.0, 0.0, 0.0], [0.0, 1.0, 0.0]),
        ([1.0, 1.0, 1.0], [0.0, 0.0, 0.0]),
    ],
)
def test_allocation_of_known_usages(used, expected):
    found = allocation(torch.tensor([used]))
    torch.testing.assert_close(found, torch.tensor([expected]), **CLOSE)


def test_allocation_equals_the_sorted_definition():
    for seed in range(20):
        used = np.random.default_rng(seed).permutation(np.linspace(0.01, 0.99, 17))
        found = allocation(torch.tensor(used)[None])
        np.testing.assert_allclose(found[0], sorted_definition(used), atol=1e-5)


def test_allocation_equals_the_sorted_definition_where_many_are_equal():
    for seed in range(20):
        used = np.random.default_rng(seed).choice([0.0, 0.3, 0.7, 1.0], 13)
        found = allocation(torch.tensor(used)[None])
        np.testing.assert_allclose(found[0], sorted_definition(used), atol=1e-4)


def test_rounding_does_not_decide_between_slots_that_are_all_but_equal():
    used = torch.full((1, 6), 0.3)
    noise = torch.tensor([[3.0, -2.0, 1.0, -3.0, 2.0, -1.0]]) * 1e-7
    torch.testing.assert_close(allocation(used + noise), allocation(used), **CLOSE)


def test_what_is_allocated_is_one_less_the_product_of_all_usages():
    used = torch.rand(5, 9, generator=torch.Generator().manual_seed(0))
    total = allocation(used).sum(1)
    torch.testing.assert_close(total, 1 - used.prod(1), rtol=0, atol=1e-4)


def test_gradient_of_allocation_is_finite_when_nothing_is_used():
    used = torch.zeros(2, 4, requires_grad=True)
    allocation(used).square().sum().backward()
    assert used.grad.isfinite().all()


def test_a_slot_that_an_open_gate_read_wholly_is_not_kept():
    read = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 0.5, 0.5]]])
    kept = retention(torch.tensor([[1.0, 0.5]]), read)
    torch.testing.assert_close(kept, torch.tensor([[0.0, 0.75, 0.75]]))


def test_closed_gates_keep_everything_and_heads_free_together():
    read = torch.tensor([[[0.5, 0.5], [0.5, 0.5]]])
    assert torch.equal(retention(torch.zeros(1, 2), read), torch.ones(1, 2))
    torch.testing.assert_close(retention(torch.ones(1, 2), read), torch.full((1, 2), 0.25))


def test_writing_raises_usage_up_to_one_and_freeing_lowers_it():
    before = torch.tensor([[0.0, 0.5, 0.5, 1.0]])
    written = torch.tensor([[1.0, 0.5, 0.0, 0.3]])
    kept = torch.tensor([[1.0, 1.0, 0.2, 1.0]])
    found = usage(before, write_weights=written, kept=kept)
    torch.testing.assert_close(found, torch.tensor([[1.0, 0.75, 0.1, 1.0]]))


def test_no_gradient_goes_through_what_was_written():
    written = torch.tensor([[0.4]], requires_grad=True)
    kept = torch.tensor([[0.9]], requires_grad=True)
    usage(torch.tensor([[0.1]]), write_weights=written, kept=kept).sum().backward()
    assert written.grad is None
    assert kept.grad is not None
