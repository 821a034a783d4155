"""How handlers answer, and how anything raised becomes an answer: JSON, problem+json, never a traceback."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from gridiface.errors import StoreUnavailable
from gridiface.operator.present import plain
from gridiface.operator.problems import Refused, problem

_log = logging.getLogger("gridiface.operator")


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
        case web.HTTPException():
            allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
            fix = "the routes are in /api/v1/openapi.json" if error.status in {404, 405} else ""
            return problem(error.status, error.reason.lower(), fix, headers=allow)
        case _:
            _log.error("a request to the operator's surface failed", exc_info=error)
            return problem(500, "something failed inside the server; its log has the cause")
