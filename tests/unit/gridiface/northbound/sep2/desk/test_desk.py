"""The operator's verbs: what a harness makes a server do, all of it undone by reset, all of it durable."""

from __future__ import annotations

import re
from typing import Any

import pytest

from gridiface.domain.changes import PutDocument
from gridiface.domain.fleet import Role
from gridiface.errors import ConfigConflict, ConfigError, RemoteProtocolError, StoreUnavailable
from gridiface.northbound.sep2.desk.desk import Sep2Desk
from gridiface.northbound.sep2.desk.notices import Sep2Notices, Whom
from gridiface.northbound.sep2.served import documents
from gridiface.northbound.sep2.settings import CsipAusSettings, LimitSettings

AUDIT = PutDocument("operator/audit", "1", b"{}")


def event(start: float, duration: int = 600, created: float = 1_800_000_000) -> dict[str, Any]:
    return {
        "creationTime": int(created),
        "EventStatus": {"currentStatus": 0, "dateTime": int(created), "potentiallySuperseded": False},
        "interval": {"start": int(start), "duration": duration},
    }


def text(kit: Any, mrid: str = "01") -> dict[str, Any]:
    return {"mRID": mrid, **event(kit.NOW + 60), "priority": 1, "textMessage": "Hello"}


@pytest.fixture
def desk(kit: Any) -> Sep2Desk:
    return Sep2Desk(kit.core, kit.clock)


async def test_an_end_device_is_ensured_and_removed(kit: Any, desk: Sep2Desk) -> None:
    lfdi = kit.lfdi["stranger"]
    row, new = await desk.ensure_end_device(lfdi.lower(), device=None, pin=123_455, role=Role.DEVICE, along=[AUDIT])
    assert (new, row["lfdi"], row["pin"], row["granted"]) == (True, lfdi, 123_455, True)
    assert ("operator/audit", "1") in kit.ledger.kept
    assert (await kit.get(row["path"], by="stranger")).RegistrationLink is not None
    again, new = await desk.ensure_end_device(lfdi, device=None, pin=None, role=Role.DEVICE)
    assert (new, again) == (False, row)
    assert await desk.ensure_end_device(lfdi, device=row["device"], pin=123_455, role=None) == (row, False)
    for other in ({"device": "other"}, {"pin": 111_115}, {"role": Role.AGGREGATOR}):
        with pytest.raises(ConfigConflict, match=r"is registered with \w+ \w+"):
            await desk.ensure_end_device(lfdi, **{"device": None, "pin": None, "role": None, **other})
    assert desk.end_device(lfdi) == row
    assert all(r["pin"] is None for r in desk.end_devices())
    assert await desk.remove_end_device(lfdi)
    assert not await desk.remove_end_device(lfdi)
    assert desk.end_device(lfdi) is None


async def test_access_is_revoked_and_granted(kit: Any, desk: Sep2Desk) -> None:
    lfdi = kit.lfdi["inv-1"]
    await desk.set_access(lfdi, granted=False)
    assert (await kit.send("GET", "/edev", by="inv-1")).status == 403
    await desk.set_access(lfdi, granted=True)
    assert (await kit.send("GET", "/edev", by="inv-1")).status == 200


async def test_rates_are_set(kit: Any, desk: Sep2Desk) -> None:
    for name in ("DeviceCapability", "EndDeviceList", "DERList", "DERProgramList", "FunctionSetAssignmentsList",
                 "MirrorUsagePointList"):  # fmt: skip
        await desk.set_poll_rate(name, 61)
        assert desk.poll_rates()[name] == 61
    assert (await kit.get("/dcap")).pollRate == 61
    await desk.set_post_rate(kit.lfdi["inv-1"], 62)
    assert (await kit.get(kit.edev("inv-1"))).postRate == 62
    with pytest.raises(ConfigError):
        await desk.set_poll_rate("DERControlList", 60)
    with pytest.raises(RemoteProtocolError):
        await desk.set_post_rate("00" * 20, 60)


