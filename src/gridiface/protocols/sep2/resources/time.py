"""Time: the clock that all events of a server are measured by."""

from __future__ import annotations

from gridiface.protocols.sep2.primitives import SEP2, TIME, TIME_OFFSET, UINT8, UINT32
from gridiface.protocols.sep2.resources.common import Resource
from gridiface.protocols.xmlwire import attribute, element, wire


@wire(SEP2)
class Time(Resource):
    """The server's clock in s since 1970 UTC, its offsets and its quality (enums.TimeQuality)."""

    pollRate: int | None = attribute(UINT32, default=None)
    currentTime: int = element(TIME)
    dstEndTime: int = element(TIME)
    dstOffset: int = element(TIME_OFFSET, unit="s")
    dstStartTime: int = element(TIME)
    localTime: int | None = element(TIME, default=None)
    quality: int = element(UINT8)
    tzOffset: int = element(TIME_OFFSET, unit="s")
