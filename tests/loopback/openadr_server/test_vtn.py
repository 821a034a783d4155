"""Our VTN adapter: VENs as members of the fleet, set-points as events, their answers and reports; crashes; HTTP."""

from __future__ import annotations

import asyncio
import io
from dataclasses import replace

import aiohttp
import pytest

from gridiface.domain.changes import AppendReadings, PutDocument
from gridiface.domain.clock import Interval
from gridiface.domain.controls import Control, ControlMode, ModeValue, OutcomeKind, Source
from gridiface.domain.fleet import DeviceKind
from gridiface.errors import ConfigError
from gridiface.northbound.openadr.settings import ListenSettings, MemberSettings, VenEntry
from gridiface.protocols.openadr.answers import ok
from gridiface.protocols.openadr.payloads.envelope import encode_payload
from gridiface.protocols.openadr.payloads.event import OadrResponse
from gridiface.protocols.openadr.payloads.registration import OadrCreatePartyRegistration
from gridiface.protocols.openadr.ven import VenConfig
from gridiface.protocols.openadr.vtn import Ven

pytestmark = pytest.mark.timeout(60)
MEMBER = MemberSettings(
    device_id="site-a",
    kind=DeviceKind.BATTERY,
    resource="site",
    max_w=20_000.0,
    rated_load_w=20_000.0,
    groups=("fleet",),
)
ENTRY = VenEntry(ven_id="VEN-A", members=(MEMBER,))


def control(fleet, name, watts, now, seconds=600.0):
    return Control(
        id=name,
        source=Source(protocol="test"),
        target=fleet,
        values={ControlMode.SET_W: ModeValue(watts)},
        interval=Interval(now, seconds),
        created=now,
    )


async def chain(make_house, **more):
    """An aggregator with our VTN, and a site with our VEN below it."""
    head = make_house(batteries=False)
    vtn = head.vtn(vens=(ENTRY,), **more)
    await head.run(vtn)
    site = make_house()
    ven = site.ven(f"http://127.0.0.1:{vtn.port}", core=VenConfig(name="site", ven_id="VEN-A"))
    await site.run(ven)
    return head, vtn, site, ven


def kinds(house, name):
    return {outcome.kind for outcome in house.ledger.outcomes if outcome.control_id == name and outcome.device_id}


async def test_a_control_of_the_fleet_reaches_the_devices_behind_a_ven_and_comes_back(make_house, fleet, eventually):
    head, vtn, site, _ven = await chain(make_house)
    await eventually(lambda: head.engine.device("site-a") is not None, "the member")
    await eventually(lambda: head.engine.snapshot(fleet) is not None and vtn.members.latest("site-a"), "its telemetry")
    now = head.clock.now()
    answer = await head.dispatch.submit(control(fleet, "C", 5000.0, now), now)
    assert answer.will_run
    await eventually(lambda: sum(site.batteries.watts.values()) == pytest.approx(5000.0, abs=50), "the batteries")
    await eventually(lambda: OutcomeKind.STARTED in kinds(head, "C"), "its word")
    await eventually(lambda: vtn.members.latest("site-a").w == pytest.approx(5000.0, abs=50), "its report")
    await head.dispatch.cancel("C", head.clock.now())
    await eventually(lambda: sum(site.batteries.watts.values()) == 0.0, "released")
    await eventually(lambda: not site.ledger.live(), "no control is left")


async def test_a_ven_that_opts_out_has_no_capacity(make_house, fleet, eventually):
    head, vtn, site, _ven = await chain(make_house)
    await eventually(lambda: vtn.members.latest("site-a"), "its telemetry")
    now = head.clock.now()
    await head.dispatch.submit(control(fleet, "C", 5000.0, now), now)
    await eventually(lambda: OutcomeKind.STARTED in kinds(head, "C"), "its word")
    (running,) = site.ledger.live()
    await site.dispatch.cancel(running.id, site.clock.now(), reason="by the operator")
    await eventually(lambda: OutcomeKind.REFUSED in kinds(head, "C"), "its new word")
    await eventually(lambda: head.engine.device("site-a").enabled is False, "without capacity")


async def test_a_ven_that_leaves_is_no_member(make_house, eventually):
    head, _vtn, _site, ven = await chain(make_house)
    await eventually(lambda: head.engine.device("site-a") is not None and not ven.core.waiting, "the member")
    await eventually(lambda: ven.core.registration.registrationID, "registration")
    ven.core.cancel_registration()
    await eventually(lambda: head.engine.device("site-a") is None, "no member")