async def an_added_program(kit: Any, desk: Sep2Desk, primacy: int = 1) -> Any:
    lfdi = kit.lfdi["inv-1"]
    path, new = await desk.ensure_assignment(lfdi, "Season")
    assert new
    assert await desk.ensure_assignment(lfdi, "Season") == (path, False)
    row, new = await desk.ensure_program(lfdi, path, "Summer", primacy)
    assert new
    return row


async def test_assignments_and_programs_are_added_to_a_device(kit: Any, desk: Sep2Desk) -> None:
    row = await an_added_program(kit, desk)
    by, edev = "inv-1", kit.edev("inv-1")
    found = await kit.get(f"{edev}/fsa?l=9", by=by)
    assert {a.description for a in found.members} == {"own program", "Season"}
    programs = await kit.get(f"{row['assignment']}/derp", by=by)
    assert (programs.members[0].primacy, programs.members[0].description) == (1, "Summer")
    assert (await kit.get(f"{edev}/der/1/derp?l=9", by=by)).all == 2
    assert (await kit.send("GET", row["path"], by="inv-2")).status == 404
    again, new = await desk.ensure_program(kit.lfdi[by], row["assignment"], "Summer", 5)
    assert (new, again["number"], again["primacy"]) == (False, row["number"], 5)
    assert (await kit.get(row["path"], by=by)).primacy == 5
    other = await kit.restarted()
    assert (await other.get(f"{row['assignment']}/derp", by=by)).members[0].primacy == 5


async def test_a_control_in_an_added_program_is_a_control_of_the_device(kit: Any, desk: Sep2Desk) -> None:
    row = await an_added_program(kit, desk)
    control = {"mRID": "C1", **event(kit.NOW), "DERControlBase": {"opModMaxLimW": 5000}, "responseRequired": "03"}
    path, new = await desk.create(f"{row['path']}/derc", control, by="ann", along=[AUDIT])
    assert new
    (made,) = kit.inbox.controls.values()
    assert (made.target.id, made.source.identity) == ("inv-1", "operator:ann")
    assert ("operator/audit", "1") in kit.ledger.kept
    assert (await kit.get(f"{row['path']}/actderc", by="inv-1")).members[0].derControlBase.opModMaxLimW == 5000
    reply = f"/rsps/{row['number']}/rsp"
    await kit.post(reply, kit.response(kit.lfdi["inv-1"], "C1", 2), by="inv-1")
    other = await kit.restarted()
    assert await other.status(path) == 1
    assert (await other.get(f"{reply}?l=9")).all == 1
    assert desk.programs()[row["number"] - 1]["active"] >= 0
    assert (await desk.cancel(path, randomised=False, reason="over", by="ann"))["EventStatus"]["currentStatus"] == 2
    await desk.remove_program(row["number"])
    assert (await kit.send("GET", row["path"])).status == 404
    await desk.remove_assignment(kit.lfdi["inv-1"], row["assignment"])
    assert (await kit.get(f"{kit.edev('inv-1')}/fsa")).all == 1
    assert not [key for key in kit.documents() if key[0] == "sep2/fsa"]


async def test_what_the_server_makes_by_itself_is_not_removed(kit: Any, desk: Sep2Desk) -> None:
    program = kit.core.state.program_of_device("inv-1")
    with pytest.raises(RemoteProtocolError):
        await desk.remove_program(program.number)
    with pytest.raises(RemoteProtocolError):
        await desk.remove_assignment(kit.lfdi["inv-1"], f"{kit.edev('inv-1')}/fsa/1")
    with pytest.raises(RemoteProtocolError):
        await desk.set_primacy(program.number, 300)
    with pytest.raises(RemoteProtocolError):
        await desk.ensure_program(kit.lfdi["inv-1"], f"{kit.edev('inv-2')}/fsa/1", "x", 1)
    assert (await desk.set_primacy(program.number, 7))["primacy"] == 7


