"""Who is told what, when, and what the receiver's answer means."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gridiface.northbound.sep2.served import documents
from gridiface.northbound.sep2.settings import NotificationSettings
from gridiface.northbound.sep2.subscriptions.subscriptions import RETRIES_S
from gridiface.northbound.sep2.wire.notification_target import TargetRules
from gridiface.protocols.sep2.resources import Notification
from gridiface.protocols.xmlwire import decode, encode

NS = 'xmlns="urn:ieee:std:2030.5:ns"'
URI = "https://aggregator.example/n"
DERCAP = (
    f"<DERCapability {NS}><modesSupported>00</modesSupported><rtgMaxW><multiplier>0</multiplier><value>9000</value>"
    "</rtgMaxW><type>83</type></DERCapability>"
)
NOTIFICATIONS = NotificationSettings(make=lambda: None, rules=TargetRules(hosts=frozenset({"aggregator.example"})))  # type: ignore[arg-type,return-value]  # nothing is sent here


@pytest.fixture
async def kit(make_kit: Any) -> Any:
    return await make_kit(notifications=NOTIFICATIONS)


async def subscribe(kit: Any, resource: str, *, by: str = "inv-1", limit: int = 10) -> str:
    body = (
        f'<Subscription xmlns="urn:ieee:std:2030.5:ns"><subscribedResource>{resource}</subscribedResource>'
        f"<encoding>0</encoding><level>-S1</level><limit>{limit}</limit><notificationURI>{URI}</notificationURI>"
        "</Subscription>"
    )
    reply = await kit.send("POST", kit.edev(by) + "/sub", body, by=by)
    assert reply.status == 201
    return str(reply.headers["Location"])


def told(kit: Any, answer: int | None = 201) -> list[Notification]:
    """What is sent now; each gets `answer`."""
    found = []
    for outgoing in kit.core.subscriptions.due(kit.clock.time):
        assert outgoing.uri == URI
        found.append(decode(outgoing.body, Notification))
        kit.core.subscriptions.answered(outgoing, answer, kit.clock.time)
    return found


async def post_control(
    kit: Any, mrid: str = "A1" * 16, *, program: str = "inv-1", start: float = 60, duration: int = 600
) -> str:
    body = kit.control(mrid, start=kit.clock.time + start, duration=duration)
    reply = await kit.send("POST", kit.program(program) + "/derc", body)
    return str(reply.headers["Location"])


async def test_send_a_body_equal_to_a_fresh_get_cut_to_limit(kit: Any) -> None:
    path = kit.program("inv-1") + "/derc"
    place = await subscribe(kit, path, limit=2)
    assert told(kit) == []
    for number in range(3):
        await post_control(kit, f"{number + 1:032X}")
    (found,) = told(kit)  # three changes, one notification
    assert (found.status, found.subscribedResource, found.subscriptionURI) == (0, path, f"https://server{place}")
    fresh = await kit.get(f"{path}?l=2", by="inv-1")
    assert encode(found.resource) == encode(fresh)
    assert (found.resource.all, found.resource.results) == (3, 2)
    assert told(kit) == []


@pytest.mark.parametrize(("suffix", "sent"), [("/derc", True), ("", False)])
async def test_limit_0_sends_a_list_without_members_and_nothing_of_a_single_resource(
    kit: Any, suffix: str, sent: bool
) -> None:
    edev = kit.edev("inv-1")
    await subscribe(kit, kit.program("inv-1") + suffix if sent else edev, limit=0)
    await post_control(kit)
    item = kit.core.state.tree.item(edev)
    item.obj.enabled = False
    kit.core.state.tree.set(item, item.obj)
    (found,) = told(kit)
    if sent:
        assert (found.resource.all, found.resource.results, found.resource.members) == (1, 0, [])
    else:
        assert found.resource is None


async def test_send_one_notification_per_change_and_none_for_the_parent(kit: Any) -> None:
    program, edev = kit.program("inv-1"), kit.edev("inv-1")
    for path in (program, "/derp", f"{edev}/fsa/1/derp", edev, "/edev", f"{program}/derc"):
        await subscribe(kit, path)
    href = await post_control(kit)
    assert [n.subscribedResource for n in told(kit)] == [f"{program}/derc"]
    kit.clock.time += 10
    await subscribe(kit, href)
    cancel = kit.control(start=kit.NOW + 60, status=2)
    assert (await kit.send("PUT", href, cancel)).status == 204
    (found,) = told(kit)  # the control itself, not the list that holds it
    assert (found.subscribedResource, found.resource.eventStatus.currentStatus) == (href, 2)


async def test_a_change_that_was_taken_back_is_not_told(kit: Any) -> None:
    await subscribe(kit, kit.program("inv-1"))
    item = kit.core.state.tree.item(kit.program("inv-1"))
    before = item.obj.primacy
    for primacy in (3, before):
        item.obj.primacy = primacy
        kit.core.state.tree.set(item, item.obj)
    assert told(kit) == []


async def test_a_flip_of_status_is_told(kit: Any) -> None:
    await post_control(kit)
    await subscribe(kit, kit.program("inv-1") + "/derc")
    kit.at(60)
    (found,) = told(kit)
    assert found.resource.members[0].eventStatus.currentStatus == 1


async def test_the_end_of_a_control_is_told(kit: Any) -> None:
    path = kit.program("inv-1") + "/derc"
    await post_control(kit)
    kit.at(60)
    await subscribe(kit, path)
    kit.at(659)
    assert told(kit) == []
    kit.at(660)
    (found,) = told(kit)
    assert (found.status, found.resource.all, found.resource.members) == (0, 0, [])
    assert encode(found.resource) == encode(await kit.get(f"{path}?l=10", by="inv-1"))


async def test_a_changed_primacy_end_device_and_default_control_are_told(kit: Any) -> None:
    edev, program = kit.edev("inv-1"), kit.program("inv-1")
    default = (
        f"<DefaultDERControl {NS}><mRID>D1</mRID><DERControlBase><opModMaxLimW>{{}}</opModMaxLimW></DERControlBase>"
        "</DefaultDERControl>"
    )
    assert (await kit.send("PUT", f"{program}/dderc", default.format(9000))).status == 204
    for path in ("/derp", edev, f"{program}/dderc"):
        await subscribe(kit, path)
    record = kit.core.state.by_device["inv-1"]
    await kit.core.assignments.rank(kit.core.state.programs[record.program], 3, kit.clock.time)
    (found,) = told(kit)
    assert (found.subscribedResource, found.resource.members[0].primacy) == ("/derp", 3)
    await kit.core.operating.set_post_rate(record, 60, kit.clock.time)
    (found,) = told(kit)
    assert (found.subscribedResource, found.resource.postRate) == (edev, 60)
    assert (await kit.send("PUT", f"{program}/dderc", default.format(8000))).status == 204
    (found,) = told(kit)
    assert (found.subscribedResource, found.resource.derControlBase.opModMaxLimW) == (f"{program}/dderc", 8000)


async def test_two_notifications_keep_their_distance(kit: Any) -> None:
    await subscribe(kit, kit.program("inv-1") + "/derc")
    await post_control(kit)
    assert len(told(kit)) == 1
    await post_control(kit, "B1" * 16)
    assert told(kit) == []
    assert kit.core.subscriptions.next_timer(kit.clock.time) == kit.NOW + 1
    kit.at(1)
    (found,) = told(kit)
    assert found.resource.all == 2


@pytest.mark.parametrize("answer", [None, 500, 503])
async def test_without_an_answer_it_is_sent_again_and_given_up_at_last(kit: Any, answer: int | None) -> None:
    place = await subscribe(kit, kit.program("inv-1") + "/derc")
    await post_control(kit, duration=100_000)
    assert len(told(kit, answer)) == 1
    at = 0.0
    for wait in RETRIES_S:
        kit.at(at + wait - 1)
        assert told(kit, answer) == []
        at += wait
        kit.at(at)
        assert len(told(kit, answer)) == 1
    kit.at(at + 5000)
    assert told(kit) == []
    assert kit.core.subscriptions.counts.given_up == 1
    assert (await kit.get(place, by="inv-1")).href == place  # kept
    await post_control(kit, "B1" * 16)
    assert len(told(kit)) == 1


async def renewed(kit: Any, resource: str, place: str, uri: str = URI) -> None:
    body = (
        f"<Subscription {NS}><subscribedResource>{resource}</subscribedResource><encoding>0</encoding>"
        f"<level>-S1</level><limit>10</limit><notificationURI>{uri}</notificationURI></Subscription>"
    )
    method, path = ("POST", kit.edev("inv-1") + "/sub") if uri == URI else ("PUT", place)
    assert (await kit.send(method, path, body, by="inv-1")).status == 204


async def test_what_waits_for_a_receiver_is_told_when_it_subscribes_again(kit: Any) -> None:
    path = kit.program("inv-1") + "/derc"
    place = await subscribe(kit, path)
    await post_control(kit, start=200_000)
    assert len(told(kit, None)) == 1
    await renewed(kit, path, place)
    (found,) = told(kit)  # at once: whoever subscribes is there again
    assert (found.subscriptionURI, found.resource.all) == (f"https://server{place}", 1)
    kit.at(10_000)
    assert told(kit) == []
    await renewed(kit, path, place)
    assert told(kit) == []


async def test_an_answer_that_comes_after_a_renewal_counts(kit: Any) -> None:
    path = kit.program("inv-1") + "/derc"
    place = await subscribe(kit, path)
    await post_control(kit, start=200_000)
    (outgoing,) = kit.core.subscriptions.due(kit.clock.time)
    await renewed(kit, path, place)
    assert told(kit) == []
    kit.core.subscriptions.answered(outgoing, 201, kit.clock.time)
    kit.at(100)
    assert told(kit) == []
    await post_control(kit, "B1" * 16, start=200_000)
    assert len(told(kit)) == 1


async def test_another_receiver_is_told_only_of_what_comes(kit: Any) -> None:
    path = kit.program("inv-1") + "/derc"
    place = await subscribe(kit, path)
    await post_control(kit, start=200_000)
    assert len(told(kit, None)) == 1
    await renewed(kit, path, place, uri="https://aggregator.example/other")
    kit.at(10_000)
    assert told(kit) == []


async def test_what_changes_while_a_subscription_is_stored_is_told(kit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    program = kit.core.state.tree.item(kit.program("inv-1"))
    commit = kit.ledger.commit

    async def meanwhile(changes: Any) -> None:
        await commit(changes)
        if any(getattr(change, "space", "") == documents.SUBSCRIPTIONS for change in changes):
            kit.core.state.tree.set(program, replace(program.obj, primacy=3))

    monkeypatch.setattr(kit.ledger, "commit", meanwhile)
    await subscribe(kit, program.path)
    (found,) = told(kit)
    assert found.resource.primacy == 3


@pytest.mark.parametrize("answer", [408, 429, 503])
@pytest.mark.parametrize(("asked", "waits"), [(None, 10), (0.0, 10), (60.0, 60), (86_400.0, 1800)])
async def test_a_receiver_that_is_busy_says_when_to_come_again(
    kit: Any, answer: int, asked: float | None, waits: int
) -> None:
    await subscribe(kit, kit.program("inv-1") + "/derc")
    await post_control(kit, duration=100_000)
    (sent,) = kit.core.subscriptions.due(kit.clock.time)
    kit.core.subscriptions.answered(sent, answer, kit.clock.time, asked)
    kit.at(waits - 1)
    assert told(kit) == []
    kit.at(waits)
    assert len(told(kit)) == 1
    assert kit.core.subscriptions.counts.given_up == 0


@pytest.mark.parametrize("answer", [201, 503])
async def test_notifications_go_on_when_the_clock_was_set_back(kit: Any, answer: int) -> None:
    await subscribe(kit, kit.program("inv-1") + "/derc")
    await post_control(kit, duration=100_000)
    assert len(told(kit, answer)) == 1
    kit.clock.time -= 7200
    await post_control(kit, "B1" * 16, duration=100_000)
    assert kit.core.subscriptions.next_timer(kit.clock.time) <= kit.clock.time
    assert len(told(kit)) == 1


@pytest.mark.parametrize("answer", [301, 404, 403])
async def test_other_refusals_are_not_tried_again(kit: Any, answer: int) -> None:
    await subscribe(kit, kit.program("inv-1") + "/derc")
    await post_control(kit, duration=100_000)
    assert len(told(kit, answer)) == 1
    kit.at(4000)
    assert [n.resource.members[0].eventStatus.currentStatus for n in told(kit)] in ([], [1])
    assert kit.core.subscriptions.counts.given_up == 1


async def test_delete_the_subscription_after_a_400_answer(kit: Any) -> None:
    place = await subscribe(kit, kit.program("inv-1") + "/derc")
    await post_control(kit)
    assert len(told(kit, 400)) == 1
    assert (await kit.send("GET", place, by="inv-1")).status == 404
    await post_control(kit, "B1" * 16)
    await kit.flush()
    assert told(kit) == []
    assert len((await kit.restarted()).core.subscriptions) == 0


async def test_keep_subscriptions_and_retries_over_a_restart(kit: Any) -> None:
    await subscribe(kit, kit.program("inv-1") + "/derc")
    await post_control(kit)
    assert len(told(kit, 503)) == 1
    await kit.flush()
    other = await kit.restarted()
    assert told(other) == []
    assert other.core.subscriptions.next_timer(other.clock.time) == kit.NOW + 10
    other.at(10)
    (found,) = told(other)
    assert found.resource.all == 1
    await other.flush()
    assert told(await other.restarted()) == []


async def test_a_change_that_was_never_told_is_told_after_a_restart(kit: Any) -> None:
    await subscribe(kit, kit.program("inv-1") + "/derc")
    await post_control(kit)
    (found,) = told(await kit.restarted())
    assert found.resource.all == 1


@pytest.mark.parametrize("restart", [False, True])
async def test_send_status_4_when_the_resource_is_gone(kit: Any, restart: bool) -> None:
    program = kit.program("inv-1")
    href = await post_control(kit, program="fleet")
    place = await subscribe(kit, kit.program("inv-1"))
    await subscribe(kit, program + "/derc")
    kit.core.state.tree.remove(program)
    assert href
    await kit.flush()
    if restart:
        kit.core.subscriptions.due(kit.clock.time)  # on their way while the process ends
        kit = await kit.restarted()
    found = told(kit)
    assert [(n.status, n.resource) for n in found] == [(4, None), (4, None)]
    assert (await kit.send("GET", place, by="inv-1")).status == 404
    await kit.flush()
    assert told(kit) == []


async def test_send_status_1_when_it_cancels_and_nothing_afterwards(kit: Any) -> None:
    place = await subscribe(kit, kit.program("inv-1") + "/derc")
    core = kit.core.subscriptions
    core.end(core.get(place), 1)
    (found,) = told(kit)
    assert (found.status, found.resource) == (1, None)
    await post_control(kit)
    assert told(kit) == []


async def test_an_ended_subscription_names_the_new_place(kit: Any) -> None:
    place = await subscribe(kit, kit.program("inv-1") + "/derc")
    core = kit.core.subscriptions
    core.end(core.get(place), 2, "https://elsewhere/derp/9/derc")
    (found,) = told(kit, 400)
    assert (found.status, found.newResourceURI) == (2, "https://elsewhere/derp/9/derc")
    assert told(kit) == []


async def test_when_its_device_leaves_nothing_is_said_any_more(kit: Any) -> None:
    await subscribe(kit, "/derp")
    record = kit.core.state.by_device["inv-1"]
    await kit.core.membership.remove(record, kit.clock.time)
    await kit.flush()
    assert (told(kit), len(kit.core.subscriptions)) == ([], 0)
    assert not [key for key in kit.ledger.kept if key[0] in {"sep2/sub", "sep2/told"}]


async def test_an_aggregator_hears_of_a_new_device_among_its_own_only(kit: Any) -> None:
    await subscribe(kit, "/edev", by="aggregator")
    await subscribe(kit, "/edev", by="inv-1")
    record = kit.core.state.by_device["managed-1"]
    await kit.core.membership.remove(record, kit.clock.time)
    assert [n.resource.all for n in told(kit)] == [2]


async def test_fsa_and_primacy_changes_are_told(make_kit: Any) -> None:
    kit = await make_kit(notifications=NOTIFICATIONS, node_programs=True)
    edev = kit.edev("inv-1")
    for path in (edev, f"{edev}/fsa", "/derp"):
        await subscribe(kit, path)
    group = kit.fleet.grouped["fleet"]
    kit.fleet.grouped["inner"] = replace(group, id="inner", name="Inner", members=("inv-1",))
    await kit.core.reconcile(kit.clock.time)
    found = {n.subscribedResource: n.resource for n in told(kit)}
    assert set(found) == {f"{edev}/fsa", "/derp"}  # the new assignment's end device is its parent
    assert found[f"{edev}/fsa"].all == 3
    own = kit.settings.channel.primacy
    assert [p.primacy for p in found["/derp"].members] == [own, own + 1, own + 2]


# --- readings -------------------------------------------------------------------------------------------------------


def reading(value: int, uom: int = 38) -> str:
    return (
        f"<MirrorMeterReading {NS}><mRID>BB01</mRID><MirrorReadingSet><mRID>{value + 4096:04X}</mRID><timePeriod>"
        f"<duration>9</duration><start>{value + 4096}</start></timePeriod><Reading><value>{value}</value></Reading>"
        "</MirrorReadingSet>"
        f"<Reading><value>{value}</value></Reading><ReadingType><uom>{uom}</uom></ReadingType></MirrorMeterReading>"
    )


async def mirrored(kit: Any) -> str:
    """The Reading of a mirror's one quantity, which is 10 W."""
    body = (
        f"<MirrorUsagePoint {NS}><mRID>AA01</mRID><roleFlags>0049</roleFlags><serviceCategoryKind>0"
        f"</serviceCategoryKind><status>1</status><deviceLFDI>{kit.lfdi['inv-1']}</deviceLFDI>"
        f"{reading(10).replace(f' {NS}', '')}</MirrorUsagePoint>"
    )
    await kit.post("/mup", body, by="inv-1")
    return "/upt/1/mr/1/r"


