"""What those ask who run the service: is it alive, is it ready, its numbers, its description."""

from functools import cache
from pathlib import Path
from typing import Final

import orjson

from serving import metrics
from serving.exchange import JSON, Reply, Request
from serving.problem import Problem
from serving.service import Service
from serving.store.contract import StoreError

HERE: Final = Path(__file__).parents[1]
KINDS: Final = {
    ".html": b"text/html; charset=utf-8",
    ".css": b"text/css; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".svg": b"image/svg+xml",
    ".png": b"image/png",
}
GUARD: Final = (
    (b"content-security-policy", b"default-src 'self'; frame-ancestors 'none'; base-uri 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-cache"),
)


async def ready(service: Service) -> bool:
    """Whether requests would be answered now."""
    if service.draining:
        return False
    try:
        await service.aside(service.store.ready)
    except (StoreError, Problem):
        return False
    return True


async def health(service: Service, _: Request, __: tuple[str, ...]) -> Reply:
    """``GET /health``: for people and load balancers that know no Open Inference Protocol."""
    fine = await ready(service)
    told = {"ready": fine, "draining": service.draining, "model": service.model.version}
    return Reply(200 if fine else 503, orjson.dumps(told))


def numbers(service: Service, _: Request, __: tuple[str, ...]) -> Reply:
    """``GET /metrics``."""
    return Reply(200, service.metrics.text(), metrics.KIND)


def description(_: Request, __: tuple[str, ...]) -> Reply:
    """``GET /openapi.json``."""
    return Reply(200, _read(HERE / "openapi.json"), JSON)


def page(file: str) -> Reply:
    """A file of the page; its names are fixed when the service starts."""
    path = HERE / "page" / file
    return Reply(200, _read(path), KINDS[path.suffix], GUARD)


def pages() -> list[str]:
    """Files of the page."""
    return sorted(path.name for path in (HERE / "page").glob("*") if path.suffix in KINDS)


@cache
def _read(path: Path) -> bytes:
    return path.read_bytes()
