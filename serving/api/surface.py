"""Everything that can be asked, in one table."""

from collections.abc import Callable
from functools import partial
from typing import Final

from serving.api import events, forget, items, memory, operations, recommend
from serving.door import NOWHERE
from serving.exchange import Answer, Reply, Request
from serving.inference import protocol
from serving.routes import Route
from serving.service import Service

Work = Callable[[Service, Request, tuple[str, ...]], Answer]
DOMAIN: Final[tuple[tuple[str, str, str, str | None, Work], ...]] = (
    ("POST", "/recommend", "recommend", "read", recommend.recommend),
    ("POST", "/events", "events", "write", events.write),
    ("GET", "/users/{user_id}/memory", "memory", "read", memory.of_user),
    ("POST", "/memory", "memory_batch", "read", memory.several),
    ("DELETE", "/users/{user_id}", "forget_user", "write", forget.user),
    ("DELETE", "/users/{user_id}/events/{item_id}", "forget_event", "write", forget.event),
    ("POST", "/forget", "forget_batch", "write", forget.several),
    ("GET", "/items", "items", "read", items.items),
    ("GET", "/metrics", "metrics", "admin", operations.numbers),
)

MODEL: Final = "/v2/models/{model}"
VERSION: Final = MODEL + "/versions/{version}"
INFERENCE: Final[tuple[tuple[str, str, str, str | None, Work], ...]] = (
    ("GET", "/v2", "inference_server", None, protocol.server),
    ("GET", "/v2/health/live", "inference_live", None, protocol.live),
    ("GET", "/v2/health/ready", "inference_ready", None, protocol.is_ready),
    ("GET", MODEL, "inference_model", "read", protocol.metadata),
    ("GET", VERSION, "inference_model", "read", protocol.metadata),
    ("GET", MODEL + "/ready", "inference_model_ready", None, protocol.model_ready),
    ("GET", VERSION + "/ready", "inference_model_ready", None, protocol.model_ready),
    ("POST", MODEL + "/infer", "inference", "read", protocol.infer),
    ("POST", VERSION + "/infer", "inference", "read", protocol.infer),
)
NAMES: Final = (
    *dict.fromkeys(name for _, _, name, _, _ in (*DOMAIN, *INFERENCE)),
    "health",
    "openapi",
    "page",
    NOWHERE,
)


def surface(service: Service) -> list[Route]:
    """The routes of one process."""
    asked = [
        Route(method, path, name, role, partial(work, service))
        for method, path, name, role, work in (*DOMAIN, *INFERENCE)
    ]
    anybody = [
        Route("GET", "/health", "health", None, partial(operations.health, service)),
        Route("GET", "/openapi.json", "openapi", None, operations.description),
    ]
    return [*asked, *anybody, *_page()]


def _page() -> list[Route]:
    """The page and its files."""

    def shown(file: str, _: Request, __: tuple[str, ...]) -> Reply:
        return operations.page(file)

    files = operations.pages()
    routes = [Route("GET", f"/page/{file}", "page", None, partial(shown, file)) for file in files]
    if "index.html" in files:
        routes.append(Route("GET", "/", "page", None, partial(shown, "index.html")))
    return routes
