"""Responses of many devices as few lines."""

from __future__ import annotations

from gridiface.operator.rows.rows import OutcomeRow
from gridiface.operator.screens.responses import gathered


def row(at: float, device: str | None, step: str = "started", control: str = "c", reason: str = "") -> OutcomeRow:
    return {"control": control, "device": device, "step": step, "at": at, "reason": reason}


def test_the_same_step_at_the_same_time_is_one_line() -> None:
    rows = [row(10.0, f"d{n}") for n in range(5)]
    found = gathered([row(11.0, None), *rows, row(2.0, "d0"), row(2.0, "d1", "received")], 10)
    assert [(line.step, line.whole, line.count, line.devices) for line in found] == [
        ("started", True, 1, []),
        ("started", False, 5, ["d0", "d1", "d2"]),
        ("started", False, 1, ["d0"]),
        ("received", False, 1, ["d1"]),
    ]


def test_lines_are_bounded_and_keep_the_first_reason() -> None:
    found = gathered([row(10.0, "a"), row(9.5, "b", reason="battery empty"), row(1.0, "c", control="other")], 1)
    assert [(line.count, line.reason) for line in found] == [(2, "battery empty")]
