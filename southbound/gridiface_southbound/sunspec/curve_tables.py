"""How the SunSpec models keep curves and droop: which model holds which, under which names. Tables, pure.

The DER models 705 to 712 keep stored curves of which the first, read-only, shows what is in force: another is written
and then adopted. The older 126, 129 to 144 keep stored curves of which an index chooses one. Owned here: these
differences. Not owned: registers (models), values (curve_values), the procedure (adopting).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gridiface.domain.curves import CurveBase, CurveKind
from gridiface.domain.fleet import Capability

_VARS: Mapping[int, int] = {CurveBase.MAX_W: 0, CurveBase.MAX_VAR: 1, CurveBase.AVAILABLE_VAR: 2}
_WATTS: Mapping[int, int] = {CurveBase.MAX_W: 0, CurveBase.AVAILABLE_W: 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One curve inside a stored set.

    `group`: where its points lie in the set ("" or "MustTrip."). `x`, `y`: the points' names, with {} for the number.
    `bases`: what DeptRef holds for each base of the y axis; none: the y axis has no base. `response`, `pt1`: points
    for these times, s; `reference`: whether it has a reference voltage. `fixed`: points without which the curve would
    mean something else than asked, where the device has them. `can`: the domain's word for it, of a curve that a device
    may lack where it has the model; none: that of the model.
    """

    kind: CurveKind
    x: str
    y: str
    group: str = ""
    bases: Mapping[int, int] | None = None
    response: str = ""
    pt1: str = ""
    reference: bool = False
    fixed: Mapping[str, int] = field(default_factory=dict)
    can: Capability | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveModel:
    """One model with curves, or with droop (no `lines`).

    `stored`: the group of stored curves; `count` and `most`: how many there are, and how many points each can have.
    `request`: by which another is adopted; `result`: what becomes of that. Without `result` the request itself is the
    index of the curve in force. `fallback`: the stored curve after the revert timer. `least`: of droop, the point for
    how far power may go down, percent of its rating; a device may lack it.
    """

    id: int
    can: Capability
    lines: tuple[Line, ...] = ()
    stored: str = "Crv"
    count: str = "NCrv"
    most: str = "NPt"
    enable: str = "Ena"
    request: str = "AdptCrvReq"
    result: str = "AdptCrvRslt"
    fallback: str = "RvrtCrv"
    least: str = ""

    @property
    def adopts(self) -> bool:
        """Whether curve 1 shows what is in force, else the one that `request` names."""
        return bool(self.result)


def _trips(model_id: int, unit: str, *lines: tuple[str, CurveKind, Capability]) -> CurveModel:
    found = tuple(
        Line(kind=kind, x="Pt{}.Tms", y=f"Pt{{}}.{unit}", group=f"{group}.", can=can) for group, kind, can in lines
    )
    return CurveModel(id=model_id, can=lines[0][2], lines=found, count="NCrvSet", fallback="")


def _older(model_id: int, can: Capability, line: Line) -> CurveModel:
    return CurveModel(
        id=model_id, can=can, lines=(line,), stored="curve", enable="ModEna", request="ActCrv", result="", fallback=""
    )


def _older_trip(model_id: int, unit: str, kind: CurveKind, can: Capability) -> CurveModel:
    """One of 129 to 144, each of which holds one limit over time: x is in Tms, as in 707 to 710."""
    return _older(model_id, can, Line(kind=kind, x="Tms{}", y=f"{unit}{{}}"))


_VOLT_VAR = Line(
    kind=CurveKind.VOLT_VAR, x="Pt{}.V", y="Pt{}.Var", bases=_VARS, response="RspTms", reference=True
)  # fmt: skip
_VOLT_WATT = Line(kind=CurveKind.VOLT_WATT, x="Pt{}.V", y="Pt{}.W", bases=_WATTS, response="RspTms")
_WATT_VAR = Line(kind=CurveKind.WATT_VAR, x="Pt{}.W", y="Pt{}.Var", bases=_VARS)
_OLDER_VARS = {base: number + 1 for base, number in _VARS.items()}
_OLDER_WATTS = {base: number + 1 for base, number in _WATTS.items()}

