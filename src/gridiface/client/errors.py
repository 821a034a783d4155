"""What can go wrong for a client: no answer, or an answer that says no."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ClientError(Exception):
    """Base of all errors of the client."""


class NotReached(ClientError):
    """The server did not answer, or broke off."""


class ApiError(ClientError):
    """The server says no.

    Attributes:
        status: of HTTP.
        detail: the reason.
        fix: what to do about it.
        problem: the whole answer (RFC 9457).
    """

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status = status
        self.problem = dict(problem)
        self.detail = str(problem.get("detail") or problem.get("error_description") or f"the server answered {status}")
        self.fix = str(problem.get("fix", ""))
        super().__init__(f"{status}: {self.detail}" + (f"; {self.fix}" if self.fix else ""))
