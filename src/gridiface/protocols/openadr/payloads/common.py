"""Parts that several services share: eiResponse, targets, calendar properties."""

from __future__ import annotations

from gridiface.protocols.openadr.payloads.namespaces import (
    DATE_TIME,
    DURATION,
    EI,
    EMIX,
    GML,
    POWER,
    PYLD,
    RESPONSE_CODE,
    XCAL,
    V,
    ei,
    power,
    xcal,
)
from gridiface.protocols.xmlwire import WireObject, attribute, element, wire
from gridiface.protocols.xmlwire.primitives import DOUBLE, STRING, TOKEN, UINT32, list_of


@ei
class EiResponse(WireObject):
    """Outcome of a request: three digits, words for people, the request's ID (may be empty)."""

    responseCode: str = element(RESPONSE_CODE)
    responseDescription: str | None = element(STRING, default=None)
    requestID: str = element(STRING, ns=PYLD, assumed=str)


@ei
class QualifiedEventID(WireObject):
    """An event in one of its versions."""

    eventID: str = element(STRING)
    modificationNumber: int = element(UINT32)


@wire(V, ns=GML)
class LinearRing(WireObject):
    """The corners of an area: latitude and longitude in turn, closed."""

    posList: tuple[float, ...] = element(list_of(DOUBLE))


@wire(V, ns=GML)
class Polygon(WireObject):
    """One area."""

    id: str | None = attribute(TOKEN, default=None, ns=GML)
    exterior: LinearRing = element(LinearRing, inside="LinearRing")


@wire(V, ns=GML)
class FeatureCollection(WireObject):
    """A geographic area (a small part of GML 3.2)."""

    id: str | None = attribute(TOKEN, default=None, ns=GML)
    location: Polygon = element(Polygon, inside="Polygon")


@power
class TransportInterface(WireObject):
    """The edge between two nodes of the grid."""

    pointOfReceipt: str = element(STRING)
    pointOfDelivery: str = element(STRING)


@ei
class EiTarget(WireObject):
    """Whom something concerns. Everything in one target is OR'd (rule 22); at most one venID (rule 63)."""

    aggregatedPnode: list[str] = element(STRING, ns=POWER, inside="node", default_factory=list)
    endDeviceAsset: list[str] = element(STRING, ns=POWER, inside="mrid", default_factory=list)
    meterAsset: list[str] = element(STRING, ns=POWER, inside="mrid", default_factory=list)
    pnode: list[str] = element(STRING, ns=POWER, inside="node", default_factory=list)
    serviceArea: list[FeatureCollection] = element(
        FeatureCollection, ns=EMIX, inside=("FeatureCollection", GML), default_factory=list
    )
    serviceDeliveryPoint: list[str] = element(STRING, ns=POWER, inside="node", default_factory=list)
    serviceLocation: list[FeatureCollection] = element(
        FeatureCollection, ns=POWER, inside=("FeatureCollection", GML), default_factory=list
    )
    transportInterface: list[TransportInterface] = element(TransportInterface, ns=POWER, default_factory=list)
    groupID: list[str] = element(STRING, default_factory=list)
    groupName: list[str] = element(STRING, default_factory=list)
    resourceID: list[str] = element(STRING, default_factory=list)
    venID: list[str] = element(STRING, default_factory=list)
    partyID: list[str] = element(STRING, default_factory=list)

    def is_empty(self) -> bool:
        """Whether it names nothing: then it means the recipient, or all of its resources."""
        return self == EiTarget()


@xcal
class Tolerate(WireObject):
    """How far a start may be put off by chance."""

    startafter: int | None = element(DURATION, default=None, unit="s")


@xcal
class Properties(WireObject):
    """Start and duration of something; the event's active period also has tolerance, notification and ramps."""

    dtstart: float = element(DATE_TIME, inside="date-time")
    duration: int = element(DURATION, inside="duration", unit="s")
    tolerance: Tolerate | None = element(Tolerate, inside="tolerate", default=None)
    x_eiNotification: int | None = element(
        DURATION, "x-eiNotification", ns=EI, inside=("duration", XCAL), default=None, unit="s"
    )
    x_eiRampUp: int | None = element(DURATION, "x-eiRampUp", ns=EI, inside=("duration", XCAL), default=None, unit="s")
    x_eiRecovery: int | None = element(
        DURATION, "x-eiRecovery", ns=EI, inside=("duration", XCAL), default=None, unit="s"
    )
