"""A request and its reply, as the rest of the service sees them: no sockets, no bytes on a wire."""

from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple
from urllib.parse import parse_qsl

JSON: Final = b"application/json"


class Request:
    """One request, read whole.

    A plain class with slots: one is made for each request of the hot path.
    """

    __slots__ = ("began", "body", "headers", "id", "keep_alive", "key", "method", "path", "query")

    def __init__(
        self, method: str, *, path: str, query: bytes, headers: dict[bytes, bytes]
    ) -> None:
        self.method = method
        self.path = path  # still percent-encoded: an id may hold a slash
        self.query = query
        self.headers = headers  # names in lower case; repeated ones joined by commas
        self.body = b""
        self.began = 0.0  # of time.perf_counter, when its first byte came
        self.keep_alive = True
        self.id = ""  # for logs and for the caller; given by the door
        self.key = ""  # name of the caller's key; given by the door

    def parameters(self) -> list[tuple[str, str]]:
        """The query, decoded; a name may come several times."""
        return parse_qsl(self.query.decode("latin-1"), keep_blank_values=True)


class Reply(NamedTuple):
    """What is sent back."""

    status: int
    body: bytes = b""
    kind: bytes = JSON  # content type
    headers: tuple[tuple[bytes, bytes], ...] = ()


Answer = Reply | Awaitable[Reply]
Handler = Callable[[Request, tuple[str, ...]], Answer]
