"""Programs at the nodes of the utility's topology: who sees them, and whom their controls reach."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gridiface.domain.controls import DeliveryOutcome, OutcomeKind, Setpoint, TargetKind, Verdict
from gridiface.domain.fleet import Group
from gridiface.errors import StoreUnavailable
from gridiface.northbound.sep2.programs.assigned import assignment_path
from gridiface.northbound.sep2.served.identities import sfdi

CONNECT = "<opModConnect>false</opModConnect>"
NS = 'xmlns="urn:ieee:std:2030.5:ns"'


@pytest.fixture
async def kit(make_kit: Any) -> Any:
    found = await make_kit(node_programs=True)
    found.fleet.grouped["feeder"] = Group(id="feeder", members=("inv-1", "managed-1"), name="Feeder", parent="fleet")
    found.fleet.grouped["fleet"] = Group(id="fleet", members=("bat-1", "inv-1", "inv-2", "managed-1"), name="Fleet")
    await found.core.reconcile(found.clock.time)
    return found


def node(kit: Any, group: str) -> str:
    return str(kit.core.state.nodes[group].path)


async def programs(kit: Any, name: str, by: str) -> list[list[str]]:
    """The programs of each assignment of a device, in the order in which the assignments are listed."""
    found = []
    for fsa in (await kit.get(kit.edev(name) + "/fsa?l=99", by=by)).members:
        assert fsa.TimeLink.href == "/tm"
        listed = await kit.get(f"{fsa.DERProgramListLink.href}?l=9", by=by)
        found.append([program.href for program in listed.members])
    return found


async def test_serve_a_program_per_node_through_fsa_to_the_devices_below(kit: Any) -> None:
    fleet, feeder = node(kit, "fleet"), node(kit, "feeder")
    seen = {name: {p for (p,) in await programs(kit, name, by)} for name, by in
            (("inv-1", "inv-1"), ("inv-2", "inv-2"), ("managed-1", "aggregator"))}  # fmt: skip
    assert seen == {
        "inv-1": {kit.program("inv-1"), fleet, feeder},
        "inv-2": {kit.program("inv-2"), fleet},
        "managed-1": {kit.program("managed-1"), fleet, feeder},
    }
    listed = (await kit.get(kit.edev("inv-1") + "/fsa?l=99", by="inv-1")).members
    assert [f.mRID for f in listed] == sorted((f.mRID for f in listed), reverse=True)
    assert (await kit.send("GET", feeder, by="inv-2")).status == 404
    own, near, far = [(await kit.get(p)).primacy for p in (kit.program("inv-1"), feeder, fleet)]
    assert own < near < far
    aggregated = await kit.get(kit.program("feeder"))
    shown = await kit.get(feeder)
    assert (aggregated.description, shown.description) == ("Feeder", "each device of Feeder")
    assert aggregated.mRID != shown.mRID


async def test_seven_levels_and_no_more_than_fifteen_assignments(make_kit: Any) -> None:
    kit = await make_kit(node_programs=True)
    names = ["bat-1", "inv-1", "inv-2", "managed-1"]
    for level in range(7):
        kit.fleet.grouped[f"level{level}"] = Group(id=f"level{level}", members=(*names[:2], f"x{level}"))
    await kit.core.reconcile(kit.clock.time)
    assert (await kit.get(kit.edev("inv-1") + "/fsa", by="inv-1")).all == 9
    for level in range(20):
        kit.fleet.grouped[f"more{level}"] = Group(id=f"more{level}", members=("inv-1",))
    await kit.core.reconcile(kit.clock.time)
    assert (await kit.get(kit.edev("inv-1") + "/fsa", by="inv-1")).all == 15


async def test_map_a_control_at_a_node_to_exactly_the_devices_below_it(kit: Any) -> None:
    feeder = node(kit, "feeder")
    reply = await kit.send("POST", f"{feeder}/derc", kit.control(base=CONNECT, response="07", start=kit.NOW))
    assert reply.status == 201
    asked = {(c.target.kind, c.target.id) for c in kit.inbox.controls.values()}
    assert asked == {(TargetKind.DEVICE, "inv-1"), (TargetKind.DEVICE, "managed-1")}
    for by, status in (("inv-1", 200), ("aggregator", 200), ("inv-2", 404)):
        assert (await kit.send("GET", reply.headers["Location"], by=by)).status == status


async def test_a_control_for_a_category_is_asked_of_the_devices_of_that_category_alone(kit: Any) -> None:
    state = kit.core.state
    for name, category in (("bat-1", 0x2000000), ("inv-1", 0x200000), ("inv-2", 0x40000), ("managed-1", None)):
        state.by_device[name].category = category
    for_vehicles = "</DERControlBase><deviceCategory>00010000</deviceCategory>"
    for_batteries = "</DERControlBase><deviceCategory>02010000</deviceCategory>"
    for mrid, words, asked in (
        ("A1" * 16, for_vehicles, {"inv-2", "managed-1"}),  # a mixed one, and one of which nothing is known
        ("A2" * 16, for_batteries, {"bat-1", "inv-2", "managed-1"}),
    ):
        kit.inbox.controls.clear()
        body = kit.control(mrid, base=CONNECT, start=kit.NOW + 60).replace("</DERControlBase>", words)
        assert (await kit.send("POST", f"{node(kit, 'fleet')}/derc", body)).status == 201
        assert {control.target.id for control in kit.inbox.controls.values()} == asked
    state.by_device["inv-1"].category = 0x10000
    kit.inbox.controls.clear()
    await kit.core.programs.member_came(state.nodes["fleet"], "inv-1", kit.clock.time)
    assert {control.target.id for control in kit.inbox.controls.values()} == {"inv-1"}


async def test_responses_come_per_device_from_the_device_or_on_its_behalf(kit: Any) -> None:
    fleet = node(kit, "fleet")
    await kit.send("POST", f"{fleet}/derc", kit.control(base=CONNECT, response="07", start=kit.NOW))
    mrid = "A1" * 16
    for name in ("bat-1", "inv-1"):
        kit.outcome(f"sep2:{mrid}:{name}", OutcomeKind.RECEIVED, name)
        kit.outcome(f"sep2:{mrid}:{name}", OutcomeKind.RECEIVED)
    await kit.flush()
    responses = fleet.replace("derp", "rsps") + "/rsp"
    first = [(r.endDeviceLFDI, r.status) for r in (await kit.get(f"{responses}?l=9")).members]
    assert first == [(kit.core.state.by_device["bat-1"].lfdi, 1)]
    lfdi = kit.lfdi["inv-1"]
    assert (await kit.send("POST", responses, kit.response(lfdi, mrid, 2), by="inv-1")).status == 201
    (outcome,) = kit.registry.outcomes
    assert (outcome.control_id, outcome.device_id, outcome.kind) == (f"sep2:{mrid}:inv-1", "inv-1", OutcomeKind.STARTED)
    other = node(kit, "feeder").replace("derp", "rsps") + "/rsp"
    assert (await kit.send("POST", other, kit.response(lfdi, mrid, 2), by="inv-1")).status == 400


async def test_a_cancel_reaches_every_device(kit: Any) -> None:
    path = node(kit, "feeder") + "/derc"
    href = (await kit.send("POST", path, kit.control(base=CONNECT, start=kit.NOW))).headers["Location"]
    assert (await kit.send("DELETE", href)).status == 409
    cancel = kit.control(base=CONNECT, start=kit.NOW, status=2)
    assert (await kit.send("PUT", href, cancel)).status == 204
    assert sorted(kit.inbox.cancelled) == [f"sep2:{'A1' * 16}:inv-1", f"sep2:{'A1' * 16}:managed-1"]
    assert kit.inbox.controls == {}


async def test_what_no_device_takes_is_refused(kit: Any) -> None:
    kit.inbox.verdict = Verdict.UNSUPPORTED
    path = node(kit, "feeder") + "/derc"
    assert (await kit.send("POST", path, kit.control(base=CONNECT))).status == 400
    assert (await kit.get(path)).all == 0
    kit.inbox.verdict = Verdict.SUPERSEDED
    assert (await kit.send("POST", path, kit.control(base=CONNECT))).status == 201


async def test_a_default_control_of_a_node_is_every_devices(kit: Any) -> None:
    path = node(kit, "feeder") + "/dderc"
    body = f"<DefaultDERControl {NS}><mRID>D1</mRID><DERControlBase>{CONNECT}</DERControlBase></DefaultDERControl>"
    assert (await kit.send("PUT", path, body)).status == 204
    assert sorted(kit.inbox.controls) == ["sep2:D1:inv-1", "sep2:D1:managed-1"]
    assert (await kit.send("PUT", path, body.replace("D1", "D2"))).status == 204
    assert sorted(kit.inbox.controls) == ["sep2:D2:inv-1", "sep2:D2:managed-1"]
    assert (await kit.send("DELETE", path)).status == 204
    assert kit.inbox.controls == {}


async def test_a_device_moves_between_nodes(kit: Any) -> None:
    feeder = node(kit, "feeder")
    await kit.send("POST", f"{feeder}/derc", kit.control(base=CONNECT, start=kit.NOW))
    before = (await kit.get(kit.edev("inv-1"), by="inv-1")).changedTime
    kit.clock.time += 30
    kit.fleet.grouped["feeder"] = Group(id="feeder", members=("inv-2", "managed-1"), name="Feeder")
    await kit.core.reconcile(kit.clock.time)
    assert [feeder] not in await programs(kit, "inv-1", "inv-1")
    assert [feeder] in await programs(kit, "inv-2", "inv-2")
    assert (await kit.send("GET", feeder, by="inv-1")).status == 404
    assert (await kit.get(f"{feeder}/derc", by="inv-2")).all == 1
    for name in ("inv-1", "inv-2"):
        assert (await kit.get(kit.edev(name))).changedTime == before + 30
    assert sorted(kit.inbox.controls) == [f"sep2:{'A1' * 16}:inv-2", f"sep2:{'A1' * 16}:managed-1"]


async def test_a_device_that_moved_while_the_server_was_down_has_changed_and_no_other(kit: Any) -> None:
    before = {name: (await kit.get(kit.edev(name))).changedTime for name in ("inv-1", "inv-2", "managed-1")}
    kit.clock.time += 100
    kit.fleet.grouped["feeder"] = Group(id="feeder", members=("inv-2", "managed-1"), name="Feeder", parent="fleet")
    other = await kit.restarted()
    moved = {name for name, at in before.items() if (await other.get(other.edev(name))).changedTime != at}
    assert moved == {"inv-1", "inv-2"}


async def test_a_device_that_moves_reads_the_old_or_the_new_and_nothing_between(kit: Any) -> None:
    kit.fleet.grouped["other"] = Group(id="other", members=("inv-2",), name="Other", parent="fleet")
    await kit.core.reconcile(kit.clock.time)
    seen: set[frozenset[str]] = set()
    commit = kit.ledger.commit

    async def look(changes: Any) -> None:
        seen.add(frozenset(path for (path,) in await programs(kit, "inv-1", "inv-1")))
        await commit(changes)
        seen.add(frozenset(path for (path,) in await programs(kit, "inv-1", "inv-1")))

    kit.ledger.commit = look
    kit.clock.time += 30
    kit.fleet.grouped["feeder"] = Group(id="feeder", members=("managed-1",), name="Feeder", parent="fleet")
    kit.fleet.grouped["other"] = Group(id="other", members=("inv-1", "inv-2"), name="Other", parent="fleet")
    await kit.core.reconcile(kit.clock.time)
    kit.ledger.commit = commit
    always = frozenset({kit.program("inv-1"), node(kit, "fleet")})
    before, after = always | {node(kit, "feeder")}, always | {node(kit, "other")}
    assert seen <= {before, after}
    assert {path for (path,) in await programs(kit, "inv-1", "inv-1")} == after


async def test_who_left_a_node_answers_what_it_was_asked_there_and_reads_nothing_of_it(kit: Any) -> None:
    feeder = node(kit, "feeder")
    answers = feeder.replace("derp", "rsps") + "/rsp"
    await kit.send("POST", f"{feeder}/derc", kit.control(base=CONNECT, response="07", start=kit.NOW))
    kit.clock.time += 30
    kit.fleet.grouped["feeder"] = Group(id="feeder", members=("inv-2",), name="Feeder")
    await kit.core.reconcile(kit.clock.time)
    kit.clock.time += 30
    await kit.send("POST", f"{feeder}/derc", kit.control("A2" * 16, base=CONNECT, response="07", start=kit.NOW + 900))
    for kit in (kit, await kit.restarted()):  # noqa: B020 - the same again after a restart
        lfdi, managed, status = kit.lfdi["inv-1"], kit.core.state.by_device["managed-1"].lfdi, 6
        late = await kit.send("POST", answers, kit.response(lfdi, "A1" * 16, status), by="inv-1")
        assert late.status == 201
        assert (await kit.get(late.headers["Location"], by="inv-1")).status == status
        for_it = await kit.send("POST", answers, kit.response(managed, "A1" * 16, status), by="aggregator")
        assert for_it.status == 201
        assert (await kit.send("GET", answers, by="inv-1")).status == 404
        assert (await kit.send("GET", f"{feeder}/derc", by="inv-1")).status == 404
        # Nothing of what came after it, and nothing in the name of others.
        assert (await kit.send("POST", answers, kit.response(lfdi, "A2" * 16, 1), by="inv-1")).status == 400
        assert (await kit.send("POST", answers, kit.response(managed, "A1" * 16, 1), by="inv-1")).status == 403
        assert (await kit.send("POST", answers, kit.response(lfdi, "A1" * 16, 1), by="stranger")).status == 403
    del kit.fleet.grouped["feeder"]
    await kit.core.reconcile(kit.clock.time)
    assert (await kit.send("POST", answers, kit.response(lfdi, "A1" * 16, 3), by="inv-1")).status == 404
    assert not [key for key in kit.ledger.kept if key[1] == answers]


async def test_what_the_engine_could_not_be_told_of_who_moved_is_told_with_the_next_look(
    kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    feeder = node(kit, "feeder")
    await kit.send("POST", f"{feeder}/derc", kit.control(base=CONNECT, start=kit.NOW))
    kit.fleet.grouped["feeder"] = Group(id="feeder", members=("inv-1", "inv-2"), name="Feeder", parent="fleet")

    async def full(*_: Any) -> None:
        raise StoreUnavailable("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(kit.core.topology._programs, "members_changed", full)
        with pytest.raises(StoreUnavailable):
            await kit.core.reconcile(kit.clock.time)
    for _ in range(2):
        await kit.core.reconcile(kit.clock.time)
        assert sorted(kit.inbox.controls) == [f"sep2:{'A1' * 16}:inv-1", f"sep2:{'A1' * 16}:inv-2"]


async def test_a_node_that_is_gone_takes_its_controls_along(kit: Any) -> None:
    feeder = node(kit, "feeder")
    await kit.send("POST", f"{feeder}/derc", kit.control(base=CONNECT, start=kit.NOW))
    del kit.fleet.grouped["feeder"]
    await kit.core.reconcile(kit.clock.time)
    assert (await kit.send("GET", feeder)).status == 404
    assert kit.inbox.controls == {}
    assert not [key for key in kit.ledger.kept if key[1].startswith(feeder)]


async def test_everything_is_there_after_a_restart(kit: Any) -> None:
    feeder = node(kit, "feeder")
    await kit.send("POST", f"{feeder}/derc", kit.control(base=CONNECT, start=kit.NOW))
    seen = await programs(kit, "inv-1", "inv-1")
    edev = await kit.get(kit.edev("inv-1"))
    # A restart is no change of what an end device is: its clients need not read all of it anew.
    kit.clock.time += 100
    other = await kit.restarted()
    assert await programs(other, "inv-1", "inv-1") == seen
    assert (await other.get(f"{feeder}/derc", by="inv-1")).all == 1
    assert (await other.get(other.edev("inv-1"))).changedTime == edev.changedTime
    assert sorted(other.inbox.controls) == sorted(kit.inbox.controls)


async def test_a_nodes_control_stands_above_what_is_derived_for_a_device(kit: Any) -> None:
    point = Setpoint(device_id="inv-1", issued=kit.NOW, active_power_w=9.0, connect=True, valid_until=kit.NOW + 600,
                     control_ids=("oadr:1",))  # fmt: skip
    (delivery,) = await kit.core.channel.apply([point], deadline=kit.NOW + 5)
    assert delivery.outcome is DeliveryOutcome.PUBLISHED
    await kit.send("POST", node(kit, "fleet") + "/derc", kit.control(base=CONNECT, start=kit.NOW))
    (derived,) = (await kit.get(kit.program("inv-1") + "/actderc?l=9", by="inv-1")).members
    assert (derived.derControlBase.opModConnect, derived.derControlBase.opModTargetW.value) == (None, 9)


async def test_a_primacy_that_somebody_chose_stays_whatever_comes_between(kit: Any) -> None:
    program = kit.core.state.nodes["fleet"]
    await kit.core.assignments.rank(program, 1, kit.clock.time)
    kit.fleet.grouped["site"] = Group(id="site", members=("inv-2",), name="Site", parent="fleet")
    await kit.core.reconcile(kit.clock.time)
    other = await kit.restarted()
    await other.core.reconcile(other.clock.time)
    versions = [(await each.get(program.path, by="inv-1")).version for each in (kit, other)]
    assert versions[0] == versions[1] > 0, "it rises, and a restart takes nothing of it back"
    for each in (kit, other):
        assert (await each.get(program.path, by="inv-1")).primacy == 1
        listed = await each.get(each.edev("inv-1") + "/der/1/derp?l=9", by="inv-1")
        assert listed.members[0].href == program.path
        assert (await each.get(node(each, "feeder"))).primacy == each.core.state.nodes["feeder"].primacy > 1


async def test_without_the_setting_there_are_none(make_kit: Any) -> None:
    kit = await make_kit()
    await kit.core.reconcile(kit.clock.time)
    assert kit.core.state.nodes == {}


def test_the_assignment_of_the_own_program_is_never_taken() -> None:
    class Record:
        path = "/edev/3"

    class Program:
        number = 1

    assert assignment_path(Record(), Program()) == "/edev/3/fsa/2"  # type: ignore[arg-type]  # only these are read


# --- devices that register ------------------------------------------------------------------------------------------

DEFAULT = (
    f"<DefaultDERControl {NS}><mRID>0D</mRID><DERControlBase><opModEnergize>true</opModEnergize></DERControlBase>"
    "</DefaultDERControl>"
)


@pytest.fixture
async def joining(make_kit: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Three nodes around each other, beside them an empty one; who registers joins the two outer ones."""
    found = await make_kit(node_programs=True, in_band_registration=True, in_band_groups=("fleet", "feeder"))
    fleet, register = found.fleet, found.registry.register
    fleet.grouped.update(
        {
            "fleet": Group(id="fleet", members=("bat-1", "inv-1", "inv-2")),
            "feeder": Group(id="feeder", members=("inv-1", "inv-2")),
            "site": Group(id="site", members=("inv-1",)),
            "roof": Group(id="roof", members=()),
        }
    )

    async def register_and_join(device: Any, now: float, *, groups: Any = (), along: Any = ()) -> None:
        await register(device, now, groups=groups, along=along)
        for name in groups:
            group = fleet.grouped[name]
            if device.id not in group.members:
                fleet.grouped[name] = replace(group, members=(*group.members, device.id))

    remove = found.registry.remove

    async def remove_and_leave(device_id: str, now: float, *, along: Any = ()) -> None:
        await remove(device_id, now, along=along)
        for name, group in fleet.grouped.items():
            fleet.grouped[name] = replace(group, members=tuple(one for one in group.members if one != device_id))

    monkeypatch.setattr(found.registry, "register", register_and_join)
    monkeypatch.setattr(found.registry, "remove", remove_and_leave)
    await found.core.reconcile(found.clock.time)
    return found


