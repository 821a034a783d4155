"""One session: registration, controls, responses, reports."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import ClientError, ClientSession, TCPConnector

from gridiface.app.fronts.upstream_settings import upstream_settings
from gridiface.northbound.sep2.translate.status import ALARMS
from gridiface.northbound.sep2.upstream.probe import probe
from gridiface.northbound.sep2.wire.rates import Rates
from gridiface.pki.contexts import KeyPair, client_context
from gridiface.pki.folder import TestPki, write_credential
from gridiface.protocols.sep2.enums import DERAlarm
from gridiface.protocols.sep2.resources import (
    DERCapability,
    DERList,
    DERStatus,
    EndDeviceList,
    LogEventList,
    MeterReadingList,
    ReadingSetList,
    ReadingType,
    UsagePointList,
)
from gridiface.protocols.xmlwire import decode


async def test_a_control_of_the_utility_moves_a_device_and_is_answered(
    make_scene: Callable[..., Any], eventually: Callable[..., Any]
) -> None:
    scene = make_scene(2)
    await scene.serve()
    house = await scene.connect()
    await eventually(lambda: house.status()["state"] == "connected", "the session is up")
    await eventually(lambda: all(d["programs"] for d in house.status()["devices"]), "programs are known")
    program = await scene.utility.program("d01")
    now = time.time()
    posted = await scene.utility.post_target(program, 3000.0, start=now + 1, duration_s=4, now=now, title="t")
    await eventually(lambda: house.batteries.watts["d01"] == 3000.0, "the battery delivers")
    assert house.batteries.watts["d02"] == 0.0

    async def answered() -> bool:
        return set(await scene.utility.responses(posted)) >= {1, 2, 3}

    await eventually(answered, "responses 1, 2 and 3")
    assert await scene.utility.responses(posted) == {n: {scene.lfdi("d01")} for n in (1, 2, 3)}


async def test_notifications_come_over_mutual_tls_and_replace_polling(
    make_scene: Callable[..., Any], eventually: Callable[..., Any]
) -> None:
    scene = make_scene(1)
    await scene.serve()
    house = await scene.connect(**scene.subscribing())
    session = house.session
    await eventually(lambda: house.status()["subscriptions"] >= 5, "everything is subscribed")
    lists = [node for node in session.client.tree.nodes.values() if node.href.endswith("/derc")]
    await eventually(lambda: all(node.next_at > time.time() + 60 for node in lists), "polls are slow")
    program = await scene.utility.program("d01")
    now = time.time()
    await scene.utility.post_target(program, -2000.0, start=now + 1, duration_s=30, now=now, title="t")
    await eventually(lambda: house.batteries.watts["d01"] == -2000.0, "the battery charges")
    assert house.status()["notifications"] >= 1


async def test_foreign_senders_and_foreign_subjects_are_refused_by_the_listener(
    make_scene: Callable[..., Any], eventually: Callable[..., Any]
) -> None:
    scene = make_scene(1)
    await scene.serve()
    house = await scene.connect(**scene.subscribing())
    session = house.session
    await eventually(lambda: house.status()["subscriptions"] >= 3, "something is subscribed")
    body = (
        '<Notification xmlns="urn:ieee:std:2030.5:ns"><subscribedResource>/nothing</subscribedResource>'
        "<status>0</status><subscriptionURI>https://x/y</subscriptionURI></Notification>"
    )
    wish = next(iter(session.subscriptions._wishes.values()))
    own = body.replace("/nothing", wish.href)
    base = f"https://127.0.0.1:{session.listener.port}/ntfy"
    tries = [
        ("utility", "POST", f"{base}/{wish.token}", own, 403),
        ("server", "POST", f"{base}/{wish.token}", own, 201),
        ("server", "POST", f"{base}/{'0' * 32}", own, 400),
        ("server", "POST", f"{base}/{wish.token}", body, 400),
        ("server", "POST", f"{base}/{wish.token}", "<Notification/>", 400),
        ("server", "POST", f"{base}/{wish.token}", "<!DOCTYPE x><x/>", 400),
        ("server", "POST", f"https://127.0.0.1:{session.listener.port}/other", own, 404),
        ("server", "GET", f"{base}/{wish.token}", None, 405),
        ("server", "POST", f"{base}/{wish.token}", "x" * 300_000, 413),
    ]
    for by, method, url, sent, status in tries:
        pair = KeyPair(scene.folder / f"{by}.pem", scene.folder / f"{by}.key")
        context = client_context("strict", key_pairs=[pair], roots=[scene.folder / "serca.pem"])
        async with ClientSession(connector=TCPConnector(ssl=context)) as http:
            headers = {"Content-Type": "application/sep+xml"}
            async with http.request(method, url, data=sent, headers=headers) as answer:
                assert answer.status == status, (by, url, sent)


FORGED = (
    '<Notification xmlns="urn:ieee:std:2030.5:ns" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
    "<subscribedResource>{href}</subscribedResource>"
    '<Resource xsi:type="DERControlList" href="{href}" all="1" results="1" subscribable="1">'
    '<DERControl href="{href}/9"><mRID>0B</mRID><creationTime>{now}</creationTime><EventStatus><currentStatus>1'
    "</currentStatus><dateTime>{now}</dateTime><potentiallySuperseded>false</potentiallySuperseded></EventStatus>"
    "<interval><duration>600</duration><start>{now}</start></interval><DERControlBase><opModTargetW>"
    "<multiplier>0</multiplier><value>5000</value></opModTargetW></DERControlBase></DERControl></Resource>"
    "<status>0</status><subscriptionURI>https://x/y</subscriptionURI></Notification>"
)


def sender(scene: Any, by: str | None, ciphers: str) -> ClientSession:
    """Of notifications, as other servers' HTTP clients are: with or without a certificate, without CCM8."""
    context = ssl.create_default_context(cafile=scene.folder / "serca.pem")
    context.set_ciphers(ciphers)
    if by is not None:
        context.load_cert_chain(scene.folder / f"{by}.pem", scene.folder / f"{by}.key")
    return ClientSession(
        connector=TCPConnector(ssl=context, force_close=True), headers={"Content-Type": "application/sep+xml"}
    )


