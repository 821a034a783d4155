"""Whatever is published: both ends of the schema, restart, assignments that follow the fleet."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from gridiface.domain.controls import Target, TargetKind
from gridiface.errors import RemoteProtocolError
from gridiface.northbound.sep2.handlers.rules import RULES
from gridiface.northbound.sep2.kinds import KINDS, Kind
from gridiface.northbound.sep2.publications import ROOTS, children
from gridiface.northbound.sep2.settings import LimitSettings
from gridiface.protocols.sep2.resources import Event, EventStatus, MessagingProgram
from gridiface.protocols.xmlwire import encode
from gridiface.protocols.xmlwire.samples import sample

_CHOSEN = ("TariffProfileLink", "UsagePointLink", "PrepaymentLink", "BillingReadingSetListLink", "ReadingTypeLink")


def posted_lists() -> list[str]:
    """Templates of the lists that take a POST of what is published."""
    return [t for t, k in KINDS.items() if t.split("/")[1] in ROOTS and "POST" in k.methods]


@pytest.mark.parametrize("optionals", [0.0, 0.5, 1.0])
async def test_generated_instances_are_taken_or_refused_and_served_valid(sets: Any, optionals: float) -> None:
    """Every accepted resource with and without its optional parts; what is served is valid by the official schema."""
    dice = random.Random(int(optionals * 10))
    taken: set[str] = set()
    for template in posted_lists():
        path = template.replace("{id1}", "1").replace("{id2}", "1").replace("{id3}", "1")
        of = KINDS[f"{template}/{{id{template.count('{') + 1}}}"]
        for _ in range(25):
            obj: Any = sensible(sets, sample(of.cls, dice, optionals=optionals), dice)
            reply = await sets.send("POST", path, encode(obj))
            assert reply.status in {201, 204, 400, 409}, (path, reply.status)
            if reply.status == 201:
                taken.add(of.name)
                await sets.get(reply.headers["Location"])
    assert len(taken) >= 13, sorted(taken)


def sensible(kit: Any, obj: Any, dice: random.Random) -> Any:
    """A generated instance with a time that is ahead and no links of its own."""
    changes: dict[str, Any] = {}
    if isinstance(obj, Event):
        changes["eventStatus"] = EventStatus(currentStatus=0, dateTime=1, potentiallySuperseded=False)
        changes["interval"] = replace(obj.interval, start=int(kit.NOW) + dice.randrange(100, 10**6), duration=60)
    if hasattr(obj, "mRID"):
        changes["mRID"] = f"{dice.randrange(1, 1 << 120):032X}"
    for name in _CHOSEN:
        if getattr(obj, name, None) is not None and type(obj).__name__ not in {"RateComponent", "MeterReading"}:
            changes[name] = None
    for name, value in (
        ("startValue", 0), ("priority", 1), ("prepayMode", 1), ("currency", 840), ("fileURI", "https://a.example/b"),
        ("creditType", None), ("lFDI", None),
    ):  # fmt: skip
        if hasattr(obj, name):
            changes[name] = value
    return replace(obj, **changes)


def test_every_rule_is_for_something_that_is_served() -> None:
    served = {k.cls for k in KINDS.values() if isinstance(k, Kind)}
    assert set(RULES) <= served


def test_what_hangs_below_follows_from_the_table() -> None:
    assert [k.template for k in children("/msg/{id1}")] == ["/msg/{id1}/txt", "/msg/{id1}/acttxt"]
    assert {k.template.rpartition("/")[2] for k in children("/tp/{id1}/rc/{id2}")} == {"rt", "tti", "acttti"}
    assert children("/brs/{id1}/br/{id2}") == []


async def publish(kit: Any, target: Target | None) -> str:
    listing = kit.core.state.tree.listing("/msg")
    mrid = f"{len(kit.core.state.publications) + 1:04X}"
    path, _ = await kit.core.publishing.create(
        listing, MessagingProgram(mRID=mrid, locale="en", primacy=0), kit.NOW, by="op", target=target
    )
    return str(path)


async def test_a_publication_for_a_group_follows_its_members(kit: Any) -> None:
    path = await publish(kit, Target(TargetKind.GROUP, "fleet"))
    await kit.post(f"{path}/txt", kit.bodies.text())
    assert (await kit.send("GET", path, by="inv-1")).status == 200
    assert (await kit.send("GET", f"{path}/txt", by="aggregator")).status == 200  # it manages inv-2
    kit.fleet.grouped["fleet"] = replace(kit.fleet.grouped["fleet"], members=("bat-1", "inv-2"))
    kit.clock.time += 7
    await kit.core.reconcile(kit.clock.time)
    assert (await kit.send("GET", path, by="inv-1")).status == 404
    assert (await kit.get("/msg", by="inv-1")).all == 0
    device = await kit.get(kit.edev("inv-1"), by="inv-1")
    assert device.changedTime == int(kit.NOW) + 7
    assert (await kit.get(f"{kit.edev('inv-1')}/fsa/1", by="inv-1")).MessagingProgramListLink is None
    assert (await kit.send("GET", path, by="inv-2")).status == 200
    other = await kit.restarted()
    assert (await other.send("GET", f"{path}/txt/1", by="inv-2")).status == 200
    assert (await other.send("GET", f"{path}/txt/1", by="inv-1")).status == 404


async def test_a_device_that_registers_later_finds_what_is_for_all(make_kit: Any) -> None:
    kit = await make_kit(in_band_registration=True)
    await publish(kit, None)
    body = f'<EndDevice xmlns="urn:ieee:std:2030.5:ns"><lFDI>{kit.lfdi["stranger"]}</lFDI><sFDI>1</sFDI><changedTime>1</changedTime></EndDevice>'  # noqa: E501 - one element
    edev = await kit.post("/edev", body, by="stranger")
    await kit.core.reconcile(kit.clock.time)
    assert (await kit.get(f"{edev}/fsa/1/msg", by="stranger")).all == 1
    assert (await kit.get("/msg", by="stranger")).all == 1


async def test_a_list_has_an_end(make_kit: Any) -> None:
    kit = await make_kit(limits=LimitSettings(published_per_list=2))
    for _ in range(2):
        await publish(kit, None)
    with pytest.raises(RemoteProtocolError):
        await publish(kit, None)


async def test_a_store_that_cannot_write_changes_nothing(sets: Any) -> None:
    before = {
        p: (await sets.send("GET", f"{p}?l=99")).body for p in ("/msg", "/msg/1/txt", "/dr/1/edc", "/bill", "/ppy/1/ab")
    }
    sets.ledger.down = True
    for method, path, body in (
        ("POST", "/msg", sets.bodies.messages("AB")),
        ("POST", "/msg/1/txt", sets.bodies.text("AC")),
        ("PUT", "/msg/1/txt/1", sets.bodies.text(status=2)),
        ("POST", "/dr/1/edc", sets.bodies.load("AD")),
        ("PUT", "/ppy/1/ab", sets.bodies.BALANCE.replace("1500", "9")),
        ("DELETE", "/bill/1", ""),
    ):
        assert (await sets.send(method, path, body)).status == 503, path
    sets.ledger.down = False
    assert {p: (await sets.send("GET", f"{p}?l=99")).body for p in before} == before
