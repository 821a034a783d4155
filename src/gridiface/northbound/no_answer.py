"""Why a request of ours had no answer, as a sentence for people. Pure; owns the words, for every protocol over HTTP."""

from __future__ import annotations

import errno
import ssl
from collections.abc import Callable
from typing import Any

import aiohttp

_MOST = 400
_BROKEN_OFF = "it broke the connection off"
_ERRNO = {
    errno.ECONNREFUSED: "nobody listens at its address",
    errno.ECONNRESET: _BROKEN_OFF,
    errno.ECONNABORTED: _BROKEN_OFF,
    errno.EPIPE: _BROKEN_OFF,
    errno.ETIMEDOUT: "it did not answer in time",
    errno.EHOSTUNREACH: "there is no route to its address",
    errno.ENETUNREACH: "there is no route to its address",
    errno.EMFILE: "no file descriptor is left here",
    errno.ENFILE: "no file descriptor is left here",
}


def _said(problem: ssl.SSLError) -> str:
    """Its text: one that has no number of the system prints its arguments as a tuple."""
    return str(problem.args[-1]) if problem.args else ""


#: What a kind of problem means; the first that fits counts.
_WORDS: tuple[tuple[type[BaseException], Callable[[Any], str]], ...] = (
    (TimeoutError, lambda _: "it did not answer in time"),
    (
        ssl.SSLCertVerificationError,
        lambda e: f"its certificate was refused: {getattr(e, 'verify_message', '') or _said(e)}",
    ),
    (ssl.SSLError, lambda e: f"TLS was not agreed: {(getattr(e, 'reason', '') or _said(e)).replace('_', ' ').lower()}"),
    (aiohttp.ClientConnectorDNSError, lambda e: f"its name {e.host} is not known"),
    (aiohttp.ServerDisconnectedError, lambda _: _BROKEN_OFF),
    (aiohttp.ClientPayloadError, lambda _: _BROKEN_OFF),
    (aiohttp.InvalidURL, lambda e: f"its address cannot be used: {e}"),
    (aiohttp.ClientResponseError, lambda e: f"what it answered is not HTTP: {e.message}"),
    (OSError, lambda e: _ERRNO.get(e.errno) or (f"the connection failed: {e.strerror}" if e.strerror else str(e))),
)


def why(problem: BaseException) -> str:
    """One sentence, without a full stop, that says what happened; a cause that is not known keeps its own text."""
    # aiohttp hides what the system said, and TLS behind it, in these two.
    inner = getattr(problem, "certificate_error", None) or getattr(problem, "os_error", None)
    if inner is not None and inner is not problem and not isinstance(problem, aiohttp.ClientConnectorDNSError):
        return why(inner)
    words = next((words for kind, words in _WORDS if isinstance(problem, kind)), str)
    return " ".join(words(problem).split())[:_MOST] or "the connection failed"
