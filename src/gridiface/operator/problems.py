"""Errors as the API says them: RFC 9457 problem details with the reason and the fix."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from aiohttp import web
from pydantic import ValidationError

from gridiface.errors import GridifaceError
from gridiface.wording import said

MEDIA = "application/problem+json"

#: As RFC 9110 names them: older Pythons still have the words of RFC 7231, and a title stays the same (RFC 9457, 3.1.4).
_TITLES = {413: "Content Too Large", 422: "Unprocessable Content"}

#: Most faults of one body that are listed.
_FAULTS_SHOWN = 20


class Refused(GridifaceError):
    """A request that is not done; becomes a problem+json answer.

    Args:
        status: the HTTP status.
        detail: the reason, one sentence.
        fix: what the caller can do about it.
        headers: of the answer.
        more: further members of the problem.
    """

    def __init__(
        self, status: int, detail: str, fix: str = "", *, headers: Mapping[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.fix = fix
        self.headers = dict(headers or {})
        self.more = more

    def response(self) -> web.Response:
        """The answer."""
        return problem(self.status, self.detail, self.fix, headers=self.headers, **self.more)


def problem(
    status: int, detail: str, fix: str = "", *, headers: Mapping[str, str] | None = None, **more: Any
) -> web.Response:
    """A problem+json answer; empty members are left out."""
    body = {
        "type": "about:blank",
        "title": _TITLES.get(status) or HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    body |= {name: value for name, value in {"fix": fix, **more}.items() if value}
    response = web.Response(text=json.dumps(body), status=status, content_type=MEDIA, headers=headers)
    if response.headers.get("Connection") == "close":
        response.force_close()  # the header alone tells the client only
    return response


def of_validation(error: ValidationError, where: str) -> Refused:
    """What pydantic found, one entry per fault; `where` is "body" or "query"."""
    faults = [
        {"at": "/" + "/".join(str(step) for step in fault["loc"]), "detail": said(fault)}
        for fault in error.errors(include_url=False, include_input=False)[:_FAULTS_SHOWN]
    ]
    told = "; ".join(f"{fault['at']}: {fault['detail']}" for fault in faults[:3])
    fix = "see /api/v1/openapi.json for each field's type, unit and range"
    return Refused(422 if where == "body" else 400, f"the {where} is not right: {told}", fix, errors=faults)
