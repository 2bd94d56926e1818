import math

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from recsys.loss.gbce import GBCE

ITEMS, NEGATIVES = 11, 3
POSITIVE = torch.tensor([0.4, -2.0], dtype=torch.float64)
NEGATIVE = torch.tensor([[1.0, -0.5, 0.2], [0.0, 2.5, -3.0]], dtype=torch.float64)


def lost(calibration, *, accidental=None):
    loss = GBCE(
        count=torch.ones(ITEMS + 1, dtype=torch.long), negatives=NEGATIVES, calibration=calibration
    )
    hit = torch.zeros_like(NEGATIVE, dtype=torch.bool) if accidental is None else accidental
    return loss(POSITIVE, NEGATIVE, torch.zeros(NEGATIVES), hit)


def sigmoid(score):
    return 1 / (1 + math.exp(-score))


def papers(positive, negatives, *, power):
    """-1 / (k + 1) (log sigma(s+)^beta + sum of log(1 - sigma(s-)))."""
    wrong = sum(math.log(1 - sigmoid(score)) for score in negatives)
    return -(math.log(sigmoid(positive) ** power) + wrong) / (len(negatives) + 1)


@pytest.mark.parametrize(
    ("calibration", "power"),
    [
        (0.0, 1.0),
        (1.0, 3 / 10),  # the sampling rate: 3 of the 10 items that are not the target
        (0.75, 19 / 40),  # 3/10 (3/4 (1 - 10/3) + 10/3) = 3/10 (-7/4 + 10/3)
    ],
)
def test_it_is_the_papers_formula(calibration, power):
    expected = [
        papers(positive, negatives, power=power)
        for positive, negatives in zip(POSITIVE.tolist(), NEGATIVE.tolist(), strict=True)
    ]
    torch.testing.assert_close(lost(calibration), torch.tensor(expected, dtype=torch.float64))


def test_without_calibration_it_is_the_mean_binary_cross_entropy():
    scores = torch.cat([POSITIVE[:, None], NEGATIVE], dim=1)
    truth = torch.tensor([[1.0, 0, 0, 0]], dtype=torch.float64).expand_as(scores)
    expected = binary_cross_entropy_with_logits(scores, truth, reduction="none").mean(dim=1)
    torch.testing.assert_close(lost(0.0), expected)


def test_an_accidental_hit_adds_nothing():
    hit = torch.tensor([[False, False, False], [False, True, False]])
    whole, masked = lost(0.5), lost(0.5, accidental=hit)
    assert masked[0] == whole[0]
    torch.testing.assert_close(whole[1] - masked[1], torch.log1p(NEGATIVE[1, 1].exp()) / 4)


def test_draws_are_uniform_over_the_items():
    loss = GBCE(count=torch.ones(5, dtype=torch.long), negatives=20_000, calibration=0.0)
    item, log_expected = loss.draw(torch.Generator().manual_seed(0))
    found = torch.bincount(item, minlength=5) / 20_000
    torch.testing.assert_close(found, torch.tensor([0, 0.25, 0.25, 0.25, 0.25]), rtol=0, atol=0.01)
    torch.testing.assert_close(log_expected.exp(), torch.full((20_000,), 5000.0))
