"""What those see who run the service: keys, numbers, logs, new bundles, its end."""

import hashlib
import os
import shutil
import signal
import ssl
import subprocess
import threading
import time

import httpx
import pytest

from tests.serving.running import client, running
from tests.tiny_bundle import world, write_bundle

SECRETS = {"reader": "r-secret", "writer": "w-secret", "boss": "a-secret"}
ROLES = {"reader": "read", "writer": "write,read", "boss": "admin"}


@pytest.fixture(scope="module")
def guarded(bundle, tmp_path_factory):
    """Two processes, keys, a rate, a folder of its own that tests put bundles into."""
    folder = tmp_path_factory.mktemp("guarded")
    shutil.copytree(bundle, folder / "bundle")
    lines = [
        f"{name} {ROLES[name]} {hashlib.sha256(secret.encode()).hexdigest()}\n"
        for name, secret in SECRETS.items()
    ]
    (folder / "keys").write_text("# name roles sha256\n" + "".join(lines))
    settings = ("workers=2", "batch.patience=600", "lifetime.watch_seconds=0.1")
    with running(folder / "bundle", folder, *settings, f"keys={folder / 'keys'}") as started:
        started.happened("ready", times=2)
        yield started, folder / "bundle"


def as_caller(name):
    return {"Authorization": f"Bearer {SECRETS[name]}"}


ASKED = (
    ("POST", "/recommend", {"user_id": 1}, "read"),
    ("POST", "/events", {"user_id": 1, "item_id": 101}, "write"),
    ("GET", "/users/1/memory", None, "read"),
    ("DELETE", "/users/1", None, "write"),
    ("GET", "/v2/models/score", None, "read"),
    ("POST", "/v2/models/score/infer", {"inputs": []}, "read"),
    ("GET", "/metrics", None, "admin"),
)


@pytest.mark.parametrize(("method", "path", "body", "role"), ASKED)
def test_a_key_opens_what_its_roles_say_and_nothing_else(guarded, method, path, body, role):
    with client(guarded[0]) as api:
        for wrong in ({}, {"X-API-Key": "x"}, {"Authorization": "Bearer"}, {"X-API-Key": ""}):
            assert api.request(method, path, json=body, headers=wrong).status_code == 401
        for name, roles in ROLES.items():
            found = api.request(method, path, json=body, headers=as_caller(name)).status_code
            allowed = role in roles.split(",") or roles == "admin"
            assert (found == 403) == (not allowed), (name, found)
            assert found != 401


def test_health_and_the_description_need_no_key(guarded):
    with client(guarded[0]) as api:
        for path in ("/health", "/v2/health/live", "/v2/health/ready", "/openapi.json"):
            assert api.get(path).status_code == 200


def test_numbers_are_those_of_all_processes(guarded):
    def lists(api):
        text = api.get("/metrics", headers=as_caller("boss")).text
        found = [line for line in text.splitlines() if line.startswith("recsys_lists_total")]
        return sum(float(line.rpartition(" ")[2]) for line in found)

    with client(guarded[0]) as api:
        before = lists(api)
    for _ in range(20):
        with client(guarded[0]) as one:  # a connection of its own: either process takes it
            one.post("/recommend", json={"user_id": 1}, headers=as_caller("reader"))
    with client(guarded[0]) as api:
        assert {lists(api) for _ in range(5)} == {before + 20}


def test_what_was_no_request_is_counted_too(service):
    def counted(api):
        lines = api.get("/metrics").text.splitlines()
        found = [line for line in lines if 'route="none",status="414"' in line]
        return sum(float(line.rpartition(" ")[2]) for line in found)

    with client(service) as api:
        before = counted(api)
        assert api.get("/" + "a" * 9000).status_code == 414
        assert counted(api) == before + 1


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_with_a_certificate_nobody_is_served_in_the_clear(bundle, tmp_path):
    certificate, private_key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
        " -subj /CN=recsys -addext subjectAltName=IP:127.0.0.1"
    )
    files = ["-out", str(certificate), "-keyout", str(private_key)]
    subprocess.run([*command.split(), *files], check=True, capture_output=True)
    settings = (f"tls.certificate={certificate}", f"tls.private_key={private_key}")
    with running(bundle, tmp_path / "service", *settings) as started:
        trusted = ssl.create_default_context(cafile=str(certificate))
        url = started.url.replace("http:", "https:")
        with httpx.Client(base_url=url, verify=trusted, trust_env=False, timeout=60) as api:
            listed = api.post("/recommend", json={"user_id": 1, "k": 3})
            assert (listed.status_code, len(listed.json()["items"])) == (200, 3)
        with client(started) as plain, pytest.raises(httpx.TransportError):
            plain.get("/health")
        stranger = httpx.Client(base_url=url, trust_env=False)
        with stranger, pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            stranger.get("/health")


