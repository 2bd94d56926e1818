"""Who may ask what: keys with roles, kept as hashes, and how often each may ask.

A line of the file (or of the variable) is ``name roles sha256``, roles separated by commas:

    shop  read,write  9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
"""

import hashlib
import hmac
import time
from pathlib import Path
from typing import Final, NamedTuple

from recsys.errors import ConfigError
from serving.exchange import Request
from serving.problem import Problem

VARIABLE: Final = "RECSYS_KEYS"
ROLES: Final = ("read", "write", "admin")
SCHEME: Final = b"bearer "


class Caller(NamedTuple):
    """A key as it is known here: by its hash."""

    name: str
    roles: frozenset[str]
    digest: bytes


class Keys:
    """All keys; without any, everybody may do everything."""

    def __init__(self, callers: list[Caller], *, rate: float | None) -> None:
        """Keys of this process.

        Args:
            callers: None for an open service.
            rate: Requests a second that one key may make here, twice that at once; None for any.
        """
        self._callers = callers
        self._rate = rate
        self._left: dict[str, tuple[float, float]] = {}

    def admit(self, request: Request, *, role: str) -> str:
        """The name of the caller's key.

        Raises:
            Problem: There is no key, it lacks the role, or it asks too often.
        """
        caller = self._known(request) if self._callers else None
        if caller is not None and role not in caller.roles and "admin" not in caller.roles:
            rule = f"this needs a key with the role {role}"
            raise Problem(403, rule, remedy="use another key or ask for the role")
        name = "" if caller is None else caller.name
        if self._rate is not None:
            self._count(name)
        return name

    def _known(self, request: Request) -> Caller:
        """Compares with every key, in a time that tells nothing of any."""
        digest = hashlib.sha256(_presented(request)).digest()
        found = None
        for caller in self._callers:
            if hmac.compare_digest(caller.digest, digest):
                found = caller
        if found is None:
            remedy = "send 'Authorization: Bearer KEY' or 'X-API-Key: KEY'"
            raise Problem(401, "this needs a key that is known here", remedy=remedy)
        return found

    def _count(self, name: str) -> None:
        """A bucket that fills at the rate and holds twice of it."""
        assert self._rate is not None
        now = time.monotonic()
        left, then = self._left.get(name, (2 * self._rate, now))
        left = min(2 * self._rate, left + (now - then) * self._rate)
        self._left[name] = (max(left - 1, 0) if left >= 1 else left, now)
        if left < 1:
            rule = "this key has asked more often than it may"
            raise Problem(429, rule, remedy="ask later", wait=(1 - left) / self._rate)


def read(text: str, *, origin: str) -> list[Caller]:
    """The keys of a file or a variable.

    Raises:
        ConfigError: A line is not ``name roles sha256``.
    """
    lines = [line.split("#")[0].split() for line in text.splitlines()]
    return [_caller(words, origin=origin) for words in lines if words]


def gather(file: str | None, variable: str | None) -> list[Caller]:
    """The keys of both places.

    Raises:
        ConfigError: The file cannot be read, a line is wrong, or a name comes twice.
    """
    found = read(variable, origin=VARIABLE) if variable else []
    if file is not None:
        try:
            found += read(Path(file).read_text("utf-8"), origin=file)
        except OSError as error:
            message = f"keys='{file}' cannot be read ({error.strerror}): correct the path"
            raise ConfigError(message) from error
        if not found:
            message = f"keys='{file}' holds no key: add lines of name, roles and sha256"
            raise ConfigError(message)
    names = [caller.name for caller in found]
    if twice := {name for name in names if names.count(name) > 1}:
        message = f"the key '{min(twice)}' is there twice: give each line a name of its own"
        raise ConfigError(message)
    return found


def _caller(words: list[str], *, origin: str) -> Caller:
    if len(words) == 3:
        name, roles, digest = words
        wrong = set(roles.split(",")) - set(ROLES)
        if not wrong and len(digest) == 64 and not set(digest.lower()) - set("0123456789abcdef"):
            return Caller(name, frozenset(roles.split(",")), bytes.fromhex(digest))
    message = f"a line of {origin} is no key: write name, roles of {', '.join(ROLES)}, sha256"
    raise ConfigError(message)


def _presented(request: Request) -> bytes:
    given = request.headers.get(b"authorization", b"")
    if given[: len(SCHEME)].lower() == SCHEME:
        return given[len(SCHEME) :].strip()
    return request.headers.get(b"x-api-key", b"").strip()
