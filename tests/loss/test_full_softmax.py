import pytest
import torch
from torch.nn.functional import cross_entropy

from recsys.loss.full_softmax import FullSoftmax

ITEMS = 7


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_it_is_cross_entropy_over_the_catalogue(smoothing):
    loss = FullSoftmax(count=torch.ones(ITEMS + 1, dtype=torch.long), smoothing=smoothing)
    scores = torch.randn(5, ITEMS, generator=torch.Generator().manual_seed(0)) * 4
    target = torch.tensor([1, 7, 3, 3, 2])
    item, log_expected = loss.draw(torch.Generator())
    positive = scores.gather(1, target[:, None] - 1)[:, 0]
    lost = loss(positive, scores[:, item - 1], log_expected, target[:, None] == item)
    expected = cross_entropy(scores, target - 1, reduction="none", label_smoothing=smoothing)
    torch.testing.assert_close(lost, expected)


def test_nothing_is_sampled():
    loss = FullSoftmax(count=torch.ones(ITEMS + 1, dtype=torch.long), smoothing=0.0)
    item, log_expected = loss.draw(torch.Generator())
    assert item.tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert log_expected.tolist() == [0.0] * ITEMS
