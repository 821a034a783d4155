"""What an operator writes of an OpenADR event, and the event that it means. Pure; owns no rule of the profile.

Units are written short (kW, MWh, EUR/kWh) and become the profile's itemBase. Whether a signal may be sent at all is
judged by the VTN core.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field

from gridiface.domain.clock import Instant
from gridiface.operator.problems import Refused
from gridiface.operator.schema import Asked, Name, Number, Text
from gridiface.protocols.openadr.events import Baseline, Event, Signal
from gridiface.protocols.openadr.payloads import units
from gridiface.protocols.openadr.payloads.common import (
    EiTarget,
    FeatureCollection,
    LinearRing,
    Polygon,
    TransportInterface,
)
from gridiface.protocols.openadr.payloads.stream import ItemBase

Names = Annotated[list[Name], Field(max_length=1000)]
#: About 68 years: what a duration in seconds may be.
_MOST_S = 2**31 - 1
Seconds = Annotated[int, Field(ge=0, le=_MOST_S)]
Signed = Annotated[int, Field(ge=-_MOST_S, le=_MOST_S)]

_PHYSICAL = re.compile(r"([kMG]?)(W|VA|var|Wh|VAh|varh)")
_MONEY = re.compile(r"([A-Z]{3})(?:/(kWh|kW))?")


class IntervalForm(Asked):
    """One step of a signal."""

    duration_s: Seconds = Field(description="how long; 0: until the event is cancelled, in the last one only")
    value: Number = Field(description="in the signal's unit; powers and energies are consumption")


class SignalForm(Asked):
    """One signal."""

    name: Name = Field(description="SIMPLE, ELECTRICITY_PRICE, LOAD_DISPATCH, ... or x-...")
    type: Name = Field(default="level", description="level, price, setpoint, delta, multiplier, ...")
    id: Name | None = Field(default=None, description="signalID; none: its number")
    unit: str = Field(
        default="", max_length=16, description="W, kW, MW, var, VA, Wh, kWh, ..., EUR/kWh, USD/kW; or none"
    )
    intervals: list[IntervalForm] = Field(
        min_length=1, max_length=1000, description="one after the other, from the start on"
    )
    device_classes: Names = Field(default_factory=list, description="only devices of these classes, such as Thermostat")


class AreaForm(Asked):
    """A geographic area."""

    id: Name | None = Field(default=None, description="name of the area")
    positions: list[Number] = Field(min_length=8, max_length=2000, description="latitude, longitude, ...; closed")


class EdgeForm(Asked):
    """A transport interface."""

    receipt: Name = Field(description="point of receipt")
    delivery: Name = Field(description="point of delivery")


class TargetForm(Asked):
    """Whom an event means; everything in it is OR'd. Empty: each VEN that gets it."""

    groups: Names = Field(default_factory=list, description="groupIDs; their VENs get the event")
    group_names: Names = Field(default_factory=list, description="groupNames; the same")
    resources: Names = Field(default_factory=list, description="resourceIDs; the VENs that have them get the event")
    parties: Names = Field(default_factory=list, description="partyIDs; the VENs that act for them get the event")
    device_assets: Names = Field(default_factory=list, description="device classes of the whole event")
    meter_assets: Names = Field(default_factory=list, description="meters")
    pnodes: Names = Field(default_factory=list, description="price nodes")
    aggregated_pnodes: Names = Field(default_factory=list, description="aggregated price nodes")
    delivery_points: Names = Field(default_factory=list, description="service delivery points")
    service_areas: list[AreaForm] = Field(default_factory=list, max_length=20, description="areas of service")
    service_locations: list[AreaForm] = Field(default_factory=list, max_length=20, description="locations of service")
    transport_interfaces: list[EdgeForm] = Field(default_factory=list, max_length=100, description="edges of the grid")


