"""Why there was no answer, in words: never the name of a Python class."""

from __future__ import annotations

import errno
import ssl

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey
from yarl import URL

from gridiface.northbound.no_answer import why

KEY = ConnectionKey("vtn.test", 443, True, True, None, None, None)


def refused_chain() -> ssl.SSLCertVerificationError:
    made = ssl.SSLCertVerificationError(1, "certificate verify failed")
    made.verify_message = "self-signed certificate in certificate chain"
    return made


def of_tls(reason: str) -> ssl.SSLError:
    made = ssl.SSLError(1, f"[SSL: {reason}] something (_ssl.c:1006)")
    made.reason = reason
    return made


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (TimeoutError(), "it did not answer in time"),
        (aiohttp.ServerTimeoutError("Timeout on reading"), "it did not answer in time"),
        (
            aiohttp.ClientConnectorError(KEY, ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed")),
            "nobody listens at its address",
        ),
        (
            aiohttp.ClientConnectorCertificateError(KEY, refused_chain()),
            "its certificate was refused: self-signed certificate in certificate chain",
        ),
        (ssl.SSLCertVerificationError("no root fits"), "its certificate was refused: no root fits"),
        (ssl.SSLError("no protocols"), "TLS was not agreed: no protocols"),
        (
            aiohttp.ClientConnectorSSLError(KEY, of_tls("SSLV3_ALERT_HANDSHAKE_FAILURE")),
            "TLS was not agreed: sslv3 alert handshake failure",
        ),
        (
            aiohttp.ClientConnectorDNSError(KEY, OSError(-2, "Name or service not known")),
            "its name vtn.test is not known",
        ),
        (aiohttp.ServerDisconnectedError(), "it broke the connection off"),
        (ConnectionResetError(errno.ECONNRESET, "reset"), "it broke the connection off"),
        (aiohttp.ClientOSError(errno.EPIPE, "Broken pipe"), "it broke the connection off"),
        (OSError(errno.EACCES, "Permission denied"), "the connection failed: Permission denied"),
        (aiohttp.InvalidURL(URL("http://x")), "its address cannot be used: http://x"),
        (
            aiohttp.ClientResponseError(None, (), message="Bad status line"),
            "what it answered is not HTTP: Bad status line",
        ),
        (ValueError("port\nout of range"), "port out of range"),
        (ValueError(), "the connection failed"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_a_problem_is_a_sentence(problem: BaseException, words: str) -> None:
    assert why(problem) == words
