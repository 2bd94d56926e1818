"""What is done for every request: id, key, handler, errors, numbers, a line of log."""

import asyncio
import logging
import os
import re
import time
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import count
from typing import Final, NamedTuple

from recsys.errors import RecsysError
from serving.exchange import Reply, Request
from serving.keys import Keys
from serving.logs import facts
from serving.metrics import Metrics
from serving.problem import Problem, as_inference_error, as_reply
from serving.routes import Route, Routes
from serving.service import unavailable
from serving.store.contract import StoreError

ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
NOWHERE: Final = "none"  # the name of what has no route
INFERENCE: Final = "/v2"

Respond = Callable[[Reply], None]
logger = logging.getLogger(__name__)


class Door:
    """Between connections and handlers."""

    def __init__(
        self,
        routes: Routes,
        keys: Keys,
        metrics: Metrics,
        *,
        log_requests: bool,
        traced: Callable[[Request, str, int], None] | None = None,
    ) -> None:
        """Nobody has come yet.

        Args:
            routes: What can be asked.
            keys: Who may ask it.
            metrics: Where requests are counted.
            log_requests: A line for every request, not for failures alone.
            traced: Told of every request with its route's name and its status.
        """
        self._routes = routes
        self._keys = keys
        self._metrics = metrics
        self._log_requests = log_requests
        self._traced = traced
        self._prefix = os.urandom(6).hex()
        self._numbers = count(1)
        self._running: set[asyncio.Task] = set()
        self.active = 0  # requests whose reply is still to come

    def __call__(self, request: Request, respond: Respond) -> None:
        """Answers now, or when the handler's result is there."""
        given = request.headers.get(b"x-request-id", b"")
        if given and ID.fullmatch(given):
            request.id = given.decode()
        else:
            request.id = f"{self._prefix}-{next(self._numbers)}"
        self.active += 1
        asked = _Asked(request, respond, None)
        try:
            route, parameters = self._routes.find(request.method, request.path)
            asked = _Asked(request, respond, route)
            if route.role is not None:
                request.key = self._keys.admit(request, role=route.role)
            answer = route.handler(request, parameters)
        except Exception as error:
            self._fail(asked, error)
            return
        if isinstance(answer, Reply):
            self._reply(asked, answer)
        else:
            self._later(asked, answer)

    def refused(self, status: int) -> None:
        """Counts what ended before it was a request."""
        self._metrics.add("recsys_requests", NOWHERE, str(status))

    def _later(self, asked: "_Asked", answer: Awaitable[Reply]) -> None:
        future = asyncio.ensure_future(answer)
        if isinstance(future, asyncio.Task):  # the loop itself keeps no reference
            self._running.add(future)
            future.add_done_callback(self._running.discard)
        future.add_done_callback(partial(self._done, asked))

    def _done(self, asked: "_Asked", future: "asyncio.Future[Reply]") -> None:
        if future.cancelled():
            self._fail(asked, Problem(503, "the service is ending", remedy="ask again", wait=1))
        elif (error := future.exception()) is not None:
            self._fail(asked, error)
        else:
            self._reply(asked, future.result())

    def _fail(self, asked: "_Asked", error: BaseException) -> None:
        """The reply to an error; what is no fault of the caller is logged with its place."""
        if isinstance(error, StoreError):
            self._metrics.add("recsys_store_errors")
            logger.error("store: %s", error, extra=facts(request_id=asked.request.id))
            error = unavailable(error)
        elif not isinstance(error, Problem):
            logger.error("fault", exc_info=error, extra=facts(request_id=asked.request.id))
            wrong = "the service failed" if not isinstance(error, RecsysError) else str(error)
            error = Problem(500, wrong, remedy=f"report request {asked.request.id}")
        inference = asked.request.path.startswith(INFERENCE)
        self._reply(asked, as_inference_error(error) if inference else as_reply(error))

    def _reply(self, asked: "_Asked", reply: Reply) -> None:
        request, respond, route = asked
        self.active -= 1
        respond(reply)
        name = NOWHERE if route is None else route.name
        seconds = time.perf_counter() - request.began
        self._metrics.add("recsys_requests", name, str(reply.status))
        self._metrics.observe("recsys_request_seconds", name, value=seconds)
        if self._traced is not None:
            self._traced(request, name, reply.status)
        if self._log_requests or reply.status >= 500:
            self._line(request, reply, name=name, seconds=seconds)

    def _line(self, request: Request, reply: Reply, *, name: str, seconds: float) -> None:
        """The route's name, never the path: that has ids of people in it."""
        told = facts(
            request_id=request.id,
            method=request.method,
            route=name,
            status=reply.status,
            milliseconds=round(1000 * seconds, 2),
            key=request.key,
        )
        logger.info("request", extra=told)


class _Asked(NamedTuple):
    """A request on its way through."""

    request: Request
    respond: Respond
    route: Route | None
