"""CSIP-AUS: resources of its own namespace; its additions to 2030.5 types are fields of those types."""

from __future__ import annotations

from gridiface.protocols.sep2.primitives import CSIP_AUS, SEP2, STRING32
from gridiface.protocols.sep2.resources.common import Resource
from gridiface.protocols.xmlwire import element, wire


@wire(SEP2, ns=CSIP_AUS, name="ConnectionPointType", element="ConnectionPoint")
class ConnectionPoint(Resource):
    """Where on the network an end device is; in Australia the national metering identifier."""

    connectionPointId: str = element(STRING32)