class BaselineForm(Asked):
    """What would be used without the event."""

    id: Name = Field(description="baselineID")
    name: Name = Field(description="baselineName")
    start: AwareDatetime = Field(description="start, ISO 8601 with offset")
    intervals: list[IntervalForm] = Field(min_length=1, max_length=1000, description="one after the other")
    unit: str = Field(default="", max_length=16, description="as of signals")
    resources: Names = Field(default_factory=list, description="whose sum it is; empty: the target's")


class EventFields(Asked):
    """What can be said, and changed later, of an event."""

    start: AwareDatetime | None = Field(default=None, description="start, ISO 8601 with offset; none: now")
    signals: list[SignalForm] | None = Field(default=None, min_length=1, max_length=20, description="what is asked")
    startafter_s: Seconds | None = Field(
        default=None, description="VENs begin by chance within so long after the start"
    )
    notification_s: Seconds | None = Field(default=None, description="VENs should know of it so long before")
    ramp_up_s: Signed | None = Field(default=None, description="before the start; negative: from the start on")
    recovery_s: Signed | None = Field(default=None, description="after the end; negative: before the end")
    priority: int | None = Field(default=None, ge=0, le=2**31 - 1, description="1 is the highest, 0 the lowest")
    test: Text | None = Field(default=None, description="any text but `false` marks a test event")
    comment: Text | None = Field(default=None, description="vtnComment, for people")
    response_required: bool | None = Field(default=None, description="false: VENs must not answer")
    target: TargetForm | None = Field(default=None, description="whom it means; none: the VENs that get it")
    baseline: BaselineForm | None = Field(default=None, description="what would be used without it")


class Recipients(EventFields):
    """Who gets an event, beside those that its target means."""

    vens: Annotated[list[Name], Field(max_length=100_000)] | None = Field(default=None, description="venIDs")
    everyone: bool = Field(default=False, description="all VENs that are known")


class NewEvent(Recipients):
    """A new event."""

    id: Name | None = Field(default=None, description="eventID, never used before; none: one is made")
    market_context: Annotated[str, Field(min_length=1, max_length=512)] = Field(description="URI of the program")
    signals: list[SignalForm] = Field(min_length=1, max_length=20, description="what is asked")


class EventChange(Recipients):
    """What becomes another; what is not named stays as it is."""

    reason: Text = Field(default="", description="modificationReason, for VENs and the audit log")


class Again(Recipients):
    """A copy of an event; what is named is another than there."""

    id: Name | None = Field(default=None, description="eventID of the copy; none: one is made")


def new_event(form: NewEvent, event_id: str, now: Instant) -> Event:
    """The event that a form means.

    Raises:
        Refused: 422, a unit that is not known.
    """
    fields = fields_of(form)
    fields.setdefault("dtstart", float(int(now)))
    fields.setdefault("notification", 0)
    return Event(id=event_id, market_context=form.market_context, **fields)


def fields_of(form: EventFields) -> dict[str, Any]:
    """The fields of an event that a form names.

    Raises:
        Refused: 422, a unit that is not known.
    """
    found: dict[str, Any] = {}
    if form.start is not None:
        found["dtstart"] = float(int(form.start.timestamp()))
    if form.signals is not None:
        found["signals"] = tuple(_signal(signal, number) for number, signal in enumerate(form.signals))
        lengths = found["signals"][0].durations
        found["duration"] = 0 if 0 in lengths else sum(lengths)
    same = {"startafter_s": "startafter", "notification_s": "notification", "ramp_up_s": "ramp_up"}
    same |= {"recovery_s": "recovery", "response_required": "response_required"}
    same |= {name: name for name in ("priority", "test", "comment")}
    found |= {own: value for name, own in same.items() if (value := getattr(form, name)) is not None}
    if form.target is not None:
        found["target"] = target_of(form.target)
    if form.baseline is not None:
        found["baseline"] = _baseline(form.baseline)
    return found


