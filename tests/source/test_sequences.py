import gzip

import polars as pl
import pytest

from recsys.errors import ConfigError, InputError
from recsys.source.contract import read
from recsys.source.sequences import Sequences

EXPECTED = {
    "user_items": [("u9", "5", 1), ("u9", "3", 2), ("u9", "5", 3), ("u2", "7", 1)],
    "items": [(1, "5", 1), (1, "3", 2), (1, "5", 3), (3, "7", 1)],
    "pairs": [("u9", "5", 1), ("u2", "7", 1), ("u9", "3", 2), ("u9", "5", 3)],
}
TEXTS = {
    "user_items": "u9 5 3  5\nu2 7 \nu4\n",
    "items": "5 3 5\n\n7\n",
    "pairs": "u9 5\nu2 7\nu9 3\nu9 5\n",
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("layout", list(TEXTS))
def test_each_layout_counts_the_events_of_a_user(tmp_path, layout, packed):
    path = tmp_path / ("text.gz" if packed else "text")
    path.write_bytes(gzip.compress(TEXTS[layout].encode()) if packed else TEXTS[layout].encode())
    frame = pl.concat(read(Sequences(str(path), layout=layout, separator=" ")))
    assert frame.select("user_id", "item_id", "timestamp").rows() == EXPECTED[layout]


def test_another_separator_and_quotes_as_they_are(tmp_path):
    (tmp_path / "text").write_text('u1\t"a\nu1\tb c\n')
    frame = pl.concat(read(Sequences(str(tmp_path / "text"), layout="pairs", separator="\t")))
    assert frame["item_id"].to_list() == ['"a', "b c"]


def test_an_unknown_layout_and_a_missing_file_are_named(tmp_path):
    with pytest.raises(ConfigError, match="user_items, items, pairs, but is 'rows'"):
        Sequences(str(tmp_path), layout="rows", separator=" ")
    with pytest.raises(InputError, match="no file at"):
        Sequences(str(tmp_path / "absent"), layout="items", separator=" ")


def test_movielens_as_sasrec_uses_it(datasets):
    path = datasets / "ml-1m" / "ml-1m_sas.txt.gz"
    frame = pl.concat(read(Sequences(str(path), layout="pairs", separator=" ")))
    assert frame.height == 999_611
    assert (frame["user_id"].n_unique(), frame["item_id"].n_unique()) == (6_040, 3_416)
