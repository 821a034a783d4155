"""Payloads of EiOpt: schedules of availability, and opts of some resources to one event."""

from __future__ import annotations

from gridiface.protocols.openadr.payloads.common import EiResponse, EiTarget, Properties, QualifiedEventID
from gridiface.protocols.openadr.payloads.namespaces import (
    DATE_TIME,
    EI,
    EMIX,
    OPT_TYPE,
    PYLD,
    SCHEMA_VERSION,
    SCHEMA_VERSIONS,
    XCAL,
    oadr,
    token,
    xcal,
)
from gridiface.protocols.xmlwire import WireObject, attribute, element
from gridiface.protocols.xmlwire.primitives import ANY_URI, STRING

OPT_REASONS = (
    *("economic", "emergency", "mustRun", "notParticipating", "outageRunStatus", "overrideStatus", "participating"),
    "x-schedule",
)
_OPT_REASON = token("OptReasonType", OPT_REASONS, extensible=True)


@xcal
class Available(WireObject):
    """One span; duration 0 is open (rule 210)."""

    properties: Properties = element(Properties)


@xcal
class AvailableList(WireObject):
    """The spans of a schedule."""

    available: list[Available] = element(Available, default_factory=list)


@xcal
class Vavailability(WireObject):
    """A schedule."""

    components: AvailableList = element(AvailableList)


@oadr
class OadrCreateOpt(WireObject):
    """Opt in or out: with an event for some resources (rule 206), or by a schedule."""

    schemaVersion: str | None = attribute(SCHEMA_VERSIONS, default=SCHEMA_VERSION, ns=EI)
    optID: str = element(STRING, ns=EI)
    optType: str = element(OPT_TYPE, ns=EI)
    optReason: str = element(_OPT_REASON, ns=EI)
    marketContext: str | None = element(ANY_URI, default=None, ns=EMIX)
    venID: str = element(STRING, ns=EI)
    vavailability: Vavailability | None = element(Vavailability, default=None, ns=XCAL)
    createdDateTime: float = element(DATE_TIME, ns=EI)
    requestID: str = element(STRING, ns=PYLD, assumed=str)
    qualifiedEventID: QualifiedEventID | None = element(QualifiedEventID, default=None, ns=EI)
    eiTarget: EiTarget = element(EiTarget, ns=EI, assumed=EiTarget)
    oadrDeviceClass: EiTarget | None = element(EiTarget, default=None)


@oadr
class OadrCreatedOpt(WireObject):
    """Answer to oadrCreateOpt."""

    schemaVersion: str | None = attribute(SCHEMA_VERSIONS, default=SCHEMA_VERSION, ns=EI)
    eiResponse: EiResponse = element(EiResponse, ns=EI)
    optID: str = element(STRING, ns=EI)


@oadr
class OadrCancelOpt(WireObject):
    """Take back all schedules of that optID (rule 204)."""

    schemaVersion: str | None = attribute(SCHEMA_VERSIONS, default=SCHEMA_VERSION, ns=EI)
    requestID: str = element(STRING, ns=PYLD, assumed=str)
    optID: str = element(STRING, ns=EI)
    venID: str = element(STRING, ns=EI)


@oadr
class OadrCanceledOpt(WireObject):
    """Answer to oadrCancelOpt."""

    schemaVersion: str | None = attribute(SCHEMA_VERSIONS, default=SCHEMA_VERSION, ns=EI)
    eiResponse: EiResponse = element(EiResponse, ns=EI)
    optID: str | None = element(STRING, default=None, ns=EI)
