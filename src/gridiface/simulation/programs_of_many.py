"""A utility's server in memory with a program for each of many devices, to measure an aggregator without a network.

Every device has assignments, a program, a list of controls, a default control and a DER of its own, as servers of
CSIP-AUS have; nothing is shared, so that nothing is found out for two at once. Owns no socket: `exchange` takes
requests as values.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace

from gridiface.domain.clock import Clock
from gridiface.protocols.sep2 import exchange
from gridiface.protocols.sep2.exchange import Reply, Request
from gridiface.protocols.sep2.lists import page, parse_query
from gridiface.protocols.sep2.resources import (
    DER,
    ActivePower,
    DateTimeInterval,
    DefaultDERControl,
    DERControl,
    DERControlBase,
    DERControlList,
    DERControlResponse,
    DERList,
    DERProgram,
    DERProgramList,
    DeviceCapability,
    EndDevice,
    EndDeviceList,
    EventStatus,
    FunctionSetAssignments,
    FunctionSetAssignmentsList,
    Link,
    ListLink,
    MirrorUsagePoint,
    MirrorUsagePointList,
    Time,
)
from gridiface.protocols.xmlwire import decode, encode

#: Poll rate of every resource, s.
POLL_S = 300
_PAGE = 255


class ManyPrograms:
    """The server.

    Args:
        clock: that it shows.
        lfdis: of its end devices; the first is the aggregator's own.

    Attributes:
        written: PUT and POST by the last part of the path; responses: statuses of Responses.
        spent_s: processor time of the server itself.
    """

    def __init__(self, clock: Clock, lfdis: list[str]) -> None:
        self._clock = clock
        self._bodies: dict[str, bytes] = {}
        self._devices: list[EndDevice] = []
        self._mirrors: list[MirrorUsagePoint] = []
        self._controls: list[str] = []
        self.written: Counter[str] = Counter()
        self.responses: Counter[int | None] = Counter()
        self.spent_s = 0.0
        self._devices = [self._add(at, lfdi) for at, lfdi in enumerate(lfdis)]
        dcap = DeviceCapability(
            href="/dcap", pollRate=POLL_S, TimeLink=Link(href="/tm"), EndDeviceListLink=ListLink(href="/edev"),
            MirrorUsagePointListLink=ListLink(href="/mup"),
        )  # fmt: skip
        self._bodies["/dcap"] = encode(dcap)

    def _add(self, at: int, lfdi: str) -> EndDevice:
        here = f"/edev/{at}"
        program = DERProgram(
            href=f"{here}/derp/1", mRID=f"{at:024X}00009F1C", primacy=1,
            DERControlListLink=ListLink(href=f"{here}/derc"), DefaultDERControlLink=Link(href=f"{here}/dderc"),
        )  # fmt: skip
        der = DER(
            href=f"{here}/der/1", DERCapabilityLink=Link(href=f"{here}/dercap"),
            DERSettingsLink=Link(href=f"{here}/derg"), DERStatusLink=Link(href=f"{here}/ders"),
            DERAvailabilityLink=Link(href=f"{here}/dera"),
        )  # fmt: skip
        assigned = FunctionSetAssignments(mRID=f"{at:032X}", DERProgramListLink=ListLink(href=f"{here}/derp"))
        default = DefaultDERControl(mRID=f"{at:030X}DD", derControlBase=DERControlBase(opModMaxLimW=9_000))
        for path, value in (
            (f"{here}/fsa", FunctionSetAssignmentsList(all=1, results=1, pollRate=POLL_S, members=[assigned])),
            (f"{here}/derp", DERProgramList(all=1, results=1, pollRate=POLL_S, members=[program])),
            (f"{here}/derc", DERControlList(all=0, results=0)),
            (f"{here}/dderc", default),
            (f"{here}/der", DERList(all=1, results=1, members=[der])),
        ):
            self._bodies[path] = encode(value)
        if at:
            self._controls.append(f"{here}/derc")
        return EndDevice(
            href=here, lFDI=lfdi, sFDI=at + 1, changedTime=1, DERListLink=ListLink(href=f"{here}/der"),
            FunctionSetAssignmentsListLink=ListLink(href=f"{here}/fsa"),
        )  # fmt: skip

    def begin_events(self, start: float, duration_s: int, watts: int) -> None:
        """Give each managed device a control of its own, all at the same time."""
        now = int(self._clock.now())
        for at, path in enumerate(self._controls):
            control = DERControl(
                href=f"{path}/1", mRID=f"{at:024X}C0009F1C", replyTo="/rsps/1/rsp", responseRequired=3,
                creationTime=now, interval=DateTimeInterval(duration=duration_s, start=int(start)),
                eventStatus=EventStatus(currentStatus=0, dateTime=now, potentiallySuperseded=False),
                derControlBase=DERControlBase(opModTargetW=ActivePower(multiplier=0, value=watts)),
            )  # fmt: skip
            self._bodies[path] = encode(DERControlList(all=1, results=1, members=[control]))

    async def exchange(self, authority: str, request: Request) -> Reply:
        """Answer one request; see upstream.link.Link.exchange."""
        before = time.thread_time()
        try:
            path, query = exchange.split_target(request.target)
            return self._found(path, query) if request.method == "GET" else self._taken(request, path)
        finally:
            self.spent_s += time.thread_time() - before

    async def close(self) -> None:
        """Nothing is open."""

    def _found(self, path: str, query: str) -> Reply:
        if path == "/tm":
            now = int(self._clock.now())
            time_now = Time(currentTime=now, dstEndTime=0, dstOffset=0, dstStartTime=0, quality=7, tzOffset=0)
            return exchange.found(encode(time_now))
        if path == "/edev":
            shown = page(self._devices, parse_query(query), most=_PAGE)
            return exchange.found(encode(EndDeviceList(all=shown.all, results=shown.results, members=[*shown.items])))
        if path == "/mup":
            part = page(self._mirrors, parse_query(query), most=_PAGE)
            return exchange.found(
                encode(MirrorUsagePointList(all=part.all, results=part.results, members=[*part.items]))
            )
        body = self._bodies.get(path)
        return Reply(404) if body is None else exchange.found(body)

    def _taken(self, request: Request, path: str) -> Reply:
        name = path.rpartition("/")[2]
        self.written[name if path != "/mup" and not path.startswith("/mup/") else path.split("/")[1]] += 1
        if path == "/mup":
            made = replace(decode(request.body, MirrorUsagePoint), mirrorMeterReading=[], postRate=POLL_S)
            made = replace(made, href=f"/mup/{len(self._mirrors) + 1}")
            self._mirrors.append(made)
            return exchange.created(str(made.href))
        if name == "rsp":
            self.responses[decode(request.body, DERControlResponse).status] += 1
        return exchange.created(f"{path}/1") if request.method == "POST" else exchange.changed()