async def test_without_a_certificate_nobody_notifies_unless_that_is_configured(
    make_scene: Callable[..., Any], eventually: Callable[..., Any]
) -> None:
    scene = make_scene(1)
    await scene.serve()
    house = await scene.connect(**scene.subscribing(profile="compatible"))
    session = house.session
    await eventually(lambda: house.status()["subscriptions"] >= 3, "something is subscribed")
    wish = next(iter(session.subscriptions._wishes.values()))
    url = f"https://127.0.0.1:{session.listener.port}/ntfy/{wish.token}"
    async with sender(scene, None, "ECDHE-ECDSA-AES128-GCM-SHA256") as http:
        with pytest.raises(ClientError):
            await http.post(url, data=b"<x/>")
    assert session.listener.hinted == 0


async def test_a_notification_without_a_certificate_is_a_hint_and_never_content(
    make_scene: Callable[..., Any], eventually: Callable[..., Any]
) -> None:
    scene = make_scene(1)
    await scene.serve()
    hints = {"sources": ["127.0.0.0/8"], "max_body_bytes": 4096}
    house = await scene.connect(**scene.subscribing(profile="modern", without_certificate=hints))
    session = house.session
    await eventually(lambda: house.status()["subscriptions"] >= 5, "everything is subscribed")
    wish = next(one for one in session.subscriptions._wishes.values() if one.href.endswith("/derc"))
    node = session.client.tree.nodes[wish.href]
    await eventually(lambda: node.next_at > time.time() + 60, "its polls are slow")
    before = node.fetched_at
    body = FORGED.format(href=wish.href, now=int(time.time()) - 1)
    base = f"https://127.0.0.1:{session.listener.port}/ntfy"
    async with sender(scene, None, "DEFAULT") as http:
        async with http.post(f"{base}/{wish.token}", data=body) as answer:
            assert answer.status == 201
        # The resource is asked for anew, and what the notification said of it is nowhere.
        await eventually(lambda: node.fetched_at > before, "the list is fetched")
        assert node.value.all == 0
        assert house.batteries.watts["d01"] == 0.0
        assert not house.ledger.live()
        tries = [
            ("POST", f"{base}/{'0' * 32}", body, 400),
            ("POST", f"{base}/{wish.token}", body.replace(wish.href, "/nothing"), 400),
            ("POST", f"{base}/{wish.token}", "<!DOCTYPE x><x/>", 400),
            ("POST", f"{base}/{wish.token}", "x" * 5000, 413),
            ("POST", f"https://127.0.0.1:{session.listener.port}/other", body, 404),
            ("GET", f"{base}/{wish.token}", None, 405),
        ]
        for method, url, sent, status in tries:
            async with http.request(method, url, data=sent) as answer:
                assert answer.status == status, (method, url, sent)
    # A certificate that is shown must be the server's; one below other roots gets no answer at all.
    for by, expected in (("utility", 403), ("server", 201)):
        async with sender(scene, by, "DEFAULT") as http, http.post(f"{base}/{wish.token}", data=body) as answer:
            assert answer.status == expected
    stranger = TestPki.create(depth=3, now=float(int(time.time())))
    write_credential(scene.folder, "stranger", stranger.issue("utility", "stranger", now=float(int(time.time()))))
    async with sender(scene, "stranger", "DEFAULT") as http:
        with pytest.raises(ClientError):
            await http.post(f"{base}/{wish.token}", data=body)


