"""Devices put under an aggregator, and taken from it, while the server runs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.gridiface.northbound.sep2.conftest import some_settings

from gridiface.domain.fleet import Role
from gridiface.errors import ConfigError, RemoteProtocolError, StoreUnavailable
from gridiface.northbound.sep2.desk.desk import Sep2Desk
from gridiface.northbound.sep2.settings import ClientEntry, CsipAusSettings, NotificationSettings
from gridiface.northbound.sep2.wire.notification_target import TargetRules
from gridiface.protocols.sep2.resources import Notification
from gridiface.protocols.xmlwire import decode

URI = "https://aggregator.example/n"
NOTIFICATIONS = NotificationSettings(make=lambda: None, rules=TargetRules(hosts=frozenset({"aggregator.example"})))  # type: ignore[arg-type,return-value]  # nothing is sent here
MESSAGE_FOR_ONE = "7F00"


def clients(*manages: str) -> tuple[ClientEntry, ...]:
    """The clients of the tests, with an aggregator that manages these by the configuration."""
    return tuple(replace(c, manages=manages) if c.role is Role.AGGREGATOR else c for c in some_settings().clients)


async def under(make_kit: Any, *manages: str, **more: Any) -> Any:
    return await make_kit(clients=clients(*manages), notifications=NOTIFICATIONS, node_programs=True, **more)


def desk(kit: Any) -> Sep2Desk:
    return Sep2Desk(kit.core, kit.clock)


async def served(kit: Any, by: str) -> dict[str, bytes]:
    """Everything that a client is shown, by path, but when it changed."""
    found: dict[str, bytes] = {}
    for path in sorted(kit.core.state.tree.below("/dcap", "/edev", "/derp", "/rsps", "/mup", "/upt", "/msg", "/dr")):
        if kit.core.state.tree.get(path) is not None:
            reply = await kit.send("GET", f"{path}?l=99", by=by)
            if reply.status == 200:
                found[path] = reply.body
    return found


async def subscribe(kit: Any, resource: str, *, below: str = "aggregator") -> str:
    body = (
        f'<Subscription xmlns="urn:ieee:std:2030.5:ns"><subscribedResource>{resource}</subscribedResource>'
        f"<encoding>0</encoding><level>-S1</level><limit>9</limit><notificationURI>{URI}</notificationURI>"
        "</Subscription>"
    )
    return str(await kit.post(f"{kit.edev(below)}/sub", body, by="aggregator"))


def told(kit: Any) -> list[Notification]:
    found = []
    for outgoing in kit.core.subscriptions.due(kit.clock.time):
        found.append(decode(outgoing.body, Notification))
        kit.core.subscriptions.answered(outgoing, 201, kit.clock.time)
    return found


async def for_one(kit: Any, device: str) -> None:
    """A source of messages for one device, with a message."""
    made = await desk(kit).create(
        "/msg", {"mRID": MESSAGE_FOR_ONE, "locale": "en", "primacy": 0}, by="root", device=device
    )
    await kit.post(f"{made[0]}/txt", kit.bodies.text("7F01"))


@pytest.mark.parametrize("device", ["inv-1", "managed-1"])
@pytest.mark.parametrize("profile", [None, CsipAusSettings()])
async def test_it_is_as_if_the_configuration_had_said_so_at_once_and_after_a_restart(
    make_kit: Any, device: str, profile: CsipAusSettings | None
) -> None:
    """A device with a certificate, and one that nobody spoke for before."""
    wanted, kit = (
        await under(make_kit, "inv-2", device, csip_aus=profile),
        await under(make_kit, "inv-2", csip_aus=profile),
    )
    for each in (wanted, kit):
        each.schema = None if profile else each.schema
        await for_one(each, device)
        await each.post(f"{each.program(device)}/derc", each.control())
    before = {by: await served(kit, by) for by in ("aggregator", "inv-1", "inv-2")}
    row, new = await desk(kit).manage(kit.lfdi["aggregator"], device)
    assert (row["managed_by"], new) == ([kit.lfdi["aggregator"]], True)
    for each in (kit, await kit.restarted()):
        each.schema = kit.schema
        for by in ("aggregator", "inv-1", "inv-2"):
            assert await served(each, by) == await served(wanted, by), by
        assert each.core.state.by_device[device].speaks
    assert (await desk(kit).manage(kit.lfdi["aggregator"], device))[1] is False
    # What the aggregator writes for it is taken, and goes with it.
    lfdi = kit.core.state.by_device[device].lfdi
    answer = kit.response(lfdi, "A1" * 16, 1)
    assert (await kit.send("POST", f"/rsps/{kit.program(device)[6:]}/rsp", answer, by="aggregator")).status == 201
    status = f'<DERStatus xmlns="urn:ieee:std:2030.5:ns"><readingTime>{int(kit.NOW)}</readingTime></DERStatus>'
    assert (await kit.send("PUT", f"{kit.edev(device)}/der/1/ders", status, by="aggregator")).status == 204

    assert (await desk(kit).release(kit.lfdi["aggregator"], device))["managed_by"] == []
    for each in (kit, await kit.restarted()):
        each.schema = kit.schema
        assert (await served(each, "aggregator")).keys() == before["aggregator"].keys()
        assert (await each.send("PUT", f"{each.edev(device)}/der/1/ders", status, by="aggregator")).status == 404
        assert (await each.get("/edev?l=9", by="aggregator")).all == 2
        assert not {each.edev(device), each.program(device)} & (await served(each, "aggregator")).keys()
        assert await served(each, "inv-2") == before["inv-2"]


async def test_what_a_device_answered_at_nodes_and_to_all_comes_and_goes_with_it(make_kit: Any) -> None:
    kit = await under(make_kit, "inv-2")
    node, lfdi = kit.core.state.nodes["fleet"], kit.lfdi["inv-1"]
    await kit.post("/msg", kit.bodies.messages())
    await kit.post("/msg/1/txt", kit.bodies.text())
    await kit.post(f"{node.path}/derc", kit.control())
    lists = {node.responses: kit.response(lfdi, "A1" * 16, 1), "/rsps/msg1/rsp": kit.response(lfdi, "7E01", 1)}
    for path, body in lists.items():
        await kit.post(path, body.replace("DERControl", "Text") if "msg" in path else body, by="inv-1")
    for manages in (False, True, False):
        if manages:
            await desk(kit).manage(kit.lfdi["aggregator"], "inv-1")
        elif kit.core.state.by_device["inv-1"].managed:
            await desk(kit).release(kit.lfdi["aggregator"], "inv-1")
        for path in lists:
            found = await kit.get(f"{path}?l=9", by="aggregator")
            assert (found.all, found.results) == (int(manages), int(manages)), path
            one = await kit.send("GET", f"{path}/1", by="aggregator")
            assert (one.status, lfdi.encode() in one.body) == (200 if manages else 404, manages)
            assert (await kit.get(path.rpartition("/")[0], by="aggregator")).ResponseListLink.all == int(manages)
            assert (await kit.get(f"{path}?l=9", by="inv-1")).all == 1


async def test_the_aggregator_is_told_and_its_subscriptions_end_with_its_access(make_kit: Any) -> None:
    kit = await under(make_kit, "inv-2")
    await subscribe(kit, "/edev")
    assert told(kit) == []
    await desk(kit).manage(kit.lfdi["aggregator"], "inv-1")
    (found,) = told(kit)
    assert (found.status, found.resource.all) == (0, 3)
    assert kit.lfdi["inv-1"] in {member.lFDI for member in found.resource.members}
    derc = f"{kit.program('inv-1')}/derc"
    paths = {await subscribe(kit, derc), await subscribe(kit, f"{kit.edev('inv-2')}", below="inv-1")}
    other = await subscribe(kit, f"{kit.program('inv-2')}/derc")
    kit.clock.time += 10
    await kit.post(derc, kit.control(start=kit.clock.time + 60, created=kit.clock.time))
    assert [n.subscribedResource for n in told(kit)] == [derc]
    kit.clock.time += 10
    await desk(kit).release(kit.lfdi["aggregator"], "inv-1")
    found_now = {n.subscribedResource: n for n in told(kit)}
    assert {name: n.status for name, n in found_now.items()} == {derc: 4, kit.edev("inv-2"): 4, "/edev": 0}
    assert (found_now["/edev"].resource.all, found_now[derc].resource) == (2, None)
    assert {s.item.path for s in kit.core.subscriptions.all()}.isdisjoint(paths)
    assert (await kit.get(other, by="aggregator")).subscribedResource.endswith("/derc")
    kit.clock.time += 10
    await kit.post(derc, kit.control("B1" * 16, start=kit.clock.time + 600, created=kit.clock.time))
    assert told(kit) == []


async def test_what_a_released_device_told_through_its_aggregator_is_gone_where_it_speaks_no_more(
    make_kit: Any,
) -> None:
    kit = await under(make_kit)
    await desk(kit).manage(kit.lfdi["aggregator"], "managed-1")
    edev = kit.edev("managed-1")
    await kit.post(f"{edev}/frq", kit.bodies.flow(), by="aggregator")
    (control,) = kit.inbox.controls
    status = f'<DERStatus xmlns="urn:ieee:std:2030.5:ns"><readingTime>{int(kit.NOW)}</readingTime></DERStatus>'
    assert (await kit.send("PUT", f"{edev}/der/1/ders", status, by="aggregator")).status == 204
    await desk(kit).release(kit.lfdi["aggregator"], "managed-1")
    assert kit.inbox.cancelled == [control]
    for each in (kit, await kit.restarted()):
        assert not each.core.state.by_device["managed-1"].speaks
        for gone in ("frq", "frp", "sub"):
            assert (await each.send("GET", f"{edev}/{gone}")).status == 404
        assert (await each.get(f"{edev}/der/1/ders")).readingTime != int(kit.NOW) or each.fleet.snapshots
        assert not [
            key for _, key in each.documents() if key.startswith((f"{edev}/frq/", f"{edev}/frp/", f"{edev}/der"))
        ]
    await desk(kit).manage(kit.lfdi["aggregator"], "managed-1")
    assert (await kit.get(f"{edev}/frq", by="aggregator")).all == 0


async def test_an_aggregator_that_leaves_and_comes_back_manages_nothing(make_kit: Any) -> None:
    kit = await under(make_kit)
    lfdi = "AB" * 20
    await kit.core.add_end_device(lfdi, kit.NOW, role=Role.AGGREGATOR)
    await desk(kit).manage(lfdi, "inv-1")
    assert (await kit.get("/edev?l=9", by=lfdi)).all == 2
    await desk(kit).remove_end_device(lfdi)
    await kit.core.add_end_device(lfdi, kit.NOW, role=Role.AGGREGATOR)
    for each in (kit, await kit.restarted()):
        assert (await each.get("/edev?l=9", by=lfdi)).all == 1
        assert each.core.state.by_device["inv-1"].aggregators == ()
    await desk(kit).manage(lfdi, "inv-1")
    assert (await desk(kit).reset(by="root"))["managed"] == 1
    assert kit.core.state.by_device["inv-1"].aggregators == ()
    assert (await kit.get("/edev?l=9", by=lfdi)).all == 1


async def test_a_device_that_its_aggregator_registered_is_moved_to_another(make_kit: Any) -> None:
    kit = await under(make_kit, in_band_registration=True)
    lfdi, other = "CD" * 20, "AB" * 20
    sfdi = desk(kit).core.membership.make(kit.NOW, lfdi=lfdi)[0].sfdi
    body = (
        f'<EndDevice xmlns="urn:ieee:std:2030.5:ns"><lFDI>{lfdi}</lFDI><sFDI>{sfdi}</sFDI>'
        "<changedTime>1</changedTime></EndDevice>"
    )
    path = await kit.post("/edev", body, by="aggregator")
    await kit.core.add_end_device(other, kit.NOW, role=Role.AGGREGATOR)
    await desk(kit).manage(other, lfdi)
    await desk(kit).release(kit.lfdi["aggregator"], lfdi)
    for each in (kit, await kit.restarted()):
        assert (await each.send("GET", path, by="aggregator")).status == 404
        assert (await each.send("DELETE", path, by="aggregator")).status == 404
        assert (await each.get(path, by=other)).lFDI == lfdi


async def test_what_cannot_be_is_refused_and_changes_nothing(make_kit: Any) -> None:
    kit = await under(make_kit, "inv-2")
    aggregator = kit.lfdi["aggregator"]
    before = kit.documents()
    for lfdi, device, status in (
        (kit.lfdi["inv-1"], "inv-2", 400),  # no aggregator
        (aggregator, aggregator, 400),  # no device
        (aggregator, kit.core.state.by_group["fleet"].lfdi, 400),
        (aggregator, "nothing", 404),
        ("EF" * 20, "inv-1", 404),
    ):
        with pytest.raises(RemoteProtocolError) as refused:
            await desk(kit).manage(lfdi, device)
        assert refused.value.answer == status, (lfdi, device)
    for device, status in (("inv-2", 409), ("inv-1", 404)):
        with pytest.raises(RemoteProtocolError) as refused:
            await desk(kit).release(aggregator, device)
        assert refused.value.answer == status
    kit.ledger.down = True
    with pytest.raises(StoreUnavailable):
        await desk(kit).manage(aggregator, "inv-1")
    kit.ledger.down = False
    assert kit.documents() == before
    assert (await kit.send("GET", kit.edev("inv-1"), by="aggregator")).status == 404
    with pytest.raises(ConfigError):
        await kit.core.add_end_device("short", kit.NOW)


async def test_who_the_operator_registered_is_there_after_a_restart_though_the_fleet_begins_without_it(
    make_kit: Any,
) -> None:
    """The fleet of a new process knows what the configuration names; the others come back through their records."""
    kit = await under(make_kit)
    aggregator, device = "AB" * 20, "CD" * 20
    await desk(kit).ensure_end_device(aggregator, device=None, pin=None, role=Role.AGGREGATOR)
    await desk(kit).ensure_end_device(device, device=None, pin=123_455, role=Role.DEVICE)
    await desk(kit).manage(aggregator, device)
    path, name = kit.core.state.by_lfdi[device].path, kit.core.state.by_lfdi[device].device_id
    for _ in range(2):
        del kit.fleet.known[name]
        kit = await kit.restarted()
        assert (await kit.get(path, by=device)).lFDI == device
        assert (await kit.get(f"{path}/rg", by=device)).pIN == 123_455
        assert (await kit.get("/edev?l=9", by=aggregator)).all == 2
        assert kit.fleet.known[name].identities["lfdi"] == device
    assert await desk(kit).remove_end_device(device)
    kit = await kit.restarted()
    assert (await kit.send("GET", path)).status == 404
    assert name not in kit.fleet.known
