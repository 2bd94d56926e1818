"""``POST /recommend``: the best items for a user, or for a history that is sent along."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final

from serving import reading
from serving.exchange import Answer, Reply, Request
from serving.lists import Question
from serving.model import Model
from serving.problem import Problem
from serving.service import Caps, Service
from serving.store.contract import Logged

FIELDS: Final = ("user_id", "history", "k", "exclude", "candidates", "filters", "seen")
PLAIN: Final = {"user_id", "history", "k"}
EVENT: Final = ("item_id", "timestamp", "behaviour")
LENGTH: Final = 10  # of a list, where the caller names none


def recommend(service: Service, request: Request, _: tuple[str, ...]) -> Answer:
    """One list, or one for each of ``requests``."""
    body = reading.mapping(reading.unpacked(request, most=service.caps.body_bytes))
    if "requests" not in body:
        return service.questions.ask(question(body, service.model, caps=service.caps))
    reading.only(body, ("requests",))
    some = reading.array(body["requests"], "requests", most=service.caps.requests)
    return _all(service, [_inside(one, place, service) for place, one in enumerate(some)])


def question(given: dict[str, Any], model: Model, *, caps: Caps) -> Question:
    """What is asked, checked."""
    reading.only(given, FIELDS)
    user, history = given.get("user_id"), given.get("history")
    if (user is None) == (history is None):
        rule = "either user_id or history says for whom"
        raise Problem(422, rule, remedy="give one of them", field="user_id", value=user)
    asked = Question(
        None if user is None else reading.identifier(user, "user_id"),
        None if history is None else events(history, model, most=caps.ids),
        reading.whole(given.get("k", LENGTH), "k", least=1, most=caps.list_length),
    )
    return asked if given.keys() <= PLAIN else _narrowed(given, asked, caps=caps)


def events(given: object, model: Model, *, most: int) -> tuple[Logged, ...]:
    """A history as a log; without times, its events are a second apart and the last is now."""
    some = reading.array(given, "history", most=most)
    first = int(time.time()) - len(some) + 1
    timed = [isinstance(one, dict) and one.get("timestamp") is not None for one in some]
    if any(timed) and not all(timed):
        rule = "either every event of a history has a timestamp or none has"
        field = f"history[{timed.index(False)}].timestamp"
        raise Problem(422, rule, remedy="add the missing ones", field=field)
    return tuple(
        _event(one, f"history[{place}]", model, position=place + 1, otherwise=first + place)
        for place, one in enumerate(some)
    )


def _event(given: object, field: str, model: Model, *, position: int, otherwise: int) -> Logged:
    event = reading.record(given, field)
    reading.only(event, EVENT)
    when, behaviour = event.get("timestamp"), event.get("behaviour")
    return Logged(
        position,
        reading.identifier(event.get("item_id"), f"{field}.item_id"),
        otherwise
        if when is None
        else reading.moment(when, f"{field}.timestamp", clock=model.clock),
        None if behaviour is None else reading.text(behaviour, f"{field}.behaviour"),
    )


def _narrowed(given: dict[str, Any], asked: Question, *, caps: Caps) -> Question:
    """The question with what may come and what may not."""
    candidates = given.get("candidates")
    filters = reading.record(given.get("filters", {}), "filters")
    reading.only(filters, ("categories",))
    categories = reading.record(filters.get("categories", {}), "filters.categories")
    reading.only(categories, ("any", "none"))
    seen = reading.choice(given.get("seen", "exclude"), "seen", among=("exclude", "keep"))
    return asked._replace(
        exclude=reading.identifiers(given.get("exclude", []), "exclude", most=caps.ids),
        candidates=None
        if candidates is None
        else reading.identifiers(candidates, "candidates", most=caps.ids),
        any_of=_names(categories, "any", most=caps.ids),
        none_of=_names(categories, "none", most=caps.ids),
        keep_seen=seen == "keep",
    )


def _names(categories: dict[str, Any], name: str, *, most: int) -> tuple[str, ...]:
    field = f"filters.categories.{name}"
    given = reading.array(categories.get(name, []), field, most=most)
    return tuple(reading.text(one, f"{field}[{place}]") for place, one in enumerate(given))


def _inside(one: object, place: int, service: Service) -> Question:
    field = f"requests[{place}]"
    try:
        return question(reading.record(one, field), service.model, caps=service.caps)
    except Problem as problem:
        raise (problem if problem.field == field else problem.inside(field)) from None


async def _all(service: Service, questions: Sequence[Question]) -> Reply:
    """All lists, in the order of the questions."""
    found = await asyncio.gather(*(service.questions.ask(asked) for asked in questions))
    return Reply(200, b'{"answers":[' + b",".join(reply.body for reply in found) + b"]}")
