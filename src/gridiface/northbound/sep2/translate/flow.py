"""Flow reservations: what of a request can be granted, as a domain Control and as a grant on the wire. Pure.

Here the wire counts charging as positive, the opposite of DER and of the domain.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from gridiface.domain.clock import Instant, Interval
from gridiface.domain.controls import Control, ControlMode, ModeValue, ServiceClass, Source, Target, TargetKind
from gridiface.domain.fleet import Device
from gridiface.domain.quantities import from_power_of_ten
from gridiface.northbound.sep2.translate.controls import authority
from gridiface.northbound.sep2.translate.scaling import watts
from gridiface.protocols.sep2.resources import (
    DateTimeInterval,
    EventStatus,
    FlowReservationRequest,
    FlowReservationResponse,
    SignedRealEnergy,
)

_SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Grant:
    """What is granted; `energy_wh` and `power_w` as the wire counts them, + = charging. Nothing: both are 0."""

    start: int
    duration: int
    energy_wh: float
    power_w: float

    @property
    def is_empty(self) -> bool:
        """Whether nothing is granted."""
        return self.energy_wh == 0.0


def grant_for(request: FlowReservationRequest, device: Device | None, now: Instant) -> Grant:
    """The most that a request can be granted by what is known of the device.

    The power is bounded by the device's rating in that direction where the device is known and has one; the time is the
    requested duration, or what the energy needs at that power, from the start of the window (now, where that is past)
    and inside it; the energy is what that power gives in that time, at most what was asked for.
    """
    window = request.intervalRequested
    start = max(window.start, int(now))
    left = window.start + window.duration - start
    wanted_wh = from_power_of_ten(request.energyRequested.value, request.energyRequested.multiplier)
    power = abs(from_power_of_ten(request.powerRequested.value, request.powerRequested.multiplier))
    rated = 0.0 if device is None else device.max_import_w if wanted_wh > 0 else device.max_export_w
    if rated > 0:
        power = min(power, rated)
    if left <= 0 or power <= 0 or not wanted_wh:
        return Grant(start, max(0, left), 0.0, 0.0)
    needed = request.durationRequested or -int(-abs(wanted_wh) * _SECONDS_PER_HOUR // power)
    duration = min(left, max(1, needed))
    energy = min(abs(wanted_wh), power * duration / _SECONDS_PER_HOUR)
    sign = 1.0 if wanted_wh > 0 else -1.0
    return Grant(start, duration, sign * energy, sign * power)


def narrowed(
    request: FlowReservationRequest,
    energy_wh: float | None,
    power_w: float | None,
    start: int | None,
    duration: int | None,
) -> FlowReservationRequest:
    """A request for a part of what it asks for; energy and power without sign.

    Raises:
        ValueError: that is no part of it; says what is too much.
    """
    window = request.intervalRequested
    wanted_wh = from_power_of_ten(request.energyRequested.value, request.energyRequested.multiplier)
    wanted_w = from_power_of_ten(request.powerRequested.value, request.powerRequested.multiplier)
    begins = window.start if start is None else start
    left = window.start + window.duration - begins
    energy = abs(wanted_wh) if energy_wh is None else energy_wh
    power = abs(wanted_w) if power_w is None else power_w
    if power > abs(wanted_w):
        raise ValueError(f"more power is granted than the {abs(wanted_w):.15g} W that were asked for")
    if energy > abs(wanted_wh):
        raise ValueError(f"more energy is granted than the {abs(wanted_wh):.15g} Wh that were asked for")
    if begins < window.start:
        raise ValueError(f"it begins {window.start - begins} s before the time that was asked for")
    if (duration or 1) > left:
        raise ValueError(f"it ends {begins + (duration or 1) - window.start - window.duration} s after that time")
    sign = -1.0 if wanted_wh < 0 else 1.0
    return replace(
        request,
        energyRequested=_energy(sign * energy),
        powerRequested=watts(sign * power),
        intervalRequested=DateTimeInterval(duration=left, start=begins),
        durationRequested=request.durationRequested if duration is None else duration,
    )


def grant_to_control(
    request: FlowReservationRequest, grant: Grant, device_id: str, identity: str, primacy: int, number: int
) -> Control:
    """The energy target that a grant is for the engine; one request may have several, one after the other."""
    return Control(
        id=f"sep2:flow:{request.mRID}:{number}",
        source=Source(protocol="sep2", program="flow", identity=identity, authority=authority(primacy)),
        target=Target(TargetKind.DEVICE, device_id),
        values={ControlMode.ENERGY_TARGET: ModeValue(-grant.energy_wh)},
        interval=Interval(float(grant.start), float(grant.duration)),
        created=float(request.creationTime),
        service_class=ServiceClass.DEMAND_RESPONSE,
        description=request.description or "",
        extra={"mRID": request.mRID},
    )


def reduced(grant: Grant, feasible_w: float | None) -> Grant:
    """A grant at the power that the engine calls feasible (W, + delivered); None: as it is."""
    if feasible_w is None or abs(feasible_w) >= abs(grant.power_w):
        return grant
    sign = 1.0 if grant.power_w > 0 else -1.0
    power = max(0.0, -feasible_w * sign)
    energy = min(abs(grant.energy_wh), power * grant.duration / _SECONDS_PER_HOUR)
    return Grant(grant.start, grant.duration, sign * energy, sign * power if energy else 0.0)


def grant_to_response(
    request: FlowReservationRequest, grant: Grant, mrid: str, now: Instant
) -> FlowReservationResponse:
    """The grant on the wire; href and replyTo are the caller's."""
    return FlowReservationResponse(
        mRID=mrid,
        description=request.description,
        version=0,
        responseRequired=3,
        creationTime=int(now),
        eventStatus=EventStatus(currentStatus=int(grant.start <= now), dateTime=int(now), potentiallySuperseded=False),
        interval=DateTimeInterval(duration=grant.duration, start=grant.start),
        energyAvailable=_energy(grant.energy_wh),
        powerAvailable=watts(grant.power_w),
        subject=request.mRID,
    )


def _energy(wh: float) -> SignedRealEnergy:
    return SignedRealEnergy(multiplier=0, value=round(wh))