async def test_controls_and_defaults_are_ranked_anew_with_their_program(kit: Any, desk: Sep2Desk) -> None:
    program, path = kit.core.state.program_of_device("inv-1"), kit.program("inv-1")
    await kit.post(f"{path}/derc", kit.control("0A"))
    await desk.replace(f"{path}/dderc", {"mRID": "0D", "DERControlBase": {"opModMaxLimW": 5_000}}, by="ann")
    names = {name: one.source.authority for name, one in kit.inbox.controls.items()}
    assert set(names.values()) == {255.0 - program.primacy}
    await desk.set_primacy(program.number, 40, along=[AUDIT])
    assert {name: one.source.authority for name, one in kit.inbox.controls.items()} == dict.fromkeys(names, 215.0)
    assert len(names) == 2
    assert kit.ledger.kept[AUDIT.space, AUDIT.key].body == AUDIT.body


async def test_all_controls_are_cancelled_at_once(kit: Any, desk: Sep2Desk) -> None:
    for number, name in enumerate(("fleet", "inv-1", "bat-1")):
        await kit.post(kit.program(name) + "/derc", kit.control(f"{number + 1:032X}", start=kit.NOW + 60 * number))
    one = kit.core.state.program_of_device("inv-1").number
    assert await desk.cancel_controls(one, "no") == 1
    assert await desk.cancel_controls(None, "no") == 2
    assert await desk.cancel_controls(None, "no") == 0
    assert [await kit.status(f"{kit.program(n)}/derc/1") for n in ("fleet", "inv-1", "bat-1")] == [2, 2, 2]


async def test_defaults_and_curves_are_set(kit: Any, desk: Sep2Desk) -> None:
    program = kit.program("inv-1")
    curve = {"mRID": "CC", "creationTime": 1, "CurveData": [{"xvalue": 1, "yvalue": 2}], "curveType": 11,
             "xMultiplier": 0, "yMultiplier": 0, "yRefType": 2}  # fmt: skip
    path, _ = await desk.create(f"{program}/dc", curve, by="ann")
    default = {"mRID": "DD", "DERControlBase": {"opModVoltVar": {"href": path}}, "setGradW": 27}
    await desk.replace(f"{program}/dderc", default, by="ann")
    assert desk.show(f"{program}/dderc")["DERControlBase"]["opModVoltVar"]["href"] == path
    with pytest.raises(RemoteProtocolError):
        await desk.remove(path, by="ann")
    await desk.remove(f"{program}/dderc", by="ann")
    await desk.remove(path, by="ann")
    with pytest.raises(RemoteProtocolError):
        desk.show(f"{program}/dderc")


async def test_messages_go_to_one_device(kit: Any, desk: Sep2Desk) -> None:
    news = {"mRID": "0A", "locale": "en", "primacy": 0}
    path, _ = await desk.create("/msg", news, by="ann", device="inv-1")
    await desk.create(f"{path}/txt", text(kit), by="ann")
    assert (await kit.get("/msg", by="inv-1")).all == 1
    assert (await kit.get("/msg", by="inv-2")).all == 0
    shown = desk.show(f"{path}/txt")
    assert (shown["type"], shown["all"], shown["members"][0]["textMessage"]) == ("TextMessageList", 1, "Hello")
    with pytest.raises(RemoteProtocolError):
        await desk.create(f"{path}/txt", text(kit, "02"), by="ann", device="inv-2")


@pytest.mark.parametrize(("device", "group"), [("nobody", None), (None, "nowhere")])
async def test_nothing_is_published_for_a_device_or_group_that_is_not_there(
    kit: Any, desk: Sep2Desk, device: str | None, group: str | None
) -> None:
    program = {"mRID": "02", "locale": "en", "primacy": 0}
    kept = dict(kit.ledger.kept)
    with pytest.raises(RemoteProtocolError, match="nobody would see it") as caught:
        await desk.create("/msg", program, by="ann", device=device, group=group)
    assert caught.value.answer == 404
    assert kit.ledger.kept == kept
    path, _ = await desk.create("/msg", program, by="ann", device=kit.lfdi["inv-1"])
    assert (await kit.get(path, by="inv-1")).mRID is not None


