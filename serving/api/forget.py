"""Forgetting: a user, or a user's events with one item; the log, its states and its files."""

from functools import partial
from typing import Any

import orjson

from serving import reading
from serving.exchange import Answer, Reply, Request
from serving.service import Service


def user(service: Service, _: Request, parameters: tuple[str, ...]) -> Answer:
    """``DELETE /users/{id}``."""
    return _single(service, [parameters[0]], [])


def event(service: Service, _: Request, parameters: tuple[str, ...]) -> Answer:
    """``DELETE /users/{id}/events/{item}``."""
    return _single(service, [], [(parameters[0], parameters[1])])


async def several(service: Service, request: Request, _: tuple[str, ...]) -> Reply:
    """``POST /forget``: many of both."""
    body = reading.mapping(reading.unpacked(request, most=service.caps.body_bytes))
    reading.only(body, ("user_ids", "events"))
    most = service.caps.requests
    users = reading.identifiers(body.get("user_ids", []), "user_ids", most=most)
    given = reading.array(body.get("events", []), "events", most=most)
    pairs = [_pair(one, f"events[{place}]") for place, one in enumerate(given)]
    gone = await service.aside(partial(_forget, service, list(users), pairs))
    return Reply(200, orjson.dumps({"users": gone[: len(users)], "events": gone[len(users) :]}))


def _pair(given: object, field: str) -> tuple[str, str]:
    event = reading.record(given, field)
    reading.only(event, ("user_id", "item_id"))
    user_id = reading.identifier(event.get("user_id"), f"{field}.user_id")
    return user_id, reading.identifier(event.get("item_id"), f"{field}.item_id")


async def _single(service: Service, users: list[str], pairs: list[tuple[str, str]]) -> Reply:
    gone = await service.aside(partial(_forget, service, users, pairs))
    return Reply(200, orjson.dumps(gone[0]))


def _forget(
    service: Service, users: list[str], pairs: list[tuple[str, str]]
) -> list[dict[str, Any]]:
    """How many events each had that are gone now."""
    store, model = service.store, service.model
    counts = store.forget(users) if users else []
    gone = [
        {"user_id": model.user(user), "events": count}
        for user, count in zip(users, counts, strict=True)
    ]
    return gone + [
        {
            "user_id": model.user(user),
            "item_id": model.item_id(item),
            "events": store.forget_item(user, item=item),
        }
        for user, item in pairs
    ]
