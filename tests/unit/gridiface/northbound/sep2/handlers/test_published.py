"""Whatever is published: both ends of the schema, restart, assignments that follow the fleet.

Events that ran to their end leave their lists: the one rule of all function sets that have events.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from gridiface.domain.controls import Target, TargetKind
from gridiface.domain.fleet import Group
from gridiface.errors import RemoteProtocolError
from gridiface.northbound.sep2.handlers.rules import RULES
from gridiface.northbound.sep2.published.publications import ROOTS, children
from gridiface.northbound.sep2.served.kinds import KINDS, Kind
from gridiface.northbound.sep2.served.services import Call
from gridiface.northbound.sep2.settings import CsipAusSettings, LimitSettings, NotificationSettings
from gridiface.northbound.sep2.wire.notification_target import TargetRules
from gridiface.protocols.sep2.resources import Event, EventStatus, MessagingProgram, Notification
from gridiface.protocols.xmlwire import decode, encode
from gridiface.protocols.xmlwire.samples import sample

_CHOSEN = ("TariffProfileLink", "UsagePointLink", "PrepaymentLink", "BillingReadingSetListLink", "ReadingTypeLink")
URI = "https://listener.example/n"
NOTIFICATIONS = NotificationSettings(make=lambda: None, rules=TargetRules(hosts=frozenset({"listener.example"})))  # type: ignore[arg-type,return-value]  # nothing is sent here
END = 100
EVENTS = ("demand response", "pricing", "messaging", "flow reservation", "DER")


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
    assert (await kit.get(f"{edev}/fsa/1/msg", by="stranger")).all == 1
    assert (await kit.get("/msg", by="stranger")).all == 1


async def test_who_leaves_reads_no_more_of_what_its_group_was_told_not_even_when_it_is_back(
    make_kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    kit = await make_kit(in_band_registration=True)
    lfdi = kit.lfdi["stranger"]
    monkeypatch.setattr(kit.fleet, "groups_of", lambda _device: ["fleet"])
    path = await publish(kit, Target(TargetKind.GROUP, "fleet"))
    body = f'<EndDevice xmlns="urn:ieee:std:2030.5:ns"><lFDI>{lfdi}</lFDI><sFDI>1</sFDI><changedTime>1</changedTime></EndDevice>'  # noqa: E501 - one element
    edev = await kit.post("/edev", body, by="stranger")
    assert (await kit.send("GET", path, by="stranger")).status == 200
    assert (await kit.send("GET", path, by="aggregator")).status == 200
    assert (await kit.send("DELETE", edev, by="stranger")).status == 204
    monkeypatch.setattr(kit.fleet, "groups_of", lambda _device: [])
    await kit.post("/edev", body, by="stranger")
    assert (await kit.send("GET", path, by="stranger")).status == 404
    assert (await kit.send("GET", path, by="aggregator")).status == 200, "it has another device there"


async def test_who_left_a_group_answers_what_it_was_told_there(kit: Any) -> None:
    kit.fleet.grouped["street"] = Group(id="street", members=("inv-1", "inv-2"), name="Street")
    path = await publish(kit, Target(TargetKind.GROUP, "street"))
    await kit.post(f"{path}/txt", kit.bodies.text("7E51"))
    kit.clock.time += 10
    kit.fleet.grouped["street"] = Group(id="street", members=("inv-2",), name="Street")
    await kit.core.reconcile(kit.clock.time)
    assert (await kit.send("GET", path, by="inv-1")).status == 404
    kit = await kit.restarted()
    answers = "/rsps/msg1/rsp"
    words = kit.response(kit.lfdi["inv-1"], "7E51", 11).replace("DERControlResponse", "TextResponse")
    assert (await kit.send("POST", answers, words, by="inv-1")).status == 201
    assert (await kit.send("GET", answers, by="inv-1")).status == 404
    assert (await kit.send("DELETE", path)).status == 409
    kit.at(kit.NOW + 3600)
    assert (await kit.send("DELETE", path)).status == 204
    assert not [key for key in kit.ledger.kept if key[1] == answers]


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


# --- events that are over ---------------------------------------------------------------------------------------------


async def an_event(kit: Any, kind: str, mrid: str = "0E01", **when: Any) -> str:
    """An event of a kind that ends at NOW + END; its path."""
    at = {"start": kit.NOW, "duration": END} | when
    known = bool(kit.core.state.publications)
    match kind:
        case "demand response":
            if not known:
                await kit.post("/dr", kit.bodies.dr_program())
            return str(await kit.post("/dr/1/edc", kit.bodies.load(mrid, **at)))
        case "pricing":
            if not known:
                await kit.post("/tp", kit.bodies.tariff())
                await kit.post("/tp/1/rc", kit.bodies.component())
            path = str(await kit.post("/tp/1/rc/1/tti", kit.bodies.tier(mrid, **at)))
            await kit.post(f"{path}/cti", kit.bodies.block())
            return path
        case "messaging":
            if not known:
                await kit.post("/msg", kit.bodies.messages())
            return str(await kit.post("/msg/1/txt", kit.bodies.text(mrid, **at)))
        case "flow reservation":
            asked = kit.bodies.flow(mrid, start=at["start"]).replace(
                "<duration>14400</duration>", f"<duration>{at['duration']}</duration>"
            )
            frp = f"{kit.edev('inv-1')}/frp"
            before = {m.href for m in (await kit.get(f"{frp}?l=99", by="inv-1")).members}
            await kit.post(f"{kit.edev('inv-1')}/frq", asked, by="inv-1")
            (new,) = {m.href for m in (await kit.get(f"{frp}?l=99", by="inv-1")).members} - before
            return str(new)
        case _:
            return str(await kit.post(f"{kit.program('inv-1')}/derc", kit.control(f"{mrid:0>32}", **at)))


def list_of(path: str) -> str:
    return path.rpartition("/")[0]


async def listed(kit: Any, path: str) -> list[str]:
    """What a device finds in the list of an event, whose `all` says the same."""
    shown = await kit.get(f"{list_of(path)}?l=255", by="inv-1")
    assert shown.all == shown.results == len(shown.members)
    return [member.href for member in shown.members]


@pytest.mark.parametrize("kind", EVENTS)
async def test_an_event_that_ran_to_its_end_leaves_its_list_and_stays_at_its_place(make_kit: Any, kind: str) -> None:
    kit = await make_kit(event_retention_s=1000.0)
    path = await an_event(kit, kind)
    kit.at(END - 1)
    assert await listed(kit, path) == [path]
    kit.at(END)
    for each in (kit, await kit.restarted()):
        assert await listed(each, path) == []
        assert (await each.get(path, by="inv-1")).href == path
    if kind == "pricing":
        assert (await kit.get(f"{path}/cti", by="inv-1")).members[0].price == 250
        assert (await kit.get("/tp/1/rc/1", by="inv-1")).TimeTariffIntervalListLink.all == 0
    kit.at(END + 1000)
    assert (await kit.send("GET", path, by="inv-1")).status == 404
    assert (await kit.send("GET", f"{path}/cti", by="inv-1")).status == 404
    await kit.flush()
    assert path not in {key for _, key in kit.documents()}


@pytest.mark.parametrize("kind", EVENTS)
async def test_a_cancelled_event_stays_listed_beside_one_that_ended(kit: Any, kind: str) -> None:
    path = await an_event(kit, kind)
    # One that runs beside it supersedes nothing: it begins when the first has ended.
    other = await an_event(kit, kind, "0E02", start=kit.NOW + END)
    await kit.core.requests.act(await _cancelling(kit, other))
    kit.at(END)
    assert await listed(kit, path) == [other]
    assert await kit.status(other) == 2


async def _cancelling(kit: Any, path: str) -> Any:
    """The utility's PUT that cancels an event."""
    item = kit.core.state.tree.item(path)
    wanted = replace(item.obj, eventStatus=replace(item.obj.eventStatus, currentStatus=2))
    caller = kit.core.services.doorman.caller(kit.lfdi["utility"])
    return Call("PUT", item, caller, {"content-type": "application/sep+xml"}, encode(wanted), kit.clock.time)


