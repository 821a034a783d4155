"""The form of an OpenADR event: its fields into what the API takes, and an event back into its fields. Pure.

The steps of a signal are lines of "minutes value"; values are in the signal's own unit, consumption positive, as on
the wire (OpenADR 2.0b profile, 8.1). Whether an event may be sent so is judged by the VTN core.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gridiface.operator.areas.openadr_own import ScheduleForm
from gridiface.operator.problems import Refused
from gridiface.operator.rows.openadr_forms import EventChange, NewEvent
from gridiface.operator.screens.forms import Form, checked, picked, wrong

#: Signals that the form offers, with the types and the unit that fit each (profile, table of signals).
SIGNALS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "SIMPLE": (("level",), ""),
    "LOAD_DISPATCH": (("setpoint", "delta", "multiplier", "level"), "kW"),
    "LOAD_CONTROL": (
        ("x-loadControlCapacity", "x-loadControlLevelOffset", "x-loadControlPercentOffset", "x-loadControlSetpoint"),
        "",
    ),
    "ELECTRICITY_PRICE": (("price", "priceRelative", "priceMultiplier"), "EUR/kWh"),
    "ENERGY_PRICE": (("price", "priceRelative", "priceMultiplier"), "EUR/kWh"),
    "DEMAND_CHARGE": (("price", "priceRelative", "priceMultiplier"), "EUR/kW"),
    "CHARGE_STATE": (("setpoint", "delta", "multiplier"), "kWh"),
    "BID_PRICE": (("price",), "EUR/kWh"),
    "BID_LOAD": (("setpoint",), "kW"),
    "BID_ENERGY": (("setpoint",), "kWh"),
}
TYPES = tuple(dict.fromkeys(kind for kinds, _ in SIGNALS.values() for kind in kinds))

#: What each field of the form is called in the API.
SAYS: Mapping[str, tuple[str, ...]] = {
    "market_context": ("market_context",),
    "unit": ("unit",),
    "steps": ("intervals", "signals"),
    "start": ("start",),
    "priority": ("priority",),
    "vens": ("vens",),
    "groups": ("groups", "target"),
    "startafter": ("startafter_s",),
    "notification": ("notification_s",),
    "ramp_up": ("ramp_up_s",),
    "recovery": ("recovery_s",),
    "comment": ("comment",),
}

#: Lines of steps that are read.
_STEPS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFields:
    """What stands in the form."""

    market_context: str = ""
    signal: str = "SIMPLE"
    type: str = "level"
    unit: str = ""
    steps: str = "60 1"
    start: str = ""
    epoch: int | None = None
    vens: str = ""
    everyone: bool = True
    groups: str = ""
    priority: str = ""
    startafter: str = ""
    notification: str = ""
    ramp_up: str = ""
    recovery: str = ""
    comment: str = ""
    test: bool = False
    answer: bool = True
    reason: str = ""


def given(form: Form) -> EventFields:
    """The form as it came."""
    texts = ("market_context", "signal", "type", "unit", "start", "groups", "priority", "startafter", "notification",
             "ramp_up", "recovery", "comment", "reason")  # fmt: skip
    read: dict[str, Any] = {name: form.text(name, most=512) for name in texts}
    return EventFields(
        **read,
        steps=form.lines("steps")[:10_000],
        vens=form.text("vens", most=10_000),
        everyone=form.ticked("everyone"),
        test=form.ticked("test"),
        answer=form.ticked("answer"),
    )


def filled(event: Mapping[str, Any], now: float) -> EventFields:
    """The form that changes an event, as it is."""
    signal = event["signals"][0]
    return EventFields(
        market_context=event["market_context"],
        signal=signal["name"],
        type=signal["type"],
        unit=signal["unit"],
        steps="\n".join(f"{step['duration_s'] / 60:g} {step['value']:g}" for step in signal["intervals"]),
        start=picked(event["start"]) if event["start"] > now else "",
        epoch=int(event["start"]) if event["start"] > now else None,
        vens=", ".join(one["ven"] for one in event["deliveries"]),
        everyone=False,
        groups=", ".join(event["target"].get("groups", [])),
        priority="" if event["priority"] is None else str(event["priority"]),
        startafter=_minutes(event["startafter_s"]),
        notification=_minutes(event["notification_s"]),
        ramp_up=_minutes(event["ramp_up_s"]),
        recovery=_minutes(event["recovery_s"]),
        comment=event["comment"] or "",
        test=event["test"],
        answer=event["response_required"],
    )


def _minutes(seconds: int | None) -> str:
    return "" if not seconds else f"{seconds / 60:g}"


def new_event(form: Form) -> NewEvent:
    """What the form asks the VTN to send.

    Raises:
        Refused: 422, a field is missing or not right; the text names it.
    """
    body = _body(form)
    body |= {
        "market_context": form.text("market_context", most=512),
        "vens": _names(form, "vens"),
        "everyone": form.ticked("everyone"),
        "response_required": form.ticked("answer"),
    }
    return checked(NewEvent, body)


def changed_event(form: Form, before: Mapping[str, Any]) -> EventChange:
    """What of an event the form makes another: only what differs from it as it is.

    Raises:
        Refused: 422, a field is not right; the text names it.
    """
    body, was = _body(form), filled(before, 0.0)
    own = given(form)
    if (own.signal, own.type, own.unit) == (was.signal, was.type, was.unit) and _steps(was.steps) == _steps(own.steps):
        del body["signals"]
    if len(before["signals"]) > 1 and "signals" in body:
        raise Refused(422, "it has several signals; this form shows the first", "change it over REST")
    for name, field in (("startafter_s", "startafter"), ("notification_s", "notification"), ("ramp_up_s", "ramp_up"),
                        ("recovery_s", "recovery"), ("priority", "priority"), ("comment", "comment")):  # fmt: skip
        if name in body and getattr(own, field) == getattr(was, field):
            del body[name]
    if own.test == was.test:
        body.pop("test", None)
    elif was.test:
        body["test"] = "false"
    if "start" in body and datetime.fromisoformat(body["start"]).timestamp() == before["start"]:
        del body["start"]
    if _split(own.groups) == _split(was.groups):
        body.pop("target", None)
    vens = _names(form, "vens")
    if own.everyone or sorted(vens) != sorted(_split(was.vens)):
        body |= {"vens": vens, "everyone": own.everyone}
    body["reason"] = form.text("reason")
    return checked(EventChange, body)


def schedule(form: Form) -> ScheduleForm:
    """When we do or do not take part.

    Raises:
        Refused: 422, a field is missing or not right; the text names it.
    """
    start, hours = form.instant(), form.number("hours")
    if start is None:
        raise wrong("start", "it is not said from when", "choose a date and time")
    span = {"start": start.isoformat(), "duration_s": round(3600 * (hours or 0))}
    body = {"opt": form.text("opt", "optOut"), "spans": [span], "resources": _names(form, "resources")}
    return checked(ScheduleForm, {**body, "note": form.text("note")})


def _body(form: Form) -> dict[str, Any]:
    signal = {
        "name": form.text("signal", "SIMPLE"),
        "type": form.text("type", "level"),
        "unit": form.text("unit", most=16),
        "intervals": [{"duration_s": seconds, "value": value} for seconds, value in _steps(form.lines("steps"))],
    }
    body: dict[str, Any] = {"signals": [signal]}
    start = form.instant()
    if start is not None:
        body["start"] = start.isoformat()
    names = {
        "startafter_s": "startafter",
        "notification_s": "notification",
        "ramp_up_s": "ramp_up",
        "recovery_s": "recovery",
    }
    for name, field in names.items():
        minutes = form.number(field)
        if minutes is not None:
            body[name] = round(60 * minutes)
    priority = form.number("priority")
    if priority is not None:
        body["priority"] = round(priority)
    if form.text("comment"):
        body["comment"] = form.text("comment")
    if form.ticked("test"):
        body["test"] = "true"
    groups = _names(form, "groups")
    if groups:
        body["target"] = {"groups": groups}
    return body


def _steps(text: str) -> list[tuple[int, float]]:
    """(seconds, value) of each line.

    Raises:
        Refused: 422, a line is not "minutes value".
    """
    found = []
    for line in text.replace("\u2212", "-").splitlines()[: _STEPS + 1]:
        parts = line.replace(",", ".").split()
        if not parts:
            continue
        try:
            minutes, value = (float(part) for part in parts)
            found.append((round(60 * minutes), value))
        except (ValueError, OverflowError) as error:
            raise wrong(
                "steps", f"the step {line[:40]!r} is not `minutes value`", "write a line like 30 2.5"
            ) from error
    if not 0 < len(found) <= _STEPS:
        raise wrong("steps", "the signal has no steps, or too many", f"write 1 to {_STEPS} lines of `minutes value`")
    return found


def _names(form: Form, field: str) -> list[str]:
    return _split(form.text(field, most=10_000))


def _split(text: str) -> list[str]:
    return list(dict.fromkeys(text.replace(",", " ").split()))
