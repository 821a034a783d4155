"""EndDeviceControl -> the values of a domain Control. Pure.

Both say how much less a load is to take; for the domain less consumption is more delivered, so all values are positive.
What has no power of its own (temperature set-points and offsets) is not asked of the engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gridiface.domain.clock import Interval
from gridiface.domain.controls import Control, ControlMode, ModeValue, ServiceClass, Source, Target
from gridiface.northbound.sep2.translate.controls import authority
from gridiface.protocols.sep2.enums import UnitType
from gridiface.protocols.sep2.resources import EndDeviceControl

_WATTS: Mapping[int, float] = {UnitType.KW: 1000.0, UnitType.WATTS: 1.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadLevels:
    """What an ApplianceLoadReduction means, as a fraction 0..1 of what can be shed, by its type.

    The standard names no figure: 0 delays the appliance, 1 reduces it for a while.
    """

    appliance: Mapping[int, float] = field(default_factory=lambda: {0: 1.0, 1: 0.5})


def load_values(control: EndDeviceControl, levels: LoadLevels) -> dict[ControlMode, ModeValue]:
    """What an EndDeviceControl asks for; empty where nothing of it is a power.

    Of several reductions in one control the one that names watts counts, then the greatest fraction.
    """
    target = control.targetReduction
    if target is not None and target.type in _WATTS:
        return {ControlMode.DELTA_W: ModeValue(target.value * _WATTS[target.type])}
    hours = control.interval.duration / 3600
    if target is not None and target.type == UnitType.KWH and hours:
        return {ControlMode.DELTA_W: ModeValue(target.value * 1000.0 / hours)}
    fractions = []
    if control.dutyCycle is not None:
        fractions.append(1.0 - control.dutyCycle.normalValue / 100)
    if control.offset is not None and control.offset.loadAdjustmentPercentageOffset is not None:
        fractions.append(control.offset.loadAdjustmentPercentageOffset / 10_000)
    if control.applianceLoadReduction is not None:
        fractions.append(levels.appliance.get(control.applianceLoadReduction.type, 0.0))
    return {ControlMode.LOAD_LEVEL: ModeValue(max(fractions))} if fractions else {}


def end_device_control_to_control(
    event: EndDeviceControl, target: Target, primacy: int, identity: str, program: str, levels: LoadLevels
) -> Control | None:
    """The domain control of an EndDeviceControl; None where nothing of it is a power."""
    values = load_values(event, levels)
    if not values:
        return None
    start = float(event.interval.start)
    return Control(
        id=f"sep2:dr:{event.mRID}",
        source=Source(protocol="sep2", program=program, identity=identity, authority=authority(primacy)),
        target=target,
        values=values,
        interval=Interval(start, float(event.interval.duration)),
        created=float(event.creationTime),
        service_class=ServiceClass.DEMAND_RESPONSE,
        randomize_start_s=float(event.randomizeStart or 0),
        randomize_duration_s=float(event.randomizeDuration or 0),
        response_required=bool(event.responseRequired),
        description=event.description or "",
        extra={"mRID": event.mRID},
    )
