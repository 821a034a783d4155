"""Responses: what a device says about an event it was sent."""

from __future__ import annotations

from gridiface.protocols.sep2.primitives import (
    HEX160,
    MRID,
    SEP2,
    TIME,
    UINT8,
    UINT16,
    UINT32,
    UNIT,
)
from gridiface.protocols.sep2.resources.common import IdentifiedObject, List, ListLink, Resource
from gridiface.protocols.sep2.resources.drlc import ApplianceLoadReduction, DutyCycle, Offset, SetPoint
from gridiface.protocols.xmlwire import WireObject, attribute, element, wire


@wire(SEP2)
class Response(Resource):
    """What a device did with the event `subject` (an mRID); status per enums.ResponseStatus."""

    createdDateTime: int | None = element(TIME, default=None)
    endDeviceLFDI: str = element(HEX160)
    status: int | None = element(UINT8, default=None)
    subject: str = element(MRID)


@wire(SEP2)
class DERControlResponse(Response):
    """Response to a DERControl."""


@wire(SEP2)
class AppliedTargetReduction(WireObject):
    """The target reduction that a device applied, in the unit `type` (enums.UnitType)."""

    type: int = element(UNIT)
    value: int = element(UINT16)


@wire(SEP2)
class DrResponse(Response):
    """Response to an EndDeviceControl, with the reductions really applied."""

    applianceLoadReduction: ApplianceLoadReduction | None = element(
        ApplianceLoadReduction, "ApplianceLoadReduction", default=None
    )
    appliedTargetReduction: AppliedTargetReduction | None = element(
        AppliedTargetReduction, "AppliedTargetReduction", default=None
    )
    dutyCycle: DutyCycle | None = element(DutyCycle, "DutyCycle", default=None)
    offset: Offset | None = element(Offset, "Offset", default=None)
    overrideDuration: int | None = element(UINT16, default=None, unit="s")
    setPoint: SetPoint | None = element(SetPoint, "SetPoint", default=None)


@wire(SEP2)
class PriceResponse(Response):
    """Response to a price."""


@wire(SEP2)
class TextResponse(Response):
    """Response to a text message."""


@wire(SEP2)
class FlowReservationResponseResponse(Response):
    """Response to a FlowReservationResponse."""


@wire(SEP2)
class ResponseList(List):
    """Responses; order createdDateTime descending, then endDeviceLFDI; members may be of subtypes."""

    members: list[Response] = element(Response, "Response", default_factory=list)


@wire(SEP2)
class ResponseSet(IdentifiedObject):
    """A set of responses, for one event or many."""

    ResponseListLink: ListLink | None = element(ListLink, default=None)


@wire(SEP2)
class ResponseSetList(List):
    """Response sets; order mRID descending."""

    pollRate: int | None = attribute(UINT32, default=None)
    members: list[ResponseSet] = element(ResponseSet, "ResponseSet", default_factory=list)
