"""Device capability: the entry point that links to what a server offers."""

from __future__ import annotations

from gridiface.protocols.sep2.primitives import SEP2, UINT32
from gridiface.protocols.sep2.resources.common import Link, ListLink
from gridiface.protocols.sep2.resources.fsa import FunctionSetAssignmentsBase
from gridiface.protocols.xmlwire import attribute, element, wire


@wire(SEP2)
class DeviceCapability(FunctionSetAssignmentsBase):
    """What a server offers; every client starts here."""

    pollRate: int | None = attribute(UINT32, default=None)
    EndDeviceListLink: ListLink | None = element(ListLink, default=None)
    MirrorUsagePointListLink: ListLink | None = element(ListLink, default=None)
    SelfDeviceLink: Link | None = element(Link, default=None)
