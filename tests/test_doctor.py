import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from recsys.health import packages
from recsys.health.devices import probe, providers
from recsys.health.places import configuration, temporary

ROOT = Path(__file__).parents[1]
NEEDS = [
    Requirement("polars>=2.0,<3"),
    Requirement('torch>=2.11,<2.14; extra == "train"'),
    Requirement('onnx>=1.20,<2; extra == "train"'),
    Requirement("winonly; sys_platform == 'nowhere'"),
]


def test_the_stage_writes_what_it_prints(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "recsys.cli", "doctor", "out=health.json"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    findings = json.loads((tmp_path / "health.json").read_text(encoding="utf-8"))
    wrong = [finding for finding in findings if finding["verdict"] == "wrong"]
    assert done.returncode == (1 if wrong else 0)
    assert "ONNX Runtime providers" in done.stdout
    assert all(finding["remedy"] for finding in wrong)


def test_exactly_one_onnxruntime_is_installed():
    assert packages.onnxruntime(packages.installed()).verdict == "fine"


@pytest.mark.parametrize(
    ("installed", "fact", "remedy"),
    [
        (
            {"onnxruntime": "1.31.1", "onnxruntime-gpu": "1.31.1"},
            "2 distributions share one name: onnxruntime, onnxruntime-gpu",
            "pip uninstall -y onnxruntime onnxruntime-gpu && pip install onnxruntime-gpu",
        ),
        ({}, "absent", "pip install onnxruntime"),
    ],
)
def test_two_or_no_onnxruntime_is_wrong(installed, fact, remedy):
    finding = packages.onnxruntime(installed)
    assert (finding.verdict, finding.fact, finding.remedy) == ("wrong", fact, remedy)


def test_an_absent_base_package_is_wrong():
    (finding,) = packages.base(NEEDS, versions={})
    assert finding.verdict == "wrong"
    assert finding.remedy == "pip install 'polars<3,>=2.0'"


def test_an_absent_extra_is_a_note():
    finding = packages.extra("train", requirements=NEEDS, versions={"onnx": "1.23.2"})
    assert (finding.verdict, finding.fact) == ("note", "without torch")


@pytest.mark.parametrize(
    ("version", "conflicts"), [("2.13.0+cpu", 0), ("2.13.0", 0), ("2.14.0", 1), ("2.10.1", 1)]
)
def test_versions_outside_the_bounds_are_wrong(version, conflicts):
    found = packages.conflicts(NEEDS, versions={"torch": version})
    assert len(found) == conflicts
    assert all("is outside <2.14,>=2.11" in finding.fact for finding in found)


def test_the_packages_installed_here_agree_with_the_project():
    assert packages.conflicts(packages.requirements(), versions=packages.installed()) == []


def test_constraints_hold_a_version_inside_the_bounds_for_every_requirement():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    exact = dict(line.split("==") for line in lines if not line.startswith("#"))
    for need in packages.requirements():
        assert need.specifier.contains(exact[need.name]), need.name
    assert "+" not in "".join(exact.values())


def test_onnxruntime_runs_a_graph_on_the_cpu():
    assert probe()["CPUExecutionProvider"] is True


@pytest.mark.parametrize(
    ("works", "gpus", "verdict"),
    [
        ({"CPUExecutionProvider": True, "CUDAExecutionProvider": False}, 0, "fine"),
        ({"CPUExecutionProvider": True, "CUDAExecutionProvider": False}, 2, "wrong"),
        ({"CPUExecutionProvider": True, "CUDAExecutionProvider": True}, 1, "fine"),
        ({}, 0, "wrong"),
    ],
)
def test_a_provider_counts_only_if_it_works(works, gpus, verdict):
    assert providers(works=works, gpus=gpus).verdict == verdict


def test_a_listed_provider_without_effect_is_told():
    works = {"CPUExecutionProvider": True, "CUDAExecutionProvider": False}
    fact = providers(works=works, gpus=0).fact
    assert fact == "work: CPU; listed but without effect: CUDA"


def test_a_folder_that_cannot_be_written_is_wrong(tmp_path):
    assert temporary(tmp_path).verdict != "wrong"
    assert temporary(tmp_path / "absent").remedy == "set TMPDIR to a folder that can be written"


def test_a_missing_configuration_is_wrong(tmp_path):
    assert configuration(tmp_path).verdict == "wrong"
