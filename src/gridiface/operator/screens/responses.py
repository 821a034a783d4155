"""Responses of many devices as few lines: who took the same step of the same control at about the same time. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gridiface.operator.rows.rows import OutcomeRow

#: Steps that are this close together belong together, s; devices that are named in one line.
_TOGETHER_S, _NAMED = 3.0, 3


@dataclass(slots=True)
class Line:
    """One step of one control: by how many devices, the first of them by name, from when to when, the first reason.

    `whole`: the control itself took it, not a device.
    """

    at: float
    control: str
    step: str
    reason: str
    whole: bool
    count: int
    devices: list[str]


def gathered(outcomes: Iterable[OutcomeRow], most: int) -> list[Line]:
    """Lines of the newest outcomes, the newest first.

    Args:
        outcomes: newest first.
        most: lines.
    """
    lines: list[Line] = []
    for one in outcomes:
        line = next((line for line in reversed(lines) if _joins(line, one)), None)
        if line is not None:
            line.count += 1
            line.reason = line.reason or one["reason"]
            if len(line.devices) < _NAMED and one["device"] is not None:
                line.devices.append(one["device"])
            continue
        if len(lines) == most:
            break
        device = one["device"]
        named = [] if device is None else [device]
        lines.append(Line(one["at"], one["control"], one["step"], one["reason"], device is None, 1, named))
    return lines


def _joins(line: Line, one: OutcomeRow) -> bool:
    same = line.control == one["control"] and line.step == one["step"] and not line.whole and one["device"] is not None
    return same and abs(line.at - one["at"]) <= _TOGETHER_S