async def test_hints_come_from_the_servers_addresses_and_not_too_often(
    make_scene: Callable[..., Any], eventually: Callable[..., Any]
) -> None:
    scene = make_scene(1)
    await scene.serve()
    elsewhere = {"sources": ["192.0.2.0/24", "2001:db8::/32"]}
    house = await scene.connect(**scene.subscribing(profile="compatible", without_certificate=elsewhere))
    session = house.session
    await eventually(lambda: house.status()["subscriptions"] >= 3, "something is subscribed")
    wish = next(iter(session.subscriptions._wishes.values()))
    body = FORGED.format(href=wish.href, now=int(time.time()))
    async with sender(scene, None, "DEFAULT") as http:
        url = f"https://127.0.0.1:{session.listener.port}/ntfy/{wish.token}"
        async with http.post(url, data=body) as answer:
            assert answer.status == 403
        assert session.listener.hinted == 0
        seldom = {"sources": ["127.0.0.1"]}
        other = await scene.connect(**scene.subscribing(profile="compatible", without_certificate=seldom))
        await eventually(lambda: other.status()["subscriptions"] >= 3, "something is subscribed here")
        wish = next(iter(other.session.subscriptions._wishes.values()))
        other.session.listener._rates = Rates(1.0 / 3600.0, 1)
        base = f"https://127.0.0.1:{other.session.listener.port}/ntfy"
        body = FORGED.format(href=wish.href, now=int(time.time()))
        statuses, waits = [], set()
        # Who guesses the secret is counted by himself: the server's own still come through.
        for token in ("1" * 32, "2" * 32, wish.token, wish.token):
            async with http.post(f"{base}/{token}", data=body) as answer:
                statuses.append(answer.status)
                waits.add("Retry-After" in answer.headers)
        assert statuses == [400, 503, 201, 503]
        assert waits == {True, False}