#: By preference: of two models for one curve the first that a device has is used.
CURVE_MODELS: tuple[CurveModel, ...] = (
    CurveModel(id=705, can=Capability.VOLT_VAR, lines=(_VOLT_VAR,)),
    CurveModel(id=706, can=Capability.VOLT_WATT, lines=(_VOLT_WATT,)),
    _trips(
        707,
        "V",
        ("MustTrip", CurveKind.LVRT_MUST_TRIP, Capability.LOW_VOLTAGE_TRIP),
        ("MayTrip", CurveKind.LVRT_MAY_TRIP, Capability.LOW_VOLTAGE_MAY_TRIP),
        ("MomCess", CurveKind.LVRT_MOMENTARY_CESSATION, Capability.LOW_VOLTAGE_CESSATION),
    ),
    _trips(
        708,
        "V",
        ("MustTrip", CurveKind.HVRT_MUST_TRIP, Capability.HIGH_VOLTAGE_TRIP),
        ("MayTrip", CurveKind.HVRT_MAY_TRIP, Capability.HIGH_VOLTAGE_MAY_TRIP),
        ("MomCess", CurveKind.HVRT_MOMENTARY_CESSATION, Capability.HIGH_VOLTAGE_CESSATION),
    ),
    _trips(
        709,
        "Hz",
        ("MustTrip", CurveKind.LFRT_MUST_TRIP, Capability.LOW_FREQUENCY_TRIP),
        ("MayTrip", CurveKind.LFRT_MAY_TRIP, Capability.LOW_FREQUENCY_MAY_TRIP),
        ("MomCess", CurveKind.LFRT_MOMENTARY_CESSATION, Capability.LOW_FREQUENCY_CESSATION),
    ),
    _trips(
        710,
        "Hz",
        ("MustTrip", CurveKind.HFRT_MUST_TRIP, Capability.HIGH_FREQUENCY_TRIP),
        ("MayTrip", CurveKind.HFRT_MAY_TRIP, Capability.HIGH_FREQUENCY_MAY_TRIP),
        ("MomCess", CurveKind.HFRT_MOMENTARY_CESSATION, Capability.HIGH_FREQUENCY_CESSATION),
    ),
    CurveModel(
        id=711,
        can=Capability.FREQUENCY_DROOP,
        stored="Ctl",
        count="NCtl",
        most="",
        request="AdptCtlReq",
        result="AdptCtlRslt",
        fallback="RvrtCtl",
        least="PMin",
    ),
    CurveModel(id=712, can=Capability.WATT_VAR, lines=(_WATT_VAR,)),
    _older(
        126, Capability.VOLT_VAR, Line(kind=CurveKind.VOLT_VAR, x="V{}", y="VAr{}", bases=_OLDER_VARS, pt1="RmpTms")
    ),
    _older(
        132, Capability.VOLT_WATT, Line(kind=CurveKind.VOLT_WATT, x="V{}", y="W{}", bases=_OLDER_WATTS, pt1="RmpPt1Tms")
    ),
    _older(
        134,
        Capability.FREQ_WATT,
        Line(
            kind=CurveKind.FREQ_WATT,
            x="Hz{}",
            y="W{}",
            bases={CurveBase.MAX_W: 0},
            pt1="RmpPT1Tms",
            fixed={"SnptW": 0},  # else the percentages are of the power at the moment of the deviation
        ),
    ),
    _older_trip(129, "V", CurveKind.LVRT_MUST_TRIP, Capability.LOW_VOLTAGE_TRIP),
    _older_trip(130, "V", CurveKind.HVRT_MUST_TRIP, Capability.HIGH_VOLTAGE_TRIP),
    _older_trip(135, "Hz", CurveKind.LFRT_MUST_TRIP, Capability.LOW_FREQUENCY_TRIP),
    _older_trip(136, "Hz", CurveKind.HFRT_MUST_TRIP, Capability.HIGH_FREQUENCY_TRIP),
    # "must remain connected": beyond it a device may trip
    _older_trip(137, "V", CurveKind.LVRT_MAY_TRIP, Capability.LOW_VOLTAGE_MAY_TRIP),
    _older_trip(138, "V", CurveKind.HVRT_MAY_TRIP, Capability.HIGH_VOLTAGE_MAY_TRIP),
    _older_trip(139, "V", CurveKind.LVRT_MOMENTARY_CESSATION, Capability.LOW_VOLTAGE_CESSATION),
    _older_trip(140, "V", CurveKind.HVRT_MOMENTARY_CESSATION, Capability.HIGH_VOLTAGE_CESSATION),
    _older_trip(141, "Hz", CurveKind.LFRT_MAY_TRIP, Capability.LOW_FREQUENCY_MAY_TRIP),
    _older_trip(142, "Hz", CurveKind.HFRT_MAY_TRIP, Capability.HIGH_FREQUENCY_MAY_TRIP),
    _older_trip(143, "Hz", CurveKind.LFRT_MOMENTARY_CESSATION, Capability.LOW_FREQUENCY_CESSATION),
    _older_trip(144, "Hz", CurveKind.HFRT_MOMENTARY_CESSATION, Capability.HIGH_FREQUENCY_CESSATION),
)

#: Their numbers: what a device is looked through for.
CURVE_MODEL_IDS = tuple(found.id for found in CURVE_MODELS)
