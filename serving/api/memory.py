"""``GET /users/{id}/memory``: the slots of a user in time, and how much each counts for an item."""

from functools import partial
from typing import Final

import orjson

from serving import reading
from serving.exchange import Answer, Reply, Request
from serving.service import Service
from serving.view import memories

ITEMS: Final = 50  # of which the reads are shown at once


async def of_user(service: Service, request: Request, parameters: tuple[str, ...]) -> Reply:
    """One user; the items are named in the query."""
    given = request.parameters()
    reading.only(dict(given), ("item_id",))
    item_ids = reading.identifiers([value for _, value in given], "item_id", most=ITEMS)
    found = await service.aside(
        partial(memories, service.served, service.store, [parameters[0]], item_ids=item_ids)
    )
    return Reply(200, orjson.dumps(found[0], option=orjson.OPT_SERIALIZE_NUMPY))


def several(service: Service, request: Request, _: tuple[str, ...]) -> Answer:
    """``POST /memory``: the same of many users."""
    body = reading.mapping(reading.unpacked(request, most=service.caps.body_bytes))
    reading.only(body, ("user_ids", "item_ids"))
    users = reading.identifiers(body.get("user_ids"), "user_ids", most=service.caps.requests)
    item_ids = reading.identifiers(body.get("item_ids", []), "item_ids", most=ITEMS)
    return _several(service, users, item_ids)


async def _several(service: Service, users: tuple[str, ...], item_ids: tuple[str, ...]) -> Reply:
    if not users:
        return Reply(200, b'{"memories":[]}')
    found = await service.aside(
        partial(memories, service.served, service.store, list(users), item_ids=item_ids)
    )
    return Reply(200, orjson.dumps({"memories": found}, option=orjson.OPT_SERIALIZE_NUMPY))
