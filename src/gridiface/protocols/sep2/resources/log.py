"""Log events: what happened on a device."""

from __future__ import annotations

from gridiface.protocols.sep2.primitives import (
    PEN,
    SEP2,
    STRING32,
    TIME,
    UINT8,
    UINT16,
    UINT32,
)
from gridiface.protocols.sep2.resources.common import Resource, SubscribableList
from gridiface.protocols.xmlwire import attribute, element, wire


@wire(SEP2)
class LogEvent(Resource):
    """One event of a device: functionSet, logEventCode, and whose codes they are (profileID, logEventPEN)."""

    createdDateTime: int = element(TIME)
    details: str | None = element(STRING32, default=None)
    extendedData: int | None = element(UINT32, default=None)
    functionSet: int = element(UINT8)
    logEventCode: int = element(UINT8)
    logEventID: int = element(UINT16)
    logEventPEN: int = element(PEN)
    profileID: int = element(UINT8)


@wire(SEP2)
class LogEventList(SubscribableList):
    """The log of a device, newest first."""

    pollRate: int | None = attribute(UINT32, default=None)
    members: list[LogEvent] = element(LogEvent, "LogEvent", default_factory=list)