def lfdi(number: int) -> str:
    return f"{number:09X}".ljust(40, "0")


def body(number: int) -> str:
    one = lfdi(number)
    return f"<EndDevice {NS}><lFDI>{one}</lFDI><sFDI>{sfdi(one)}</sFDI><changedTime>0</changedTime></EndDevice>"


def state_of(kit: Any) -> dict[str, Any]:
    """Whom nodes and their controls concern, who reads them, and what each device is told."""
    state = kit.core.state
    nodes = {
        name: (program.primacy, set(program.members), set(program.audience.readers),
               [sorted(event.per_device) for event in program.events.values()])
        for name, program in state.nodes.items()
    }  # fmt: skip
    lists = {record.lfdi: state.tree.listing(f"{record.path}/fsa") for record in state.end_devices.values()}
    assigned = {one: sorted(listed.items) for one, listed in lists.items() if listed is not None}
    return {"nodes": nodes, "assigned": assigned, "asked": set(kit.inbox.controls)}


async def test_whoever_registers_has_all_that_a_look_at_the_whole_fleet_gives(joining: Any) -> None:
    kit = joining
    fleet = kit.core.state.nodes["fleet"]
    assert (await kit.send("POST", f"{fleet.path}/derc", kit.control(base=CONNECT, start=kit.NOW))).status == 201
    assert (await kit.send("PUT", f"{fleet.path}/dderc", DEFAULT)).status == 204
    own = await kit.send("POST", "/edev", body(7), by="aggregator")
    device = kit.core.state.by_lfdi[lfdi(7)].device_id
    assert {c.target.id for c in kit.inbox.controls.values()} >= {"inv-1", device}
    assert len([name for name in kit.inbox.controls if name.endswith(f":{device}")]) == 2
    stranger = await kit.send("POST", "/edev", body(0).replace(lfdi(0), kit.lfdi["stranger"]), by="stranger")
    assert (own.status, stranger.status) == (201, 201)
    for by, path in (("aggregator", own.headers["Location"]), ("stranger", stranger.headers["Location"])):
        listed = (await kit.get(f"{path}/fsa?l=9", by=by)).members
        seen = {(await kit.get(f"{one.DERProgramListLink.href}?l=9", by=by)).members[0].href for one in listed}
        assert {fleet.path, kit.core.state.nodes["feeder"].path} < seen
        assert kit.core.state.nodes["site"].path not in seen
        assert {p.href for p in (await kit.get("/derp?l=99", by=by)).members} >= seen
    found = state_of(kit)
    await kit.core.reconcile(kit.clock.time)
    assert state_of(kit) == found