def target_of(form: TargetForm) -> EiTarget:
    """A target as the profile has it."""
    return EiTarget(
        aggregatedPnode=form.aggregated_pnodes,
        endDeviceAsset=form.device_assets,
        meterAsset=form.meter_assets,
        pnode=form.pnodes,
        serviceArea=[_area(area) for area in form.service_areas],
        serviceDeliveryPoint=form.delivery_points,
        serviceLocation=[_area(area) for area in form.service_locations],
        transportInterface=[
            TransportInterface(pointOfReceipt=edge.receipt, pointOfDelivery=edge.delivery)
            for edge in form.transport_interfaces
        ],
        groupID=form.groups,
        groupName=form.group_names,
        resourceID=form.resources,
        partyID=form.parties,
    )


def unit_of(text: str) -> ItemBase | None:
    """The profile's unit of a short one; None for "".

    Raises:
        Refused: 422, it is not known.
    """
    if not text:
        return None
    if found := _PHYSICAL.fullmatch(text):
        scale, symbol = found[1] or "none", found[2]
        return _physical(symbol, scale)
    if found := _MONEY.fullmatch(text):
        kind: Literal["currency", "currencyPerKWh", "currencyPerKW"] = "currency"
        cls: type[units.Currency | units.CurrencyPerKWh | units.CurrencyPerKW] = units.Currency
        if found[2] == "kWh":
            kind, cls = "currencyPerKWh", units.CurrencyPerKWh
        elif found[2] == "kW":
            kind, cls = "currencyPerKW", units.CurrencyPerKW
        return cls(itemDescription=kind, itemUnits=found[1], siScaleCode="none")
    raise Refused(422, f"the unit {text!r} is not known", "write kW, MWh, kvar, EUR/kWh, USD/kW or the like")


def unit_text(unit: ItemBase | None) -> str:
    """A unit in short, for people; "" without one."""
    if unit is None:
        return ""
    scale = getattr(unit, "siScaleCode", "none")
    symbol = str(getattr(unit, "itemUnits", ""))
    if isinstance(unit, units.CurrencyPerKWh):
        return f"{symbol}/kWh"
    if isinstance(unit, units.CurrencyPerKW):
        return f"{symbol}/kW"
    symbol = {"VAR": "var", "VARh": "varh"}.get(symbol, symbol)
    return symbol if scale == "none" else f"{scale}{symbol}"


def _physical(symbol: str, scale: str) -> ItemBase:
    match symbol:
        case "W":
            return units.power_real(scale)
        case "var":
            return units.power_reactive(scale)
        case "VA":
            attributes = units.PowerAttributes(hertz=50, voltage=230, ac=True)
            return units.PowerApparent(
                itemDescription="ApparentPower", itemUnits="VA", siScaleCode=scale, powerAttributes=attributes
            )
        case "Wh":
            return units.energy_real(scale)
        case "VAh":
            return units.EnergyApparent(itemDescription="ApparentEnergy", itemUnits="VAh", siScaleCode=scale)
        case _:
            return units.EnergyReactive(itemDescription="ReactiveEnergy", itemUnits="VARh", siScaleCode=scale)


def _signal(form: SignalForm, number: int) -> Signal:
    return Signal(
        name=form.name,
        type=form.type,
        id=form.id or str(number),
        durations=tuple(step.duration_s for step in form.intervals),
        values=tuple(step.value for step in form.intervals),
        unit=unit_of(form.unit),
        devices=tuple(form.device_classes),
    )


def _baseline(form: BaselineForm) -> Baseline:
    return Baseline(
        id=form.id,
        name=form.name,
        dtstart=float(int(form.start.timestamp())),
        durations=tuple(step.duration_s for step in form.intervals),
        values=tuple(step.value for step in form.intervals),
        unit=unit_of(form.unit),
        resources=tuple(form.resources),
    )


def _area(form: AreaForm) -> FeatureCollection:
    ring = LinearRing(posList=tuple(form.positions))
    return FeatureCollection(id=form.id, location=Polygon(id=None, exterior=ring))