async def test_a_file_is_handed_in(kit: Any, desk: Sep2Desk) -> None:
    file = {"fileURI": "/", "mfID": 1, "mfModel": "m", "mfVer": "1", "size": 0, "type": "00"}
    path, _ = await desk.create("/file", file, by="ann", group="fleet")
    assert (await desk.store_file(path, b"abc"))["size"] == 3
    assert (await kit.core.files.read(path, None, None)).body == b"abc"
    other = await kit.restarted()
    assert (await other.get("/file", by="inv-1")).members[0].size == 3
    with pytest.raises(RemoteProtocolError):
        await desk.store_file(kit.edev("inv-1"), b"abc")


async def test_a_file_that_is_not_kept_is_not_offered(make_kit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    kit = await make_kit(limits=LimitSettings(file_bytes=10))
    desk, file = Sep2Desk(kit.core, kit.clock), {"fileURI": "/", "mfID": 1, "mfModel": "m", "mfVer": "1", "size": 0,
                                                 "type": "00"}  # fmt: skip
    kept = dict(kit.ledger.kept)
    with pytest.raises(RemoteProtocolError, match="too large"):
        await desk.add_file(file, b"x" * 11, by="ann")
    assert (kit.ledger.kept, (await kit.get("/file", by="inv-1")).all) == (kept, 0)
    commit = kit.ledger.commit

    async def full(changes: Any) -> None:
        if any(getattr(change, "space", "") == documents.CONTENTS and change.body for change in changes
               if isinstance(change, PutDocument)):  # fmt: skip
            raise StoreUnavailable("the disk is full")
        await commit(changes)

    monkeypatch.setattr(kit.ledger, "commit", full)
    with pytest.raises(StoreUnavailable):
        await desk.add_file(file, b"abc", by="ann")
    assert (await kit.get("/file", by="inv-1")).all == 0
    assert not [key for space, key in kit.ledger.kept if space in {documents.PUBLISHED, documents.CONTENTS}]
    monkeypatch.setattr(kit.ledger, "commit", commit)
    assert (await desk.add_file(file, b"abc", by="ann"))["size"] == 3


@pytest.mark.parametrize(
    ("path", "resource", "answer"),
    [
        ("/msg", {"mRID": "0A", "locale": "en"}, 400),
        ("/msg", {"mRID": "0A", "locale": "en", "primacy": "x"}, 400),
        ("/msg", {"mRID": "0A", "locale": "en", "primacy": 0, "more": 1}, 400),
        ("/msg", [], 400),
        ("/nowhere", {}, 404),
        ("/dcap", {}, 405),
        ("/edev", {"sFDI": 1, "changedTime": 1}, 405),
    ],
)
async def test_what_a_utility_could_not_post_is_refused(desk: Sep2Desk, path: str, resource: Any, answer: int) -> None:
    with pytest.raises(RemoteProtocolError) as problem:
        await desk.create(path, resource, by="ann")
    assert problem.value.answer == answer


async def test_mirrors_are_emptied(sets: Any) -> None:
    desk = Sep2Desk(sets.core, sets.clock)
    ns = 'xmlns="urn:ieee:std:2030.5:ns"'
    for name in ("inv-1", "inv-2"):
        body = (
            f"<MirrorUsagePoint {ns}><mRID>0A</mRID><roleFlags>49</roleFlags><serviceCategoryKind>0"
            f"</serviceCategoryKind><status>1</status><deviceLFDI>{sets.lfdi[name]}</deviceLFDI><MirrorMeterReading>"
            "<mRID>0B</mRID><ReadingType><uom>38</uom></ReadingType></MirrorMeterReading></MirrorUsagePoint>"
        )
        await sets.post("/mup", body, by=name)
    assert await desk.empty_mirrors(sets.lfdi["inv-1"].lower()) == 1
    assert (await sets.get("/mup?l=9")).all == 1
    assert await desk.empty_mirrors() == 1
    assert (await (await sets.restarted()).get("/upt?l=9")).all == 1  # the utility's own meter stays


async def test_reset_leaves_what_configuration_and_fleet_say(make_kit: Any) -> None:
    kit = await make_kit(in_band_registration=True)
    before = {path: reply.body for path, reply in (await everything(kit)).items()}
    await kit.fill()
    desk = Sep2Desk(kit.core, kit.clock)
    await an_added_program(kit, desk)
    await kit.post(kit.program("fleet") + "/derc", kit.control("AA" * 16))
    await kit.post(kit.program("inv-1") + "/derc", kit.control("BB" * 16))
    await kit.send("PUT", kit.program("fleet") + "/dderc",
                   '<DefaultDERControl xmlns="urn:ieee:std:2030.5:ns"><mRID>DD</mRID><DERControlBase>'
                   "<opModMaxLimW>10000</opModMaxLimW></DERControlBase></DefaultDERControl>")  # fmt: skip
    await desk.set_access(kit.lfdi["inv-2"], granted=False)
    await desk.set_poll_rate("DERProgramList", 7)
    ns = 'xmlns="urn:ieee:std:2030.5:ns"'
    body = f"<EndDevice {ns}><lFDI>{kit.lfdi['stranger']}</lFDI><sFDI>1</sFDI><changedTime>1</changedTime></EndDevice>"
    await kit.post("/edev", body, by="stranger")
    done = await desk.reset(by="ann", along=[AUDIT])
    assert done["publications"] == 8
    assert done["controls"] == 2
    assert (done["programs"], done["assignments"], done["end devices"], done["access"]) == (1, 1, 1, 1)
    assert kit.inbox.controls == {}
    assert ("operator/audit", "1") in kit.ledger.kept
    await kit.flush()
    for each in (kit, await kit.restarted()):
        after = await everything(each)
        assert set(after) == set(before)
        assert (await each.get("/rsps?l=99")).all == 5
    assert (await desk.reset(by="ann"))["controls"] == 0


async def test_reset_takes_back_what_devices_said_of_themselves_and_what_was_chosen(make_kit: Any) -> None:
    kit = await make_kit(node_programs=True, csip_aus=CsipAusSettings())
    kit.schema, edev = None, kit.edev("inv-1")
    ns, desk = 'xmlns="urn:ieee:std:2030.5:ns"', Sep2Desk(kit.core, kit.clock)
    written = {
        "cfg": kit.bodies.CONFIGURATION,
        "fs": kit.bodies.FILE_STATUS,
        "dstat": f"<DeviceStatus {ns}><changedTime>1</changedTime><opState>2</opState></DeviceStatus>",
        "ps": f"<PowerStatus {ns}><batteryStatus>1</batteryStatus><changedTime>1</changedTime>"
        "<currentPowerSource>1</currentPowerSource></PowerStatus>",
        "cp": '<ConnectionPoint xmlns="https://csipaus.org/ns"><connectionPointId>A1</connectionPointId>'
        "</ConnectionPoint>",
        "der/1/ders": f"<DERStatus {ns}><readingTime>5</readingTime></DERStatus>",
    }
    node, own = kit.core.state.nodes["fleet"], kit.program("inv-1")
    watched = [*(f"{edev}/{name}" for name in written), node.path, own]

    async def shown(each: Any) -> list[str]:
        bodies = [(await each.send("GET", path)).body.decode() for path in watched]
        return [re.sub(r"<(version|changedTime|statusTime)>\d+</", r"<\1></", body) for body in bodies]

    before = await shown(kit)
    for name, body in written.items():
        assert (await kit.send("PUT", f"{edev}/{name}", body, by="inv-1")).status == 204, name
    for program, primacy in ((node.number, 200), (int(own.rpartition("/")[2]), 3)):
        await desk.set_primacy(program, primacy)
    await desk.set_post_rate(kit.lfdi["inv-1"], 7)
    await kit.ledger.commit(kit.core.state.leavers.note(node.responses, [1], kit.NOW))
    assert not set(await shown(kit)) & set(before)
    done = await desk.reset(by="ann")
    assert (done["device resources"], done["primacies"], done["post rates"]) == (6, 2, 1)
    await kit.flush()
    assert not [key for space, key in kit.ledger.kept if space == documents.LEFT]
    assert kit.core.state.leavers.all() == []
    for each in (kit, await kit.restarted()):
        each.schema = None
        assert await shown(each) == before
        assert (await each.get(edev)).postRate == kit.settings.post_rate
        assert not any(program.ranked for program in each.core.state.programs.values())


async def everything(kit: Any) -> dict[str, Any]:
    """Everything that a utility finds, by path; what was once requested leaves its empty places."""
    seen: dict[str, Any] = {}
    todo = ["/dcap"]
    while todo:
        path = todo.pop()
        if path in seen or path.startswith("/rsps/frp"):
            continue
        seen[path] = reply = await kit.send("GET", f"{path}?l=1000")
        assert reply.status == 200, path
        todo += [part.split('"')[0] for part in reply.body.decode().split('href="')[1:]]
    return seen


async def test_a_store_that_fails_keeps_the_audit_entry_and_the_change_apart_from_nothing(
    kit: Any, desk: Sep2Desk
) -> None:
    kit.ledger.down = True
    with pytest.raises(StoreUnavailable):
        await desk.create("/msg", {"mRID": "0A", "locale": "en", "primacy": 0}, by="ann", along=[AUDIT])
    kit.ledger.down = False
    assert (await kit.get("/msg")).all == 0
    assert ("operator/audit", "1") not in kit.ledger.kept


async def test_lists_are_searched_and_entered_anywhere(kit: Any, desk: Sep2Desk) -> None:
    everyone = desk.end_devices()
    found, total = desk.find_end_devices("", "", 1, 2)
    assert (found, total) == (everyone[1:3], len(everyone))
    lfdi = kit.lfdi["inv-1"]
    assert desk.find_end_devices(lfdi[:12].lower(), "device", 0, 9)[0] == [desk.end_device(lfdi) | {"pin": None}]  # type: ignore[operator]
    assert desk.find_end_devices("", "utility", 0, 9)[1] < total
    programs = desk.programs()
    assert desk.find_programs("", "", 0, 500) == (programs, len(programs))
    last = programs[-1]
    assert desk.find_programs("", "only", 0, 9) == ([], 0)
    await desk.create(
        f"{last['path']}/derc", {"mRID": "0A", **event(kit.NOW), "DERControlBase": {"opModMaxLimW": 1}}, by="ann"
    )
    first, total = desk.find_programs("", "first", 0, 1)
    assert (first[0]["number"], first[0]["active"], total) == (last["number"], 1, len(programs))
    assert desk.find_programs(last["mrid"].lower(), "only", 0, 9)[1] == 1
    assert desk.find_programs(last["mrid"].lower(), "only", 1, 9)[0] == []
    assert desk.counts() == {"end_devices": len(everyone), "programs": len(programs), "controls": 1, "active": 1,
                             "subscriptions": 0}  # fmt: skip
    assert desk.find_subscriptions("x", 0, 9) == ([], 0)


async def test_nothing_takes_the_place_of_what_ended_by_a_clock_that_was_ahead(kit: Any) -> None:
    notices = Sep2Notices(Sep2Desk(kit.core, kit.clock))
    source = await kit.post("/msg", kit.bodies.messages())
    path = await kit.post(f"{source}/txt", kit.bodies.text(start=kit.NOW, duration=100))
    kit.at(50)
    assert notices.whom_of(path, "msg") == Whom()
    kit.at(100)
    kit.at(50)
    with pytest.raises(RemoteProtocolError) as refused:
        notices.whom_of(path, "msg")
    assert refused.value.answer == 409
