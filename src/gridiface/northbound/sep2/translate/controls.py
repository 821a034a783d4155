"""DERControlBase <-> the values of a domain Control, and events <-> Controls. Pure.

Does not own status, lists or links: curves are resolved by the caller and handed in as DERCurve objects.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from gridiface.domain.clock import Instant, Interval, randomised
from gridiface.domain.controls import Control, ControlMode, ModeValue, Source, Target, TargetKind
from gridiface.domain.curves import LEAST_W, MOST_W
from gridiface.domain.quantities import PercentBase, Rounding, round_to_int
from gridiface.errors import RemoteProtocolError
from gridiface.northbound.sep2.translate.entering import entering_values
from gridiface.northbound.sep2.translate.scaling import power_factor, si, signed, watts, wire_power_factor
from gridiface.protocols.sep2.enums import CURVE_MODES, DERUnitRefType, ErrorReason
from gridiface.protocols.sep2.resources import (
    ActivePower,
    DefaultDERControl,
    DERControl,
    DERControlBase,
    DERCurve,
    FixedVar,
    FreqDroopType,
    Link,
    ReactivePower,
)

#: FixedVar.refType -> the base of the percentage.
VAR_BASES: Mapping[int, PercentBase] = {
    DERUnitRefType.SET_MAX_W: PercentBase.MAX_W,
    DERUnitRefType.SET_MAX_VAR: PercentBase.MAX_VAR,
    DERUnitRefType.STAT_VAR_AVAIL: PercentBase.AVAILABLE_VAR,
}

#: CSIP-AUS limits.
_LIMITS: Mapping[str, ControlMode] = {
    "opModExpLimW": ControlMode.EXPORT_LIMIT,
    "opModImpLimW": ControlMode.IMPORT_LIMIT,
    "opModGenLimW": ControlMode.GENERATION_LIMIT,
    "opModLoadLimW": ControlMode.LOAD_LIMIT,
}

_GRADIENTS = ("setGradW", "setSoftGradW")

ResolveCurve = Callable[[str], DERCurve | None]


@dataclass(frozen=True, slots=True)
class ProgramScope:
    """What a program's controls concern: its target, primacy, whether the target stores energy.

    `enters`: somebody in it can be told when to return to service; such settings are left out for all others, who go
    on as they are set.
    """

    program: str
    target: Target
    primacy: int
    storage: bool
    enters: bool = True


def control_id(mrid: str) -> str:
    """The domain's id of a control that came in over IEEE 2030.5."""
    return f"sep2:{mrid}"


def authority(primacy: int) -> float:
    """Primacy (lower wins) as the domain's authority (larger wins)."""
    return float(255 - primacy)


def base_to_values(base: DERControlBase, curve: ResolveCurve, *, storage: bool) -> dict[ControlMode, ModeValue]:
    """What a DERControlBase asks for.

    Args:
        base: as received.
        curve: href -> the curve of the same program, None when there is none.
        storage: the 100 % of a positive opModFixedW is setMaxDischargeRateW instead of setMaxW.

    Raises:
        RemoteProtocolError: 400, detail 1: a value out of range, an unknown base, a missing or wrong curve, no mode.
    """
    values: dict[ControlMode, ModeValue] = {}
    _switches(base, values)
    _active_power(base, values, storage=storage)
    _reactive_power(base, values)
    _power_factors(base, values)
    _curves(base, curve, values)
    for name, mode in _LIMITS.items():
        limit = si(getattr(base, name))
        if limit is not None:
            _in_range(name, limit, 0.0, float("inf"))
            values[mode] = ModeValue(limit)
    if not values:
        raise RemoteProtocolError("the DERControlBase names no mode", detail=ErrorReason.INVALID_VALUES)
    return values


def _switches(base: DERControlBase, values: dict[ControlMode, ModeValue]) -> None:
    if base.opModConnect is not None:
        values[ControlMode.CONNECT] = ModeValue(float(base.opModConnect))
    if base.opModEnergize is not None:
        values[ControlMode.ENERGIZE] = ModeValue(float(base.opModEnergize))


def _active_power(base: DERControlBase, values: dict[ControlMode, ModeValue], *, storage: bool) -> None:
    target = si(base.opModTargetW)
    storage_target = si(base.opModStorageTargetW)
    if target is not None and storage_target is not None:
        raise RemoteProtocolError(
            "opModTargetW and opModStorageTargetW name two powers", detail=ErrorReason.INVALID_VALUES
        )
    if target is not None or storage_target is not None:
        values[ControlMode.SET_W] = ModeValue(target if target is not None else storage_target or 0.0)
    if base.opModFixedW is not None:
        _in_range("opModFixedW", base.opModFixedW, -10_000, 10_000)
        positive = PercentBase.MAX_DISCHARGE_W if storage else PercentBase.MAX_W
        of = PercentBase.MAX_CHARGE_W if base.opModFixedW < 0 else positive
        values[ControlMode.SET_W_PERCENT] = ModeValue(base.opModFixedW / 100, of)
    if base.opModMaxLimW is not None:
        _in_range("opModMaxLimW", base.opModMaxLimW, 0, 10_000)
        values[ControlMode.MAX_W_PERCENT] = ModeValue(base.opModMaxLimW / 100, PercentBase.MAX_W)


