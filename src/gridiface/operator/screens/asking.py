"""The form of a control: its fields into what the API takes, and a control back into its fields. Pure.

Powers are written in kW in the form and are W everywhere else; + delivered to the grid.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gridiface.domain.clock import Instant
from gridiface.domain.controls import Control, ControlMode, ServiceClass
from gridiface.operator.rows.control_schema import NewControl
from gridiface.operator.rows.translate import PROTOCOL
from gridiface.operator.screens.forms import Form, checked, picked, wrong

#: Modes that the form offers: label, unit in the form, factor to the domain's unit.
ASKED: Mapping[ControlMode, tuple[str, str, float]] = {
    ControlMode.SET_W: ("Deliver this power (+) or take it (−)", "kW", 1e3),
    ControlMode.DELTA_W: ("Change the power by", "kW", 1e3),
    ControlMode.SET_W_PERCENT: ("Deliver (+) or take (−) a share of the rating", "%", 1.0),
    ControlMode.EXPORT_LIMIT: ("Deliver at most", "kW", 1e3),
    ControlMode.IMPORT_LIMIT: ("Take at most", "kW", 1e3),
    ControlMode.GENERATION_LIMIT: ("Generate at most", "kW", 1e3),
    ControlMode.LOAD_LIMIT: ("Let loads take at most", "kW", 1e3),
    ControlMode.MAX_W_PERCENT: ("Generate at most this share of the rating", "%", 1.0),
    ControlMode.ENERGY_TARGET: ("Deliver this energy over its time", "kWh", 1e3),
    ControlMode.SET_VAR: ("Inject this reactive power", "kvar", 1e3),
    ControlMode.POWER_FACTOR_INJECT: ("Power factor while delivering", "", 1.0),
    ControlMode.CONNECT: ("Connected to the grid: 1, not: 0", "", 1.0),
    ControlMode.ENERGIZE: ("May give and take power: 1, not: 0", "", 1.0),
}

#: What each field of the form is called in the API.
SAYS: Mapping[str, tuple[str, ...]] = {
    "target": ("target",),
    "value": ("values",),
    "minutes": ("duration_s",),
    "start": ("start",),
    "priority": ("priority",),
    "ramp_s": ("ramp_s",),
    "description": ("description",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """What stands in the form."""

    target: str = ""
    mode: str = ControlMode.SET_W.value
    value: str = ""
    start: str = ""
    epoch: int | None = None
    minutes: str = "30"
    priority: int = 50
    ramp_s: str = ""
    service_class: str = ServiceClass.DISPATCH.value
    description: str = ""
    key: str = ""


def fresh(target: str = "") -> Fields:
    """An empty form with a key of its own, so that sending it twice is sending it once."""
    return Fields(target=target, key=secrets.token_hex(16))


def changed(control: Control, now: Instant, low: float, high: float) -> Fields:
    """The form that changes a control: the same for the time that is left, with the priority that makes it win.

    Args:
        control: that runs or lies ahead.
        now: seconds since 1970 UTC.
        low, high: the operator's authority at priority 0 and 100.
    """
    mode, value = next(
        ((mode, value) for mode, value in control.values.items() if mode in ASKED), (ControlMode.SET_W, None)
    )
    left = control.span.end - max(now, control.span.start)
    number = "" if value is None else f"{value.value / ASKED[mode][2]:.6g}"
    wins = 100.0 if high <= low else 100.0 * (control.source.authority - low) / (high - low)
    return Fields(
        target=f"{control.target.kind.value}:{control.target.id}",
        mode=mode.value,
        value=number,
        start=picked(control.span.start) if control.span.start > now else "",
        epoch=int(control.span.start) if control.span.start > now else None,
        minutes=f"{max(1.0, left / 60):.1f}".removesuffix(".0") if math.isfinite(left) else "",
        priority=min(100, max(0, math.ceil(wins - 1e-9))),
        service_class=control.service_class.value,
        description="" if control.source.protocol != PROTOCOL else control.description,
        key=secrets.token_hex(16),
    )


def given(form: Form) -> Fields:
    """The form as it came."""
    return Fields(
        target=form.text("target", most=300),
        mode=form.text("mode", ControlMode.SET_W.value),
        value=form.text("value"),
        start=form.text("start"),
        minutes=form.text("minutes"),
        priority=int(form.number("priority") or 0),
        ramp_s=form.text("ramp_s"),
        service_class=form.text("service_class", ServiceClass.DISPATCH.value),
        description=form.text("description"),
        key=form.text("key", most=64),
    )


def control_asked(form: Form, *, preview: bool) -> NewControl:
    """What the form asks for.

    Raises:
        Refused: 422, a field is missing or not right; the text names it.
    """
    kind, _, name = form.text("target", most=300).partition(":")
    mode = form.text("mode", ControlMode.SET_W.value)
    number = form.number("value")
    if not name:
        raise wrong("target", "no target is chosen", "choose a group or a device")
    if mode not in ASKED or number is None:
        raise wrong("value", "no value is given", "write how much is asked for")
    minutes, start = form.number("minutes"), form.instant()
    body: dict[str, Any] = {
        "target": {"kind": kind, "id": name},
        "values": {mode: number * ASKED[ControlMode(mode)][2]},
        "start": None if start is None else start.isoformat(),
        "duration_s": None if minutes is None else minutes * 60,
        "priority": int(form.number("priority") or 0),
        "ramp_s": form.number("ramp_s"),
        "service_class": form.text("service_class", ServiceClass.DISPATCH.value),
        "description": form.text("description"),
        "preview": preview,
    }
    return checked(NewControl, body)