def test_a_new_bundle_is_taken_without_a_lost_request(guarded):
    started, folder = guarded
    failures, models, ending = [], set(), threading.Event()

    def ask():
        with client(started) as api:
            while not ending.is_set():
                reply = api.post("/recommend", json={"user_id": 5}, headers=as_caller("reader"))
                models.add(reply.json().get("model"))
                if reply.status_code != 200:
                    failures.append(reply.text)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    new = write_bundle(folder.parent / "new", world(30, seed=9))
    folder.rename(folder.parent / "old")
    new.rename(folder)
    started.happened("swapped", times=2)
    time.sleep(0.2)
    ending.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(models) == 2


def test_a_damaged_bundle_is_refused_and_the_old_one_stays(guarded):
    started, folder = guarded
    with client(started) as api:
        before = api.get("/health").json()
        with (folder / "recommend.onnx").open("ab") as file:
            file.write(b"x")
        manifest = folder / "manifest.json"
        manifest.write_text(manifest.read_text() + " ")  # another signature, so it is looked at
        refused = started.happened("refused", times=2)
        assert "is damaged" in refused[0]["message"]
        assert api.get("/health").json() == before
        numbers = api.get("/metrics", headers=as_caller("boss")).text
        assert 'recsys_swaps_total{what="refused"} 2.0' in numbers


def test_a_killed_process_is_started_again(guarded):
    started, folder = guarded
    if "damaged" in started.log.read_text():  # the bundle that the tests before left
        shutil.rmtree(folder)
        write_bundle(folder, world(30, seed=10))
    ready = started.happened("ready", times=2)
    os.kill(ready[0]["process"], signal.SIGKILL)
    started.happened("died")
    started.happened("ready", times=3)
    with client(started) as api:
        assert api.post("/recommend", json={"user_id": 1}, headers=as_caller("reader")).is_success


def test_logs_name_requests_and_no_people(service, api):
    secret = "someone-nobody-must-know"
    api.post("/events", json={"user_id": secret, "item_id": 101}, headers={"x-request-id": "mine"})
    api.get(f"/users/{secret}/memory")
    api.post("/recommend", json={"user_id": secret, "k": -1})
    reply = api.delete(f"/users/{secret}")
    assert reply.headers["x-request-id"] not in ("", "mine")
    lines = [line for line in service.lines if line.get("request_id") == "mine"]
    assert [(line["route"], line["status"]) for line in lines] == [("events", 200)]
    assert secret not in service.log.read_text()


def test_what_was_begun_is_finished_before_the_end(bundle, tmp_path):
    settings = ("lifetime.drain_seconds=0.5", "lifetime.grace_seconds=20")
    with running(bundle, tmp_path, *settings) as started, client(started) as api:
        assert api.get("/v2/health/ready").status_code == 200
        started.process.send_signal(signal.SIGTERM)
        started.happened("draining")
        assert api.get("/v2/health/ready").status_code == 503
        assert api.get("/v2/health/live").status_code == 200
        assert api.post("/recommend", json={"user_id": 1}).status_code == 200
        assert started.process.wait(60) == 0
        with pytest.raises(httpx.TransportError):
            api.get("/health")


def test_a_rate_is_held_for_each_key(bundle, tmp_path):
    with running(bundle, tmp_path, "rate=5") as started, client(started) as api:
        found = [api.post("/recommend", json={"user_id": 1}) for _ in range(40)]
        told = {reply.status_code for reply in found}
        assert told == {200, 429}
        refused = next(reply for reply in found if reply.status_code == 429)
        assert int(refused.headers["retry-after"]) >= 1
        assert api.get("/health").status_code == 200


WRONG = {
    "no bundle": (("bundle=nowhere",), "is no bundle"),
    "a key file that is none": (("keys=conf/serve.yaml",), "is no key"),
    "a certificate that is none": (("tls.certificate=README.md",), "give PEM files"),
    "a setting that is none": (("prot=1",), "did you mean 'port'"),
}


@pytest.mark.parametrize(("settings", "told"), WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("workers", [1, 2])
def test_what_cannot_start_says_why_and_ends(bundle, tmp_path, settings, told, workers):
    with (
        pytest.raises(AssertionError) as caught,
        running(bundle, tmp_path, *settings, f"workers={workers}"),
    ):
        pass
    assert told in str(caught.value)
    assert "Traceback" not in str(caught.value)