@pytest.mark.parametrize("kind", EVENTS)
async def test_that_an_event_left_its_list_is_told_once(make_kit: Any, kind: str) -> None:
    kit = await make_kit(notifications=NOTIFICATIONS)
    path = await an_event(kit, kind)
    body = (
        f'<Subscription xmlns="urn:ieee:std:2030.5:ns"><subscribedResource>{list_of(path)}</subscribedResource>'
        f"<encoding>0</encoding><level>-S1</level><limit>9</limit><notificationURI>{URI}</notificationURI>"
        "</Subscription>"
    )
    await kit.post(f"{kit.edev('inv-1')}/sub", body, by="inv-1")
    kit.at(END - 1)
    assert _told(kit) == []
    kit.at(END)
    (found,) = _told(kit)
    assert (found.status, found.resource.all) == (0, 0)
    assert encode(found.resource) == encode(await kit.get(f"{list_of(path)}?l=9", by="inv-1"))
    kit.at(END + 60)
    assert _told(kit) == []


def _told(kit: Any) -> list[Notification]:
    found = []
    for outgoing in kit.core.subscriptions.due(kit.clock.time):
        found.append(decode(outgoing.body, Notification))
        kit.core.subscriptions.answered(outgoing, 201, kit.clock.time)
    return found


async def test_an_interval_leaves_the_list_of_all_components_too_and_is_shown_as_it_was(make_kit: Any) -> None:
    kit = await make_kit(csip_aus=CsipAusSettings(versions=("1.3",)))
    kit.schema = None  # the official schema has none of this
    path = await an_event(kit, "pricing")
    before = await kit.get(path, by="inv-1")
    assert (await kit.get("/tp/1/ctti", by="inv-1")).all == 1
    kit.at(END)
    for each in (kit, await kit.restarted()):
        assert (await each.get("/tp/1/ctti", by="inv-1")).all == 0
        assert await each.get(path, by="inv-1") == before


