"""DNP3: outstations with their live points, masters, buffers and commands; connections and frames; local mode, tags.

Values are in each point's own unit, as masters see them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal, Protocol

from aiohttp import web
from pydantic import Field

from gridiface.domain.changes import Change
from gridiface.domain.clock import Instant
from gridiface.errors import ConfigError
from gridiface.operator.api.routing import Area, Call, get, post, unknown
from gridiface.operator.desk import Desk
from gridiface.operator.records.audit import Entry
from gridiface.operator.rows.dnp3 import (
    CommandList,
    CommandRow,
    EndpointList,
    FrameList,
    MasterList,
    MasterRow,
    OutstationList,
    OutstationRow,
    PointKind,
    PointName,
    PointPage,
    PointRow,
    Tagged,
)
from gridiface.operator.schema import PRINTABLE, Asked, NoBody, NoQuery, Reason, Search


class PointQuery(Search):
    """Which points."""

    type: PointKind | Literal[""] = Field(default="", description="only points of this type")


class CommandQuery(Asked):
    """How many commands."""

    limit: int = Field(default=100, ge=1, le=2000, description="most members in this answer, the newest")


class FrameQuery(Asked):
    """How many frames."""

    limit: int = Field(default=200, ge=1, le=10_000, description="most members in this answer, the newest")


class Local(Reason):
    """Local mode on or off."""

    local: bool = Field(description="true: every command of a master is answered LOCAL")


class Tag(Reason):
    """An output."""

    point: str = Field(
        default="", max_length=80, pattern=PRINTABLE, description="name of the output; empty: all outputs"
    )


class Dnp3Port(Protocol):
    """The outstations as this area uses them. A name that is not there is a ConfigError."""

    def outstations(self) -> list[OutstationRow]:
        """All outstations."""
        ...

    def tags(self, outstation: str) -> Tagged:
        """What is set at one."""
        ...

    async def set_tags(self, outstation: str, tags: Tagged, *, along: Sequence[Change]) -> None:
        """Local mode and tags, durable before they act."""
        ...

    def points(self, outstation: str, kind: str) -> list[PointName]:
        """Points of one type, or of all; by type and index."""
        ...

    def live(self, outstation: str, points: Sequence[PointName]) -> list[PointRow]:
        """These points as they are now."""
        ...

    def masters(self, outstation: str) -> list[MasterRow]:
        """Its masters."""
        ...

    def commands(self, outstation: str, limit: int) -> list[CommandRow]:
        """The newest commands."""
        ...

    def endpoints(self) -> EndpointList:
        """End points and their connections."""
        ...

    def frames(self, limit: int) -> list[str]:
        """The newest frames as text."""
        ...

    def pcap(self) -> bytes:
        """The frame log as a file."""
        ...

    def disconnect(self, outstation: str, master: str) -> bool:
        """Close a master's connection; False: there is none."""
        ...


