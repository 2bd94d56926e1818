"""By hand: a lead of log n over a negative costs log((n + 1) / n)."""

from math import log

import pytest
import torch

from recsys.loss.bpr import BPR

COUNT = torch.ones(10, dtype=torch.long)
LEADS = torch.tensor([[1.0, 3.0, 1 / 3]]).log()  # 1/2, 3/4 and 1/4 of the pairs won


def lost(*hits):
    hit = torch.tensor([hits]) if hits else torch.zeros(1, 3, dtype=torch.bool)
    positive = torch.tensor([0.7])
    return BPR(count=COUNT, negatives=3)(positive, positive - LEADS, torch.zeros(3), hit).item()


def test_it_is_the_mean_over_the_negatives():
    assert lost() == pytest.approx((log(2) + log(4 / 3) + log(4)) / 3)


def test_accidental_hits_do_not_count():
    assert lost(True, False, True) == pytest.approx(log(4 / 3))


def test_nothing_but_accidental_hits_costs_nothing():
    assert lost(True, True, True) == 0