async def test_an_opt_schedule_takes_capacity_away_and_gives_it_back(make_house, eventually):
    head, vtn, site, ven = await chain(make_house)
    await eventually(lambda: vtn.members.latest("site-a"), "its telemetry")
    opt = ven.core.add_opt_schedule("optOut", [(float(int(site.clock.now()) - 5), 600)], site.clock.now())
    await eventually(lambda: head.engine.device("site-a").enabled is False, "without capacity")
    ven.core.cancel_opt_schedule(opt)
    await eventually(lambda: head.engine.device("site-a").enabled, "with capacity")


async def test_a_vtn_that_restarts_knows_its_vens_and_what_it_told_them(make_house, fleet, eventually):
    head, vtn, site, _ven = await chain(make_house)
    await eventually(lambda: vtn.members.latest("site-a"), "its telemetry")
    now = head.clock.now()
    await head.dispatch.submit(control(fleet, "C", 5000.0, now), now)
    await eventually(lambda: OutcomeKind.STARTED in kinds(head, "C"), "its word")
    port = vtn.port
    await head.stop()
    head.adapters.clear()
    again = make_house(head.ledger.revived(), batteries=False)
    vtn = again.vtn(vens=(ENTRY,), listen=ListenSettings(port=port))
    await again.run(vtn)
    assert again.engine.device("site-a") is not None
    assert len(vtn.core.events) == 1
    await eventually(lambda: vtn.members.latest("site-a"), "telemetry again")
    assert len([c for c in site.ledger.controls.values() if c.source.protocol == "openadr"]) == 1
    await again.dispatch.cancel("C", again.clock.now())
    await eventually(lambda: not site.ledger.live(), "no control is left")


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("commit", range(0, 12, 3))
async def test_a_vtn_that_dies_at_any_commit_loses_and_repeats_nothing(
    make_house, make_clock, fleet, eventually, commit, after
):
    clock = make_clock(speed=20.0)
    head = make_house(batteries=False, clock=clock)
    vtn = head.vtn(vens=(ENTRY,))
    await head.run(vtn)
    port = vtn.port
    head.ledger.commits, head.ledger.die_at, head.ledger.dies_after = 0, commit, after
    site = make_house(clock=clock)
    ven = site.ven(f"http://127.0.0.1:{port}", core=VenConfig(name="site", ven_id="VEN-A"))
    await site.run(ven)
    await eventually(head.ledger.dead.is_set, "its death")
    await head.stop()
    head.adapters.clear()
    again = make_house(head.ledger.revived(), clock, batteries=False)
    vtn = again.vtn(vens=(ENTRY,), listen=ListenSettings(port=port))
    await again.run(vtn)
    await eventually(lambda: vtn.members.latest("site-a"), "its telemetry")
    now = clock.now()
    await again.dispatch.submit(control(fleet, "C", 5000.0, now, 86_400.0), now)
    await eventually(lambda: OutcomeKind.STARTED in kinds(again, "C"), "its word")
    await eventually(lambda: sum(site.batteries.watts.values()) == pytest.approx(5000.0, abs=50), "the batteries")
    assert len(vtn.core.vens) == 1


async def test_a_report_and_the_fleets_readings_of_it_are_one_transaction(make_house, eventually):
    head, vtn, _site, _ven = await chain(make_house)
    commits, commit = [], head.ledger.commit

    async def watched(changes):
        await commit(changes)
        commits.append(changes)

    head.ledger.commit = watched
    before = vtn.members.latest("site-a")
    await eventually(lambda: vtn.members.latest("site-a") not in (None, before), "its telemetry")

    def reports(changes):
        return [c for c in changes if isinstance(c, PutDocument) and "/data/VEN-A" in c.space]

    await eventually(lambda: any(reports(changes) for changes in commits), "a report that is stored")
    for changes in commits:
        readings = [c for c in changes if isinstance(c, AppendReadings)]
        assert bool(readings) is bool(reports(changes))


PUSHED = Ven(venID="V", registrationID="R", pull=False, address="http://ven.example")


async def pushing(make_house, post, **more):
    """A VTN with one VEN that is pushed to by `post`."""
    head = make_house(batteries=False, **more)
    vtn = head.vtn()
    vtn._pusher.post = post
    await head.run(vtn)
    await vtn.do(lambda core, now: core.put_ven(replace(PUSHED)))
    return head, vtn


