import numpy as np
import polars as pl
import pytest

from recsys.data import catalogue
from recsys.errors import InputError


def test_a_fresh_catalogue_is_sorted_and_starts_at_1():
    made = catalogue.number(pl.Series(["b", "c", "a"]), extends=None)
    assert made.rows() == [(1, "a"), (2, "b"), (3, "c")]
    assert made.schema["item"] == pl.Int32


def test_old_indices_never_move_and_new_ids_are_appended(tmp_path):
    old = catalogue.number(pl.Series([30, 10]), extends=None)
    catalogue.describe(old, counts=np.array([5, 6]), features=None, extends=None).write_parquet(
        tmp_path / "old.parquet"
    )
    made = catalogue.number(pl.Series([5, 30, 20]), extends=tmp_path / "old.parquet")
    assert made.rows() == [(1, 10), (2, 30), (3, 5), (4, 20)]


def test_integers_extend_a_catalogue_of_text(tmp_path):
    catalogue.number(pl.Series(["007"]), extends=None).write_parquet(tmp_path / "old.parquet")
    made = catalogue.number(pl.Series([7, 12]), extends=tmp_path / "old.parquet")
    assert made["item_id"].to_list() == ["007", "12", "7"]


def test_text_cannot_extend_a_catalogue_of_integers(tmp_path):
    catalogue.number(pl.Series([7]), extends=None).write_parquet(tmp_path / "old.parquet")
    with pytest.raises(InputError, match="item_id is String but Int64 in the catalogue"):
        catalogue.number(pl.Series(["x"]), extends=tmp_path / "old.parquet")


def test_what_is_not_in_the_catalogue_has_index_0():
    made = catalogue.number(pl.Series([10, 20]), extends=None)
    assert catalogue.indices(made, pl.Series([20, 15, 10])).tolist() == [2, 0, 1]


def test_features_follow_the_index_and_newer_ones_win(tmp_path):
    features = pl.DataFrame({"item_id": ["20", "99"], "title": ["Two", "Gone"]})
    old = catalogue.number(pl.Series([10, 20]), extends=None)
    first = catalogue.describe(old, counts=np.array([3, 4]), features=features, extends=None)
    assert first.rows() == [(1, 10, 3, None), (2, 20, 4, "Two")]
    first.write_parquet(tmp_path / "old.parquet")
    made = catalogue.number(pl.Series([30]), extends=tmp_path / "old.parquet")
    renamed = pl.DataFrame({"item_id": [30, 10], "title": ["Three", "One"]})
    second = catalogue.describe(
        made, counts=np.array([0, 0, 1]), features=renamed, extends=tmp_path / "old.parquet"
    )
    assert second["title"].to_list() == ["One", "Two", "Three"]
    assert second["count"].to_list() == [0, 0, 1]


@pytest.mark.parametrize(
    ("features", "said"),
    [
        (pl.DataFrame({"id": [10]}), "has no column 'item_id'"),
        (pl.DataFrame({"item_id": [10, 10]}), "item_id '10' has several rows"),
    ],
)
def test_features_that_do_not_fit_are_refused(features, said):
    made = catalogue.number(pl.Series([10]), extends=None)
    with pytest.raises(InputError, match=said):
        catalogue.describe(made, counts=np.array([1]), features=features, extends=None)
