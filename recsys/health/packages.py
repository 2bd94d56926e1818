"""Are the packages there, within the bounds that this project declares, and only once?"""

import sys
import tomllib
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from recsys.health.finding import Finding

EXTRAS = ("train", "serve", "dev")
_PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


def package_findings() -> list[Finding]:
    """Python, the base packages, the extras and the one ONNX Runtime."""
    declared = requirements()
    versions = installed()
    findings = [_python(), *base(declared, versions=versions)]
    findings += [extra(name, requirements=declared, versions=versions) for name in EXTRAS]
    findings += conflicts(declared, versions=versions)
    return [*findings, onnxruntime(versions)]


def requirements() -> list[Requirement]:
    """What the checkout declares, or the installed package where there is no checkout."""
    if not _PYPROJECT.is_file():
        return [Requirement(text) for text in metadata.requires("recsys") or []]
    project = tomllib.loads(_PYPROJECT.read_text(encoding="utf-8"))["project"]
    needs = [Requirement(text) for text in project["dependencies"]]
    for extra, texts in project["optional-dependencies"].items():
        for text in texts:
            need = Requirement(text)
            others = f"({need.marker}) and " if need.marker else ""
            need.marker = Marker(f'{others}extra == "{extra}"')
            needs.append(need)
    return needs


def installed() -> dict[str, str]:
    """Version by lower-case name of every distribution on the path."""
    return {
        distribution.metadata["Name"].lower().replace("_", "-"): distribution.version
        for distribution in metadata.distributions()
        if distribution.metadata["Name"]
    }


def base(declared: Sequence[Requirement], *, versions: dict[str, str]) -> list[Finding]:
    """The packages that every command needs; one that is absent is wrong."""
    findings = []
    for need in _needed(declared, extra=""):
        if need.name in versions:
            findings.append(Finding(need.name, fact=versions[need.name]))
        else:
            remedy = f"pip install '{_spec(need)}'"
            findings.append(Finding(need.name, fact="absent", verdict="wrong", remedy=remedy))
    return findings


def extra(name: str, *, requirements: Sequence[Requirement], versions: dict[str, str]) -> Finding:
    """One optional set of packages: complete, or what is absent; to be without it is allowed."""
    absent = [need.name for need in _needed(requirements, extra=name) if need.name not in versions]
    if not absent:
        return Finding(f"[{name}]", fact="complete")
    remedy = f"only where it is wanted: pip install 'recsys[{name}]'"
    return Finding(f"[{name}]", fact=f"without {', '.join(absent)}", verdict="note", remedy=remedy)


def conflicts(declared: Sequence[Requirement], *, versions: dict[str, str]) -> list[Finding]:
    """Installed versions outside the declared bounds; local builds such as ``+cpu`` are inside."""
    findings = []
    needs = [need for name in ("", *EXTRAS) for need in _needed(declared, extra=name)]
    for need in needs:
        version = versions.get(need.name)
        if version and not need.specifier.contains(version, prereleases=True):
            fact = f"{version} is outside {need.specifier}"
            remedy = f"pip install '{_spec(need)}'"
            findings.append(Finding(need.name, fact=fact, verdict="wrong", remedy=remedy))
    return findings


def onnxruntime(versions: dict[str, str]) -> Finding:
    """Distributions of ONNX Runtime share one import package: with two, the last one wins."""
    found = sorted(name for name in versions if name.split("-")[0] == "onnxruntime")
    builds = [name for name in found if name.removeprefix("onnxruntime-") != "extensions"]
    if len(builds) == 1:
        return Finding("ONNX Runtime", fact=f"one distribution: {builds[0]}")
    keep = "onnxruntime-gpu" if "onnxruntime-gpu" in builds else "onnxruntime"
    clean = f"pip uninstall -y {' '.join(builds)} && " if builds else ""
    remedy = f"{clean}pip install {keep}"
    fact = (
        f"{len(builds)} distributions share one name: {', '.join(builds)}" if builds else "absent"
    )
    return Finding("ONNX Runtime", fact=fact, verdict="wrong", remedy=remedy)


def _needed(declared: Sequence[Requirement], *, extra: str) -> list[Requirement]:
    """Requirements of one extra on this platform ("" is the base), without those of the base."""

    def applies(need: Requirement, *, name: str) -> bool:
        return need.marker is None or need.marker.evaluate({"extra": name})

    return [
        need
        for need in declared
        if applies(need, name=extra) and not (extra and applies(need, name=""))
    ]


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    if _PYPROJECT.is_file():
        project = tomllib.loads(_PYPROJECT.read_text(encoding="utf-8"))["project"]
        bounds = SpecifierSet(project["requires-python"])
    else:
        bounds = SpecifierSet(metadata.metadata("recsys")["Requires-Python"])
    if bounds.contains(version):
        return Finding("Python", fact=version)
    fact = f"{version} is outside {bounds}"
    return Finding("Python", fact=fact, verdict="wrong", remedy="make a new environment")


def _spec(need: Requirement) -> str:
    return f"{need.name}{need.specifier}"
