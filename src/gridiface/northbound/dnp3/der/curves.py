"""Curves of the DER profile: numbers of kinds and units, scaling of points, and what makes a curve usable. Pure.

The profile leaves the scale of curve points to their units; ours are those that the profile uses for the same units
elsewhere: percent 0.1, hertz 0.001, milliseconds 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from gridiface.domain.curves import CurveBase, CurveKind, curve_payload
from gridiface.northbound.dnp3.der.windows import Record

#: Curve type (AO245) by what the engine calls it; the profile's other types are kept, but no mode can use them.
KINDS: Mapping[int, CurveKind] = {
    2: CurveKind.VOLT_VAR,
    3: CurveKind.FREQ_WATT,
    4: CurveKind.WATT_VAR,
    5: CurveKind.VOLT_WATT,
    9: CurveKind.HVRT_MUST_TRIP,
    10: CurveKind.HVRT_MOMENTARY_CESSATION,
    11: CurveKind.LVRT_MUST_TRIP,
    12: CurveKind.LVRT_MOMENTARY_CESSATION,
    13: CurveKind.HFRT_MUST_TRIP,
    14: CurveKind.HFRT_MOMENTARY_CESSATION,
    15: CurveKind.LFRT_MUST_TRIP,
    16: CurveKind.LFRT_MOMENTARY_CESSATION,
}
_X_SCALE: Mapping[int, float] = {4: 0.001, 33: 0.001, 129: 0.1, 138: 0.1}
"""X units that mean the same on every device: time (ms), hertz, percent of volts, percent of watts."""

_Y: Mapping[int, tuple[float, CurveBase]] = {
    2: (0.1, CurveBase.MAX_VAR),
    3: (0.1, CurveBase.AVAILABLE_VAR),
    5: (0.1, CurveBase.MAX_W),
    8: (0.1, CurveBase.EFFECTIVE_V),
    33: (0.001, CurveBase.NONE),
}
_TRIP = frozenset(
    {
        CurveKind.HVRT_MUST_TRIP,
        CurveKind.HVRT_MOMENTARY_CESSATION,
        CurveKind.LVRT_MUST_TRIP,
        CurveKind.LVRT_MOMENTARY_CESSATION,
        CurveKind.HFRT_MUST_TRIP,
        CurveKind.HFRT_MOMENTARY_CESSATION,
        CurveKind.LFRT_MUST_TRIP,
        CurveKind.LFRT_MOMENTARY_CESSATION,
    }
)


TYPE = "type"
"""The field of a curve's type (AO245)."""


def is_kind(record: Record, kind: CurveKind) -> bool:
    """Whether a curve is of a kind; one without a type is of none."""
    return KINDS.get(int(record.value(TYPE))) is kind


def points_of(record: Record) -> list[tuple[float, float]]:
    """The points of a curve, wire units; as many as it says it has."""
    count = int(record.value("points"))
    return [(record.value(f"x{number}"), record.value(f"y{number}")) for number in range(1, count + 1)]


def payload_of(record: Record, kind: CurveKind, created: float) -> dict[str, Any] | None:
    """What a control carries for this curve; None: it is of another kind, or cannot be used.

    Usable are curves of 2 to 10 points (trip curves: 1 to 10) whose x values do not fall, in units that do not depend
    on a device's ratings.
    """
    raw = points_of(record)
    x_scale, y_unit = _X_SCALE.get(int(record.value("x_unit"))), _Y.get(int(record.value("y_unit")))
    if not is_kind(record, kind) or x_scale is None or y_unit is None:
        return None
    if len(raw) < (1 if kind in _TRIP else 2) or any(left[0] > right[0] for left, right in pairwise(raw)):
        return None
    y_scale, base = y_unit
    return curve_payload(kind, [(x * x_scale, y * y_scale) for x, y in raw], base, created)
