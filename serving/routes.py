"""What can be asked: method and path to the function that answers, and the role that it takes."""

from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from serving.exchange import Handler
from serving.problem import Problem


class Route(NamedTuple):
    """One thing that can be asked."""

    method: str
    path: str  # with {name} for a segment that is a parameter
    name: str  # in metrics and logs
    role: str | None  # of the caller's key; None: anybody
    handler: Handler


class Found(NamedTuple):
    """A route and the decoded values of its parameters."""

    route: Route
    parameters: tuple[str, ...]


class Routes:
    """All routes, found by what is fixed in them."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._fixed = {
            (route.method, route.path): Found(route, ())
            for route in routes
            if "{" not in route.path
        }
        self._open = [route for route in routes if "{" in route.path]
        self._all = routes

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the routes, each once."""
        return tuple(dict.fromkeys(route.name for route in self._all))

    def find(self, method: str, path: str) -> Found:
        """The route of a request; HEAD is answered where GET is.

        Raises:
            Problem: Nothing is there, or it takes another method.
        """
        asked = "GET" if method == "HEAD" else method
        if (fixed := self._fixed.get((asked, path))) is not None:
            return fixed
        segments = path.split("/")
        fitting = [route for route in self._all if _fits(route.path.split("/"), segments)]
        for route in fitting:
            if route.method == asked:
                return Found(route, _parameters(route.path.split("/"), segments))
        if fitting:
            methods = ", ".join(sorted({route.method for route in fitting}))
            raise Problem(405, f"this takes {methods}", remedy="use that", value=method)
        remedy = "GET /openapi.json tells what there is"
        raise Problem(404, "there is nothing at this path", remedy=remedy)


def _fits(pattern: list[str], segments: list[str]) -> bool:
    return len(pattern) == len(segments) and all(
        part == segment or (part.startswith("{") and segment)
        for part, segment in zip(pattern, segments, strict=True)
    )


def _parameters(pattern: list[str], segments: list[str]) -> tuple[str, ...]:
    """Decoded one by one, so that an id may hold a slash."""
    return tuple(
        _decoded(segment, name=part[1:-1])
        for part, segment in zip(pattern, segments, strict=True)
        if part.startswith("{")
    )


def _decoded(segment: str, *, name: str) -> str:
    try:
        text = unquote_to_bytes(segment).decode("utf-8")
    except UnicodeDecodeError:
        rule = "an id in a path is UTF-8, percent-encoded"
        raise Problem(400, rule, remedy="encode it", field=name, value=segment) from None
    if len(text.encode()) > 1024:
        rule = "an id has 1 to 1024 bytes"
        raise Problem(422, rule, remedy="correct it", field=name, value=text)
    return text
