"""All that a process needs to know to serve; plain values that travel to worker processes."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from serving.batching import Budget
from serving.service import Caps
from serving.store.contract import Store
from serving.wire import Limits


class Lifetime(NamedTuple):
    """How a process ends, and how it learns of a new bundle."""

    drain_seconds: float  # not ready any more, but still taking requests
    grace_seconds: float  # for the requests that are being answered then
    watch_seconds: float  # between two looks at the bundle's folder


class Access(NamedTuple):
    """Who may ask, and over what."""

    keys: str | None  # a file; None for an open service, unless the variable names keys
    rate: float | None  # requests a second and key, in all workers together
    certificate: str | None  # for TLS, with the private key
    private_key: str | None


class Settings(NamedTuple):
    """Of all processes of one service."""

    bundle: Path
    device: str
    tile: int | None
    store: Callable[[], Store]
    host: str
    port: int
    workers: int
    budget: Budget
    caps: Caps
    limits: Limits
    lifetime: Lifetime
    access: Access
    log_requests: bool
    traces: bool  # a span for each request
