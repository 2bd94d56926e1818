"""Requests of somebody who means no good, or does not know what he does: refused, never a fault."""

import json
import threading

import pytest

from serving.problem import TITLES

DEEP = b'{"user_id": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
BODIES = {
    "nothing": b"",
    "no JSON": b"{",
    "no object": b"[]",
    "deep": DEEP,
    "NaN": b'{"user_id": NaN}',
    "infinite": b'{"user_id": 1, "k": Infinity}',
    "huge number": b'{"user_id": 1, "k": 1e999}',
    "no UTF-8": b'{"user_id": "\xff\xfe"}',
    "half a character": b'{"user_id": "\\ud800"}',
    "null": b'{"user_id": null}',
    "object as id": b'{"user_id": {"$ne": 1}}',
    "true as id": b'{"user_id": true}',
    "long id": b'{"user_id": "' + b"a" * 1025 + b'"}',
    "huge integer": b'{"user_id": 1, "k": ' + b"9" * 400 + b"}",
    "twice": b'{"requests": [{"user_id": 1}], "user_id": 1}',
    "many requests": json.dumps({"requests": [{"user_id": 1}] * 257}).encode(),
    "many ids": json.dumps({"user_id": 1, "exclude": [1] * 10_001}).encode(),
    "large": b'{"user_id": "' + b"a" * 1_100_000 + b'"}',
}
PATHS = (
    "/../../etc/passwd",
    "/page/../door.py",
    "/page/%2e%2e/door.py",
    "/page/..%2fdoor.py",
    "/users//memory",
    "/users/%ff/memory",
    "/users/" + "a" * 1100 + "/memory",
    "/users/1/memory/more",
    "/users/1/memory?item_id=",
    "/users/1/memory?unknown=1",
    "/users/1/memory?" + "item_id=1&" * 60,
    "/items?limit=0",
    "/items?limit=-1",
    "/items?limit=1e3",
    "/items?query=" + "a" * 2000,
    "/v2/models/..%2f..%2fetc",
    "/v2/models/score/versions/9",
    "//recommend",
    "/recommend/",
)


@pytest.mark.parametrize("path", ["/recommend", "/events", "/forget", "/memory"])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_bodies_are_refused_with_a_reason(api, path, body):
    reply = api.post(path, content=body)
    assert 400 <= reply.status_code < 500
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["title"] == TITLES[reply.status_code]


@pytest.mark.parametrize("path", PATHS)
def test_paths_lead_nowhere_else(api, path):
    whole = str(api.base_url).rstrip("/") + path  # alone, //recommend would be a host to httpx
    reply = api.request("GET", whole)
    assert 400 <= reply.status_code < 500
    assert b"root:" not in reply.content
    assert b"import" not in reply.content


@pytest.mark.parametrize("method", ["PUT", "PATCH", "OPTIONS", "TRACE", "DELETE"])
def test_other_methods_are_refused_with_those_there_are(api, method):
    reply = api.request(method, "/recommend")
    assert (reply.status_code, reply.json()["detail"]) == (405, "this takes POST: use that")


def test_ids_with_strange_characters_are_ids(api):
    for who in ("a/b", "ä", "x' OR '1'='1", "%00", "\x00", "../../x", "🙂", "a b?c#d"):
        api.post("/events", json={"user_id": who, "item_id": 101, "event_id": who})
        quoted = "".join(f"%{byte:02x}" for byte in who.encode())
        shown = api.get(f"/users/{quoted}/memory").json()
        assert (shown["user_id"], shown["events"]) == (who, 1)
        assert api.delete(f"/users/{quoted}").json()["events"] == 1


def test_no_answer_has_anything_of_another_user(api):
    """Sixteen users with one item each ask at once, again and again; each sees its own."""
    users = [f"u{place}" for place in range(16)]
    for place, who in enumerate(users):
        api.post("/events", json={"user_id": who, "item_id": 100 + place})
    wrong = []

    def ask(place):
        for _ in range(20):
            answer = api.post("/recommend", json={"user_id": users[place], "k": 1}).json()
            reasons = [one["item_id"] for one in answer["items"][0]["because"]]
            if answer["user_id"] != users[place] or reasons != [100 + place]:
                wrong.append(answer)

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