def conditional(resource: str, low: int = 0, high: int = 100, attribute: int = 0, encoding: int = 0) -> str:
    return (
        f"<Subscription {NS}><subscribedResource>{resource}</subscribedResource><Condition><attributeIdentifier>"
        f"{attribute}</attributeIdentifier><lowerThreshold>{low}</lowerThreshold><upperThreshold>{high}"
        f"</upperThreshold></Condition><encoding>{encoding}</encoding><level>-S1</level><limit>1</limit>"
        f"<notificationURI>{URI}</notificationURI></Subscription>"
    )


async def test_a_reading_is_told_only_outside_its_thresholds(kit: Any) -> None:
    path = await mirrored(kit)
    await kit.post(kit.edev("inv-1") + "/sub", conditional(path), by="inv-1")
    heard: list[int | None] = []
    for value in (50, 101, 100, -1, 0, 300, 20):
        reply = await kit.send("POST", "/mup/1", reading(value), by="inv-1")
        assert reply.status in {201, 204}
        kit.clock.time += 5
        for found in told(kit):
            heard.append(found.resource.value)
            fresh = await kit.get(path, by="inv-1")
            assert encode(found.resource) == encode(fresh)
    assert heard == [101, -1, 300]


async def test_a_conditional_subscription_survives_a_restart(kit: Any) -> None:
    path = await mirrored(kit)
    await kit.post(kit.edev("inv-1") + "/sub", conditional(path), by="inv-1")
    other = await kit.restarted()
    assert told(other) == []
    await other.send("POST", "/mup/1", reading(500), by="inv-1")
    assert [found.resource.value for found in told(other)] == [500]


async def test_reading_sets_are_told_as_they_come(kit: Any) -> None:
    await mirrored(kit)
    await subscribe(kit, "/upt/1/mr/1/rs")
    await kit.send("POST", "/mup/1", reading(77), by="inv-1")
    (found,) = told(kit)
    assert (found.status, found.resource.all) == (0, 2)


async def test_a_quantity_that_means_something_else_ends_its_subscription_with_status_3(kit: Any) -> None:
    path = await mirrored(kit)
    place = await kit.post(kit.edev("inv-1") + "/sub", conditional(path), by="inv-1")
    await kit.send("POST", "/mup/1", reading(500, uom=63), by="inv-1")
    assert [found.status for found in told(kit)] == [3]
    assert (await kit.send("GET", place, by="inv-1")).status == 404
    await kit.send("POST", "/mup/1", reading(600, uom=63), by="inv-1")
    assert told(kit) == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"attribute": 1}, 3), ({"low": 5, "high": 4}, 1), ({"encoding": 1}, 1)],
)
async def test_conditions_that_make_no_sense_and_exi_are_refused(kit: Any, change: dict[str, int], reason: int) -> None:
    body = conditional(await mirrored(kit), **change)
    reply = await kit.send("POST", kit.edev("inv-1") + "/sub", body, by="inv-1")
    assert (reply.status, kit.typed(reply).reasonCode) == (400, reason)


async def test_what_is_no_reading_takes_no_condition(kit: Any) -> None:
    for resource in (kit.program("inv-1") + "/derc", kit.edev("inv-1"), kit.edev("inv-1") + "/der/1/ders"):
        reply = await kit.send("POST", kit.edev("inv-1") + "/sub", conditional(resource), by="inv-1")
        assert (reply.status, kit.typed(reply).reasonCode) == (400, 3)


# --- moved ----------------------------------------------------------------------------------------------------------


async def test_a_device_that_moves_between_nodes_is_told_where_its_program_is_now(make_kit: Any) -> None:
    """Status 2 with the new address where the sibling has the same resource; 4 where there is none."""
    kit = await make_kit(notifications=NOTIFICATIONS, node_programs=True)
    fleet = kit.fleet
    fleet.grouped = {
        "east": replace(fleet.grouped["fleet"], id="east", name="east", members=("inv-1",)),
        "west": replace(fleet.grouped["fleet"], id="west", name="west", members=("bat-1",)),
    }
    await kit.core.reconcile(kit.NOW)
    east, west = (kit.core.state.nodes[name].path for name in ("east", "west"))
    place = await subscribe(kit, f"{east}/derc")
    fleet.grouped["east"] = replace(fleet.grouped["east"], members=())
    fleet.grouped["west"] = replace(fleet.grouped["west"], members=("bat-1", "inv-1"))
    await kit.core.reconcile(kit.NOW + 1)
    (found,) = told(kit)
    assert (found.status, found.newResourceURI) == (2, f"https://server{west}/derc")
    assert (await kit.send("GET", place, by="inv-1")).status == 404
    await subscribe(kit, f"{west}/derc")
    fleet.grouped["west"] = replace(fleet.grouped["west"], members=("bat-1",))
    await kit.core.reconcile(kit.NOW + 2)
    assert [(n.status, n.newResourceURI) for n in told(kit)] == [(4, None)]


async def test_a_new_poll_rate_is_told(kit: Any) -> None:
    await subscribe(kit, "/edev", by="aggregator")
    await subscribe(kit, kit.program("inv-1") + "/derc")
    told(kit)
    await kit.core.operating.set_poll_rate("EndDeviceList", 30)
    (found,) = told(kit)
    assert (found.subscribedResource, found.resource.pollRate) == ("/edev", 30)
    kit.clock.time += 5
    await kit.core.operating.set_poll_rate("EndDeviceList", 30)
    assert told(kit) == []


async def followed(kit: Any) -> bool:
    """What the server does between two turns of its loop; whether the inverter is said to poll."""
    await kit.core.membership.followed(sorted(kit.core.subscriptions.take_followed()), kit.clock.time)
    return bool(kit.fleet.device("inv-1").traits.polls)


async def test_who_subscribes_to_its_controls_need_not_poll(kit: Any) -> None:
    await kit.send("PUT", kit.edev("inv-1") + "/der/1/dercap", DERCAP, by="inv-1")
    assert await followed(kit)
    await subscribe(kit, kit.program("inv-1"))
    assert await followed(kit)  # of its program it is told other things than controls
    place = await subscribe(kit, kit.program("inv-1") + "/derc")
    assert not await followed(kit)
    await kit.send("PUT", kit.edev("inv-1") + "/der/1/dercap", DERCAP, by="inv-1")
    assert not kit.fleet.device("inv-1").traits.polls
    await kit.send("DELETE", place, by="inv-1")
    assert await followed(kit)


async def test_a_subscription_that_the_server_ends_leaves_a_device_that_polls(kit: Any) -> None:
    await kit.send("PUT", kit.edev("inv-1") + "/der/1/dercap", DERCAP, by="inv-1")
    place = await subscribe(kit, kit.program("inv-1") + "/derc")
    assert not await followed(kit)
    kit.core.subscriptions.end(kit.core.subscriptions.get(place), 4)
    assert await followed(kit)
