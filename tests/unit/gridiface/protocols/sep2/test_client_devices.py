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


def test_a_change_feeds_only_those_whom_it_concerns() -> None:
    tree = ResourceTree("/dcap", "server", lambda _holder, _name: True, Random(1))
    names = [f"{n:02X}" for n in range(20)]
    listed = []
    for name in names:
        own = {
            f"/{name}/fsa": FunctionSetAssignmentsList(all=1, results=1, members=[assignment("01", f"/{name}/derp")]),
            f"/{name}/derp": DERProgramList(all=1, results=1, members=[program("AA" + name, 1, name)]),
            f"/{name}/derc": DERControlList(all=0, results=0),
        }
        for href, value in own.items():
            tree.nodes[href] = Node(href, type(value), "/dcap", 900, value, fetched_at=0)
        link = ListLink(href=f"/{name}/fsa")
        listed.append(EndDevice(sFDI=1, changedTime=1, lFDI=name, FunctionSetAssignmentsListLink=link))
    made = DeviceFollowers(names, tree, "server", None, Random(1))
    made.match(EndDeviceList(all=20, results=20, members=listed))
    made.feed(10)
    assert sorted(made.take_fed()) == names
    made.feed(11)
    assert made.take_fed() == []

    tree.nodes["/07/derc"].value = DERControlList(all=1, results=1, members=[control("0A", 100)])
    made.changed_at("/07/derc")
    made.changed_at("/nobody/derc")
    made.feed(12)
    assert made.take_fed() == ["07"]
    assert [(device.lfdi, t.mrid) for device, t in made.advance(12)] == [("07", "0A")]
    assert made.next_timer() == 100

    listed[3] = EndDevice(sFDI=1, changedTime=2, lFDI="03", enabled=False)
    made.match(EndDeviceList(all=20, results=20, members=listed))
    made.feed(13)
    assert made.take_fed() == ["03"]


def test_a_finished_event_is_forgotten_although_nothing_changes_any_more() -> None:
    made = followers()
    made.feed(10)
    made.advance(10)
    follower = made.devices["A"].follower
    made.tree.nodes["/sp/derc"].value = DERControlList(all=0, results=0)
    made.changed_at("/sp/derc")
    made.advance(175)
    held = {"0B"}
    follower.held = held.__contains__
    made.feed(176)
    assert "0B" in follower.events
    held.clear()
    made.feed(177)
    assert "0B" not in follower.events
