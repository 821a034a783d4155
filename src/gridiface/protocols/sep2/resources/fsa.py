"""Function set assignments: which programs, clocks and files a device is to use."""

from __future__ import annotations

from gridiface.protocols.sep2.primitives import (
    MRID,
    SEP2,
    STRING32,
    SUBSCRIBABLE,
    UINT32,
    VERSION,
)
from gridiface.protocols.sep2.resources.common import Link, ListLink, Resource, SubscribableList
from gridiface.protocols.xmlwire import attribute, element, wire


@wire(SEP2)
class FunctionSetAssignmentsBase(Resource):
    """Links to the function sets of a server or of one assignment."""

    CustomerAccountListLink: ListLink | None = element(ListLink, default=None)
    DemandResponseProgramListLink: ListLink | None = element(ListLink, default=None)
    DERProgramListLink: ListLink | None = element(ListLink, default=None)
    FileListLink: ListLink | None = element(ListLink, default=None)
    MessagingProgramListLink: ListLink | None = element(ListLink, default=None)
    PrepaymentListLink: ListLink | None = element(ListLink, default=None)
    ResponseSetListLink: ListLink | None = element(ListLink, default=None)
    TariffProfileListLink: ListLink | None = element(ListLink, default=None)
    TimeLink: Link | None = element(Link, default=None)
    UsagePointListLink: ListLink | None = element(ListLink, default=None)


@wire(SEP2)
class FunctionSetAssignments(FunctionSetAssignmentsBase):
    """One assignment: the programs that a device is to follow, and whose clock."""

    subscribable: int | None = attribute(SUBSCRIBABLE, default=None)
    mRID: str = element(MRID)
    description: str | None = element(STRING32, default=None)
    version: int | None = element(VERSION, default=None)


@wire(SEP2)
class FunctionSetAssignmentsList(SubscribableList):
    """The assignments of a device; order mRID descending."""

    pollRate: int | None = attribute(UINT32, default=None)
    members: list[FunctionSetAssignments] = element(
        FunctionSetAssignments, "FunctionSetAssignments", default_factory=list
    )
