"""The error tree."""

from __future__ import annotations

import errno
import socket

import pytest

from gridiface import errors


def test_remote_protocol_error_carries_the_answer() -> None:
    problem = errors.RemoteProtocolError("no such thing", answer=404, detail=1)
    assert (problem.reason, problem.answer, problem.detail) == ("no such thing", 404, 1)
    assert isinstance(problem, errors.ProtocolError)


def test_device_errors_name_the_device() -> None:
    problem = errors.DeviceTimeout("register 40300", device_id="bat1")
    assert problem.device_id == "bat1"
    assert str(problem) == "register 40300"
    assert isinstance(problem, errors.DeviceError)


@pytest.mark.parametrize(
    ("number", "told"),
    [(errno.EADDRINUSE, "stop it, or choose another"), (errno.EACCES, "below 1024"), (errno.EIO, "choose another")],
)
def test_why_an_address_cannot_be_taken_says_what_to_do(number: int, told: str) -> None:
    text = str(errors.cannot_listen("127.0.0.1 port 8443", OSError(number, "x")))
    assert "cannot listen on 127.0.0.1 port 8443" in text
    assert told in text


def test_a_name_that_nobody_knows_is_told_in_words() -> None:
    text = str(errors.cannot_listen("no.example port 8443", socket.gaierror(socket.EAI_AGAIN, "x")))
    assert "no address is known for that name; write an address" in text
