"""The edit windows of the DER profile: curves (AO244 on), schedules (3000 on) and their older form (2000 on).

Owns indices, ranges and the pairs of outputs and read-backs of these blocks; they are made here because they count
by themselves. What a write does is records.py's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

MOST_CURVES = 64
MOST_SCHEDULES = 16
PAIRS = 100
_MANDATORY_PAIRS = 10

LARGEST = 2_147_483_647
_ANY = (-LARGEST - 1, LARGEST)
_COUNT = (0, LARGEST)


@dataclass(frozen=True, slots=True)
class WindowRow:
    """One output of a window and the input that reads it back.

    Attributes:
        kind: AO or BO.
        index, back: of the output and of its read-back.
        window, field: see windows.py.
        event_class: of the read-back.
        mandatory: S: by IEEE 1815.2.
    """

    kind: str
    index: int
    back: int
    window: str
    field: str
    title: str
    low: float = 0
    high: float = 1
    unit: str = ""
    event_class: int = 2
    mandatory: str = ""


def window_rows() -> Iterator[WindowRow]:
    """All of them."""
    yield from _curves()
    yield from _schedules()
    yield from _simple_schedules()


def _curves() -> Iterator[WindowRow]:
    heads = (
        ("select", "curve edit selector", 1, MOST_CURVES, "S"),
        ("type", "curve type", 0, 20, "S"),
        ("points", "curve number of points", 0, PAIRS, "S"),
        ("x_unit", "independent units of curve", 0, LARGEST, "S"),
        ("y_unit", "dependent units of curve", 0, LARGEST, "S"),
    )
    for at, (field, title, low, high, mandatory) in enumerate(heads):
        yield WindowRow("AO", 244 + at, 328 + at, "curves", field, title, low, high, "", 2, mandatory)
    for number in range(1, PAIRS + 1):
        for axis in ("x", "y"):
            at = 2 * number + (3 if axis == "x" else 4)
            title = f"curve point {number} {axis}-value"
            mandatory = "S" if number <= _MANDATORY_PAIRS else ""
            yield WindowRow("AO", 244 + at, 328 + at, "curves", f"{axis}{number}", title, *_ANY, "", 2, mandatory)


def _schedules() -> Iterator[WindowRow]:
    heads = (
        ("select", "schedule to edit selector", 1, MOST_SCHEDULES, ""),
        ("identity", "selected schedule identity", *_COUNT, ""),
        ("priority", "selected schedule priority", *_COUNT, ""),
        ("start_date", "selected schedule start date", *_COUNT, "days"),
        ("start_time", "selected schedule start time", 0, 86_400, "s"),
        ("stop_date", "selected schedule stop date", *_COUNT, "days"),
        ("stop_time", "selected schedule stop time", 0, 86_400, "s"),
        ("repeat", "selected schedule repeat interval", *_COUNT, ""),
        ("repeat_unit", "selected schedule repeat interval units", 0, 8, "enum"),
    )
    for at, (field, title, low, high, unit) in enumerate(heads):
        yield WindowRow("AO", 3000 + at, 3000 + at, "schedules", field, title, low, high, unit, 3)
    yield WindowRow("AO", 3009, 3011, "schedules", "points", "selected schedule number of points", 0, PAIRS, "", 3)
    for number in range(1, PAIRS + 1):
        parts = (("t", "time offset", 0, LARGEST, "s"), ("a", "action type", 0, 2, "enum"),
                 ("i", "action index", 0, 65_535, ""), ("v", "value", *_ANY, ""))  # fmt: skip
        for part, (field, word, low, high, unit) in enumerate(parts):
            at = 4 * (number - 1) + part
            title = f"selected schedule point {number} {word}"
            yield WindowRow("AO", 3010 + at, 3012 + at, "schedules", f"{field}{number}", title, low, high, unit, 3)
    switches = ("submit", "enable", *_DAYS)
    for at, field in enumerate(switches):
        yield WindowRow("BO", 3000 + at, 3000 + at, "schedules", field, f"selected schedule {field}")


def _simple_schedules() -> Iterator[WindowRow]:
    heads = (
        ("select", "schedule to edit selector (older form)", 1, MOST_SCHEDULES, ""),
        ("identity", "selected schedule identity", *_COUNT, ""),
        ("priority", "selected schedule priority", *_COUNT, ""),
        ("type", "selected schedule type", 0, LARGEST, "enum"),
        ("start_date", "selected schedule start date", *_COUNT, "days"),
        ("start_time", "selected schedule start time", 0, 86_400_000, "ms"),
        ("repeat", "selected schedule repeat interval", *_COUNT, ""),
        ("repeat_unit", "selected schedule repeat interval units", 0, 8, "enum"),
    )
    for at, (field, title, low, high, unit) in enumerate(heads):
        yield WindowRow("AO", 2000 + at, 2001 + at, "simple", field, title, low, high, unit, 3)
    yield WindowRow("AO", 2008, 2011, "simple", "points", "selected schedule number of points", 0, PAIRS, "", 3)
    for number in range(1, PAIRS + 1):
        for part, (field, word) in enumerate((("t", "time offset"), ("v", "value"))):
            at = 2 * (number - 1) + part
            low, high = (0, LARGEST) if field == "t" else _ANY
            title = f"selected schedule point {number} {word}"
            yield WindowRow("AO", 2009 + at, 2012 + at, "simple", f"{field}{number}", title, low, high, "", 3)
    for at, field in enumerate(("ready", *_DAYS)):
        yield WindowRow("BO", 2000 + at, 2000 + at, "simple", field, f"selected schedule {field} (older form)")


_DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")

#: Inputs that tell of the windows and are no read-backs: index, title, argument of schedule_state, class.
STATES = (
    (3009, "selected schedule validation state", "schedules/state", 3),
    (3010, "selected schedule status", "schedules/status", 2),
    (2000, "running schedule index", "simple/running", 2),
    (2009, "selected schedule validation status", "simple/state", 3),
    (2010, "selected schedule status", "simple/status", 2),
)
