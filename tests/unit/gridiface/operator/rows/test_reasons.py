"""Why a device does not do what it is asked, in words."""

from __future__ import annotations

from typing import Any

import pytest

from gridiface.domain.telemetry import OperatingState, Snapshot
from gridiface.operator.rows.reasons import why_left_out, why_off, why_silent

CALM: dict[str, Any] = {
    "blocked": False,
    "quality": "good",
    "delivery": None,
    "setpoint_W": 1000.0,
    "delivered_W": 1000.0,
    "state": "running",
    "soc": 0.5,
}
TIMEOUT = {"outcome": "timeout", "at": 1.0, "attempts": 3, "detail": "no answer", "controls": []}


@pytest.mark.parametrize(
    ("changes", "loss", "said"),
    [
        ({}, "", ""),
        ({}, "it was lost once", ""),
        ({"blocked": True}, "", "an operator has blocked it"),
        ({"quality": None}, "", "it has not told its state since the server started"),
        ({"quality": None}, "refused", "it has not told its state since the server started: refused"),
        ({"quality": "bad"}, "", "it does not answer"),
        ({"quality": "stale"}, "no route", "its data are old: it has fallen silent: no route"),
        ({"delivery": TIMEOUT}, "", "it did not answer its last set-point in time: no answer"),
        (
            {"delivery": TIMEOUT | {"outcome": "breaker_open", "detail": "the device failed repeatedly"}},
            "",
            "it failed several times in a row and is left alone for a while",
        ),
        (
            {"quality": "bad", "delivery": TIMEOUT | {"detail": ""}},
            "",
            "it does not answer; it did not answer its last set-point in time",
        ),
    ],
)
def test_reasons_of_silence(changes: dict[str, Any], loss: str, said: str) -> None:
    row: Any = CALM | changes
    assert why_silent(row, loss) == said


def test_who_answers_and_tells_no_power_has_not_fallen_silent() -> None:
    row: Any = CALM | {"quality": "stale"}
    shown = Snapshot(device_id="a", source_time=1.0, received=1.0, alarms=frozenset({"power_unknown"}))
    assert why_silent(row, "no route", shown) == "it answers, and tells no power"


@pytest.mark.parametrize(
    ("changes", "state", "said"),
    [
        ({}, {}, ""),
        ({"setpoint_W": None}, {}, ""),
        ({"delivered_W": 940.0}, {}, ""),
        ({"delivered_W": 0.0}, {"connected": False}, "it is not connected to the grid"),
        ({"delivered_W": 0.0}, {"local_control": True}, "it is in local control and takes no set-points"),
        ({"delivered_W": 0.0, "state": "standby"}, {}, "it says that it is in state standby"),
        ({"delivered_W": 0.0}, {"alarms": frozenset({"over_temperature"})}, "it has alarms: over_temperature"),
        ({"delivered_W": 0.0, "soc": 0.05}, {}, "its battery is at 5 %: there is nothing left to deliver"),
        ({"setpoint_W": -900.0, "delivered_W": 0.0, "soc": 0.97}, {}, "its battery is at 97 %: it can take no more"),
        (
            {"delivered_W": 0.0},
            {},
            "it acknowledged its set-point and is on its way, or is held back by its own limits",
        ),
    ],
)
def test_reasons_of_not_following(changes: dict[str, Any], state: dict[str, Any], said: str) -> None:
    snapshot = Snapshot(device_id="a", source_time=1.0, received=1.0, state=OperatingState.RUNNING, **state)
    row: Any = CALM | changes
    assert why_off(row, snapshot) == said


def test_who_is_not_believed_is_told_as_such() -> None:
    assert why_left_out("", "it is on its way") == ""
    assert "its telemetry is not believed" in why_left_out("quarantined", "")
    # Less is asked of one in doubt; what it is asked it does.
    assert why_left_out("charge in doubt", "") == ""
    assert "its reported state of charge is in doubt" in why_left_out("charge in doubt", "it is on its way")
