"""The lists of a cluster are those of one process, whichever machine dies on the way."""

import os
import sys
import threading
import time

import polars as pl
import pytest

from recsys.errors import ArtifactError
from tests.scoring.killed import OPTIONS, Deadly, Full, job
from tests.tiny_bundle import world, write_bundle

ray = pytest.importorskip("ray", reason="recsys[ray] is not installed")

from ray.cluster_utils import Cluster  # noqa: E402

from recsys.engine.ray import Ray  # noqa: E402

# Ray's own: sockets and streams that it leaves to the collector, and what it will change.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cluster")
    write_bundle(folder / "bundle", world(23, seed=3), history=5)
    rows = [(user, 100 + user * step % 23, step) for step in range(6) for user in range(200)]
    frame = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")
    frame.write_parquet(folder / "histories.parquet")
    job(folder, out="local")
    return folder


def contents(folder):
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "timing.json"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture
def cluster(monkeypatch):
    """Two machines of one processor each, beside a head that does no work."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    cluster.nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    ray.init(address=cluster.address, log_to_driver=False)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


def engine(**changes):
    usual = {"address": None, "workers": 2, "cpus": 1, "gpus": 0, "retries": 3}
    return Ray(**(usual | changes))


def test_a_machine_that_dies_midway_costs_time_and_nothing_else(shop, cluster):
    receipts = shop / ".out.partial" / "receipts"

    def strike():
        while not receipts.is_dir() or len(list(receipts.iterdir())) < 2:
            time.sleep(0.01)
        cluster.remove_node(cluster.nodes[0], allow_graceful=False)

    executioner = threading.Thread(target=strike)
    executioner.start()
    options = OPTIONS._replace(part_rows=10)  # 120 parts
    job(shop, engine=engine(), options=options)
    executioner.join()

    job(shop, out="local_small", options=options)
    assert contents(shop / "out") == contents(shop / "local_small")


def test_a_part_whose_workers_all_die_ends_the_job(shop, cluster):
    with pytest.raises(ArtifactError, match=r"part \d+ fails on the cluster"):
        job(shop, out="never", engine=engine(retries=1), sink=Deadly())

    assert not (shop / "never").exists()


def test_an_error_of_the_job_comes_back_as_itself(shop, cluster):
    options = OPTIONS._replace(batch_size=9)
    with pytest.raises(ArtifactError, match="disk"):
        job(shop, out="full", engine=engine(), sink=Full(), options=options)
