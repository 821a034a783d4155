"""The form of a control, both ways."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gridiface.domain.clock import Interval
from gridiface.domain.controls import Control, ControlMode, ModeValue, Source, Target, TargetKind
from gridiface.operator.problems import Refused
from gridiface.operator.screens.asking import changed, control_asked, fresh, given
from gridiface.operator.screens.forms import Form

FIELDS = {"target": "group:fleet", "mode": "set_w", "value": "−2,5", "minutes": "30", "priority": "70"}


def test_kilowatts_and_minutes_become_watts_and_seconds() -> None:
    asked = control_asked(Form(FIELDS), preview=True)
    assert (asked.target.kind, asked.target.id) == (TargetKind.GROUP, "fleet")
    assert asked.values == {"set_w": -2500.0}
    assert (asked.duration_s, asked.priority, asked.start, asked.preview) == (1800.0, 70, None, True)


def test_a_start_is_read_in_the_reader_s_zone() -> None:
    asked = control_asked(Form(FIELDS | {"start": "2026-07-01T12:00", "zone": "Europe/Berlin"}), preview=False)
    assert asked.start is not None
    assert asked.start.isoformat() == "2026-07-01T12:00:00+02:00"


@pytest.mark.parametrize(
    "wrong",
    [
        {"target": ""},
        {"target": "planet:x"},
        {"value": ""},
        {"value": "much"},
        {"value": "nan"},
        {"mode": "curve"},
        {"minutes": "-3"},
        {"priority": "101"},
        {"start": "tomorrow"},
        {"start": "2026-07-01T12:00", "zone": "../../etc/passwd"},
        {"description": "two\nlines"},
        {"service_class": "whenever"},
    ],
)
def test_what_is_not_right_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(Refused) as caught:
        control_asked(Form(FIELDS | wrong), preview=True)
    assert caught.value.status == 422


def running(**more: Any) -> Control:
    control = Control(
        id="c1",
        source=Source(protocol="sep2", identity="utility", authority=245.0),
        target=Target(TargetKind.GROUP, "fleet"),
        values={ControlMode.SET_W: ModeValue(80_000.0)},
        interval=Interval(1000.0, 600.0),
        created=900.0,
        description="evening discharge",
    )
    return replace(control, **more)


def test_a_change_is_the_same_for_the_time_that_is_left_with_the_priority_that_wins() -> None:
    fields = changed(running(), 1300.0, 0.0, 255.0)
    assert (fields.target, fields.mode, fields.value, fields.minutes) == ("group:fleet", "set_w", "80", "5")
    assert fields.priority == 97
    assert 255.0 * fields.priority / 100 >= 245.0
    assert fields.epoch is None
    assert changed(running(), 500.0, 0.0, 255.0).epoch == 1000
    assert changed(running(interval=Interval(1000.0, None)), 1300.0, 0.0, 255.0).minutes == ""


def test_a_form_comes_back_as_it_was_sent_and_each_has_its_own_key() -> None:
    assert given(Form(FIELDS)).value == "−2,5"
    assert fresh("group:a").key != fresh("group:a").key
