"""What the three programs of the day's story send, in their protocols' own words, translated as the server does."""

from __future__ import annotations

import math

from gridiface.domain.clock import Instant
from gridiface.domain.controls import Control, ServiceClass, Target, TargetKind
from gridiface.northbound.dnp3.pointmap.meanings import Action
from gridiface.northbound.dnp3.pointmap.points import PointEntry
from gridiface.northbound.dnp3.translate.commands import Sender, control_of
from gridiface.northbound.openadr.translate.events import Program, controls_of
from gridiface.northbound.sep2.translate.controls import ProgramScope, event_to_control
from gridiface.protocols.dnp3.points import PointType
from gridiface.protocols.openadr.events import Event, Signal
from gridiface.protocols.openadr.payloads.units import power_real
from gridiface.protocols.sep2.resources import (
    ActivePower,
    DateTimeInterval,
    DERControl,
    DERControlBase,
    DERCurve,
    EventStatus,
)

FLEET = Target(TargetKind.GROUP, "fleet")

#: The regulation point: MW, + = more delivered; a command holds for three periods.
_POINT = PointEntry(
    type=PointType.ANALOG_OUTPUT,
    index=1,
    name="regulation",
    action=Action.REGULATION,
    unit="MW",
    scale=1e6,
    service_class=ServiceClass.REGULATION,
)
_SENDER = Sender(station="gateway", master="iso", authority=200.0)
REGULATION_PERIOD_S, _HOLD_S = 4.0, 12.0


def openadr_event(watts: float, start: Instant, duration_s: float, created: Instant) -> Control:
    """An EiEvent with LOAD_DISPATCH setpoint in kW for the whole fleet; OpenADR speaks of load, so its sign turns."""
    signal = Signal(
        name="LOAD_DISPATCH",
        type="setpoint",
        id="s1",
        durations=(int(duration_s),),
        values=(-watts / 1000.0,),
        unit=power_real("k"),
    )
    event = Event(
        id="evening-peak",
        market_context="http://utility.example/capacity",
        dtstart=start,
        duration=int(duration_s),
        signals=(signal,),
        created=created,
        priority=1,
    )
    program = Program(target=FLEET, authority=100.0)
    return controls_of(event, program, vtn="utility-vtn").controls[0]


def sep2_limit(feeder: str, watts: float, start: Instant, duration_s: float, created: Instant) -> Control:
    """A DERControl with opModExpLimW in the program of one feeder."""
    control = DERControl(
        mRID="0F" * 16,
        description="transformer work",
        creationTime=int(created),
        eventStatus=EventStatus(currentStatus=0, dateTime=int(created), potentiallySuperseded=False),
        interval=DateTimeInterval(start=int(start), duration=int(duration_s)),
        derControlBase=DERControlBase(opModExpLimW=ActivePower(multiplier=2, value=int(watts / 100))),
    )
    scope = ProgramScope(f"program of {feeder}", Target(TargetKind.GROUP, feeder), 5, storage=True)
    return event_to_control(control, scope, "utility", _no_curve)


def _no_curve(href: str) -> DERCurve | None:
    return None


def dnp3_regulation(watts: float, now: Instant, number: int) -> Control:
    """A direct operate of the regulation point."""
    return control_of(_POINT, watts, _SENDER, FLEET, now, number=number, hold_s=_HOLD_S)


def regulation_signal(seconds: float, capacity_w: float) -> float:
    """A regulation signal at so many seconds after its start, W: fast and slow waves inside +-capacity, mean 0."""
    wave = 0.6 * math.sin(seconds / 47.0) + 0.3 * math.sin(seconds / 13.0 + 1.0) + 0.1 * math.sin(seconds / 5.0)
    return capacity_w * wave
