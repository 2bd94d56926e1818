"""One service of a tiny bundle for all tests that do not disturb it."""

import polars as pl
import pytest

from tests.serving.running import client, running
from tests.tiny_bundle import world, write_bundle

ITEMS = 30


@pytest.fixture(scope="session")
def table():
    return world(ITEMS)


@pytest.fixture(scope="session")
def bundle(table, tmp_path_factory):
    return write_bundle(tmp_path_factory.mktemp("serving") / "bundle", table)


@pytest.fixture(scope="session")
def service(bundle, tmp_path_factory):
    settings = ("log_requests=true", "batch.patience=600")  # nobody is refused on a slow machine
    with running(bundle, tmp_path_factory.mktemp("service"), *settings) as started:
        yield started


@pytest.fixture(scope="session")
def api(service):
    with client(service) as opened:
        yield opened


@pytest.fixture(scope="session")
def named(tmp_path_factory):
    """A bundle with text ids, two behaviours and an order for times."""
    ids = pl.Series("item_id", [f"i/{place}" for place in range(1, 8)])
    folder = tmp_path_factory.mktemp("named") / "bundle"
    return write_bundle(
        folder,
        world(7, seed=1),
        item_ids=ids,
        behaviours=("buy", "view"),
        user_ids="String",
        time="order",
    )
