"""From resources to each device's events: whose programs are whose."""

from __future__ import annotations

from random import Random

from gridiface.protocols.sep2.client_devices import DeviceFollowers
from gridiface.protocols.sep2.polling import Node, ResourceTree
from gridiface.protocols.sep2.resources import (
    ActivePower,
    DateTimeInterval,
    DefaultDERControl,
    DERControl,
    DERControlBase,
    DERControlList,
    DERProgram,
    DERProgramList,
    EndDevice,
    EndDeviceList,
    EventStatus,
    FunctionSetAssignments,
    FunctionSetAssignmentsList,
    Link,
    ListLink,
    MirrorUsagePointList,
)
from gridiface.protocols.xmlwire import WireObject


def control(mrid: str, start: int) -> DERControl:
    return DERControl(
        mRID=mrid,
        creationTime=0,
        eventStatus=EventStatus(currentStatus=0, dateTime=0, potentiallySuperseded=False),
        interval=DateTimeInterval(duration=50, start=start),
        derControlBase=DERControlBase(opModTargetW=ActivePower(multiplier=0, value=1)),
    )


def program(mrid: str, primacy: int, name: str) -> DERProgram:
    return DERProgram(
        mRID=mrid, primacy=primacy, DERControlListLink=ListLink(href=f"/{name}/derc"),
        DefaultDERControlLink=Link(href=f"/{name}/dderc"),
    )  # fmt: skip


def assignment(mrid: str, href: str) -> FunctionSetAssignments:
    return FunctionSetAssignments(mRID=mrid, DERProgramListLink=ListLink(href=href))


def followers() -> DeviceFollowers:
    tree = ResourceTree("/dcap", "server", lambda _holder, _name: True, Random(1))
    values: dict[str, WireObject] = {
        "/a/fsa": FunctionSetAssignmentsList(
            all=2,
            results=2,
            members=[assignment("01", "/sy"), assignment("02", "/sp"), FunctionSetAssignments(mRID="03")],
        ),
        "/sy": DERProgramList(all=1, results=1, members=[program("AA", 10, "sy")]),
        "/sp": DERProgramList(all=2, results=2, members=[program("BB", 4, "sp"), program("AA", 10, "sy")]),
        "/sy/derc": DERControlList(all=1, results=1, members=[control("0A", 100)]),
        "/sp/derc": DERControlList(all=1, results=1, members=[control("0B", 120)]),
        "/sy/dderc": DefaultDERControl(mRID="D1", derControlBase=DERControlBase(opModMaxLimW=5000)),
    }
    for href, value in values.items():
        tree.nodes[href] = Node(href, type(value), "/dcap", 900, value, fetched_at=0)
    made = DeviceFollowers(["A", "B"], tree, "server", None, Random(1))
    device = EndDevice(sFDI=1, changedTime=1, lFDI="A", FunctionSetAssignmentsListLink=ListLink(href="/a/fsa"))
    made.match(EndDeviceList(all=2, results=2, members=[device, EndDevice(sFDI=2, changedTime=1, lFDI="C")]))
    return made


def test_programs_are_found_once_and_in_order_of_primacy() -> None:
    made = followers()
    device = made.devices["A"].end_device
    assert device is not None
    assert [p.mRID for p in made.programs_of(device)] == ["BB", "AA"]
    assert made.devices["B"].end_device is None


def test_events_of_all_programs_reach_the_device() -> None:
    made = followers()
    made.feed(10)
    told = [(device.lfdi, t.mrid, int(t.status)) for device, t in made.advance(130)]
    assert told == [("A", "0B", 1), ("A", "0A", 1), ("A", "0A", 2), ("A", "0A", 7), ("A", "0B", 2)]
    assert made.next_timer() == 170
    (changed,) = made.changed()
    assert {mode: held.source for mode, held in changed.in_force.items()} == {
        "opModTargetW": "0B",
        "opModMaxLimW": "D1",
    }
    assert made.changed() == []


def test_control_lists_are_looked_at_again_before_a_control_begins() -> None:
    made = followers()
    made.feed(10)
    made.look_again((), 10, lead=2, offset=5)
    assert {made.tree.nodes[f"/{name}/derc"].next_at for name in ("sy", "sp")} == {93}


def test_which_resources_concern_controls() -> None:
    assert DeviceFollowers.concerns(DERControlList)
    assert not DeviceFollowers.concerns(MirrorUsagePointList)
