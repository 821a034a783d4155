"""Logging of the running server: one line for people, or one JSON object, on standard error. Owns no logger."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any

from gridiface.logfields import FIELDS, current

_OWN = frozenset(logging.LogRecord("", 0, "", 0, "", (), None).__dict__) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, the fields of logfields.py, what was passed as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON."""
        entry: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        entry |= {key: value for key, value in record.__dict__.items() if key not in _OWN}
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


class Fields(logging.Filter):
    """Gives each record the fields of what was being done; those that it was given as `extra` stay."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Every record passes."""
        for name, value in current().items():
            if not hasattr(record, name):
                setattr(record, name, value)
        return True


class TextFormatter(logging.Formatter):
    """One line for people; line breaks of hostile input are shown, not printed."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%Y-%m-%d %H:%M:%S")
        self.converter = time.gmtime

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """The line, with control characters escaped."""
        told = [(name, str(getattr(record, name))) for name in FIELDS[:-2] if getattr(record, name, "")]
        missing = [f"{name}={value}" for name, value in told if value not in record.message]
        record.message += f" ({' '.join(missing)})" if missing else ""
        record.message = "".join(c if c.isprintable() else repr(c)[1:-1] for c in record.message)
        return super().formatMessage(record)


def configure(level: str, form: str) -> None:
    """Send all log records of `level` and above to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(Fields())
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    for name in ("apscheduler", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
