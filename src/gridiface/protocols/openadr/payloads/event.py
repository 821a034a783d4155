"""Payloads of EiEvent: oadrRequestEvent, oadrDistributeEvent, oadrCreatedEvent and the event itself."""

from __future__ import annotations

from dataclasses import replace

from gridiface.protocols.openadr.payloads.common import EiResponse, EiTarget, Properties, QualifiedEventID
from gridiface.protocols.openadr.payloads.namespaces import (
    DATE_TIME,
    DURATION,
    EI,
    EMIX,
    OPT_TYPE,
    PYLD,
    RESPONSE_CODE,
    SCHEMA_VERSION,
    SCHEMA_VERSIONS,
    STRM,
    XCAL,
    V,
    ei,
    oadr,
    pyld,
    token,
)
from gridiface.protocols.openadr.payloads.stream import ITEM_BASE, Intervals, ItemBase, PayloadFloat
from gridiface.protocols.openadr.payloads.units import unknown_unit
from gridiface.protocols.xmlwire import WireObject, attribute, element, wire
from gridiface.protocols.xmlwire.primitives import ANY_URI, STRING, UINT32, Primitive, enumeration

EVENT_STATUS = ("none", "far", "near", "active", "completed", "cancelled")
SIGNAL_NAMES = (
    *("SIMPLE", "simple", "ELECTRICITY_PRICE", "ENERGY_PRICE", "DEMAND_CHARGE", "BID_PRICE", "BID_LOAD"),
    *("BID_ENERGY", "CHARGE_STATE", "LOAD_DISPATCH", "LOAD_CONTROL"),
)
SIGNAL_TYPES = (
    *("delta", "level", "multiplier", "price", "priceMultiplier", "priceRelative", "setpoint"),
    *("x-loadControlCapacity", "x-loadControlLevelOffset", "x-loadControlPercentOffset", "x-loadControlSetpoint"),
)


def _read_any(listed: Primitive) -> Primitive:
    """Written as the schema lists it, read as it comes.

    A word that nobody knows refuses its event, not the document with the events beside it (rules 19, 109).
    """
    return replace(listed, parse=lambda text: " ".join(text.split()))


_SIGNAL_NAME = _read_any(token("signalNameType", SIGNAL_NAMES, extensible=True))
# The schema lists the types, Annex B lets parties agree on others.
_SIGNAL_TYPE = _read_any(token("SignalTypeEnumeratedType", SIGNAL_TYPES, extensible=True))
_EVENT_STATUS = token("EventStatusEnumeratedType", EVENT_STATUS)
_RESPONSE_REQUIRED = enumeration("ResponseRequiredType", ("always", "never"))


@ei
class EventDescriptor(WireObject):
    """Who and what of an event; not its times."""

    eventID: str = element(STRING)
    modificationNumber: int = element(UINT32)
    modificationDateTime: float | None = element(DATE_TIME, default=None)
    modificationReason: str | None = element(STRING, default=None)
    priority: int | None = element(UINT32, default=None)
    eiMarketContext: str = element(ANY_URI, inside=("marketContext", EMIX))
    createdDateTime: float = element(DATE_TIME)
    eventStatus: str = element(_EVENT_STATUS)
    testEvent: str | None = element(STRING, default=None)
    vtnComment: str | None = element(STRING, default=None)


@wire(V, ns=XCAL)
class Components(WireObject):
    """Always empty in this profile."""


@ei
class EiActivePeriod(WireObject):
    """The times of the event as a whole."""

    properties: Properties = element(Properties, ns=XCAL)
    components: Components = element(Components, ns=XCAL, nillable=True, assumed=Components)


@ei
class CurrentValue(WireObject):
    """The value of the interval that runs now."""

    payloadFloat: PayloadFloat = element(PayloadFloat)


@ei
class EiEventSignal(WireObject):
    """One signal: a row of values over the active period; its target names device classes only (rule 111)."""

    intervals: Intervals = element(Intervals, ns=STRM)
    eiTarget: EiTarget | None = element(EiTarget, default=None)
    signalName: str = element(_SIGNAL_NAME)
    signalType: str = element(_SIGNAL_TYPE)
    signalID: str = element(STRING)
    itemBase: ItemBase | None = element(ITEM_BASE, default=None, other=unknown_unit)
    currentValue: CurrentValue | None = element(CurrentValue, default=None)


