"""Files to deploy the service with: what they start is started as the code wants it."""

import json
import re
import shlex
import tomllib
from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_dir

from recsys.config import CONF
from serving.api.surface import DOMAIN, INFERENCE, NAMES
from serving.measured import families

ROOT = Path(__file__).parents[2]
SERVING = ROOT / "serving"
DEPLOY = SERVING / "deploy"
USER = 10001


def read(name):
    return yaml.safe_load((DEPLOY / name).read_text(encoding="utf-8"))


def resources():
    documents = yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text(encoding="utf-8"))
    return {document["kind"]: document for document in documents}


def pod():
    return resources()["Deployment"]["spec"]["template"]["spec"]


def container():
    return pod()["containers"][0]


def instructions():
    """(instruction, rest) of the Dockerfile, its continued lines joined."""
    text = (SERVING / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [tuple(line.split(maxsplit=1)) for line in lines]


def last(instruction):
    """The exec form, a list, of the last such instruction."""
    return json.loads([rest for name, rest in instructions() if name == instruction][-1])


def started_with(*words):
    """The settings of ``recsys serve`` with these words; Hydra refuses those that it lacks."""
    program, stage, *fixed = last("ENTRYPOINT")
    assert (program, stage) == ("recsys", "serve")
    with initialize_config_dir(CONF, version_base=None):
        return compose("serve", [*fixed, *words])


def test_every_stage_of_the_image_is_of_one_python_that_the_project_supports():
    python = next(rest for name, rest in instructions() if name == "ARG")
    bases = [rest.split()[0] for name, rest in instructions() if name == "FROM"]
    assert python == "PYTHON=3.11"  # the one of constraints.txt
    assert set(bases) == {"python:${PYTHON}-slim"}


def test_the_image_installs_the_extras_of_a_service_and_no_training():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    assert ("ARG", "EXTRAS=serve,redis") in instructions()
    heavy = ("torch", "lightning", "mlflow")
    for extra in ("serve", "redis", "gpu"):
        assert not any(wanted.startswith(heavy) for wanted in extras[extra])
    install = next(rest for name, rest in instructions() if name == "RUN" and "pip install" in rest)
    assert "--constraint constraints.txt" in install
    assert shlex.split(install)[-1] == ".[${EXTRAS}]"


def test_what_the_image_copies_is_there_and_let_through():
    let_through = (SERVING / "Dockerfile.dockerignore").read_text().splitlines()
    assert let_through[0] == "*"
    for name, rest in instructions():
        if name == "COPY" and not rest.startswith("--from"):
            for path in rest.split()[:-1]:
                assert (ROOT / path).exists()
                assert f"!{path}" in let_through


def test_the_image_runs_as_nobody_special():
    names = [name for name, _ in instructions()]
    assert ("USER", f"{USER}:{USER}") in instructions()
    assert "RUN" not in names[names.index("USER") :]
    assert pod()["securityContext"]["runAsUser"] == USER
    assert pod()["securityContext"]["runAsNonRoot"] is True


def test_the_image_starts_the_service_with_settings_that_it_has():
    cfg = started_with(*last("CMD"))
    assert (cfg.host, cfg.port, cfg.bundle) == ("0.0.0.0", 8000, "/bundles/current")
    assert ("EXPOSE", "8000") in instructions()


def test_compose_starts_the_service_on_its_own_redis():
    services = read("compose.yaml")["services"]
    cfg = started_with(*services["recsys"]["command"])
    assert cfg.store._target_ == "serving.store.redis.Redis"
    assert cfg.store.url.startswith("redis://redis:")
    assert cfg["keys"] == "/run/secrets/keys"
    kept = services["redis"]["command"]
    assert kept[kept.index("--appendonly") + 1] == "yes"
    assert kept[kept.index("--appendfsync") + 1] == "always"
    assert services["recsys"]["depends_on"] == {"redis": {"condition": "service_healthy"}}


def test_compose_names_only_what_it_has():
    told = read("compose.yaml")
    for service in told["services"].values():
        assert set(service.get("secrets", [])) <= set(told["secrets"])
        for volume in service["volumes"]:
            origin = volume.rpartition(":/")[0]
            assert origin in told["volumes"] or origin.startswith(("./", "${"))
            assert not origin.startswith("./") or (DEPLOY / origin).is_file()


def test_kubernetes_starts_the_service_with_settings_that_it_has():
    given = {entry["name"]: entry["valueFrom"] for entry in container()["env"]}
    data = resources()["ConfigMap"]["data"]
    values = {
        name: data[origin["configMapKeyRef"]["key"]] if "configMapKeyRef" in origin else "redis://r"
        for name, origin in given.items()
    }
    words = [re.sub(r"\$\((\w+)\)", lambda m: values[m[1]], word) for word in container()["args"]]
    cfg = started_with(*words)
    assert (cfg.workers, cfg.rate, cfg.store.url) == (2, 200, "redis://r")
    lifetime = cfg.lifetime.drain_seconds + cfg.lifetime.grace_seconds
    assert lifetime < pod()["terminationGracePeriodSeconds"]
    unready = container()["readinessProbe"]
    assert unready["periodSeconds"] * unready["failureThreshold"] <= cfg.lifetime.drain_seconds


def test_probes_ask_for_what_anybody_may_ask():
    open_paths = {path for _, path, _, role, _ in (*DOMAIN, *INFERENCE) if role is None}
    probes = ("startupProbe", "readinessProbe", "livenessProbe")
    assert {container()[probe]["httpGet"]["path"] for probe in probes} <= open_paths
    health = next(rest for name, rest in instructions() if name == "HEALTHCHECK")
    asked = re.search(r"http://127\.0\.0\.1:(\d+)(/[^']*)", health)
    assert (asked[1], asked[2] in open_paths) == ("8000", True)


def test_kubernetes_selects_the_pods_that_it_makes():
    found = resources()
    labels = found["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert found["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert found["Service"]["spec"]["selector"] == labels
    assert found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    mounted = {mount["name"] for mount in container()["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod()["volumes"]}


def test_no_deployment_gives_rights_that_are_not_needed():
    assert container()["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    for service in read("compose.yaml")["services"].values():
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def numbers():
    """Names and label values of every series that the service shows."""
    told = {}
    for family in families(NAMES):
        ends = {"counter": ["_total"], "gauge": [""], "histogram": ["_bucket", "_count", "_sum"]}
        for end in ends[family.kind]:
            told[family.name + end] = dict(zip(family.labels, family.values, strict=True))
    return told


@pytest.mark.parametrize(
    "rule", read("alerts.yaml")["groups"][0]["rules"], ids=lambda r: r["alert"]
)
def test_an_alert_asks_for_numbers_that_there_are(rule):
    told = numbers()
    for name, chosen in re.findall(r"(recsys_\w+)(?:\{([^}]*)\})?", rule["expr"]):
        assert name in told
        for label, sign, value in re.findall(r'(\w+)(=~?)"([^"]*)"', chosen):
            fits = value.__eq__ if sign == "=" else re.compile(value).fullmatch
            assert any(fits(one) for one in told[name][label])


def test_prometheus_asks_the_service_of_compose():
    scraped = read("prometheus.yaml")["scrape_configs"][0]
    assert scraped["static_configs"][0]["targets"] == ["recsys:8000"]
    assert scraped["metrics_path"] in {path for _, path, *_ in DOMAIN}
    secret = Path(scraped["authorization"]["credentials_file"]).name
    assert secret in read("compose.yaml")["services"]["prometheus"]["secrets"]
