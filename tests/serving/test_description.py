"""The description of the service: whole, true, and no door to a fault."""

import json
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings

from serving.api.surface import DOMAIN, INFERENCE

DESCRIPTION = Path(__file__).parents[2] / "serving" / "openapi.json"
TOLD = json.loads(DESCRIPTION.read_text("utf-8"))
SCHEMA = schemathesis.openapi.from_dict(TOLD)


def test_everything_that_can_be_asked_is_described_and_nothing_else():
    told = {
        (method.upper(), path)
        for path, operations in TOLD["paths"].items()
        for method in operations
        if method != "parameters"
    }
    routes = {(method, path) for method, path, *_ in (*DOMAIN, *INFERENCE)}
    assert told == routes | {("GET", "/health"), ("GET", "/openapi.json")}


def test_the_role_of_every_route_is_told():
    for method, path, _, role, _ in (*DOMAIN, *INFERENCE):
        operation = TOLD["paths"][path][method.lower()]
        assert bool(operation["security"]) == (role is not None)
        assert role is None or f"the role {role}," in operation["description"]


def examples():
    for path, operations in TOLD["paths"].items():
        for method, operation in operations.items():
            if method != "parameters" and "requestBody" in operation:
                (media,) = operation["requestBody"]["content"].values()
                for name, example in media["examples"].items():
                    yield pytest.param(method, path, example["value"], id=f"{path} {name}")


@pytest.mark.parametrize(("method", "path", "body"), list(examples()))
def test_the_examples_are_answered(api, method, path, body):
    if "{" in path:
        pytest.skip("a graph's inputs depend on the bundle; tests of the protocol ask it")
    assert api.request(method, path, json=body).status_code == 200


def test_the_service_serves_its_description(api):
    assert api.get("/openapi.json").json() == TOLD


@SCHEMA.parametrize()
@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_no_request_is_a_fault(service, case):
    answer = case.call(base_url=service.url, timeout=60)
    assert answer.status_code < 500, answer.text
