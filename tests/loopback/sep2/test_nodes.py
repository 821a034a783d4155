"""A device moves between nodes of a topology, seen over the wire: what it fetches, what it is told, what reaches it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from tests.loopback.sep2.conftest import House
from tests.loopback.sep2.test_notifications import NS, Receiver, notifications, receiver

from gridiface.domain.fleet import Device, DeviceKind, Group, Nameplate, Role
from gridiface.northbound.sep2.settings import ClientEntry
from gridiface.protocols.sep2.resources import (
    DERControlList,
    DERProgramList,
    EndDevice,
    EndDeviceList,
    FunctionSetAssignmentsList,
)
from gridiface.protocols.xmlwire import decode

__all__ = ["receiver"]

Start = Callable[..., Awaitable[Any]]


@dataclass
class Topology(House):
    """Two feeders below a system; `places` says which feeder a device is on."""

    places: dict[str, str] = field(default_factory=lambda: {"inv-1": "north", "inv-2": "south"})

    def groups(self) -> list[Group]:
        feeders = [
            Group(id=name, members=tuple(sorted(d for d, place in self.places.items() if place == name)),
                  name=name, parent="system")
            for name in ("north", "south")
        ]  # fmt: skip
        return [Group(id="system", members=("north", "south"), name="system"), *feeders]

    def members(self, group_id: str) -> tuple[str, ...]:
        return tuple(sorted(d for d, place in self.places.items() if group_id in {place, "system"}))


async def fetch(running: Any, path: str, kind: Any, by: str) -> Any:
    status, _, body = await running.send("GET", path, by=by)
    assert status == 200, (path, status)
    return decode(body, kind)


async def own(running: Any, by: str) -> EndDevice:
    found: EndDevice = (await fetch(running, "/edev", EndDeviceList, by)).members[0]
    return found


async def programs(running: Any, by: str) -> dict[str, str]:
    """Description -> path of every program that a device is assigned, by links from its EndDevice."""
    found = {}
    device = await own(running, by)
    assert device.FunctionSetAssignmentsListLink is not None
    assigned = await fetch(
        running, device.FunctionSetAssignmentsListLink.href + "?l=99", FunctionSetAssignmentsList, by
    )
    for fsa in assigned.members:
        for program in (await fetch(running, fsa.DERProgramListLink.href + "?l=9", DERProgramList, by)).members:
            found[program.description] = program.href
    return found


async def controls(running: Any, by: str) -> set[str]:
    """The mRIDs of all controls that reach a device."""
    found = set()
    for path in (await programs(running, by)).values():
        found |= {c.mRID for c in (await fetch(running, f"{path}/derc?l=99", DERControlList, by)).members}
    return found


async def post(running: Any, program: str, mrid: str) -> None:
    now = int(time.time())
    body = (
        f'<DERControl {NS} responseRequired="03"><mRID>{mrid}</mRID><creationTime>{now}</creationTime>'
        f"<EventStatus><currentStatus>0</currentStatus><dateTime>{now}</dateTime>"
        "<potentiallySuperseded>false</potentiallySuperseded></EventStatus>"
        f"<interval><duration>600</duration><start>{now + 900}</start></interval>"
        "<DERControlBase><opModConnect>false</opModConnect></DERControlBase></DERControl>"
    )
    status, _, answer = await running.send("POST", f"{program}/derc", body)
    assert status == 201, answer


async def test_a_device_moves_between_nodes_and_all_that_it_sees_follows(
    start: Start, site: Any, receiver: Receiver
) -> None:
    house = Topology()
    house.known["inv-2"] = Device(id="inv-2", nameplate=Nameplate(max_w=10_000.0), kind=DeviceKind.PV, driver="sep2")
    clients = (
        ClientEntry(lfdi=site.lfdi["inverter"], device_id="inv-1"),
        ClientEntry(lfdi=site.lfdi["stranger"], device_id="inv-2"),
        ClientEntry(lfdi=site.lfdi["utility"], role=Role.UTILITY),
    )
    running = await start(house, clients=clients, node_programs=True, notifications=notifications(site))
    nodes = {group: program.path for group, program in running.server.core.state.nodes.items()}
    first = await programs(running, "inverter")
    assert set(nodes.values()) & set(first.values()) == {nodes["system"], nodes["north"]}
    before = await own(running, "inverter")

    # A control at a node reaches exactly the devices below it.
    names = {"system": "A1" * 16, "north": "B2" * 16, "south": "C3" * 16}
    for group, mrid in names.items():
        await post(running, nodes[group], mrid)
    assert await controls(running, "inverter") == {names["system"], names["north"]}
    assert await controls(running, "stranger") == {names["system"], names["south"]}
    assert (await running.send("GET", f"{nodes['south']}/derc", by="inverter"))[0] == 404
    assert set(house.controls) == {
        f"sep2:{names['system']}:inv-1", f"sep2:{names['system']}:inv-2",
        f"sep2:{names['north']}:inv-1", f"sep2:{names['south']}:inv-2",
    }  # fmt: skip

    # It is told that its assignments changed, and what it fetches then is the other feeder.
    assert before.FunctionSetAssignmentsListLink is not None
    assert before.SubscriptionListLink is not None
    resource = before.FunctionSetAssignmentsListLink.href
    wish = (
        f"<Subscription {NS}><subscribedResource>{resource}</subscribedResource><encoding>0</encoding>"
        f"<level>-S1</level><limit>9</limit><notificationURI>https://127.0.0.1:{receiver.port}/n</notificationURI>"
        "</Subscription>"
    )
    assert (await running.send("POST", before.SubscriptionListLink.href, wish, by="inverter"))[0] == 201
    house.places["inv-1"] = "south"
    await running.server.refresh_fleet()
    told = (await receiver.wait_for(1))[0]
    assert (told.subscribedResource, told.status) == (resource, 0)
    assert told.resource == await fetch(running, f"{resource}?l=9", FunctionSetAssignmentsList, "inverter")
    after = await own(running, "inverter")
    assert after.changedTime >= before.changedTime
    assert set(nodes.values()) & set((await programs(running, "inverter")).values()) == {
        nodes["system"], nodes["south"],
    }  # fmt: skip
    assert await controls(running, "inverter") == {names["system"], names["south"]}
    assert (await running.send("GET", f"{nodes['north']}/derc", by="inverter"))[0] == 404
    assert f"sep2:{names['north']}:inv-1" not in house.controls
    assert f"sep2:{names['south']}:inv-1" in house.controls