def _reactive_power(base: DERControlBase, values: dict[ControlMode, ModeValue]) -> None:
    target = si(base.opModTargetVar)
    if target is not None:
        values[ControlMode.SET_VAR] = ModeValue(target)
    fixed = base.opModFixedVar
    if fixed is not None:
        if fixed.refType not in VAR_BASES:
            raise RemoteProtocolError(
                f"opModFixedVar has refType {fixed.refType}; 1, 2 or 3 is wanted", detail=ErrorReason.INVALID_VALUES
            )
        _in_range("opModFixedVar", fixed.value, -10_000, 10_000)
        values[ControlMode.SET_VAR_PERCENT] = ModeValue(fixed.value / 100, VAR_BASES[fixed.refType])


def _power_factors(base: DERControlBase, values: dict[ControlMode, ModeValue]) -> None:
    for name, mode in (
        ("opModFixedPFInjectW", ControlMode.POWER_FACTOR_INJECT),
        ("opModFixedPFAbsorbW", ControlMode.POWER_FACTOR_ABSORB),
    ):
        given = getattr(base, name)
        if given is not None:
            value = power_factor(given)
            _in_range(name, abs(value), 0.0, 1.0)
            values[mode] = ModeValue(value)


def _curves(base: DERControlBase, resolve: ResolveCurve, values: dict[ControlMode, ModeValue]) -> None:
    curves: dict[str, Any] = {}
    for name, curve_type in CURVE_MODES.items():
        link = getattr(base, name)
        if link is None:
            continue
        curve = resolve(link.href)
        if curve is None:
            raise RemoteProtocolError(
                f"{name} links to a curve that its program does not have", detail=ErrorReason.INVALID_VALUES
            )
        if curve.curveType != curve_type:
            raise RemoteProtocolError(
                f"{name} wants curveType {curve_type}, not {curve.curveType}", detail=ErrorReason.INVALID_VALUES
            )
        curves[name] = curve_record(curve)
    if curves:
        values[ControlMode.CURVE] = ModeValue(float(len(curves)), payload=curves)
    droop = base.opModFreqDroop
    if droop is not None:
        values[ControlMode.FREQUENCY_DROOP] = ModeValue(1.0, payload=asdict(droop))


def _in_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise RemoteProtocolError(f"{name} is {value}, outside {low}..{high}", detail=ErrorReason.INVALID_VALUES)


def curve_record(curve: DERCurve) -> dict[str, Any]:
    """A curve as the record that `domain.curves` speaks of: plain data, without its place on a server."""
    plain = asdict(curve)
    return {k: v for k, v in plain.items() if v is not None and k not in {"href", "mRID", "description", "version"}}


def values_to_base(values: Mapping[ControlMode, ModeValue], curve_href: Callable[[str, Any], str]) -> DERControlBase:
    """The inverse of `base_to_values`: what the values say in the words of the standard.

    Args:
        values: modes without a word in IEEE 2030.5 are left out.
        curve_href: (mode element, payload) -> where that curve is served.
    """
    base = DERControlBase()
    for mode, value in values.items():
        writer = _WRITERS.get(mode)
        if writer is not None:
            writer(base, value)
    curves = values.get(ControlMode.CURVE)
    for name, payload in (curves.payload if curves and isinstance(curves.payload, Mapping) else {}).items():
        if name in CURVE_MODES:
            setattr(base, name, Link(href=curve_href(name, payload)))
    return base


def _write_fixed_var(base: DERControlBase, value: ModeValue) -> None:
    ref_type = next((ref for ref, name in VAR_BASES.items() if name == value.base), DERUnitRefType.SET_MAX_VAR)
    base.opModFixedVar = FixedVar(refType=ref_type, value=round_to_int(value.value * 100))


def _write_droop(base: DERControlBase, value: ModeValue) -> None:
    # A droop with limits of power is another one without them, and the standard has no words for them.
    if isinstance(value.payload, Mapping) and all(value.payload.get(name) is None for name in (LEAST_W, MOST_W)):
        base.opModFreqDroop = FreqDroopType(**value.payload)


def _write(name: str, render: Callable[[float], Any]) -> Callable[[DERControlBase, ModeValue], None]:
    return lambda base, value: setattr(base, name, render(value.value))


def _ceiling(value: float) -> ActivePower:
    return watts(max(0.0, value), Rounding.TOWARD_ZERO)