class Dnp3Area(Area):
    """DNP3 outstations. What changes is durable, audited, and still there after a restart."""

    name: ClassVar[str] = "dnp3"
    title: ClassVar[str] = "DNP3"
    screens: ClassVar[str] = "gridiface.operator.screens.dnp3:Dnp3Screens"

    def __init__(self, desk: Desk, port: Dnp3Port) -> None:
        self._desk = desk
        self._port = port

    @get("/dnp3/outstations", "Outstations: local mode, blocked outputs, masters connected")
    async def list_dnp3_outstations(self, call: Call[NoQuery, NoBody]) -> OutstationList:
        """All outstations."""
        return OutstationList(outstations=self._port.outstations())

    @get("/dnp3/outstations/{id}", "One outstation", problems=(404,))
    async def get_dnp3_outstation(self, call: Call[NoQuery, NoBody]) -> OutstationRow:
        """One outstation."""
        return self._row(call.id)

    @get("/dnp3/outstations/{id}/points", "Live points with flags and times; filters `type`, `q`", problems=(404,))
    async def list_dnp3_points(self, call: Call[PointQuery, NoBody]) -> PointPage:
        """One page of points, of which alone the values are read."""
        self._row(call.id)
        query, wanted = call.query, call.query.q.strip().lower()
        names = [one for one in self._port.points(call.id, query.type) if wanted in one.text.lower()]
        begin = next((at + 1 for at, one in enumerate(names) if one.key == query.after), 0) if query.after else 0
        begin += query.skip
        shown = names[begin : begin + query.limit]
        following = shown[-1].key if shown and begin + len(shown) < len(names) else None
        return PointPage(points=self._port.live(call.id, shown), total=len(names), next=following)

    def outputs(self, outstation: str) -> list[str]:
        """The names of an outstation's outputs, for pages."""
        return [one.name for one in self._outputs(outstation) if one.name]

    @get("/dnp3/outstations/{id}/masters", "Its masters: connection, buffers, clock, unsolicited", problems=(404,))
    async def list_dnp3_masters(self, call: Call[NoQuery, NoBody]) -> MasterList:
        """The masters of one outstation."""
        self._row(call.id)
        return MasterList(masters=self._port.masters(call.id))

    @get("/dnp3/outstations/{id}/commands", "The newest commands with their status", problems=(404,))
    async def list_dnp3_commands(self, call: Call[CommandQuery, NoBody]) -> CommandList:
        """The control log since the server's start."""
        self._row(call.id)
        return CommandList(commands=self._port.commands(call.id, call.query.limit))

    @get("/dnp3/endpoints", "End points, their connections, and what was refused")
    async def list_dnp3_endpoints(self, call: Call[NoQuery, NoBody]) -> EndpointList:
        """End points and connections."""
        return self._port.endpoints()

    @get("/dnp3/frames", "The newest frames, decoded")
    async def list_dnp3_frames(self, call: Call[FrameQuery, NoBody]) -> FrameList:
        """The frame log as text."""
        return FrameList(frames=self._port.frames(call.query.limit))

    @get(
        "/dnp3/frames.pcap",
        "The frame log as a capture file for Wireshark",
        answer=str,
        media="application/vnd.tcpdump.pcap",
    )
    async def get_dnp3_capture(self, call: Call[NoQuery, NoBody]) -> web.StreamResponse:
        """The frame log as a file."""
        headers = {"Content-Disposition": 'attachment; filename="dnp3.pcap"'}
        return web.Response(body=self._port.pcap(), content_type="application/vnd.tcpdump.pcap", headers=headers)

    @post("/dnp3/outstations/{id}/local", "Local mode on or off", scope="control", problems=(404,))
    async def set_dnp3_local(self, call: Call[NoQuery, Local]) -> OutstationRow:
        """The outstation as it is then."""
        row = self._row(call.id)
        await self._change(call, Tagged(local=call.body.local, blocked=row["blocked"]), "dnp3 local")
        return self._row(call.id)

    @post(
        "/dnp3/outstations/{id}/block", "Tag an output, or all: commands are BLOCKED", scope="control", problems=(404,)
    )
    async def block_dnp3_output(self, call: Call[NoQuery, Tag]) -> OutstationRow:
        """The outstation as it is then; blocking again renews the reason."""
        row, point = self._row(call.id), call.body.point
        if point and not any(one.name == point for one in self._outputs(call.id)):
            raise unknown("output", point, f"GET /api/v1/dnp3/outstations/{call.id}/points lists them")
        blocked = {**row["blocked"], point: call.body.reason}
        await self._change(call, Tagged(local=row["local"], blocked=blocked), "dnp3 block")
        return self._row(call.id)

    @post("/dnp3/outstations/{id}/unblock", "Take a tag away", scope="control", problems=(404,))
    async def unblock_dnp3_output(self, call: Call[NoQuery, Tag]) -> OutstationRow:
        """The outstation as it is then."""
        row, point = self._row(call.id), call.body.point
        if point not in row["blocked"]:
            raise unknown("tag", point or "on all outputs", "GET /api/v1/dnp3/outstations shows what is blocked")
        blocked = {name: why for name, why in row["blocked"].items() if name != point}
        await self._change(call, Tagged(local=row["local"], blocked=blocked), "dnp3 unblock")
        return self._row(call.id)

    @post(
        "/dnp3/outstations/{id}/masters/{master}/disconnect",
        "Close a master's connection; it may come again",
        scope="control",
        problems=(404,),
    )
    async def disconnect_dnp3_master(self, call: Call[NoQuery, Reason]) -> MasterRow:
        """The master as it is then."""
        self._row(call.id)
        master = call.part("master")
        before = self._master(call.id, master)
        entry = self._entry(call, "dnp3 disconnect", f"{call.id}/{master}", {"peer": before["peer"]}, None)
        await self._desk.records.commit([entry.change()])
        self._port.disconnect(call.id, master)
        entry.log()
        return self._master(call.id, master)

    async def _change(self, call: Call[NoQuery, Local] | Call[NoQuery, Tag], tags: Tagged, what: str) -> None:
        entry = self._entry(call, what, call.id, dict(self._port.tags(call.id)), dict(tags))
        await self._port.set_tags(call.id, tags, along=[entry.change()])
        entry.log()

    def _entry(
        self,
        call: Call[NoQuery, Local] | Call[NoQuery, Tag] | Call[NoQuery, Reason],
        what: str,
        subject: str,
        before: object,
        after: object,
    ) -> Entry:
        now: Instant = call.now
        return Entry(
            at=now,
            who=call.caller.name,
            what=what,
            subject=subject,
            before=before,
            after=after,
            reason=call.body.reason,
        )

    def _row(self, name: str) -> OutstationRow:
        for row in self._port.outstations():
            if row["name"] == name:
                return row
        raise unknown("outstation", name, "GET /api/v1/dnp3/outstations lists them")

    def _master(self, outstation: str, name: str) -> MasterRow:
        for row in self._port.masters(outstation):
            if row["name"] == name:
                return row
        raise unknown("master", name, f"GET /api/v1/dnp3/outstations/{outstation}/masters lists them")

    def _outputs(self, outstation: str) -> list[PointName]:
        try:
            return [one for one in self._port.points(outstation, "") if one.type.endswith("output")]
        except ConfigError as problem:
            raise unknown("outstation", outstation, str(problem)) from problem
