"""The server in memory shows what it says it does: a program for each device, and events when they are begun."""

from __future__ import annotations

from typing import TypeVar

from tests.clocks import StandingClock

from gridiface.protocols.sep2.exchange import Request
from gridiface.protocols.sep2.resources import (
    DERControlList,
    DERControlResponse,
    DERProgramList,
    DERStatus,
    DeviceCapability,
    EndDeviceList,
    FunctionSetAssignmentsList,
    MirrorUsagePointList,
    Time,
)
from gridiface.protocols.xmlwire import WireObject, decode, encode
from gridiface.simulation.programs_of_many import ManyPrograms

T = TypeVar("T", bound=WireObject)


async def get(server: ManyPrograms, href: str, kind: type[T]) -> T:
    reply = await server.exchange("utility", Request("GET", href, {}))
    assert reply.status == 200, href
    return decode(reply.body, kind)


async def test_each_device_has_a_way_to_controls_of_its_own() -> None:
    lfdis = [f"{at:040X}" for at in range(300)]
    server = ManyPrograms(StandingClock(5_000.0, 0.0), lfdis)
    dcap = await get(server, "/dcap", DeviceCapability)
    assert (await get(server, "/tm", Time)).currentTime == 5_000
    assert dcap.EndDeviceListLink is not None
    listed = await get(server, dcap.EndDeviceListLink.href + "?s=0&l=400", EndDeviceList)
    assert (listed.all, listed.results) == (300, 255)
    device = listed.members[7]
    assert device.FunctionSetAssignmentsListLink is not None
    (assigned,) = (await get(server, device.FunctionSetAssignmentsListLink.href, FunctionSetAssignmentsList)).members
    assert assigned.DERProgramListLink is not None
    (program,) = (await get(server, assigned.DERProgramListLink.href, DERProgramList)).members
    assert program.DERControlListLink is not None
    controls = program.DERControlListLink.href
    assert (await get(server, controls, DERControlList)).members == []
    server.begin_events(6_000, 60, 700)
    (event,) = (await get(server, controls, DERControlList)).members
    assert event.interval.start == 6_000
    assert (await get(server, "/edev/0/derc", DERControlList)).members == []
    assert (await server.exchange("utility", Request("GET", "/nothing", {}))).status == 404
    assert server.spent_s > 0


async def test_what_is_written_is_counted() -> None:
    server = ManyPrograms(StandingClock(5_000.0, 0.0), ["A" * 40, "B" * 40])
    response = DERControlResponse(createdDateTime=1, endDeviceLFDI="B" * 40, status=1, subject="AA")
    body = encode(response)
    assert (await server.exchange("utility", Request("POST", "/rsps/1/rsp", {}, body))).status == 201
    assert (
        await server.exchange("utility", Request("PUT", "/edev/1/ders", {}, encode(DERStatus(readingTime=1))))
    ).status
    assert (server.responses[1], server.written["ders"]) == (1, 1)
    assert (await get(server, "/mup", MirrorUsagePointList)).members == []
    await server.close()
