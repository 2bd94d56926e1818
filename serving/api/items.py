"""``GET /items``: what can be recommended, found by title or id."""

from functools import partial

import orjson

from serving import reading
from serving.exchange import Reply, Request
from serving.problem import Problem
from serving.service import Service

MOST = 100
USUAL = 20


async def items(service: Service, request: Request, _: tuple[str, ...]) -> Reply:
    """Items whose title contains ``query``, or all; the popular first."""
    given = dict(request.parameters())
    reading.only(given, ("query", "limit"))
    query = reading.text(given.get("query", ""), "query")
    limit = reading.whole(
        number(given.get("limit", str(USUAL)), "limit"), "limit", least=1, most=MOST
    )
    found = await service.aside(partial(service.model.search, query, limit=limit))
    return Reply(200, orjson.dumps({"items": found}))


def number(text: str, field: str) -> int:
    """A whole number in a query."""
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise Problem(422, "this is a whole number", remedy="correct it", field=field, value=text)
    return int(text)
