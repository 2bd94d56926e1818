"""HTTP/1.1 on a socket: bytes in, whole requests out, replies back in order.

    connection_made ► data_received ► the parser's on_... ► door ► reply ► the next request

llhttp (through httptools) parses; nothing here guesses what bytes mean. Written for this service
because an ASGI server costs two to three times as much processor time a request as all of this file
(benchmarks/serve.py), and to bound what a caller may cost: bytes of a request line, of headers and
of a body, and seconds to send them or to take a reply.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from http import HTTPStatus
from typing import Final, NamedTuple, cast

import httptools

from serving.exchange import Reply, Request
from serving.problem import Problem, as_reply

LINE_BYTES: Final = 8192  # of a request's target
HEADER_BYTES: Final = 16384  # of all headers together
HEADERS: Final = 100
STATUS: Final = {s.value: f"HTTP/1.1 {s.value} {s.phrase}\r\n".encode() for s in HTTPStatus}
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
READING, ANSWERING, IDLE = range(3)


class Limits(NamedTuple):
    """What one caller may cost."""

    body_bytes: int
    request_seconds: float  # from the first byte of a request to its last
    reply_seconds: float  # without the caller taking a byte of a reply
    idle_seconds: float  # between two requests
    connections: int


class Wire:
    """All connections of this process, and what they may cost."""

    def __init__(
        self,
        door: Callable[[Request, Callable[[Reply], None]], None],
        limits: Limits,
        *,
        refused: Callable[[int], None],
    ) -> None:
        """Nobody is connected yet.

        Args:
            door: Takes whole requests.
            limits: Of one caller.
            refused: Hears the status that ended a connection before the door saw a request.
        """
        self.door = door
        self.limits = limits
        self.refused = refused
        self.open: set[Connection] = set()
        self.closing = False  # replies then end their connection

    def connection(self) -> "Connection":
        """A protocol for one more connection."""
        return Connection(self)

    def sweep(self) -> None:
        """Ends connections that are too slow; to be called about once a second."""
        now = time.perf_counter()
        for connection in list(self.open):
            connection.check(now)

    def close(self) -> None:
        """No further requests: idle connections end now, the others after their reply."""
        self.closing = True
        for connection in list(self.open):
            connection.finish()

    def abort(self) -> None:
        """Ends every connection at once."""
        for connection in list(self.open):
            connection.transport.abort()


class Connection(asyncio.Protocol):
    """One caller; requests that come before a reply was sent wait for their turn."""

    __slots__ = (
        *("_bytes", "_ended", "_headers", "_parser", "_paused", "_request"),
        *("_since", "_state", "_stuck", "_url", "_waiting", "_wire", "transport"),
    )

    transport: asyncio.Transport

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[Request] = deque()
        self._request: Request | None = None  # whose body is being read
        self._state = IDLE
        self._since = time.perf_counter()
        self._stuck = 0.0  # since when the caller takes nothing; 0 while it does
        self._ended = False  # nothing more is read
        self._paused = False
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Takes the connection, or turns it away where there are too many."""
        self.transport = cast(asyncio.Transport, transport)
        self._wire.open.add(self)
        if len(self._wire.open) > self._wire.limits.connections:
            self._refuse(Problem(503, "too many connections", remedy="try again later"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Forgets the connection; a reply that is still to come goes nowhere."""
        self._ended = True
        self._waiting.clear()
        self._wire.open.discard(self)

    def data_received(self, data: bytes) -> None:
        """Feeds the parser, which calls the methods below."""
        if self._ended:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._ended = True  # the request is answered as if it had not asked
        except httptools.HttpParserCallbackError as error:
            cause = error.__context__
            self._refuse(cause if isinstance(cause, Problem) else _NO_HTTP)
        except httptools.HttpParserError:
            self._refuse(_NO_HTTP)

    def pause_writing(self) -> None:
        """The caller takes too little; no further request is read."""
        self._stuck = time.perf_counter()
        self._pause()

    def resume_writing(self) -> None:
        """The caller takes again."""
        self._stuck = 0.0
        self._go_on()

    def on_message_begin(self) -> None:
        """The first bytes of a request."""
        self._url, self._headers, self._bytes = b"", {}, 0
        if self._state == IDLE:
            self._state, self._since = READING, time.perf_counter()

    def on_url(self, url: bytes) -> None:
        """A piece of the target."""
        self._url += url
        if len(self._url) > LINE_BYTES:
            raise Problem(414, f"a target is at most {LINE_BYTES} bytes long", remedy="shorten it")

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header, whole."""
        self._bytes += len(name) + len(value)
        if self._bytes > HEADER_BYTES or len(self._headers) >= HEADERS:
            rule = f"headers are at most {HEADERS} and {HEADER_BYTES} bytes"
            raise Problem(431, rule, remedy="send fewer")
        name, had = name.lower(), self._headers.get(name.lower())
        self._headers[name] = value if had is None else had + b", " + value

    def on_headers_complete(self) -> None:
        """Everything but the body."""
        path, _, query = self._url.partition(b"?")
        method = self._parser.get_method().decode("latin-1")
        path_text = path.decode("latin-1")
        request = Request(method, path=path_text, query=query, headers=self._headers)
        request.began = self._since
        modern = self._parser.get_http_version() == "1.1"
        request.keep_alive = modern and self._parser.should_keep_alive()
        self._request, self._bytes = request, 0
        length = self._headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > self._wire.limits.body_bytes:
            raise self._too_long()
        if self._headers.get(b"expect", b"").lower() == b"100-continue":
            self.transport.write(CONTINUE)

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        assert self._request is not None
        self._bytes += len(body)
        if self._bytes > self._wire.limits.body_bytes:
            raise self._too_long()
        self._request.body = self._request.body + body if self._request.body else body

    def on_message_complete(self) -> None:
        """A whole request: its turn, or the queue behind the one being answered."""
        request, self._request = self._request, None
        assert request is not None
        if self._state == ANSWERING:
            self._waiting.append(request)
            self._pause()
        else:
            self._turn(request)

    def check(self, now: float) -> None:
        """Ends this connection if it is slower than the limits."""
        limits = self._wire.limits
        if self._stuck and now - self._stuck > limits.reply_seconds:
            self.transport.abort()
        elif self._state == READING and now - self._since > limits.request_seconds:
            rule = f"a request is sent within {limits.request_seconds:g} s"
            self._refuse(Problem(408, rule, remedy="send it faster"))
        elif self._state == IDLE and now - self._since > limits.idle_seconds:
            self.transport.close()

    def finish(self) -> None:
        """Ends this connection now, or after the reply that is being made."""
        self._ended = True
        self._waiting.clear()
        if self._state != ANSWERING:
            self.transport.close()

    def _turn(self, request: Request) -> None:
        self._state = ANSWERING

        def respond(reply: Reply) -> None:
            self._send(request, reply)

        self._wire.door(request, respond)

    def _send(self, request: Request, reply: Reply) -> None:
        """Writes a reply and turns to what came in the meantime."""
        if self.transport.is_closing():
            return
        last = self._ended or self._wire.closing or not request.keep_alive
        self.transport.write(written(request, reply, last=last))
        self._state, self._since = IDLE, time.perf_counter()
        if last:
            self.transport.close()
        elif self._waiting:
            self._turn(self._waiting.popleft())
        elif self._request is not None:
            self._state = READING
        self._go_on()

    def _pause(self) -> None:
        if not self._paused:
            self._paused = True
            self.transport.pause_reading()

    def _go_on(self) -> None:
        """Reads again, unless there is a reason not to."""
        if self._paused and not self._waiting and not self._stuck:
            self._paused = False
            if not self.transport.is_closing():
                self.transport.resume_reading()

    def _refuse(self, problem: Problem) -> None:
        """An answer to what cannot be read on; the connection ends, its bytes mean nothing now."""
        self._ended = True
        self._waiting.clear()
        if self._state != ANSWERING and not self.transport.is_closing():
            request = self._request or Request("GET", path="", query=b"", headers={})
            self.transport.write(written(request, as_reply(problem), last=True))
            self._wire.refused(problem.status)
        self.transport.close()

    def _too_long(self) -> Problem:
        rule = f"a body is at most {self._wire.limits.body_bytes} bytes long"
        return Problem(413, rule, remedy="send it in parts")


def written(request: Request, reply: Reply, *, last: bool) -> bytes:
    """The reply in bytes; one to HEAD tells its length and leaves the body out."""
    parts = [
        STATUS[reply.status],
        b"content-type: ",
        reply.kind,
        b"\r\ncontent-length: %d\r\nx-request-id: " % len(reply.body),
        request.id.encode(),
        b"\r\n",
    ]
    for name, value in reply.headers:
        parts += (name, b": ", value, b"\r\n")
    if last:
        parts.append(b"connection: close\r\n")
    parts.append(b"\r\n")
    if request.method != "HEAD":
        parts.append(reply.body)
    return b"".join(parts)


_NO_HTTP = Problem(400, "what came is no HTTP/1.1 request", remedy="send one")