_WRITERS: Mapping[ControlMode, Callable[[DERControlBase, ModeValue], None]] = {
    ControlMode.CONNECT: _write("opModConnect", bool),
    ControlMode.ENERGIZE: _write("opModEnergize", bool),
    ControlMode.SET_W: _write("opModTargetW", watts),
    ControlMode.SET_W_PERCENT: _write("opModFixedW", lambda v: round_to_int(v * 100)),
    ControlMode.MAX_W_PERCENT: _write("opModMaxLimW", lambda v: round_to_int(v * 100, Rounding.TOWARD_ZERO)),
    ControlMode.SET_VAR: _write("opModTargetVar", lambda v: signed(ReactivePower, v)),
    ControlMode.SET_VAR_PERCENT: _write_fixed_var,
    ControlMode.POWER_FACTOR_INJECT: _write("opModFixedPFInjectW", wire_power_factor),
    ControlMode.POWER_FACTOR_ABSORB: _write("opModFixedPFAbsorbW", wire_power_factor),
    ControlMode.FREQUENCY_DROOP: _write_droop,
    ControlMode.EXPORT_LIMIT: _write("opModExpLimW", _ceiling),
    ControlMode.IMPORT_LIMIT: _write("opModImpLimW", _ceiling),
    ControlMode.GENERATION_LIMIT: _write("opModGenLimW", _ceiling),
    ControlMode.LOAD_LIMIT: _write("opModLoadLimW", _ceiling),
}


def event_to_control(event: DERControl, scope: ProgramScope, identity: str, curve: ResolveCurve) -> Control:
    """The domain control of a DERControl that `identity` put into the program of `scope`.

    A control of a group is randomised once, for the group as one DER, by a draw that its mRID decides, so that a
    restart finds the same times; a single device draws for itself.

    Raises:
        RemoteProtocolError: 400, detail 1: a value is out of range.
    """
    interval = Interval(float(event.interval.start), float(event.interval.duration))
    start_s, duration_s = float(event.randomizeStart or 0), float(event.randomizeDuration or 0)
    _in_range("randomizeStart", start_s, -3600, 3600)
    _in_range("randomizeDuration", duration_s, -3600, 3600)
    if event.interval.duration == 0:
        raise RemoteProtocolError(
            "an event of duration 0 is not defined; use DefaultDERControl", detail=ErrorReason.INVALID_VALUES
        )
    drawn = scope.target.kind is TargetKind.GROUP and (start_s or duration_s)
    return Control(
        id=control_id(event.mRID),
        source=_source(scope, identity),
        target=scope.target,
        values=base_to_values(event.derControlBase, curve, storage=scope.storage),
        interval=interval,
        created=float(event.creationTime),
        randomize_start_s=start_s,
        randomize_duration_s=duration_s,
        effective=randomised(interval, start_s=start_s, duration_s=duration_s, draw=draws(event.mRID))
        if drawn
        else None,
        ramp_s=_ramp(event.derControlBase),
        response_required=bool(event.responseRequired),
        description=event.description or "",
        extra={"mRID": event.mRID},
    )


def default_values(
    default: DefaultDERControl, curve: ResolveCurve, *, storage: bool, enters: bool
) -> dict[ControlMode, ModeValue]:
    """What a DefaultDERControl asks for: its modes, and when to return to service where that can be told (`enters`).

    Raises:
        RemoteProtocolError: as `base_to_values`, but nothing at all is well.
    """
    base = default.derControlBase
    asks = base != DERControlBase(rampTms=base.rampTms)
    values = base_to_values(base, curve, storage=storage) if asks else {}
    return values | (entering_values(default) if enters else {})


def default_to_control(
    default: DefaultDERControl, scope: ProgramScope, identity: str, curve: ResolveCurve, now: Instant
) -> Control | None:
    """The domain control of a DefaultDERControl; None when it names gradients only and asks for nothing.

    Raises:
        RemoteProtocolError: 400, detail 1: a value is out of range.
    """
    gradients = {name: str(value) for name in _GRADIENTS if (value := getattr(default, name)) is not None}
    values = default_values(default, curve, storage=scope.storage, enters=scope.enters)
    if not values:
        return None
    return Control(
        id=control_id(default.mRID),
        source=_source(scope, identity),
        target=scope.target,
        values=values,
        interval=Interval(now, None),
        created=now,
        ramp_s=_ramp(default.derControlBase),
        is_default=True,
        description=default.description or "",
        extra={"mRID": default.mRID, **gradients},
    )


def _source(scope: ProgramScope, identity: str) -> Source:
    return Source(protocol="sep2", program=scope.program, identity=identity, authority=authority(scope.primacy))


def _ramp(base: DERControlBase) -> float | None:
    return None if base.rampTms is None else base.rampTms / 100


def draws(seed: str) -> Callable[[], float]:
    """Numbers in 0..1 that follow from `seed` alone, the same in every run."""
    count = 0

    def draw() -> float:
        nonlocal count
        digest = hashlib.sha256(f"{seed}/{count}".encode()).digest()
        count += 1
        return int.from_bytes(digest[:7], "big") / float(1 << 56)

    return draw