@ei
class EiEventBaseline(WireObject):
    """What the recipients would use without the event, with times of its own."""

    dtstart: float = element(DATE_TIME, ns=XCAL, inside="date-time")
    duration: int = element(DURATION, ns=XCAL, inside="duration", unit="s")
    intervals: Intervals = element(Intervals, ns=STRM)
    baselineID: str = element(STRING)
    resourceID: list[str] = element(STRING, default_factory=list)
    baselineName: str = element(STRING)
    itemBase: ItemBase | None = element(ITEM_BASE, default=None, other=unknown_unit)


@ei
class EiEventSignals(WireObject):
    """All signals of an event."""

    eiEventSignal: list[EiEventSignal] = element(EiEventSignal, default_factory=list, at_least=1)
    eiEventBaseline: EiEventBaseline | None = element(EiEventBaseline, default=None)


@ei
class EiEvent(WireObject):
    """One event."""

    eventDescriptor: EventDescriptor = element(EventDescriptor)
    eiActivePeriod: EiActivePeriod = element(EiActivePeriod)
    eiEventSignals: EiEventSignals = element(EiEventSignals)
    eiTarget: EiTarget = element(EiTarget, assumed=EiTarget)


@oadr
class OadrEvent(WireObject):
    """One event and whether it must be answered."""

    eiEvent: EiEvent = element(EiEvent, ns=EI)
    oadrResponseRequired: str = element(_RESPONSE_REQUIRED)


@oadr
class OadrDistributeEvent(WireObject):
    """All events that concern a VEN; eiResponse only as an answer (rule 40)."""

    schemaVersion: str | None = attribute(SCHEMA_VERSIONS, default=SCHEMA_VERSION, ns=EI)
    eiResponse: EiResponse | None = element(EiResponse, default=None, ns=EI)
    requestID: str = element(STRING, ns=PYLD, assumed=str)
    vtnID: str = element(STRING, ns=EI)
    oadrEvent: list[OadrEvent] = element(OadrEvent, default_factory=list)


@pyld
class EiRequestEvent(WireObject):
    """What oadrRequestEvent holds."""

    requestID: str = element(STRING, assumed=str)
    venID: str = element(STRING, ns=EI)
    replyLimit: int | None = element(UINT32, default=None)


@oadr
class OadrRequestEvent(WireObject):
    """Ask for the events, at most replyLimit of them."""

    schemaVersion: str | None = attribute(SCHEMA_VERSIONS, default=SCHEMA_VERSION, ns=EI)
    eiRequestEvent: EiRequestEvent = element(EiRequestEvent, ns=PYLD)


@wire(V, ns=EI, name="eventResponse", element=None, empty_is_absent=True)
class EventResponse(WireObject):
    """The VEN's word on one event; requestID is the distribute's (rule 42)."""

    responseCode: str = element(RESPONSE_CODE)
    responseDescription: str | None = element(STRING, default=None)
    requestID: str = element(STRING, ns=PYLD, assumed=str)
    qualifiedEventID: QualifiedEventID = element(QualifiedEventID)
    optType: str = element(OPT_TYPE)


@ei
class EventResponses(WireObject):
    """The VEN's words; we never send an empty list and accept one."""

    eventResponse: list[EventResponse] = element(EventResponse, default_factory=list)


@pyld
class EiCreatedEvent(WireObject):
    """What oadrCreatedEvent holds."""

    eiResponse: EiResponse = element(EiResponse, ns=EI)
    eventResponses: EventResponses | None = element(EventResponses, default=None, ns=EI)
    venID: str = element(STRING, ns=EI)


@oadr
class OadrCreatedEvent(WireObject):
    """The VEN's answer to a distribute, or a later change of its opt."""

    schemaVersion: str | None = attribute(SCHEMA_VERSIONS, default=SCHEMA_VERSION, ns=EI)
    eiCreatedEvent: EiCreatedEvent = element(EiCreatedEvent, ns=PYLD)


@oadr
class OadrResponse(WireObject):
    """The answer where no other is defined; a VEN names itself (rule 508)."""

    schemaVersion: str | None = attribute(SCHEMA_VERSIONS, default=SCHEMA_VERSION, ns=EI)
    eiResponse: EiResponse = element(EiResponse, ns=EI)
    venID: str | None = element(STRING, default=None, ns=EI)


@oadr
class OadrPoll(WireObject):
    """Ask for the next payload that waits for this VEN."""

    schemaVersion: str | None = attribute(SCHEMA_VERSIONS, default=SCHEMA_VERSION, ns=EI)
    venID: str = element(STRING, ns=EI)
