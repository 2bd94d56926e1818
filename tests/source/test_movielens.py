import polars as pl
import pytest

from recsys.errors import InputError
from recsys.source.contract import read
from recsys.source.movielens import MovieLens

TIMES = (978_300_760, 978_302_109)


def write(folder, layout):
    if layout == "1m":
        text = "2::11::5::978300760\n1::7::3::978302109\n"
        films = "7::Cité, La: part 1 (1995)::Drama|War\n11::Heat (1995)::Action\n"
        (folder / "ratings.dat").write_text(text)
        (folder / "movies.dat").write_text(films, encoding="latin-1")
    elif layout == "latest":
        (folder / "ratings.csv").write_text(
            "userId,movieId,rating,timestamp\n2,11,5.0,978300760\n1,7,3.0,978302109\n"
        )
        (folder / "movies.csv").write_text(
            'movieId,title,genres\n7,"Cité, La: part 1 (1995)",Drama|War\n'
            "11,Heat (1995),Action\n12,Odd (1999),(no genres listed)\n"
        )
    else:
        (folder / "u.data").write_text("2\t11\t5\t978300760\n1\t7\t3\t978302109\n")
        (folder / "u.genre").write_text("unknown|0\nAction|1\nDrama|2\nWar|3\n\n")
        films = (
            "7|Cité, La: part 1 (1995)|01-Jan-1995||http://a|0|0|1|1\n"
            "11|Heat (1995)|01-Jan-1995||http://b|0|1|0|0\n"
            "12|Odd (1999)||||1|0|0|0\n"
        )
        (folder / "u.item").write_text(films, encoding="latin-1")


@pytest.mark.parametrize("layout", ["100k", "1m", "latest"])
def test_each_edition_is_recognised_and_read(tmp_path, layout):
    write(tmp_path, layout)
    source = MovieLens(str(tmp_path))
    frame = pl.concat(read(source))
    assert frame["user_id"].to_list() == ["2", "1"]
    assert frame["item_id"].to_list() == ["11", "7"]
    assert frame["rating"].to_list() == [5.0, 3.0]
    assert frame["timestamp"].dt.epoch("s").to_list() == list(TIMES)
    films = source.items()
    assert films.rows()[:2] == [
        (7, "Cité, La: part 1 (1995)", ["Drama", "War"]),
        (11, "Heat (1995)", ["Action"]),
    ]
    assert all(row[2] == [] for row in films.rows()[2:])
    assert source.describe()["layout"] == layout


def test_a_folder_without_ratings_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no MovieLens ratings .*u\.data, ratings\.dat"):
        MovieLens(str(tmp_path))


def test_half_an_archive_is_refused(tmp_path):
    (tmp_path / "ratings.dat").write_text("2::11::5::978300760\n")
    with pytest.raises(InputError, match="unpack the whole MovieLens archive"):
        MovieLens(str(tmp_path)).items()


@pytest.mark.parametrize(
    ("name", "events", "films", "title", "genres"),
    [
        ("ml-100k", 100_000, 1_682, "Toy Story (1995)", ["Animation", "Children's", "Comedy"]),
        (
            "ml-latest-small",
            100_836,
            9_742,
            "Toy Story (1995)",
            ["Adventure", "Animation", "Children", "Comedy", "Fantasy"],
        ),
    ],
)
def test_the_real_files(datasets, name, events, films, title, genres):
    source = MovieLens(str(datasets / name))
    assert sum(piece.height for piece in read(source)) == events
    items = source.items().sort("item_id")
    assert items.height == films
    assert items.row(0) == (1, title, genres)
