"""Servers that write references in other ways than ours, or leave out what need not be there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.gridiface.protocols.sep2.test_client import MANAGED, OFFSET, World, control

from gridiface.protocols.sep2.client_events import BadReply, RegistrationChecked
from gridiface.protocols.sep2.client_reading import read, settle
from gridiface.protocols.sep2.exchange import Reply, Request
from gridiface.protocols.sep2.resources import (
    DERControlBase,
    DERControlList,
    DERControlResponse,
    EndDevice,
    Link,
    Time,
)

ANSWERED = [1, 2, 3]


def answered(world: World, *lfdi: str) -> list[int | None]:
    return [status for _, status in world.responses(*lfdi)]


@pytest.mark.parametrize("prefix", ["https://server:443", "https://SERVER", "https://server"])
@pytest.mark.parametrize("authority", ["server", "server:443"])
def test_absolute_references_lead_to_the_same_server_with_its_port_or_without(authority: str, prefix: str) -> None:
    world = World(authority=authority)
    dcap: Any = world.server.resources["/dcap"]
    dcap.EndDeviceListLink.href, dcap.TimeLink.href = f"{prefix}/edev", f"{prefix}/tm"
    world.server.controls = [control(OFFSET + 100, reply_to=f"{prefix}/rsps/1/rsp")]
    world.run(200.0)
    assert answered(world) == ANSWERED


def test_relative_references_are_those_of_the_document_that_holds_them() -> None:
    world = World()
    resources: Any = world.server.resources
    resources["/dcap"].EndDeviceListLink.href, resources["/dcap"].TimeLink.href = "edev", "./tm"
    for member in resources["/edev"].members:
        member.FunctionSetAssignmentsListLink.href = f"edev/{member.sFDI}/fsa"
        member.RegistrationLink.href = f"edev/{member.sFDI}/rg"
    resources["/edev/1/fsa"].members[0].DERProgramListLink.href = "../../derp"
    program = resources["/derp"].members[0]
    program.DERControlListLink.href, program.DefaultDERControlLink.href = "derp/1/derc", "derp/1/dderc"
    world.server.controls = [control(OFFSET + 100, reply_to="../../rsps/1/rsp")]
    world.run(200.0)
    assert world.of(RegistrationChecked) == [RegistrationChecked(True)]
    assert answered(world) == ANSWERED


def test_an_end_device_that_shows_its_sfdi_alone_is_known_by_it() -> None:
    world = World(managed=frozenset({MANAGED}), sfdis={MANAGED: 2}, register=True)
    listed: Any = world.server.resources["/edev"]
    for member in listed.members:
        member.lFDI = None
    world.run(200.0)
    assert not [path for _, _, path, _ in world.server.posted if path == "/edev"]
    assert answered(world) == answered(world, MANAGED) == ANSWERED


@pytest.mark.parametrize(
    ("reference", "path"),
    [("7/fsa", "/a/b/7/fsa"), ("../c", "/a/c"), ("/d", "/d"), ("https://other/x", "https://other/x"), ("", "/a/b/7"),
     ("urn:x", "urn:x"), ("?s=1", "/a/b/7?s=1")],
)  # fmt: skip
def test_references_become_absolute_paths(reference: str, path: str) -> None:
    device = EndDevice(href="7", sFDI=5, changedTime=1, DERListLink=Link(href=reference))
    settle(device, "/a/b/7", {5: "AB"})
    assert (device.href, device.DERListLink and device.DERListLink.href, device.lFDI) == ("/a/b/7", path, "AB")


def test_the_curves_of_a_control_are_found_from_its_list() -> None:
    event = control(1)
    event.derControlBase = DERControlBase(opModVoltVar=Link(href="../dc/1"))
    settle(event, "/derp/1/derc", {})
    assert event.derControlBase.opModVoltVar == Link(href="/derp/dc/1")


def test_a_server_of_a_later_edition_is_followed_in_what_is_known() -> None:
    """Elements and attributes that the schema of 2018 does not have, in its own namespace, at every level."""
    world = World()
    plain = world.server.answer

    def later(request: Request, now: float) -> Reply:
        reply = plain(request, now)
        body, end, root = reply.body.rpartition(b"</")
        body += (b"<brandNew>1</brandNew>" + end + root) if end else b""
        return replace(reply, body=body.replace(b"<DERControlBase>", b'<DERControlBase x="1"><opModNew>1</opModNew>'))

    world.server.answer = later  # type: ignore[method-assign]
    world.run(200.0)
    assert answered(world) == ANSWERED
    told = [event for event in world.of(BadReply) if event.read]
    assert any("opModNew" in event.reason for event in told)
    assert any("brandNew" in event.reason for event in told)


def test_a_control_that_cannot_be_read_hides_no_other_and_the_list_has_an_end() -> None:
    world = World()
    plain = world.server.answer

    def broken(request: Request, now: float) -> Reply:
        reply = plain(request, now)
        return replace(reply, body=reply.body.replace(b"<mRID>0B</mRID>", b"<mRID>not a number</mRID>"))

    world.server.answer = broken  # type: ignore[method-assign]
    world.server.controls = [control(OFFSET + 100, mrid) for mrid in ("0A", "0B", "0C", "0D")]
    for one in world.server.controls[:1]:
        one.interval.start -= 60
    world.run(300.0)
    assert {body.subject for *_, body in world.server.posted if isinstance(body, DERControlResponse)} >= {"0A", "0C"}
    assert sum(target.startswith("/derp/1/derc?") for target in world.server.asked) < 80


def test_a_list_that_does_not_say_how_much_it_holds_holds_what_it_shows() -> None:
    listed = read(b'<DERControlList xmlns="urn:ieee:std:2030.5:ns"/>', DERControlList)
    assert (listed.value.all, listed.value.results) == (0, 0)  # type: ignore[attr-defined]
    assert listed.notes


def test_a_time_without_its_quality_claims_none() -> None:
    """As GridAPPS-D's server of 2024 shows it."""
    body = b"""<Time xmlns="urn:ieee:std:2030.5:ns" pollRate="900"><currentTime>1795968900</currentTime>
        <dstEndTime>1793523600</dstEndTime><dstOffset>3600</dstOffset><localTime>1795940100</localTime>
        <tzOffset>-28800</tzOffset></Time>"""
    time = read(body, Time).value
    assert isinstance(time, Time)
    assert (time.currentTime, time.quality, time.tzOffset) == (1_795_968_900, 7, -28_800)