async def test_a_late_response_to_an_event_that_left_its_list_is_taken(kit: Any) -> None:
    path = await an_event(kit, "demand response", "0E03")
    kit.at(END)
    answer = (
        f'<DrResponse xmlns="urn:ieee:std:2030.5:ns"><endDeviceLFDI>{kit.lfdi["inv-1"]}</endDeviceLFDI>'
        "<status>3</status><subject>0E03</subject></DrResponse>"
    )
    assert (await kit.send("POST", "/rsps/dr1/rsp", answer, by="inv-1")).status == 201
    assert path


async def test_what_is_over_counts_against_the_most_that_is_kept(make_kit: Any) -> None:
    kit = await make_kit(limits=LimitSettings(published_per_list=2), event_retention_s=1000.0)
    for number in (1, 2):
        await an_event(kit, "messaging", f"0E0{number}")
    kit.at(END)
    late = kit.bodies.text("0E03", start=kit.NOW + 200)
    assert (await kit.send("POST", "/msg/1/txt", late)).status == 400
    kit.at(END + 1000)
    assert (await kit.send("POST", "/msg/1/txt", kit.bodies.text("0E03", start=kit.NOW + 2000))).status == 201


async def test_requests_that_nothing_is_kept_of_make_room_for_new_ones(make_kit: Any) -> None:
    kit = await make_kit(limits=LimitSettings(published_per_list=2), event_retention_s=1000.0)
    frq = f"{kit.edev('inv-1')}/frq"
    for number in (1, 2):
        await an_event(kit, "flow reservation", f"0E0{number}")
    again = kit.bodies.flow("0E01", energy=1000, start=kit.NOW)
    assert (await kit.send("PUT", f"{frq}/1", again, by="inv-1")).status == 400  # a third grant is one too many
    assert await kit.status(f"{kit.edev('inv-1')}/frp/1") == 1
    assert (await kit.send("POST", frq, kit.bodies.flow("0E03"), by="inv-1")).status == 400
    kit.at(END + 1000)
    for each in (kit, await kit.restarted()):
        path = await each.post(frq, each.bodies.flow(f"0E1{each is kit:d}", start=kit.NOW + 2000), by="inv-1")
        assert path in await listed(each, path)
        assert (await each.get(frq, by="inv-1")).all == 1
    assert {key for _, key in kit.documents()}.isdisjoint({f"{frq}/1", f"{frq}/2"})


@pytest.mark.parametrize("kind", EVENTS[:3])
async def test_an_event_without_duration_or_with_too_wide_a_shift_is_refused(kit: Any, kind: str) -> None:
    first = await an_event(kit, kind)
    bodies = {"demand response": kit.bodies.load, "pricing": kit.bodies.tier, "messaging": kit.bodies.text}
    empty = bodies[kind]("0E05", start=kit.NOW + 60, duration=0)
    assert (await kit.send("POST", list_of(first), empty)).status == 400
    if kind == "demand response":
        for shift, status in ((3601, 400), (-3601, 400), (3600, 201), (-3600, 201)):
            body = kit.bodies.load(
                f"0F{abs(shift) % 60:02}{shift < 0:02}", start=kit.NOW + 9000,
                randomise=f"<randomizeStart>{shift}</randomizeStart>",
            )  # fmt: skip
            assert (await kit.send("POST", list_of(first), body)).status == status, shift
