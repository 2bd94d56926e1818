"""What is wrong with a request: the rule, the field and value that broke it, and the remedy."""

from typing import Final

import orjson

from serving.exchange import Reply

KIND: Final = b"application/problem+json"
LONGEST: Final = 100  # characters of a value that are repeated to the caller
TITLES: Final = {
    400: "cannot be read",
    401: "no key",
    403: "key does not allow this",
    404: "not here",
    405: "method not allowed",
    408: "too slow",
    413: "too large",
    414: "too long a target",
    415: "unknown encoding",
    422: "not allowed",
    429: "too many requests",
    431: "too many headers",
    500: "a fault of the service",
    503: "not now",
}


class Problem(Exception):
    """Ends the handling of a request; becomes ``application/problem+json`` (RFC 9457)."""

    def __init__(
        self,
        status: int,
        rule: str,
        *,
        remedy: str,
        field: str | None = None,
        value: object = None,
        wait: float | None = None,
    ) -> None:
        """A problem.

        Args:
            status: Of HTTP.
            rule: What holds for every request.
            remedy: What the caller can do.
            field: Where in the request, as a path: ``requests[2].k``.
            value: What stood there.
            wait: Seconds after which the same request may do.
        """
        super().__init__(rule)
        self.status = status
        self.rule = rule
        self.remedy = remedy
        self.field = field
        self.value = value
        self.wait = wait

    def inside(self, field: str) -> "Problem":
        """The same, of a request that stands inside a larger one."""
        whole = field if self.field is None else f"{field}.{self.field}"
        return Problem(self.status, self.rule, remedy=self.remedy, field=whole, value=self.value)


def as_reply(problem: Problem) -> Reply:
    """The problem as it is sent."""
    told = {
        "type": "about:blank",
        "title": TITLES[problem.status],
        "status": problem.status,
        "detail": f"{problem.rule}: {problem.remedy}",
        "remedy": problem.remedy,
    }
    if problem.field is not None:
        told |= {"field": problem.field, "value": _short(problem.value)}
    return Reply(problem.status, orjson.dumps(told), KIND, _headers(problem))


def as_inference_error(problem: Problem) -> Reply:
    """The problem as clients of the Open Inference Protocol read it."""
    place = "" if problem.field is None else f"{problem.field} "
    told = {"error": f"{place}{_shown(problem.value)}{problem.rule}: {problem.remedy}"}
    return Reply(problem.status, orjson.dumps(told), headers=_headers(problem))


def _headers(problem: Problem) -> tuple[tuple[bytes, bytes], ...]:
    if problem.wait is not None:
        return ((b"retry-after", b"%d" % max(1, round(problem.wait))),)
    return ((b"www-authenticate", b"Bearer"),) if problem.status == 401 else ()


def _short(value: object) -> str | float | None:
    """Numbers and such as they are, the beginning of a text, of anything else its kind."""
    if isinstance(value, str):
        return value if len(value) <= LONGEST else value[:LONGEST] + "..."
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**63 else str(value)[:LONGEST]
    return f"a {type(value).__name__} of {len(value)}" if isinstance(value, dict | list) else None


def _shown(value: object) -> str:
    return "" if value is None else f"is {_short(value)!r}, but "