async def test_reports_reach_the_utility(make_scene: Callable[..., Any], eventually: Callable[..., Any]) -> None:
    scene = make_scene(1)
    await scene.serve()
    house = await scene.connect()
    name = "d01"

    async def devices() -> Any:
        listed = await scene.utility.get("/edev?l=255", EndDeviceList)
        return next(one for one in listed.members if one.lFDI == scene.lfdi(name))

    device = await eventually(devices, "the device is listed")
    der = (await scene.utility.get(device.DERListLink.href, DERList)).members[0]

    async def told() -> bool:
        status, _, body = await scene.utility.request("GET", der.DERStatusLink.href)
        return status == 200 and decode(body, DERStatus).readingTime > 0

    await eventually(told, "the status is told")
    capability = await scene.utility.get(der.DERCapabilityLink.href, DERCapability)
    assert (capability.rtgMaxW.value, capability.type) == (10_000, 80)
    house.batteries.alarms[name] = frozenset({ALARMS[DERAlarm.OVER_VOLTAGE]})

    async def logged() -> Any:
        return (await scene.utility.get(device.LogEventListLink.href + "?l=9", LogEventList)).members

    (event,) = await eventually(logged, "the alarm is logged")
    assert (event.functionSet, event.logEventCode, event.logEventPEN) == (11, 2, 40732)

    async def measured() -> Any:
        points = (await scene.utility.get("/upt?l=9", UsagePointList)).members
        for point in points:
            meters = await scene.utility.get(point.MeterReadingListLink.href + "?l=9", MeterReadingList)
            for meter in meters.members:
                kind = await scene.utility.get(meter.ReadingTypeLink.href, ReadingType)
                if kind.uom == 33 and meter.ReadingSetListLink is not None:
                    return (await scene.utility.get(meter.ReadingSetListLink.href + "?l=99", ReadingSetList)).members
        return None

    sets = await eventually(measured, "readings are mirrored")
    assert len({one.mRID for one in sets}) == len(sets)


async def test_a_look_at_a_server_says_what_is_there_and_what_is_missing(make_scene: Callable[..., Any]) -> None:
    scene = make_scene(2)
    await scene.serve()
    config = scene.our_config()
    found = await probe(upstream_settings(config.upstreams[0], config))
    assert found.well, found.steps
    assert found.server == scene.certificate_lfdi("server")
    assert {"DeviceCapability", "Time", "EndDeviceList", "Registration", "DERProgramList"} <= {
        kind for _, kind, _ in found.resources
    }
    config = scene.our_config(pin=55, devices=[{"device": "d01", "lfdi": "AB" * 20}], all_devices=False)
    found = await probe(upstream_settings(config.upstreams[0], config))
    assert not found.well
    assert {step for step, well, _ in found.steps if not well} == {"registration", "device d01"}
    await scene.lose_server()
    found = await probe(upstream_settings(config.upstreams[0], config))
    ((step, well, why),) = found.steps  # what stands on a connection is not blamed for its lack
    assert (step, well) == ("connection", False)
    assert "nobody listens" in why
    config = scene.our_config(servers=["AB" * 20])
    await scene.serve()
    found = await probe(upstream_settings(config.upstreams[0], config))
    assert found.steps[0][2].count("refused") == 1, found.steps
    assert "is not among `servers`" in found.steps[0][2]


async def test_a_control_runs_while_the_utility_is_away_and_is_answered_afterwards(
    make_scene: Callable[..., Any], eventually: Callable[..., Any]
) -> None:
    scene = make_scene(1)
    await scene.serve()
    house = await scene.connect()
    await eventually(lambda: house.status()["devices"][0]["programs"], "programs are known")
    program, now = await scene.utility.program("d01"), time.time()
    posted = await scene.utility.post_target(program, 1500.0, start=now + 2, duration_s=2, now=now, title="t")

    async def received() -> bool:
        return 1 in await scene.utility.responses(posted)

    await eventually(received, "it is received")
    await scene.lose_server()
    await eventually(lambda: house.batteries.watts["d01"] == 1500.0, "it runs")
    await scene.serve()

    async def answered() -> bool:
        return set(await scene.utility.responses(posted)) >= {1, 2, 3}

    await eventually(answered, "all is told")
    assert await scene.utility.responses(posted) == {n: {scene.lfdi("d01")} for n in (1, 2, 3)}
