"""One JSON object a line on standard error: what happened to which request, never to whom."""

import logging
import traceback
from datetime import UTC, datetime
from typing import Any

import orjson


class Lines(logging.Formatter):
    """A record as one line; of an error its kind and place, not its text, which may hold an id."""

    def format(self, record: logging.LogRecord) -> str:
        told: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "process": record.process,
            "message": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info and record.exc_info[0] is not None:
            told["error"] = record.exc_info[0].__name__
            told["at"] = [
                f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}"
                for frame in traceback.extract_tb(record.exc_info[2])
            ]
        return orjson.dumps(told).decode()


def start() -> None:
    """Makes every logger of this process write such lines."""
    handler = logging.StreamHandler()
    handler.setFormatter(Lines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)


def facts(**told: object) -> dict[str, dict[str, object]]:
    """For ``extra=`` of a logging call: fields of the line."""
    return {"facts": told}
