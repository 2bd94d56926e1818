"""What every test shares. Imports of recsys stay inside functions: shapes are checked only then."""

import os
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"


def pytest_configure() -> None:
    if find_spec("torch") is not None:
        import torch

        torch.set_num_threads(1)


@pytest.fixture(scope="session")
def datasets() -> Path:
    """The folder of real data sets; they are not ours to give, see data/README.md."""
    folder = Path(os.environ.get("RECSYS_DATASETS", ROOT.parent / "shared" / "datasets"))
    if not folder.is_dir():
        pytest.skip(f"no data sets at {folder}: set RECSYS_DATASETS")
    return folder
