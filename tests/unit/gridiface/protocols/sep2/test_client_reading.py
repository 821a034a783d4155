"""Servers that write references in other ways than ours, or leave out what need not be there."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.gridiface.protocols.sep2.test_client import MANAGED, OFFSET, World, control

from gridiface.protocols.sep2.client_events import RegistrationChecked
from gridiface.protocols.sep2.client_reading import settle
from gridiface.protocols.sep2.resources import DERControlBase, EndDevice, Link

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
