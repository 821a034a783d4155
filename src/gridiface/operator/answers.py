"""How handlers answer, and how anything raised becomes an answer: JSON, problem+json, never a traceback."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from functools import cache
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from gridiface.errors import StoreUnavailable
from gridiface.operator.present import plain
from gridiface.operator.problems import Refused, problem

_log = logging.getLogger("gridiface.operator")


class _OneLine(logging.Filter):
    """What aiohttp says of octets that are no HTTP, in one line and without its traceback: anybody can send such."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, HttpProcessingError | web.RequestPayloadError):
            said = str(getattr(error, "message", "") or error).partition("\n")[0]
            record.levelno, record.levelname = logging.INFO, logging.getLevelName(logging.INFO)
            record.msg, record.args = f"{record.getMessage()}: no HTTP: {said[:200]}", ()
            record.exc_info = record.exc_text = None
        return True


@cache
def no_http_log() -> logging.Logger:
    """The log of what comes to the listener and is no HTTP."""
    logger = logging.getLogger("gridiface.operator.http")
    logger.addFilter(_OneLine())
    return logger


def answer(body: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """A JSON answer; numbers that JSON lacks become null."""
    try:
        text = json.dumps(body, allow_nan=False)
    except ValueError:
        text = json.dumps(plain(body))
    return web.Response(text=text, status=status, content_type="application/json", headers=headers)


def refusal(error: Exception) -> web.StreamResponse:
    """What a request that failed is answered with; unexpected errors are logged and told without detail."""
    match error:
        case Refused():
            return error.response()
        case StoreUnavailable():
            fix = "try again; `gridiface doctor` looks at the database"
            return problem(503, f"the store does not answer: {error}", fix, headers={"Retry-After": "5"})
        case web.RequestPayloadError():
            # How the rest of the connection is to be read is not known any more.
            closing = {"Connection": "close"}
            return problem(
                400, "the body is no HTTP: its chunks do not end as they say", "send it again", headers=closing
            )
        case web.HTTPException():
            allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
            fix = "the routes are in /api/v1/openapi.json" if error.status in {404, 405} else ""
            return problem(error.status, error.reason.lower(), fix, headers=allow)
        case _:
            _log.error("a request to the operator's surface failed", exc_info=error)
            return problem(500, "something failed inside the server; its log has the cause")