async def test_a_push_that_fails_for_any_reason_is_made_again(make_house, make_clock, eventually):
    """TLS files that cannot be read while they are changed, for one: what was not sent is no attempt."""
    tried = []

    async def post(push, ven):
        tried.append(push)
        if len(tried) <= 4:
            raise ConfigError("no such file")
        return OadrResponse(eiResponse=ok(""), venID="V")

    _head, vtn = await pushing(make_house, post, clock=make_clock(speed=20.0))
    await vtn.do(lambda core, now: core.request_reregistration("V"))
    await eventually(lambda: not vtn.core.waiting("V"), "its answer")
    assert len(tried) == 5


async def test_a_ven_that_is_dropped_before_its_push_leaves_can_come_back(make_house, eventually):
    pushed, writes, dropping = [], [], []

    async def post(push, ven):
        pushed.append(push)
        return OadrResponse(eiResponse=ok(""), venID="V")

    head, vtn = await pushing(make_house, post)
    commit = head.ledger.commit

    async def drops(changes):
        await commit(changes)
        writes.extend(change for change in changes if isinstance(change, PutDocument) and change.key == "queue/V")
        if len(writes) == 2 and not dropping:  # posted, then counted as sent
            dropping.append(asyncio.create_task(vtn.do(lambda core, now: core.drop_ven("V"))))

    head.ledger.commit = drops
    await vtn.do(lambda core, now: core.request_reregistration("V"))
    await eventually(lambda: dropping and dropping[0].done(), "it is dropped")
    assert not pushed
    await vtn.do(lambda core, now: core.put_ven(replace(PUSHED)))
    await vtn.do(lambda core, now: core.request_reregistration("V"))
    await eventually(lambda: pushed, "a push to it")


async def test_a_store_that_cannot_write_is_answered_with_503(make_house, eventually):
    head, vtn, _site, ven = await chain(make_house)
    await eventually(lambda: vtn.members.latest("site-a"), "its telemetry")
    await eventually(lambda: ven.up, "the link")
    head.ledger.down = True
    held = ven.core._registrar.link.held
    await eventually(lambda: held, "refused: what it reports waits")
    assert ven.up, "its polls are answered"
    head.ledger.down = False
    await eventually(lambda: not held, "taken")


async def test_http_statuses_and_caps(make_house):
    head = make_house(batteries=False)
    vtn = head.vtn(listen=ListenSettings(most_at_once=1), vens=(ENTRY,))
    await head.run(vtn)
    url = f"http://127.0.0.1:{vtn.port}/OpenADR2/Simple/2.0b/EiEvent"
    media = {"Content-Type": "application/xml"}
    bomb = b'<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>'
    large = b" " * (vtn._plain_http.most_octets + 1)
    async with aiohttp.ClientSession() as session:
        for method, where, headers, body, status in (
            ("GET", url, {}, None, 501),
            ("POST", url.replace("EiEvent", "nothing"), media, b"<a/>", 404),
            ("POST", url, {"Content-Type": "text/plain"}, b"<a/>", 406),
            ("POST", url, media, bomb, 406),
            ("POST", url, media, large, 413),
        ):
            sent = None if body is None else io.BytesIO(body)
            async with session.request(method, where, headers=headers, data=sent) as answer:
                assert answer.status == status
                assert answer.headers["Content-Length"] == "0"

        # One request waits for the store: another one is too many.
        gate, held, commit = asyncio.Event(), asyncio.Event(), head.ledger.commit

        async def slowly(changes):
            held.set()
            await gate.wait()
            await commit(changes)

        head.ledger.commit = slowly
        create = OadrCreatePartyRegistration(
            requestID="1",
            venID="VEN-A",
            oadrProfileName="2.0b",
            oadrTransportName="simpleHttp",
            oadrReportOnly=False,
            oadrXmlSignature=False,
            oadrHttpPullModel=True,
        )
        registering = url.replace("EiEvent", "EiRegisterParty")
        first = asyncio.create_task(session.post(registering, headers=media, data=encode_payload(create)))
        async with asyncio.timeout(30):
            await held.wait()
        async with session.post(url, headers=media, data=b"<a/>") as answer:
            assert answer.status == 503
            assert answer.headers["Retry-After"]
        gate.set()
        async with await first as answer:
            assert answer.status == 200


async def test_log_records_carry_the_ven_id(make_house, told):
    _, _, _, ven = await chain(make_house)
    async with asyncio.timeout(20):
        while not (ven.up and any("is registered at" in line["message"] for line in told)):
            await asyncio.sleep(0.02)
    by_vtn = [line for line in told if line["message"] == "VEN VEN-A registered"]
    by_ven = [line for line in told if "is registered at" in line["message"]]
    assert [line["venID"] for line in by_vtn] == ["VEN-A"]
    assert by_ven[0]["venID"] in {"VEN-A", "site"}
