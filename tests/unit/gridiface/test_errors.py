"""The error tree."""

from __future__ import annotations

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
