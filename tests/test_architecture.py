"""The rules of ARCHITECTURE.md about who may know whom, read from the source itself."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from recsys import tables
from recsys.cli import STAGES

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "recsys"


def modules(package: Path) -> dict[str, Path]:
    """Files of a package by their dotted names."""
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): path
        for path in sorted(package.rglob("*.py"))
        if path.name != "__init__.py"
    }


MODULES = modules(PACKAGE)
SERVICE = modules(ROOT / "serving")
EVERYTHING = MODULES | SERVICE
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in EVERYTHING.items()}
# From the bottom to the top: a module imports from its own layer and from those below.
LAYERS = (
    {
        "errors",
        "timestamps",
        "tables",
        "folder",
        "parted",
        "config",
        "console",
        "hardware",
        "runtime",
        "recommendations",
        "manifest",
    },
    {"source", "data", "health"},
    {"input", "memory", "output", "response", "loss", "metrics", "scoring", "complaint"},
    {"model"},
    {"baselines", "evaluation", "tracking", "curves", "noise"},
    {"auxiliary", "task", "teaching", "sink", "engine"},
    {"system", "run", "probing"},
    {"bundle", "outcome", "rehearsal", "fitting", "cli"},
    set(STAGES),
)
LETTERS = ("input", "memory", "output", "response")
DOORS = {
    "mlflow": {"recsys.tracking"},
    "onnxruntime": {"recsys.runtime", "recsys.bundle.precision"},
    "hydra": {f"recsys.{stage}" for stage in STAGES}
    | {"recsys.cli", "recsys.complaint", "recsys.run", "recsys.fitting"},
    "lightning": {"recsys.system", "recsys.data.datamodule", "recsys.tracking"}
    | {"recsys.train", "recsys.curves", "recsys.rehearsal", "recsys.fitting"},
    "pandas": set(),
    "ray": {"recsys.engine.ray"},
    "deltalake": {"recsys.sink.delta"},
    "usearch": {"recsys.scoring.approximate"},
}
# What the service takes from the rest, and through which module it meets each library.
LENT = {"runtime", "recommendations", "errors", "tables", "hardware", "folder", "scoring"}
SERVICE_DOORS = {
    "opentelemetry": {"serving.traces"},
    "httptools": {"serving.wire"},
    "uvloop": {"serving.worker"},
    "prometheus_client": {"serving.metrics"},
    "sqlite3": {"serving.store.embedded", "serving.store.schema"},
    "redis": {"serving.store.redis"},
    "onnxruntime": set(),
    "hydra": set(),
}
OURS = (*LETTERS, "source", "loss", "baselines", "task", "auxiliary", "teaching", "sink", "engine")
# Only words that cannot mean anything else; a MovieLens file has some columns of the same name.
COLUMNS = (
    tables.USER_ID,
    tables.ITEM_ID,
    tables.TIMESTAMP,
    tables.RATING,
    tables.TITLE,
    tables.CATEGORIES,
    tables.BECAUSE,
)
FOREIGN = {"recsys.source.movielens": {"title", "rating", "timestamp"}}


def imports(name: str) -> Iterator[str]:
    """Dotted names of all modules that this one imports, inside functions too."""
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module
            below = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from (module for module in below if module in MODULES)


def own(name: str) -> list[str]:
    """The same, of this project only."""
    return [module for module in imports(name) if module in MODULES]


def part(name: str) -> str:
    """``memory`` for ``recsys.memory.gru``."""
    return name.split(".")[1]


def layer(name: str) -> int:
    found = [place for place, parts in enumerate(LAYERS) if part(name) in parts]
    assert found, f"{name} has no layer: put it into LAYERS"
    return found[0]


def loaded(module: str) -> set[str]:
    """Top-level packages in memory after importing this module in a fresh process."""
    code = f"import {module}, sys; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def functions(name: str) -> Iterator[ast.FunctionDef]:
    return (node for node in ast.walk(TREES[name]) if isinstance(node, ast.FunctionDef))


def length(function: ast.FunctionDef) -> int:
    """Lines of the body without its docstring."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return function.end_lineno - body[0].lineno + 1 if body else 0


@pytest.mark.parametrize("name", MODULES)
def test_imports_point_down_the_flow(name):
    upwards = [module for module in own(name) if layer(module) > layer(name)]
    assert upwards == []


@pytest.mark.parametrize("name", [name for name in MODULES if part(name) in LETTERS])
def test_the_four_letters_know_only_the_contract_of_another(name):
    sideways = [module for module in own(name) if part(module) in LETTERS]
    others = [module for module in sideways if part(module) != part(name)]
    assert [module for module in others if not module.endswith(".contract")] == []


@pytest.mark.parametrize("name", MODULES)
def test_no_module_imports_a_stage(name):
    assert [module for module in own(name) if module.removeprefix("recsys.") in STAGES] == []


@pytest.mark.parametrize("name", [name for name in MODULES if part(name) == "memory"])
def test_a_memory_knows_tensors_and_its_contract_only(name):
    known = {module.split(".")[0] for module in imports(name)}
    assert known <= {*sys.stdlib_module_names, "torch", "jaxtyping", "recsys"}
    allowed = {"recsys.data.batches", "recsys.errors"}
    assert {module for module in own(name) if part(module) != "memory"} <= allowed


