"""Flow reservation: a device asks to charge or discharge, the server grants when and how much."""

from __future__ import annotations

from gridiface.protocols.sep2.primitives import (
    MRID,
    SEP2,
    TIME,
    UINT8,
    UINT16,
    UINT32,
)
from gridiface.protocols.sep2.resources.common import DateTimeInterval, Event, IdentifiedObject, List, SubscribableList
from gridiface.protocols.sep2.resources.quantities import ActivePower, SignedRealEnergy
from gridiface.protocols.xmlwire import WireObject, attribute, element, wire


@wire(SEP2)
class RequestStatus(WireObject):
    """Where a request stands: 0 requested, 1 cancelled."""

    dateTime: int = element(TIME)
    requestStatus: int = element(UINT8)


@wire(SEP2)
class FlowReservationRequest(IdentifiedObject):
    """A wish for energy and power in an interval; here positive is charging."""

    creationTime: int = element(TIME)
    durationRequested: int | None = element(UINT16, default=None, unit="s")
    energyRequested: SignedRealEnergy = element(SignedRealEnergy)
    intervalRequested: DateTimeInterval = element(DateTimeInterval)
    powerRequested: ActivePower = element(ActivePower)
    requestStatus: RequestStatus = element(RequestStatus, "RequestStatus")


@wire(SEP2)
class FlowReservationRequestList(List):
    """Requests; order intervalRequested.start, then creationTime and mRID descending."""

    pollRate: int | None = attribute(UINT32, default=None)
    members: list[FlowReservationRequest] = element(
        FlowReservationRequest, "FlowReservationRequest", default_factory=list
    )


@wire(SEP2)
class FlowReservationResponse(Event):
    """What of the request `subject` is granted, as an event; here positive is charging."""

    energyAvailable: SignedRealEnergy = element(SignedRealEnergy)
    powerAvailable: ActivePower = element(ActivePower)
    subject: str = element(MRID)


@wire(SEP2)
class FlowReservationResponseList(SubscribableList):
    """Grants; order start, then creationTime and mRID descending."""

    pollRate: int | None = attribute(UINT32, default=None)
    members: list[FlowReservationResponse] = element(
        FlowReservationResponse, "FlowReservationResponse", default_factory=list
    )
