"""The protocol trace: what passed between us and our peers, searched, read and downloaded."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from typing_extensions import TypedDict

from gridiface.operator.api.routing import Area, Call, get, unknown
from gridiface.operator.desk import Desk
from gridiface.operator.records.trace import Line, Trace
from gridiface.operator.schema import PRINTABLE, Asked, NoBody, NoQuery


class TraceQuery(Asked):
    """Which messages."""

    limit: int = Field(default=200, ge=1, le=5_000, description="most messages in this answer, the newest")
    after: int = Field(default=0, ge=0, description="only messages with a larger number")
    protocol: Literal["sep2", "openadr", "dnp3", ""] = Field(default="", description="only messages of this protocol")
    peer: str = Field(
        default="", max_length=256, pattern=PRINTABLE, description="only messages of this identity or device"
    )
    text: str = Field(
        default="",
        max_length=256,
        pattern=PRINTABLE,
        description="stands in the summary, the peer, the device or the message, without regard to case",
    )
    whole: bool = Field(default=False, description="true: with the decoded messages")


class TraceRow(TypedDict):
    """One message. `received`: it (or the request) came from the peer. `text` null unless asked for with `whole`."""

    number: int
    at: float
    protocol: str
    received: bool
    peer: str
    device: str
    address: str
    what: str
    size: int
    text: str | None


class TraceList(TypedDict):
    """The newest messages, newest first. `dropped`: how many left for want of room."""

    messages: list[TraceRow]
    dropped: int


class TraceArea(Area):
    """The protocol trace."""

    name: ClassVar[str] = "trace"
    title: ClassVar[str] = "Protocol trace"

    def __init__(self, desk: Desk) -> None:
        self._trace = desk.trace

    @get(
        "/trace",
        "Messages that passed, newest first; filters `protocol`, `peer`, `text`, `after`; `whole`: decoded",
        scope="configure",
    )
    async def list_trace(self, call: Call[TraceQuery, NoBody]) -> TraceList:
        """What is kept in memory."""
        asked = call.query
        found = self._trace.find(
            text=asked.text, protocol=asked.protocol, peer=asked.peer, after=asked.after, limit=asked.limit
        )
        rows = [row(line, self._trace, whole=asked.whole) for line in found]
        return {"messages": rows, "dropped": self._trace.dropped}

    @get("/trace/{id}", "One message by its number, decoded", scope="configure", problems=(404,))
    async def get_trace(self, call: Call[NoQuery, NoBody]) -> TraceRow:
        """While it is kept."""
        line = self._trace.line(int(call.id)) if call.id.isascii() and call.id.isdigit() and len(call.id) < 16 else None
        if line is None:
            raise unknown("message", call.id, "GET /api/v1/trace lists those that are kept")
        return row(line, self._trace, whole=True)


def row(line: Line, trace: Trace, *, whole: bool) -> TraceRow:
    """One message for people."""
    passed = line.passed
    return {
        "number": line.number,
        "at": passed.at,
        "protocol": passed.protocol,
        "received": passed.received,
        "peer": passed.peer,
        "device": trace.devices().get(passed.peer, ""),
        "address": passed.address,
        "what": passed.what,
        "size": passed.size,
        "text": line.text() if whole else None,
    }
