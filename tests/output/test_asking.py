import torch

from recsys.output.asking import alike


def test_candidates_that_all_rows_share_are_met_as_if_each_row_had_its_own():
    keys, queries = torch.randn(3, 5, 8), torch.randn(7, 8)
    strength = torch.tensor([2.0, 9.0])

    shared = alike(keys, queries[None], strength=strength)
    own = alike(keys, queries.expand(3, -1, -1), strength=strength)

    assert shared.shape == (3, 2, 5, 7)
    torch.testing.assert_close(shared, own)
