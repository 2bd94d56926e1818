"""What a caller may send: bodies unpacked and parsed, values checked one by one."""

import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any, Final

import orjson

from serving.exchange import Request
from serving.problem import Problem

LONGEST_ID: Final = 1024  # bytes, as in batch scoring
LARGEST: Final = 2**62  # of an order, as in batch scoring
EARLIEST = int(datetime(1900, 1, 1, tzinfo=UTC).timestamp())
LATEST = int(datetime(2200, 1, 1, tzinfo=UTC).timestamp())


def unpacked(request: Request, *, most: int) -> bytes:
    """The body without its content encoding, at most ``most`` bytes."""
    encoding = request.headers.get(b"content-encoding")
    if encoding is None or encoding == b"identity":
        return request.body
    if encoding not in (b"gzip", b"deflate"):
        rule = "a body is sent as it is, as gzip or as deflate"
        value = encoding.decode("latin-1")
        raise Problem(415, rule, remedy="choose one", field="Content-Encoding", value=value)
    window = 31 if encoding == b"gzip" else _window(request.body)
    stream = zlib.decompressobj(window)
    try:
        body = stream.decompress(request.body, most + 1)
    except zlib.error:
        raise Problem(400, f"the body is no {encoding.decode()}", remedy="pack it anew") from None
    if len(body) > most:
        raise Problem(413, f"a body is at most {most} bytes long", remedy="send it in parts")
    if not stream.eof:
        raise Problem(400, "the packed body ends too early", remedy="pack it anew")
    return body


def mapping(body: bytes) -> dict[str, Any]:
    """The JSON object in a body; numbers are finite, text is UTF-8."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Problem(400, f"the body is no JSON ({error})", remedy="correct it") from None
    if not isinstance(found, dict):
        raise _wrong(None, found, "the body is an object")
    return found


def only(given: dict[str, Any], names: Sequence[str]) -> None:
    """Refuses names that mean nothing, with the nearest that does."""
    for name in given:
        if name not in names:
            near = get_close_matches(name, names, n=1)
            remedy = f"did you mean '{near[0]}'?" if near else f"choose of {', '.join(names)}"
            raise Problem(422, "there is no such field", remedy=remedy, field=name)


def identifier(value: object, field: str) -> str:
    """An id as text: text or an integer, whose decimal form it then is."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise _wrong(field, value, "an id is text or an integer")
    if not value or len(value.encode()) > LONGEST_ID:
        rule = f"an id has 1 to {LONGEST_ID} bytes"
        raise Problem(422, rule, remedy="correct it", field=field, value=value)
    return value


def identifiers(value: object, field: str, *, most: int) -> tuple[str, ...]:
    """An array of ids."""
    given = array(value, field, most=most)
    return tuple(identifier(one, f"{field}[{place}]") for place, one in enumerate(given))


def array(value: object, field: str, *, most: int) -> list[Any]:
    """An array with at most so many elements."""
    if not isinstance(value, list):
        raise _wrong(field, value, "this is an array")
    if len(value) > most:
        rule = f"at most {most} of these are sent at once"
        raise Problem(422, rule, remedy="send them in parts", field=field, value=len(value))
    return value


def record(value: object, field: str) -> dict[str, Any]:
    """An object inside the body."""
    if not isinstance(value, dict):
        raise _wrong(field, value, "this is an object")
    return value


def whole(value: object, field: str, *, least: int, most: int) -> int:
    """A whole number in a range."""
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise _wrong(field, value, f"this is a whole number from {least} to {most}")
    return value


def choice(value: object, field: str, *, among: Sequence[str]) -> str:
    """One of a few words."""
    if not isinstance(value, str) or value not in among:
        raise _wrong(field, value, f"this is one of {', '.join(among)}")
    return value


def text(value: object, field: str) -> str:
    """Text that may be empty."""
    if not isinstance(value, str) or len(value.encode()) > LONGEST_ID:
        raise _wrong(field, value, f"this is text of at most {LONGEST_ID} bytes")
    return value


def moment(value: object, field: str, *, clock: str) -> int:
    """Seconds since 1970 UTC from a number or ISO 8601 (no zone means UTC); an order as it is."""
    if clock != "seconds":
        return whole(value, field, least=-LARGEST, most=LARGEST)
    if isinstance(value, str):
        try:
            told = datetime.fromisoformat(value)
            zoned = told if told.tzinfo else told.replace(tzinfo=UTC)
            value = int(zoned.timestamp() // 1)
        except (ValueError, OverflowError):
            raise _wrong(field, value, "a time is seconds since 1970 or ISO 8601") from None
    return whole(value, field, least=EARLIEST, most=LATEST - 1)


def _window(body: bytes) -> int:
    """Deflate means zlib's format, but some senders leave its two bytes of header out."""
    zlib_header = len(body) > 1 and body[0] & 15 == 8 and (body[0] * 256 + body[1]) % 31 == 0
    return 15 if zlib_header else -15


def _wrong(field: str | None, value: object, rule: str) -> Problem:
    return Problem(422, rule, remedy="correct it", field=field, value=value)
