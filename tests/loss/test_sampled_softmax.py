import pytest
import torch

from recsys.loss.sampled_softmax import SampledSoftmax

COUNT = torch.tensor([0, 16, 1, 0, 81, 2])  # to the power 3/4: 8, 1, 0, 27, 2 ** 0.75
ITEMS, DRAWS = 5, 400
SCORES = torch.tensor([0.5, 2.0, -1.0, 0.0, 1.5], dtype=torch.float64)


def sampled(*, popular, negatives=8, smoothing=0.0):
    return SampledSoftmax(count=COUNT, negatives=negatives, popular=popular, smoothing=smoothing)


@pytest.mark.parametrize("popular", [0.0, 0.5])
def test_the_partition_is_estimated_without_bias(popular):
    loss, generator, target = sampled(popular=popular), torch.Generator().manual_seed(0), 2
    estimates = []
    for _ in range(DRAWS):
        item, log_expected = loss.draw(generator)
        positive, negative = SCORES[[target - 1]], SCORES[item - 1][None]
        lost = loss(positive, negative, log_expected.double(), item[None] == target)
        estimates.append((lost + positive).exp())  # target and negatives together
    estimates = torch.cat(estimates)
    error = (estimates.mean() - SCORES.exp().sum()).abs()
    standard = estimates.std() / DRAWS**0.5
    assert error < 3 * standard
    assert standard < 0.03 * SCORES.exp().sum()


@pytest.mark.parametrize(
    ("popular", "shares"),
    [
        (0.0, [1 / 5] * 5),
        (1.0, [8 / 37.682, 1 / 37.682, 0.0, 27 / 37.682, 1.682 / 37.682]),
        (0.5, [0.2062, 0.1133, 0.1, 0.4583, 0.1223]),
    ],
)
def test_draws_follow_the_stated_distribution(popular, shares):
    loss = sampled(popular=popular, negatives=40_000)
    item, log_expected = loss.draw(torch.Generator().manual_seed(0))
    found = torch.bincount(item, minlength=ITEMS + 1)[1:] / 40_000
    torch.testing.assert_close(found, torch.tensor(shares), rtol=0, atol=0.01)
    expected = torch.tensor(shares)[item - 1] * 40_000
    torch.testing.assert_close(log_expected.exp(), expected, rtol=2e-3, atol=0)


def test_accidental_hits_do_not_count():
    loss = sampled(popular=0.0)
    positive, log_expected = torch.tensor([0.3]), torch.tensor([0.1, 0.2, 0.3])
    hit = torch.tensor([[False, True, False]])
    low, high = (
        loss(positive, torch.tensor([[1.0, hidden, 2.0]]), log_expected, hit)
        for hidden in (-40.0, 40.0)
    )
    assert torch.equal(low, high)
    without = loss(positive, torch.tensor([[1.0, 2.0]]), log_expected[[0, 2]], hit[:, [0, 2]])
    torch.testing.assert_close(low, without)


def test_only_accidental_hits_cost_nothing():
    lost = sampled(popular=0.0)(
        torch.tensor([-3.0]), torch.tensor([[-3.0]]), torch.zeros(1), torch.tensor([[True]])
    )
    assert lost.tolist() == [0.0]


@pytest.mark.parametrize("popular", [0.0, 0.5])
def test_smoothing_pays_the_mean_score_of_the_catalogue_without_bias(popular):
    plain, smooth = sampled(popular=popular), sampled(popular=popular, smoothing=0.25)
    generator, target, gained = torch.Generator().manual_seed(0), 2, []
    for _ in range(DRAWS):
        item, log_expected = plain.draw(generator)
        given = (SCORES[[target - 1]], SCORES[item - 1][None], log_expected.double())
        hit = item[None] == target
        gained.append(smooth(*given, hit) - plain(*given, hit))
    gained = torch.cat(gained)
    expected = 0.25 * (SCORES[target - 1] - SCORES.mean())
    assert (gained.mean() - expected).abs() < 3 * gained.std() / DRAWS**0.5
    assert gained.std() / DRAWS**0.5 < 0.05 * expected
