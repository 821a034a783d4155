"""The form of an OpenADR event, both ways."""

from __future__ import annotations

from typing import Any

import pytest

from gridiface.operator.problems import Refused
from gridiface.operator.screens.forms import Form
from gridiface.operator.screens.openadr_form import changed_event, filled, given, new_event

FIELDS = {
    "market_context": "http://program.example/dr",
    "signal": "LOAD_DISPATCH",
    "type": "setpoint",
    "unit": "kW",
    "steps": "10 \u22126\n10 -3,5\n\n",
    "start": "2026-07-01T18:00",
    "zone": "Europe/Berlin",
    "vens": "VEN-A, VEN-B",
    "groups": "north",
    "priority": "1",
    "startafter": "1.5",
    "comment": "hot day",
    "answer": "1",
}
EVENT: dict[str, Any] = {
    "market_context": "http://program.example/dr",
    "start": 1_782_921_600.0,
    "signals": [
        {"name": "SIMPLE", "type": "level", "unit": "", "intervals": [{"duration_s": 600, "value": 2.0}]},
    ],
    "deliveries": [{"ven": "VEN-A"}],
    "target": {"groups": ["north"]},
    "priority": None,
    "startafter_s": 60,
    "notification_s": 0,
    "ramp_up_s": None,
    "recovery_s": None,
    "comment": None,
    "test": False,
    "response_required": True,
}


def test_a_new_event() -> None:
    event = new_event(Form(FIELDS))
    (signal,) = event.signals
    assert [(step.duration_s, step.value) for step in signal.intervals] == [(600, -6.0), (600, -3.5)]
    assert event.start is not None
    assert event.start.isoformat() == "2026-07-01T18:00:00+02:00"
    assert (event.vens, event.everyone, event.priority, event.startafter_s) == (["VEN-A", "VEN-B"], False, 1, 90)
    assert event.target is not None
    assert (event.target.groups, event.comment, event.response_required) == (["north"], "hot day", True)


@pytest.mark.parametrize(
    "wrong",
    [{"steps": ""}, {"steps": "ten 3"}, {"steps": "10"}, {"start": "soon"}, {"priority": "x"}, {"market_context": ""}],
)
def test_what_is_not_right_is_told(wrong: dict[str, str]) -> None:
    with pytest.raises(Refused) as refused:
        new_event(Form(FIELDS | wrong))
    assert refused.value.status == 422


def as_form(event: dict[str, Any], **more: str) -> Form:
    fields = filled(event, 0.0)
    texts = {name: str(getattr(fields, name)) for name in fields.__dataclass_fields__ if name not in {"epoch", "start"}}
    ticks = {name: "1" for name in ("everyone", "test", "answer") if getattr(fields, name)}
    return Form({**{n: v for n, v in texts.items() if n not in {"everyone", "test", "answer"}}, **ticks, **more})


def test_an_unchanged_form_changes_nothing_but_may_give_a_reason() -> None:
    asked = changed_event(as_form(EVENT, reason="why not"), EVENT)
    assert asked.model_dump(exclude_none=True) == {"everyone": False, "reason": "why not"}


def test_only_what_is_another_is_sent() -> None:
    asked = changed_event(as_form(EVENT, steps="10 1", priority="2", startafter="", vens="VEN-A VEN-C"), EVENT)
    told = asked.model_dump(exclude_none=True)
    assert told["signals"][0]["intervals"][0]["value"] == 1.0
    assert (told["priority"], told["vens"]) == (2, ["VEN-A", "VEN-C"])
    assert "startafter_s" not in told
    assert "target" not in told


def test_several_signals_are_left_to_the_api() -> None:
    two = {**EVENT, "signals": EVENT["signals"] * 2}
    with pytest.raises(Refused, match="several signals"):
        changed_event(as_form(two, steps="5 1"), two)


def test_a_refused_form_comes_back_as_it_was() -> None:
    fields = given(Form(FIELDS))
    assert (fields.steps, fields.answer, fields.everyone, fields.priority) == (FIELDS["steps"], True, False, "1")
