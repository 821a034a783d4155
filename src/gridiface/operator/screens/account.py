"""One control's account for people: power over its time, and each device's part with the reason where it has none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from gridiface.naming import in_order, ordered
from gridiface.operator.rows.rows import ControlDetail
from gridiface.operator.rows.status import Status

#: Points of the plot.
_POINTS = 600

_FAILED = frozenset({"failed", "partial", "refused"})


@dataclass(frozen=True, slots=True)
class Line:
    """One device's part: what it was told and delivered on the mean (W), its steps, why it did not follow.

    `known`: the part of its time for which its power is known, 0 to 1; the mean is over that part.
    """

    device: str
    name: str
    told_w: float | None
    delivered_w: float | None
    known: float = 1.0
    steps: dict[str, float] = field(default_factory=dict)
    reason: str = ""
    why: str = ""


def device_lines(detail: ControlDetail, members: Iterable[str], status: Status) -> list[Line]:
    """Every device that the control concerns, those that did not follow first."""
    parts = {part["device"]: part for part in detail["devices"]}
    accounts = {target["target"]: target for target in detail["report"]["targets"]}
    lines = []
    for name in ordered({*members, *parts}):
        device, part, account = status.fleet.device(name), parts.get(name), accounts.get(name, {})
        mean = account.get("mean", {})
        steps = {} if part is None else part["steps"]
        why = "" if part is None or not _FAILED & steps.keys() else part["reason"] or "it did not complete its part"
        if not why and device is not None and not detail["over"]:
            row = status.device_row(device)
            why = status.why(row, following=detail["state"] == "active")
        lines.append(
            Line(
                name,
                "" if device is None else device.name,
                mean.get("allocated_w"),
                mean.get("delivered_w"),
                account.get("known", 1.0),
                steps,
                "" if part is None else part["reason"],
                why or ("no response was received" if not steps and detail["over"] else ""),
            )
        )
    lines.sort(key=lambda line: (not line.why, bool(line.steps), in_order(line.device)))
    return lines


def gaps(detail: ControlDetail) -> list[dict[str, Any]]:
    """The times of which nothing is known of the control's own target, each with its reason."""
    own = next((one for one in detail["report"]["targets"] if one["target"] == detail["target"]), None)
    return [] if own is None else [one for one in own["intervals"] if one["reason"]]


def limit(detail: ControlDetail) -> dict[str, Any] | None:
    """How the control's limits were kept, by its own target; None: it sets none.

    `kept`: the part of the measured time for which none was passed, 0 to 1; None where nothing was measured.
    """
    own = next((one for one in detail["report"]["targets"] if one["target"] == detail["target"]), None)
    found: dict[str, Any] | None = None if own is None else own["limit"]
    if own is None or found is None or found["over_s"] is None:
        return found and {**found, "kept": None}
    judged = [one for one in own["intervals"] if one["limit"] is not None and one["limit"]["over_s"] is not None]
    measured_s = sum((one["end"] - one["start"]) * one["known"] for one in judged)
    return {**found, "kept": max(0.0, 1.0 - found["over_s"] / measured_s) if measured_s > 0 else None}


def power_columns(detail: ControlDetail) -> list[list[float | None]]:
    """(times, requested, allocated, delivered) of the control's own target, for a plot."""
    own = next((one for one in detail["report"]["targets"] if one["target"] == detail["target"]), None)
    intervals: Sequence[dict[str, Any]] = [] if own is None else own["intervals"]
    step = -(-len(intervals) // _POINTS) or 1
    shown = intervals[::step]
    return [
        [one["start"] for one in shown],
        *([one[name] for one in shown] for name in ("requested_w", "allocated_w", "delivered_w")),
    ]