def test_the_lightning_module_names_no_memory():
    names = {path.stem for path in (ROOT / "conf" / "memory").glob("*.yaml")}
    source = MODULES["recsys.system"].read_text(encoding="utf-8")
    assert {name for name in names if name in source} == set()
    assert not any(module.startswith("recsys.memory") for module in imports("recsys.system"))


@pytest.mark.parametrize("library", DOORS)
def test_a_library_has_one_door(library):
    users = {
        name for name in MODULES if any(module.split(".")[0] == library for module in imports(name))
    }
    assert users <= DOORS[library]


@pytest.mark.parametrize("stage", ["prepare", "score", "export", "runtime", "doctor"])
def test_what_runs_without_training_loads_no_torch(stage):
    heavy = {"torch", "lightning", "mlflow", "torchmetrics", "onnx", "jaxtyping", "pandas"}
    assert loaded(f"recsys.{stage}") & heavy == set()


def test_the_door_loads_nothing():
    assert loaded("recsys.cli") & {"torch", "polars", "numpy", "hydra", "rich"} == set()


def test_the_service_loads_no_torch_and_no_configuration():
    heavy = {"torch", "lightning", "mlflow", "onnx", "jaxtyping", "pandas", "hydra", "omegaconf"}
    assert loaded("serving.worker") & {*heavy, "fastapi", "uvicorn", "redis"} == set()


@pytest.mark.parametrize("name", SERVICE)
def test_the_service_knows_little_of_the_rest(name):
    known = {module for module in imports(name) if module.split(".")[0] == "recsys"}
    assert {part(module) for module in known if "." in module} <= LENT


@pytest.mark.parametrize("name", MODULES)
def test_nobody_but_its_stage_knows_the_service(name):
    knows = any(module.split(".")[0] == "serving" for module in imports(name))
    assert not knows or name == "recsys.serve"


@pytest.mark.parametrize("library", SERVICE_DOORS)
def test_a_library_of_the_service_has_one_door(library):
    users = {name for name in SERVICE if library in {one.split(".")[0] for one in imports(name)}}
    assert users <= SERVICE_DOORS[library]


def test_stores_are_configured_by_their_names():
    for path in (ROOT / "conf" / "store").glob("*.yaml"):
        target = yaml.safe_load(path.read_text(encoding="utf-8"))["_target_"]
        module, _, name = target.rpartition(".")
        assert module == f"serving.store.{path.stem}"
        assert name in {node.name for node in TREES[module].body if isinstance(node, ast.ClassDef)}


def test_column_names_are_spelled_in_one_place():
    spelled = [
        f"{name}:{node.lineno} '{node.value}'"
        for name in MODULES
        for node in ast.walk(TREES[name])
        if isinstance(node, ast.Constant)
        and node.value in COLUMNS
        and name != "recsys.tables"
        and node.value not in FOREIGN.get(name, set())
    ]
    assert spelled == []


@pytest.mark.parametrize("group", OURS)
def test_configuration_mirrors_code(group):
    for path in (ROOT / "conf" / group).glob("*.yaml"):
        target = yaml.safe_load(path.read_text(encoding="utf-8"))["_target_"]
        module, _, name = target.rpartition(".")
        assert module == f"recsys.{group}.{path.stem}"
        assert name in {node.name for node in TREES[module].body if isinstance(node, ast.ClassDef)}


def test_every_stage_has_its_configuration_and_nothing_else_has():
    files = {path.stem for path in (ROOT / "conf").glob("*.yaml")}
    assert files - {"command"} == set(STAGES)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_shares_the_settings_of_every_command(stage):
    settings = yaml.safe_load((ROOT / "conf" / f"{stage}.yaml").read_text(encoding="utf-8"))
    assert settings["defaults"][0] == "command"


def test_settings_of_a_part_are_short():
    long = {
        str(path.relative_to(ROOT)): lines
        for path in (ROOT / "conf").glob("*/*.yaml")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 15
    }
    assert long == {}


def test_no_file_is_longer_than_300_lines():
    lines = {name: len(path.read_text("utf-8").splitlines()) for name, path in EVERYTHING.items()}
    assert {name: count for name, count in lines.items() if count > 300} == {}


def test_no_function_is_longer_than_30_lines():
    long = {
        f"{name}.{function.name}": length(function)
        for name in EVERYTHING
        for function in functions(name)
        if length(function) > 30
    }
    assert long == {}


def test_no_constructor_takes_more_than_8_parameters():
    many = {}
    for name in EVERYTHING:
        for function in functions(name):
            taken = len(function.args.args) + len(function.args.kwonlyargs) - 1
            if function.name == "__init__" and taken > 8:
                many[f"{name}:{function.lineno}"] = taken
    assert many == {}


def test_package_files_are_empty():
    assert [path for path in PACKAGE.rglob("__init__.py") if path.read_text("utf-8").strip()] == []


def test_every_package_is_one():
    folders = {path.parent for path in EVERYTHING.values()}
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []
