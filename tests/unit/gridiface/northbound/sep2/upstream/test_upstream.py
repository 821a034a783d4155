"""The rest of a session: registration, time, defaults, reports, log events, mirrors, subscriptions, status."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from gridiface.domain.controls import ControlMode, Target, TargetKind
from gridiface.domain.quantities import Quantity
from gridiface.domain.telemetry import Reading, Snapshot
from gridiface.northbound.sep2.translate.status import ALARMS
from gridiface.northbound.sep2.upstream.settings import Member, NotificationListen
from gridiface.northbound.sep2.upstream.subscribing import Subscriptions
from gridiface.protocols.sep2.enums import DERAlarm
from gridiface.protocols.sep2.exchange import Reply
from gridiface.protocols.sep2.polling import Backoff
from gridiface.protocols.sep2.resources import (
    DefaultDERControl,
    DERAvailability,
    DERCapability,
    DERControlBase,
    DERControlList,
    DERProgramList,
    DERSettings,
    DERStatus,
    EndDevice,
    EndDeviceList,
    LogEvent,
    MirrorMeterReadingList,
    MirrorUsagePoint,
    Notification,
    Subscription,
)

Make = Callable[..., Any]


def shot(stage: Any, w: float = 100.0, **more: Any) -> None:
    now = stage.clock.now()
    values = {"device_id": "d1", "source_time": now, "received": now, "w": w, "connected": True}
    stage.house.shots["d1"] = Snapshot(**values | more)


async def measured(stage: Any, seconds: float, step: float = 5.0) -> None:
    """Some time in which the device is read."""
    for _ in range(int(seconds / step)):
        shot(stage)
        await stage.run(step, step=step)


# --- registration and time


async def test_a_server_with_the_wrong_pin_is_not_used_until_it_shows_the_right_one(
    make_stage: Make, event: Make
) -> None:
    stage = await make_stage(retry_refused_s=100)
    stage.server.pin = 5
    stage.server.controls = [event(stage.clock.now() + 500)]
    shot(stage)
    await stage.run(20)
    assert stage.status()["state"] == "wrong_pin"
    assert (stage.house.controls, stage.server.written) == ({}, [])
    stage.server.pin = 111115
    await stage.run(120)
    assert stage.status()["state"] == "connected"
    assert stage.server.responses() == [1]


async def test_without_a_safe_time_nothing_is_started_or_reported(make_stage: Make, event: Make) -> None:
    stage = await make_stage(qualities=frozenset({3, 4, 5}))
    stage.server.controls = [event(stage.clock.now() + 30)]
    shot(stage)
    await stage.run(100)
    status = stage.status()
    assert (status["state"], status["time_quality"]) == ("no_time", 7)
    assert "quality is 7" in status["time_refused"]
    assert (stage.house.controls, stage.server.written) == ({}, [])


async def test_devices_that_the_server_does_not_list_are_registered(make_stage: Make, lfdis: Any) -> None:
    new = lfdis[2]
    member = Member(lfdi=new, target=Target(TargetKind.DEVICE, "d2"), category=1 << 25)
    stage = await make_stage(members=(member,), register=True)
    await stage.run(30)
    (posted,) = stage.server.bodies(EndDevice)
    assert (posted.lFDI, posted.deviceCategory) == (new, 1 << 25)
    (device,) = stage.status()["devices"]
    assert (device["listed"], [p["mRID"].lstrip("0") for p in device["programs"]]) == (True, ["AA"])
    quiet = await make_stage(members=(member,))
    await quiet.run(30)
    assert quiet.server.bodies(EndDevice) == []


async def test_devices_that_only_the_utility_knows_are_shown_and_left_alone(make_stage: Make, event: Make) -> None:
    stage = await make_stage()
    stage.server.controls = [event(stage.clock.now() + 30)]
    await stage.run(5)
    assert stage.status()["unknown_devices"] == ["D" * 40]
    assert {control.target.id for control in stage.house.live().values()} == {"d1"}
    assert stage.server.responses(lfdi="A" * 40) == [], "our own EndDevice is no DER here"


async def test_controls_of_our_own_end_device_concern_the_group_that_it_stands_for(
    make_stage: Make, event: Make
) -> None:
    stage = await make_stage(ours=Target(TargetKind.GROUP, "fleet"), members=())
    stage.server.controls = [event(stage.clock.now() + 30)]
    await stage.run(5)
    (control,) = stage.house.live().values()
    assert control.target == Target(TargetKind.GROUP, "fleet")
    assert stage.server.responses(lfdi="A" * 40) == [1]


async def test_the_status_is_plain_data(make_stage: Make) -> None:
    stage = await make_stage()
    assert stage.status()["state"] == "connecting"
    await stage.run(2)
    stage.server.silent = True
    await stage.run(60)
    status = json.loads(json.dumps(stage.status()))
    assert (status["state"], status["trouble"]) == ("unreachable", "silent")
    assert status["registration"] == "checked"


async def test_a_server_that_answers_with_503_alone_is_of_no_use_and_nothing_is_lost(make_stage: Make) -> None:
    stage = await make_stage()
    await measured(stage, 40)
    posted = len(stage.server.bodies(MirrorMeterReadingList))
    stage.server.trouble = lambda _request: Reply(503)
    await measured(stage, 9)
    assert stage.status()["state"] == "connected"
    await measured(stage, 60)
    status = stage.status()
    assert (status["state"], status["trouble"]) == (
        "of_no_use",
        "it answers, but nothing can be read: answered with 503",
    )
    assert status["waiting"] > 0
    stage.server.trouble = lambda _request: None
    await stage.run(70)
    status = stage.status()
    assert (status["state"], status["trouble"], status["waiting"]) == ("connected", "", 0)
    posts = stage.server.bodies(MirrorMeterReadingList)
    starts = [post.members[0].mirrorReadingSet[0].timePeriod.start for post in posts]
    assert len(posts) > posted + 2
    assert {later - sooner for sooner, later in itertools.pairwise(starts)} == {20}, "in order, each once"


async def test_one_resource_that_cannot_be_shown_makes_no_server_useless(make_stage: Make) -> None:
    stage = await make_stage()
    stage.server.trouble = lambda request: Reply(500) if request.target.startswith("/derp/1/dc?") else None
    await stage.run(120)
    assert stage.status()["state"] == "connected"


async def test_after_an_outage_all_is_read_and_delivered_within_seconds(make_stage: Make) -> None:
    stage = await make_stage(backoff=Backoff())
    await measured(stage, 40)
    stage.server.silent = True
    await measured(stage, 3_000, step=10.0)
    assert stage.status()["waiting"] > 100
    requests = stage.session.condition.failures
    await measured(stage, 600)
    assert stage.session.condition.failures - requests <= 60, "one request every half a minute, and what is retried"
    tree = stage.session.client.tree
    for node in tree.nodes.values():
        tree.schedule(node, stage.clock.now() + 300)
    stage.server.silent = False
    await stage.run(32)
    assert stage.status()["state"] == "connected"
    await stage.run(5)
    assert stage.status()["waiting"] == 0
    assert {node.failures for node in stage.session.client.tree.nodes.values()} == {0}


# --- defaults


async def test_defaults_stand_change_and_go_with_their_program(make_stage: Make) -> None:
    stage = await make_stage()
    await stage.run(5)
    (control,) = stage.house.controls.values()
    assert (control.is_default, control.values[ControlMode.MAX_W_PERCENT].value) == (True, 60.0)
    submits = stage.house.submits
    await stage.run(60)
    await stage.restart()
    await stage.run(5)
    assert stage.house.submits == submits, "the same default is not taken again"
    stage.server.resources["/derp/1/dderc"] = DefaultDERControl(
        mRID="D1", derControlBase=DERControlBase(opModMaxLimW=3000)
    )
    await stage.run(20)
    (control,) = stage.house.controls.values()
    assert control.values[ControlMode.MAX_W_PERCENT].value == 30.0
    stage.server.resources["/derp"] = replace(stage.server.resources["/derp"], members=[])
    await stage.run(20)
    assert stage.house.controls == {}


async def test_defaults_stay_while_the_link_is_down_also_over_a_restart(make_stage: Make) -> None:
    stage = await make_stage()
    await stage.run(5)
    stage.server.silent = True
    await stage.restart()
    await stage.run(1000)
    assert len(stage.house.controls) == 1
    stage.server.silent = False
    await stage.run(30)
    assert len(stage.house.controls) == 1


async def test_an_invalid_default_is_left_out_and_not_tried_again_and_again(make_stage: Make) -> None:
    stage = await make_stage()
    stage.server.resources["/derp/1/dderc"] = DefaultDERControl(
        mRID="D1", derControlBase=DERControlBase(opModMaxLimW=20_000)
    )
    await stage.run(5)
    submits = stage.house.submits
    await stage.run(60)
    assert (stage.house.controls, stage.house.submits) == ({}, submits)


# --- DER resources


async def test_ratings_go_once_and_states_at_the_post_rate_and_at_once_when_they_change(make_stage: Make) -> None:
    stage = await make_stage(post_rate=20)
    shot(stage)
    await stage.run(3)
    (capability,), (settings,) = stage.server.bodies(DERCapability), stage.server.bodies(DERSettings)
    assert (capability.rtgMaxW.value, settings.setMaxW.value) == (5000, 5000)
    assert [path for method, path, body in stage.server.written if isinstance(body, DERStatus)] == [
        "/edev/2/der/1/ders"
    ]
    await stage.run(10)
    shot(stage, alarms=frozenset({"over_voltage"}))
    await stage.run(2)
    assert len(stage.server.bodies(DERStatus)) == 2
    await stage.run(60)
    assert 4 <= len(stage.server.bodies(DERStatus)) <= 6
    assert len(stage.server.bodies(DERAvailability)) >= 3
    assert len(stage.server.bodies(DERCapability)) == 1


async def test_a_refused_report_is_not_repeated_at_once(make_stage: Make) -> None:
    stage = await make_stage(post_rate=5)
    asked: list[str] = []

    def refuse(request: Any) -> Reply | None:
        if request.method == "PUT":
            asked.append(request.target)
            return Reply(403)
        return None

    stage.server.trouble = refuse
    shot(stage)
    await stage.run(100)
    assert len(asked) == 4
    assert stage.status()["refused"] == 4


# --- log events


async def test_an_alarm_is_logged_when_it_comes_and_when_it_goes_and_never_twice(make_stage: Make) -> None:
    stage = await make_stage()
    shot(stage)
    await stage.run(5)
    shot(stage, alarms=frozenset({ALARMS[DERAlarm.OVER_VOLTAGE]}))
    await stage.run(5)
    await stage.restart()
    await stage.run(5)
    stage.server.silent = True
    shot(stage)
    await stage.run(5)
    await stage.restart()
    await stage.run(5)
    stage.server.silent = False
    await stage.run(20)
    found = [(e.functionSet, e.logEventCode, e.logEventID, e.profileID) for e in stage.server.bodies(LogEvent)]
    assert found == [(11, 2, 1, 2), (11, 3, 2, 2)]


# --- mirrors


def means(stage: Any) -> dict[int, int]:
    """Start of interval -> mean W."""
    found: dict[int, int] = {}
    for post in stage.server.bodies(MirrorMeterReadingList):
        for reading in post.members:
            if reading.readingType.uom == 38:
                (one,) = reading.mirrorReadingSet
                assert one.timePeriod.start not in found
                found[one.timePeriod.start] = one.reading[0].value
    return found


async def test_readings_are_means_of_the_intervals_that_the_server_wants(make_stage: Make) -> None:
    stage = await make_stage(post_rate=50, sample_s=1.0)
    await stage.settle()
    for second in range(110):
        shot(stage, w=float(second))
        await stage.run(1)
    (mirror,) = stage.server.bodies(MirrorUsagePoint)
    assert mirror.deviceLFDI == "B" * 40
    found = means(stage)
    starts = sorted(found)
    assert {b - a for a, b in itertools.pairwise(starts)} <= {20, 40, 50}
    assert 20 in {b - a for a, b in itertools.pairwise(starts)}, "postRate 20 of the server"
    assert all(value > 0 for value in found.values())


async def test_readings_wait_for_the_link_and_come_in_order_once_also_over_restarts(make_stage: Make) -> None:
    stage = await make_stage(sample_s=1.0)
    await stage.settle()
    for second in range(20):
        shot(stage, w=float(second))
        await stage.run(1)
    stage.server.silent = True
    for second in range(200):
        shot(stage, w=float(second))
        now = stage.clock.now()
        stage.house.record.append(
            Reading(device_id="d1", quantity=Quantity.ACTIVE_POWER, value=float(second), source_time=now, received=now)
        )
        await stage.run(1)
        if second % 37 == 5:
            await stage.restart()
    before = means(stage)
    stage.server.silent = False
    await stage.run(30)
    found = means(stage)
    assert list(found) == sorted(found), "in order"
    starts = sorted(found)
    assert starts == list(range(starts[0], starts[-1] + 1, 20)), "none is missing"
    assert len(found) >= len(before) + 9
    assert stage.status()["waiting"] == 0


async def test_a_mirror_that_the_server_lost_is_made_again_and_fed(make_stage: Make) -> None:
    stage = await make_stage(sample_s=1.0)
    shot(stage)
    await stage.run(5)
    stage.server.mirrors.clear()
    stage.server.trouble = lambda request: (
        Reply(404) if request.method == "POST" and request.target == "/mup/1" and not stage.server.mirrors else None
    )
    for _ in range(45):
        shot(stage)
        await stage.run(1)
    assert len(stage.server.bodies(MirrorUsagePoint)) == 2
    assert means(stage)


# --- subscriptions


async def subscribed(make_stage: Make, **more: Any) -> Any:
    stage = await make_stage(**more)
    stage.server.subscribable = 1
    stage.settings = replace(stage.settings, notifications=_listen())
    stage.session.settings = stage.settings
    stage.session.subscriptions = Subscriptions(stage.settings, "https://us:1/ntfy")
    await stage.run(5)
    return stage


def _listen() -> Any:
    def none(_server: Any) -> Any:
        raise AssertionError("nothing is listened on")

    return NotificationListen(host="127.0.0.1", port=0, listener=none, renew_s=1000, slow_poll_s=500)


async def test_what_csip_names_is_subscribed_and_polled_slowly(make_stage: Make) -> None:
    stage = await subscribed(make_stage)
    found = {body.subscribedResource: body for body in stage.server.bodies(Subscription)}
    assert set(found) == {"/edev", "/edev/1/fsa", "/edev/2/fsa", "/derp", "/derp/1/derc"}
    assert len({body.notificationURI for body in found.values()}) == 5
    asked: list[str] = []
    stage.server.trouble = lambda request: asked.append(request.target)
    await stage.run(400)
    assert not [target for target in asked if target.startswith("/derp?")]
    await stage.run(1000, step=5)
    assert len(stage.server.bodies(Subscription)) == 10, "renewed once"


async def test_a_notification_fetches_what_it_is_about_and_only_that(make_stage: Make, event: Make) -> None:
    stage = await subscribed(make_stage)
    (token,) = [
        body.notificationURI.rpartition("/")[2]
        for body in stage.server.bodies(Subscription)
        if body.subscribedResource == "/derp/1/derc"
    ]
    stage.server.controls = [event(stage.clock.now() + 300)]
    note = Notification(subscribedResource="/derp/1/derc", subscriptionURI="https://server/x", status=0)
    assert not stage.session.notified("f" * 32, note)
    assert not stage.session.notified(token, replace(note, subscribedResource="/derp"))
    assert stage.session.notified(token, note)
    await stage.settle()
    assert stage.server.responses() == [1]


async def test_a_server_may_name_what_was_subscribed_by_another_of_its_addresses(make_stage: Make) -> None:
    """As a server does whose assignments show a program list that it keeps elsewhere: it carries one of its kind."""
    stage = await subscribed(make_stage)
    body = next(b for b in stage.server.bodies(Subscription) if b.subscribedResource == "/derp")
    token = body.notificationURI.rpartition("/")[2]
    note = Notification(subscribedResource="/edev/2/derp", subscriptionURI="https://server/x", status=0)
    assert not stage.session.notified(token, note)
    assert not stage.session.notified(token, replace(note, resource=DERControlList(all=0, results=0)))
    listed = replace(note, resource=DERProgramList(all=0, results=0))
    for other in ("https://elsewhere.example/derp", "/nothing"):
        assert not stage.session.notified(token, replace(listed, subscribedResource=other))
    stage.server.resources["/derp"] = replace(stage.server.resources["/derp"], members=[])
    assert stage.session.notified(token, listed)
    await stage.settle()
    assert stage.house.controls == {}, "what was subscribed was read anew"


@pytest.mark.parametrize("status", [1, 2, 3, 4])
async def test_a_subscription_that_the_server_ended_is_made_anew(make_stage: Make, status: int) -> None:
    stage = await subscribed(make_stage)
    body = next(b for b in stage.server.bodies(Subscription) if b.subscribedResource == "/derp")
    note = Notification(subscribedResource="/derp", subscriptionURI="https://server/x", status=status)
    assert stage.session.notified(body.notificationURI.rpartition("/")[2], note)
    await stage.run(40)
    again = [b for b in stage.server.bodies(Subscription) if b.subscribedResource == "/derp"]
    assert len(again) == 2
    assert again[0] == again[1]


async def test_a_refused_subscription_falls_back_to_polling_and_is_told_once(
    make_stage: Make, caplog: pytest.LogCaptureFixture
) -> None:
    stage = await make_stage()
    stage.server.trouble = lambda request: Reply(400) if request.target.endswith("/sub") else None
    stage.server.subscribable = 1
    stage.session.subscriptions = Subscriptions(replace(stage.settings, notifications=_listen()), "https://us:1/n")
    asked: list[str] = []
    await stage.run(5)
    stage.server.trouble = lambda request: asked.append(request.target)
    await stage.run(60)
    assert len([target for target in asked if target.startswith("/derp?")]) >= 10
    assert stage.status()["subscriptions"] == 0
    told = [line for line in caplog.messages if "to be told at https://us:1/n are answered with 400" in line]
    assert len(told) == 1


# --- the server's own end


async def test_a_device_that_the_server_has_removed_is_let_go(make_stage: Make, event: Make) -> None:
    stage = await make_stage()
    stage.server.controls = [event(stage.clock.now() + 5)]
    await stage.run(8)
    listed = stage.server.resources["/edev"]
    assert isinstance(listed, EndDeviceList)
    stage.server.resources["/edev"] = replace(listed, members=listed.members[:1])
    await stage.run(30)
    assert stage.house.controls == {}
    assert not stage.status()["devices"][0]["listed"]
