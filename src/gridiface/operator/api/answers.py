"""How handlers answer, and how anything raised becomes an answer: JSON, problem+json, never a traceback."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from functools import cache
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong

from gridiface.errors import StoreUnavailable
from gridiface.operator.problems import Refused, problem
from gridiface.operator.rows.present import plain

_log = logging.getLogger("gridiface.operator")

#: Rows of a list that are made, or written, in one turn of the loop: a millisecond or two.
TURN = 200

#: Parts of the API that a server has only with a block of its configuration, the longer paths first.
_PARTS = {
    "/api/v1/openadr/vtn": "openadr.vtn",
    "/api/v1/openadr/vens": "openadr.vens",
    "/api/v1/sep2/upstreams": "upstreams",
    "/api/v1/sep2/": "sep2",
    "/api/v1/dnp3/": "dnp3",
    "/api/v1/session/oidc": "operator.oidc",
}
_ROUTES = "the routes are in /api/v1/openapi.json"


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


class Speaker(web.RequestHandler):
    """One connection. What comes on it and is no HTTP is answered as everything else that fails: with a problem."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Logged and ended as aiohttp does it.

        Raises:
            ConnectionError: a part of an answer has gone out.
        """
        plainly = super().handle_error(request, status, exc, message)
        said = _no_http(exc) if isinstance(exc, HttpProcessingError) else None
        told = said or problem(plainly.status, "something failed inside the server; its log has the cause")
        told.force_close()
        return told


def _no_http(error: HttpProcessingError) -> web.Response:
    if isinstance(error, LineTooLong):
        line, most = error.args[:2]
        if bytes(line).startswith(b"/"):
            return problem(414, f"the address has more than {most} octets", "ask for less at once")
        return problem(431, f"a header field has more than {most} octets", "send less in it")
    said = " ".join(str(error.message).partition("\n\n")[0].split()).rstrip(":.")
    return problem(error.code or 400, f"this is no HTTP request: {said[:200]}", "send HTTP/1.1")


def text_of(body: Any) -> str:
    """JSON; numbers that it lacks become null."""
    try:
        return json.dumps(body, allow_nan=False)
    except ValueError:
        return json.dumps(plain(body))


def answer(body: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """A JSON answer; numbers that JSON lacks become null."""
    return web.Response(text=text_of(body), status=status, content_type="application/json", headers=headers)


async def answer_in_turns(body: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """As `answer`, octet for octet; the members of a long list are written with turns of the loop between them."""
    if not isinstance(body, dict) or not any(isinstance(value, list) and len(value) > TURN for value in body.values()):
        return answer(body, status=status, headers=headers)
    members = []
    for key, value in body.items():
        if isinstance(value, list) and len(value) > TURN:
            parts = []
            for at in range(0, len(value), TURN):
                parts.append(text_of(value[at : at + TURN])[1:-1])
                await asyncio.sleep(0)
            text = f"[{', '.join(parts)}]"
        else:
            text = text_of(value)
        members.append(f"{json.dumps(key)}: {text}")
    whole = f"{{{', '.join(members)}}}"
    return web.Response(text=whole, status=status, content_type="application/json", headers=headers)


def refusal(error: Exception, path: str = "") -> web.StreamResponse:
    """What a request to `path` that failed is answered with; unexpected errors are logged and told without detail."""
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
        case web.HTTPNotFound():
            part = next((key for begin, key in _PARTS.items() if path.startswith(begin)), None)
            fix = _ROUTES if part is None else f"`{part}` may be missing in the server's configuration; {_ROUTES}"
            return problem(404, "there is nothing at this address", fix)
        case web.HTTPMethodNotAllowed():
            able = error.headers["Allow"]
            return problem(405, f"{error.method} is not there, {able} is", _ROUTES, headers={"Allow": able})
        case web.HTTPException():
            return problem(error.status, error.reason.lower())
        case _:
            _log.error("a request to the operator's surface failed", exc_info=error)
            return problem(500, "something failed inside the server; its log has the cause")