async def test_a_node_that_is_no_more_within_another_one_is_ranked_anew(joining: Any) -> None:
    kit = joining
    ranks = {name: program.primacy for name, program in kit.core.state.nodes.items()}
    assert ranks["roof"] < ranks["site"] < ranks["feeder"] < ranks["fleet"]
    kit.fleet.grouped["site"] = Group(id="site", members=("inv-1", "inv-2"))  # as large as the feeder
    await kit.core.reconcile(kit.clock.time)
    assert kit.core.state.nodes["site"].primacy == kit.core.state.nodes["feeder"].primacy
    await kit.send("POST", "/edev", body(7), by="aggregator")
    found = state_of(kit)
    assert found["nodes"]["site"][0] < found["nodes"]["feeder"][0]
    await kit.core.reconcile(kit.clock.time)
    assert state_of(kit) == found


async def test_what_it_costs_does_not_depend_on_the_others(joining: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    kit = joining
    fleet = kit.core.state.nodes["fleet"]
    costs = []

    def all_of_them(group_id: str) -> Any:
        raise AssertionError(f"all devices of {group_id} are looked at")

    for number in range(1, 40):
        before = kit.ledger.commits
        with monkeypatch.context() as patched:
            patched.setattr(kit.fleet, "members", all_of_them)
            patched.setattr(kit.fleet, "groups_of", lambda device_id: ["feeder", "fleet"])
            assert (await kit.send("POST", "/edev", body(number), by="aggregator")).status == 201
        costs.append(kit.ledger.commits - before)
    assert len(set(costs)) == 1
    assert len(fleet.members) == 3 + 39


async def test_that_one_device_refuses_a_nodes_default_is_no_news_to_who_registers(joining: Any) -> None:
    kit = joining
    fleet = kit.core.state.nodes["fleet"]
    assert (await kit.send("PUT", f"{fleet.path}/dderc", DEFAULT)).status == 204
    kit.inbox.verdict = Verdict.UNSUPPORTED
    assert (await kit.send("POST", "/edev", body(7), by="aggregator")).status == 201


async def test_a_device_that_says_later_what_it_can_takes_what_its_nodes_ask(joining: Any) -> None:
    kit = joining
    fleet = kit.core.state.nodes["fleet"]
    await kit.send("POST", f"{fleet.path}/derc", kit.control(base=CONNECT, start=kit.NOW))
    await kit.send("PUT", f"{fleet.path}/dderc", DEFAULT)
    kit.inbox.verdict = Verdict.UNSUPPORTED
    path = (await kit.send("POST", "/edev", body(7), by="aggregator")).headers["Location"]
    asked = f":{kit.core.state.by_lfdi[lfdi(7)].device_id}"
    assert not [name for name in kit.inbox.controls if name.endswith(asked)]
    kit.inbox.verdict = Verdict.ACCEPTED
    capability = (
        f"<DERCapability {NS}><modesSupported>0000000C</modesSupported><rtgMaxW><multiplier>0</multiplier>"
        "<value>5000</value></rtgMaxW><type>4</type></DERCapability>"
    )
    assert (await kit.send("PUT", f"{path}/der/1/dercap", capability, by="aggregator")).status == 204
    assert len([name for name in kit.inbox.controls if name.endswith(asked)]) == 2


async def test_whom_a_full_disk_left_halfway_is_assigned_with_the_next_one(
    joining: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    kit = joining

    async def full(record: Any, now: float) -> None:
        raise StoreUnavailable("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(kit.core.topology, "_touch", full)
        assert (await kit.send("POST", "/edev", body(7), by="aggregator")).status == 503
    assert len(kit.core.state.tree.listing(f"{kit.core.state.by_lfdi[lfdi(7)].path}/fsa").items) == 1
    assert (await kit.send("POST", "/edev", body(8), by="aggregator")).status == 201
    found = state_of(kit)
    assert len(found["assigned"][lfdi(7)]) == len(found["assigned"][lfdi(8)]) == 3
    await kit.core.reconcile(kit.clock.time)
    assert state_of(kit) == found


# --- devices that leave ---------------------------------------------------------------------------------------------


async def test_whoever_leaves_leaves_what_a_look_at_the_whole_fleet_would(joining: Any) -> None:
    kit = joining
    fleet, feeder = (kit.core.state.nodes[name] for name in ("fleet", "feeder"))
    assert (await kit.send("POST", f"{fleet.path}/derc", kit.control(base=CONNECT, start=kit.NOW))).status == 201
    path = (await kit.send("POST", "/edev", body(7), by="aggregator")).headers["Location"]
    device = kit.core.state.by_lfdi[lfdi(7)].device_id
    stranger = await kit.send("POST", "/edev", body(0).replace(lfdi(0), kit.lfdi["stranger"]), by="stranger")
    assert kit.lfdi["stranger"] in fleet.audience.readers
    assert (await kit.send("DELETE", path, by="aggregator")).status == 204
    assert (await kit.send("DELETE", stranger.headers["Location"], by="stranger")).status == 204
    assert device not in fleet.members | feeder.members
    assert not [name for name in kit.inbox.controls if name.endswith(f":{device}")]
    assert kit.lfdi["stranger"] not in fleet.audience.readers | feeder.audience.readers
    assert kit.lfdi["aggregator"] in fleet.audience.readers, "it has another device there"
    found = state_of(kit)
    await kit.core.reconcile(kit.clock.time)
    assert state_of(kit) == found


async def test_who_comes_back_elsewhere_reads_nothing_of_where_it_was(joining: Any) -> None:
    kit = joining
    fleet = kit.core.state.nodes["fleet"]
    one = body(0).replace(lfdi(0), kit.lfdi["stranger"])
    path = (await kit.send("POST", "/edev", one, by="stranger")).headers["Location"]
    assert (await kit.send("GET", fleet.path, by="stranger")).status == 200
    assert (await kit.send("DELETE", path, by="stranger")).status == 204
    kit.core.services.settings = replace(kit.core.settings, in_band_groups=())
    assert (await kit.send("POST", "/edev", one, by="stranger")).status == 201
    assert (await kit.send("GET", fleet.path, by="stranger")).status == 404


async def test_a_node_that_shrinks_to_another_one_is_ranked_anew(joining: Any) -> None:
    kit = joining
    path = (await kit.send("POST", "/edev", body(7), by="aggregator")).headers["Location"]
    kit.fleet.grouped["site"] = Group(id="site", members=("inv-1", "inv-2"))
    await kit.core.reconcile(kit.clock.time)
    nodes = kit.core.state.nodes
    assert nodes["site"].primacy < nodes["feeder"].primacy
    assert (await kit.send("DELETE", path, by="aggregator")).status == 204
    assert nodes["site"].primacy == nodes["feeder"].primacy
    found = state_of(kit)
    await kit.core.reconcile(kit.clock.time)
    assert state_of(kit) == found


@pytest.mark.parametrize("by_operator", [False, True])
async def test_what_leaving_costs_does_not_depend_on_the_others(
    joining: Any, monkeypatch: pytest.MonkeyPatch, *, by_operator: bool
) -> None:
    kit = joining
    fleet = kit.core.state.nodes["fleet"]
    paths = [(await kit.send("POST", "/edev", body(n), by="aggregator")).headers["Location"] for n in range(1, 21)]
    costs = []

    def all_of_them(*what: Any) -> Any:
        raise AssertionError(f"all devices of {what} are looked at")

    for number, path in enumerate(paths, start=1):
        before = kit.ledger.commits
        with monkeypatch.context() as patched:
            patched.setattr(kit.fleet, "members", all_of_them)
            patched.setattr(kit.fleet, "groups_of", lambda device_id: [])
            patched.setattr(kit.core.state.tree, "readers_changed", all_of_them)
            if by_operator:
                assert await kit.core.remove_end_device(lfdi(number), kit.clock.time)
            else:
                assert (await kit.send("DELETE", path, by="aggregator")).status == 204
        costs.append(kit.ledger.commits - before)
    assert len(set(costs)) == 1
    assert len(fleet.members) == 3
