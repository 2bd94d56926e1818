"""``POST /events``: what users did, durable before the reply and seen by the next list."""

import time
from typing import Any, Final

from serving import reading
from serving.exchange import Answer, Request
from serving.model import Model
from serving.service import Service
from serving.store.contract import Write

FIELDS: Final = ("user_id", "item_id", "timestamp", "behaviour", "event_id")


def write(service: Service, request: Request, _: tuple[str, ...]) -> Answer:
    """One event, or all of ``events``."""
    body = reading.mapping(reading.unpacked(request, most=service.caps.body_bytes))
    model = service.model
    if "events" not in body:
        return service.writes.ask([_event(body, "", model)])
    reading.only(body, ("events",))
    some = reading.array(body["events"], "events", most=service.caps.ids)
    return service.writes.ask(
        [
            _event(reading.record(one, f"events[{place}]"), f"events[{place}].", model)
            for place, one in enumerate(some)
        ]
    )


def _event(given: dict[str, Any], within: str, model: Model) -> Write:
    """An event, checked; without a timestamp it happened now."""
    reading.only(given, FIELDS)
    when, behaviour, event_id = (given.get(name) for name in FIELDS[2:])
    return Write(
        user=reading.identifier(given.get("user_id"), f"{within}user_id"),
        item=reading.identifier(given.get("item_id"), f"{within}item_id"),
        time=int(time.time())
        if when is None
        else reading.moment(when, f"{within}timestamp", clock=model.clock),
        behaviour=None if behaviour is None else reading.text(behaviour, f"{within}behaviour"),
        event_id=None if event_id is None else reading.identifier(event_id, f"{within}event_id"),
    )
