"""The page in a real Chromium, before a stand-in for the service whose answers are provable.

Of a user with events the item after each one's stands on the list, the newest first, then the rest
in order; the candidate's weights and those of the only context hop are on the newest slot alone.
"""

import json
import shutil
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

FILES = Path(__file__).parents[3] / "serving" / "page"
KINDS = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
GUARD = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'"  # as the service sends it
SITE = "http://page.test"
TITLES = {1: "Heat", 2: "Alien", 3: "<b>Brazil</b>", 4: "Dune", 5: "Edge"}
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def chromium():
    """A browser; the test is skipped where there is none."""
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    with playwright.sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


class Service:
    """Answers for the service; ``log`` holds the events of each user, ``asked`` every request."""

    def __init__(self, *, key=None, explains=True):
        self.key, self.explains, self.log, self.asked = key, explains, {}, []

    def open(self, browser, *, at="", **settings):
        """The page, all of whose requests come here; whatever it complains of fails the test."""
        page = browser.new_page(**settings)
        self.complaints = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda line: self._heard(line))
        page.route("**/*", self._answer)
        page.goto(f"{SITE}/{at}")
        return page

    def _heard(self, line):
        if line.type in ("error", "warning") and "status of 4" not in line.text:
            self.complaints.append(line.text)

    def _answer(self, route, request):
        address = urlsplit(request.url)
        self.asked.append((request.method, f"{address.scheme}://{address.netloc}", address.path))
        file = FILES / (Path(address.path).name or "index.html")
        if address.path == "/" or address.path.startswith("/page/"):
            headers = {"content-security-policy": GUARD, "content-type": KINDS[file.suffix]}
            return route.fulfill(body=file.read_bytes(), headers=headers)
        if self.key and request.headers.get("authorization") != f"Bearer {self.key}":
            return self._json(route, {"title": "no key", "detail": "a key is asked for"}, 401)
        body = json.loads(request.post_data) if request.post_data else {}
        return self._json(route, *self._told(request.method, address, body))

    def _json(self, route, told, status=200):
        route.fulfill(status=status, body=json.dumps(told), content_type="application/json")

    def _told(self, method, address, body):
        way = [unquote(part) for part in address.path.split("/")[1:]]
        asked = parse_qs(address.query)
        if way == ["recommend"]:
            return (self._list(body["user_id"]),)
        if way == ["events"]:
            for event in body["events"]:
                self.log.setdefault(event["user_id"], []).append(int(event["item_id"]))
            return ({"events": [{"position": 1, "repeated": False}]},)
        if way == ["items"]:
            query = asked.get("query", [""])[0].lower()
            return ({"items": [item(one) for one in TITLES if query in TITLES[one].lower()]},)
        if method == "DELETE":
            return (self._forgotten(way),)
        return (self._memory(way[1], [int(one) for one in asked.get("item_id", [])]),)

    def _forgotten(self, way):
        had = self.log.get(way[1], [])
        gone = [one for one in had if len(way) == 2 or str(one) == way[3]]
        self.log[way[1]] = [one for one in had if one not in gone]
        return {"user_id": way[1], "events": len(gone)}

    def _list(self, user):
        had = self.log.get(user, [])
        after = [one % len(TITLES) + 1 for one in reversed(had)]
        order = [one for one in dict.fromkeys([*after, *TITLES]) if one not in had]
        items = [
            item(one) | {"rank": rank, "score": 5.5 - rank, "because": self._because(one, had)}
            for rank, one in enumerate(order, 1)
        ]
        return {"user_id": user, "model": "a1b2", "events": len(had), "items": items}

    def _because(self, one, had):
        return [item(past) | {"weight": 0.25} for past in had if past % len(TITLES) + 1 == one]

    def _memory(self, user, item_ids):
        had = self.log.get(user, [])
        newest = [0.75 * (place == len(had) - 1) for place in range(len(had))]
        hops = [
            {"name": "context 1", "weights": newest, "nothing": 0.25},
            {"name": "candidate", "weights": [0.5 * one for one in newest], "nothing": 0.625},
        ]
        slots = [
            item(one)
            | {
                "position": place,
                "timestamp": 86400 * place,
                "behaviour": None,
                "at": f"2026-01-0{place}T12:00:00+00:00",
            }
            for place, one in enumerate(had, 1)
        ]
        reads = [
            item(one) | {"score": 1.5, "hops": hops if self.explains else []} for one in item_ids
        ]
        return {
            "user_id": user,
            "events": len(had),
            "model": "a1b2",
            "slots": slots,
            "reads": reads,
        }


def item(one):
    return {"item_id": one, "title": TITLES[one]}
