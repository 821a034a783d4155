"""The client core against a small server made of resources: discovery, events, responses, trouble."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridiface.errors import LocalProtocolError
from gridiface.protocols.sep2 import exchange
from gridiface.protocols.sep2.client import Client
from gridiface.protocols.sep2.client_config import ClientConfig
from gridiface.protocols.sep2.client_events import (
    BadReply,
    ClientEvent,
    ControlChanged,
    EventHappened,
    EventWithdrawn,
    RegistrationChecked,
    ResourceChanged,
    ResourceGone,
    ServerMoved,
    TimeSet,
    TimeUnsafe,
    WriteDone,
)
from gridiface.protocols.sep2.client_reading import read
from gridiface.protocols.sep2.exchange import Reply, Request
from gridiface.protocols.sep2.lists import page, parse_query
from gridiface.protocols.sep2.resources import (
    ActivePower,
    DateTimeInterval,
    DefaultDERControl,
    DERCapability,
    DERControl,
    DERControlBase,
    DERControlList,
    DERControlResponse,
    DERProgram,
    DERProgramList,
    DeviceCapability,
    EndDevice,
    EndDeviceList,
    EventStatus,
    FunctionSetAssignments,
    FunctionSetAssignmentsList,
    Link,
    List,
    ListLink,
    Notification,
    Registration,
    SubscribableList,
    Time,
)
from gridiface.protocols.xmlwire import WireObject, decode, encode

LFDI, MANAGED, FOREIGN = "A" * 40, "B" * 40, "C" * 40
OFFSET = 1_000_000
WATTS = DERControlBase(opModTargetW=ActivePower(multiplier=0, value=500))


def control(start: int, mrid: str = "C0", status: int = 0, reply_to: str | None = "/rsps/1/rsp") -> DERControl:
    return DERControl(
        href=f"/derp/1/derc/{mrid}",
        mRID=mrid,
        replyTo=reply_to,
        responseRequired=3,
        creationTime=OFFSET,
        eventStatus=EventStatus(currentStatus=status, dateTime=OFFSET, potentiallySuperseded=False),
        interval=DateTimeInterval(duration=60, start=start),
        derControlBase=WATTS,
    )


def device(lfdi: str, number: int) -> EndDevice:
    return EndDevice(
        href=f"/edev/{number}", lFDI=lfdi, sFDI=number, changedTime=1,
        FunctionSetAssignmentsListLink=ListLink(href=f"/edev/{number}/fsa", all=1),
        RegistrationLink=Link(href=f"/edev/{number}/rg"),
    )  # fmt: skip


class Server:
    """Resources by path; every request is answered at once, by `trouble` first."""

    def __init__(self) -> None:
        assigned = FunctionSetAssignments(mRID="F1", DERProgramListLink=ListLink(href="/derp", all=1))
        self.controls = [control(OFFSET + 100)]
        self.resources: dict[str, WireObject] = {
            "/dcap": DeviceCapability(
                href="/dcap", pollRate=300, TimeLink=Link(href="/tm"), EndDeviceListLink=ListLink(href="/edev", all=3)
            ),
            "/edev": EndDeviceList(all=3, results=3, members=[device(LFDI, 1), device(MANAGED, 2), device(FOREIGN, 3)]),
            "/edev/1/rg": Registration(dateTimeRegistered=1, pIN=111115),
            "/edev/2/rg": Registration(dateTimeRegistered=1, pIN=5),
            "/edev/1/fsa": FunctionSetAssignmentsList(all=1, results=1, members=[assigned]),
            "/edev/2/fsa": FunctionSetAssignmentsList(all=1, results=1, members=[assigned]),
            "/derp": DERProgramList(
                all=1, results=1, pollRate=10,
                members=[DERProgram(mRID="A1", primacy=4, DERControlListLink=ListLink(href="/derp/1/derc"),
                                    DefaultDERControlLink=Link(href="/derp/1/dderc"))],
            ),
            "/derp/1/dderc": DefaultDERControl(mRID="D1", derControlBase=DERControlBase(opModMaxLimW=6000)),
        }  # fmt: skip
        self.posted: list[tuple[float, str, str, WireObject | None]] = []
        self.asked: list[str] = []
        self.trouble: Callable[[Request], Reply | None] = lambda _request: None

    def answer(self, request: Request, now: float) -> Reply:
        self.asked.append(request.target)
        refused = self.trouble(request)
        if refused is not None:
            return refused
        path, query = exchange.split_target(request.target)
        if request.method != "GET":
            body = decode(request.body, (DERControlResponse, EndDevice, DERCapability)) if request.body else None
            self.posted.append((now, request.method, path, body))
            return exchange.created(f"{path}/9") if request.method == "POST" else exchange.changed()
        resource = self.resource(path, now)
        if resource is None:
            return Reply(404)
        if isinstance(resource, List | SubscribableList):
            members: list[Any] = resource.members  # type: ignore[union-attr]
            part = page(members, parse_query(query), most=2)
            resource = replace(resource, all=part.all, results=part.results, members=list(part.items))  # type: ignore[call-arg]
        return exchange.found(encode(resource))

    def resource(self, path: str, now: float) -> WireObject | None:
        if path == "/tm":
            return Time(currentTime=int(now) + OFFSET, dstEndTime=0, dstOffset=0, dstStartTime=0, quality=7, tzOffset=0)
        if path == "/derp/1/derc":
            return DERControlList(all=0, results=0, members=self.controls)
        return self.resources.get(path)


def config(**more: Any) -> ClientConfig:
    return ClientConfig(**{"lfdi": LFDI, "sfdi": 1, "authority": "server", "pin": 111115} | more)


class World:
    """A client and a server on one clock."""

    def __init__(self, **more: Any) -> None:
        self.server = Server()
        self.client = Client(config(**more), Random(1))
        self.now = 0.0
        self.events: list[ClientEvent] = []
        self.silent = False

    def settle(self) -> None:
        for _ in range(200):
            out = self.client.next_requests(self.now)
            for outgoing in out:
                if self.silent:
                    self.client.on_failure(outgoing.number, self.now)
                else:
                    self.client.on_reply(outgoing.number, self.server.answer(outgoing.request, self.now), self.now)
            while (event := self.client.next_event()) is not None:
                self.events.append(event)
            if not out:
                return
        raise AssertionError("the client never comes to rest")

    def run(self, until: float) -> None:
        self.settle()
        while (due := self.client.next_timer()) is not None and due <= until:
            assert due > self.now or self.client.next_requests(self.now) == []
            self.now = max(due, self.now)
            self.settle()
        self.now = until
        self.settle()

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def responses(self, lfdi: str = LFDI) -> list[tuple[float, int | None]]:
        bodies = [(now, body) for now, _, _, body in self.server.posted if isinstance(body, DERControlResponse)]
        return [(now, body.status) for now, body in bodies if body.endDeviceLFDI == lfdi]


def test_discovery_follows_the_links_of_own_devices_only() -> None:
    world = World()
    world.settle()
    assert {target.partition("?")[0] for target in world.server.asked} - {"/rsps/1/rsp"} == {
        "/dcap", "/tm", "/edev", "/edev/1/rg", "/edev/1/fsa", "/derp", "/derp/1/derc", "/derp/1/dderc",
    }  # fmt: skip
    assert world.of(TimeSet) == [TimeSet(float(OFFSET), 7)]
    assert world.of(RegistrationChecked) == [RegistrationChecked(fits=True)]
    assert world.client.server_time(5) == OFFSET + 5
    own = world.client.devices[LFDI].end_device
    assert own is not None
    assert own.href == "/edev/1"


def test_a_control_is_received_started_completed_and_answered() -> None:
    world = World()
    world.run(300)
    assert world.responses() == [(0, 1), (100, 2), (160, 3)]
    (_, method, path, body) = world.server.posted[0]
    assert (method, path) == ("POST", "/rsps/1/rsp")
    assert body == DERControlResponse(createdDateTime=OFFSET, endDeviceLFDI=LFDI, status=1, subject="C0")
    assert [event.transition.status for event in world.of(EventHappened)] == [1, 2, 3]
    in_force = [{m: held.source for m, held in event.in_force.items()} for event in world.of(ControlChanged)]
    default = {"opModMaxLimW": "D1"}
    assert in_force == [default, default | {"opModTargetW": "C0"}, default]
    assert all(event.outcome.accepted for event in world.of(WriteDone))


def test_an_aggregator_answers_for_each_of_its_devices() -> None:
    world = World(managed=frozenset({MANAGED}))
    world.run(300)
    for lfdi in (LFDI, MANAGED):
        assert [status for _, status in world.responses(lfdi)] == [1, 2, 3]
    assert world.responses(FOREIGN) == []
    assert len([t for t in world.server.asked if t.startswith("/derp?")]) < 40


def test_resources_are_polled_at_their_rates() -> None:
    world = World()
    world.run(299)
    asked = [target.partition("?")[0] for target in world.server.asked]
    assert asked.count("/dcap") == 1
    assert asked.count("/derp") == 30
    assert asked.count("/derp/1/derc") >= 30
    world.run(301)
    assert world.server.asked.count("/dcap") == 2


def test_the_control_list_is_looked_at_just_before_a_control_begins() -> None:
    world = World()
    world.server.resources["/derp"] = replace(world.server.resources["/derp"], pollRate=900)  # type: ignore[call-arg]
    world.run(97)
    assert sum(target.startswith("/derp/1/derc") for target in world.server.asked) == 1
    world.server.controls = [control(OFFSET + 100, status=2)]
    world.run(300)
    assert [status for _, status in world.responses()] == [1, 6]
    assert not any("opModTargetW" in event.in_force for event in world.of(ControlChanged))


def test_a_notification_makes_a_resource_due() -> None:
    world = World()
    world.settle()
    world.server.controls = [control(OFFSET + 200, "C1")]
    before = len(world.server.asked)
    note = Notification(subscribedResource="/derp/1/derc?l=5", subscriptionURI="https://a/b", status=0)
    world.client.on_notification(note, world.now)
    world.settle()
    assert world.server.asked[before].startswith("/derp/1/derc?")
    assert [event.transition.mrid for event in world.of(EventHappened)] == ["C0", "C1"]


def test_the_wrong_pin_stops_everything() -> None:
    world = World(pin=5)
    world.run(1000)
    assert world.of(RegistrationChecked) == [RegistrationChecked(fits=False)]
    assert world.client.refused
    assert world.client.next_requests(5000) == []
    assert world.client.next_timer() is None or world.client.next_requests(world.now) == []
    assert not any(status in {2, 3} for _, status in world.responses())


def test_without_time_no_control_is_acted_on() -> None:
    world = World()
    world.server.trouble = lambda request: Reply(404) if request.target == "/tm" else None
    world.run(400)
    assert world.client.server_time(0) is None
    assert world.responses() == []
    assert world.of(ControlChanged) == []


def test_an_unknown_client_registers_where_it_may() -> None:
    world = World(lfdi="D" * 40, register=True)
    world.settle()
    posts = [(path, body) for _, method, path, body in world.server.posted if method == "POST"]
    assert posts == [("/edev", EndDevice(lFDI="D" * 40, sFDI=1, changedTime=posts[0][1].changedTime))]  # type: ignore[union-attr]
    quiet = World(lfdi="D" * 40)
    quiet.settle()
    assert quiet.server.posted == []


def test_writes_go_out_and_come_back() -> None:
    world = World()
    world.settle()
    capability = DERCapability(modesSupported=1, rtgMaxW=ActivePower(multiplier=0, value=5), type=4)
    number = world.client.put("/edev/1/der/1/dercap", capability, world.now)
    other = world.client.delete("/edev/1/sub/1", world.now)
    world.settle()
    assert {(d.outcome.number, d.outcome.status) for d in world.of(WriteDone)} >= {(number, 204), (other, 204)}
    assert ("PUT", "/edev/1/der/1/dercap", capability) in [posted[1:] for posted in world.server.posted]
    with pytest.raises(LocalProtocolError, match="not on this server"):
        world.client.post("https://elsewhere/x", capability, world.now)


def test_a_lost_link_is_bridged_and_everything_is_delivered_once() -> None:
    world = World()
    world.settle()
    world.silent = True
    world.run(170)
    assert world.responses() == [(0, 1)]
    assert "opModTargetW" in {mode for event in world.of(ControlChanged) for mode in event.in_force}
    world.silent = False
    world.run(800)
    assert [status for _, status in world.responses()] == [1, 2, 3]


def test_a_busy_server_is_left_alone_for_as_long_as_it_says() -> None:
    world = World()
    world.server.trouble = lambda _request: Reply(503, {"Retry-After": "50"})
    world.run(49)
    assert world.server.asked == ["/dcap"]
    world.server.trouble = lambda _request: None
    world.run(60)
    assert len(world.server.asked) > 5


def test_redirects_are_followed_for_reading_and_writing() -> None:
    world = World()

    def moved(request: Request) -> Reply | None:
        for old, new in {"/dcap": "https://server/v2/dcap", "/rsps/1/rsp": "/v2/rsp", "/derp": "/v2/derp"}.items():
            if request.target.partition("?")[0] == old:
                return exchange.moved(new)
        return None

    world.server.trouble = moved
    world.server.resources["/v2/dcap"] = world.server.resources["/dcap"]
    world.server.resources["/v2/derp"] = world.server.resources["/derp"]
    world.run(300)
    assert [path for _, _, path, _ in world.server.posted] == ["/v2/rsp"] * 3


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_every_kind_of_redirect_of_a_get_is_followed(status: int) -> None:
    world = World()
    world.server.resources["/programs"] = world.server.resources["/derp"]
    moved = Reply(status, {"Location": "/programs"})
    world.server.trouble = lambda request: moved if request.target.startswith("/derp?") else None
    world.run(5.0)
    assert world.of(ControlChanged)


def test_a_redirect_to_an_address_with_a_query_of_its_own_is_followed() -> None:
    world = World()
    world.server.resources["/lists"] = world.server.resources["/edev"]

    def elsewhere(request: Request) -> Reply | None:
        path, _, query = request.target.partition("?")
        if path == "/edev":
            return exchange.moved(f"/lists?which=edev&{query}")
        return Reply(404) if path == "/lists" and "which=edev" not in query else None

    world.server.trouble = elsewhere
    world.run(200.0)
    assert [status for _, status in world.responses()] == [1, 2, 3]


def test_303_after_a_write_says_that_it_is_done() -> None:
    world = World()
    world.settle()
    world.server.trouble = lambda r: Reply(303, {"Location": "/done/1"}) if r.method == "PUT" else None
    capability = DERCapability(modesSupported=1, rtgMaxW=ActivePower(multiplier=0, value=5), type=4)
    number = world.client.put("/edev/1/der/1/dercap", capability, world.now)
    world.settle()
    assert (number, True) in [(d.outcome.number, d.outcome.accepted) for d in world.of(WriteDone)]


@pytest.mark.parametrize(
    ("after", "date", "waits"),
    [
        ("Wed, 21 Oct 2026 07:28:30 GMT", "Wed, 21 Oct 2026 07:27:00 GMT", 90.0),
        ("Wed, 21 Oct 2026 07:26:00 GMT", "Wed, 21 Oct 2026 07:27:00 GMT", 2.0),
        ("Wed, 21 Oct 2099 07:26:00 GMT", "Wed, 21 Oct 2026 07:27:00 GMT", 86_400.0),
        ("Wed, 21 Oct 2026 07:28:30 GMT", "", None),
        ("soon", "Wed, 21 Oct 2026 07:27:00 GMT", None),
        ("120", "", 120.0),
        ("0", "", 2.0),
        ("999999999", "", 86_400.0),
        ("9" * 400, "", 86_400.0),
    ],
)
def test_a_busy_server_says_when_by_a_number_or_a_date(after: str, date: str, waits: float | None) -> None:
    world = World()
    (asked,) = world.client.next_requests(world.now)
    headers = {"Retry-After": after} | ({"Date": date} if date else {})
    world.client.on_reply(asked.number, Reply(503, headers), world.now)
    due = world.client.tree.nodes["/dcap"].next_at
    assert due == waits if waits is not None else 0.0 < due < 10.0


@pytest.mark.parametrize("location", ["https://elsewhere/dcap", "/dcap", ""])
def test_redirects_that_lead_astray_are_not_followed(location: str) -> None:
    world = World()
    world.server.trouble = lambda _request: Reply(302, {"Location": location})
    world.run(20)
    assert set(world.server.asked) == {"/dcap"}
    assert world.of(BadReply)


def test_a_redirect_circle_does_not_spin() -> None:
    world = World()
    world.server.trouble = lambda r: exchange.moved("/b" if r.target == "/dcap" else "/dcap")
    world.run(200)
    assert len(world.server.asked) < 20


def test_a_resource_that_goes_away_is_reported_and_forgotten() -> None:
    world = World()
    world.settle()
    world.server.resources["/derp"] = replace(world.server.resources["/derp"], all=0, results=0, members=[])  # type: ignore[call-arg]
    world.run(15)
    assert {event.href for event in world.of(ResourceGone)} >= {"/derp/1/derc", "/derp/1/dderc"}
    del world.server.resources["/edev/1/rg"]
    world.run(2000)
    assert "/edev/1/rg" in {event.href for event in world.of(ResourceGone)}


@pytest.mark.parametrize(
    ("shown", "ours", "wanted", "taken"),
    [
        (None, None, 0x200000, True),  # nobody knows what it is
        (0x200000, None, 0x200000, True),
        (0x200000, None, 0x10000, False),
        (None, 0x200000, 0x10000, False),
        (0x10000, 0x200000, 0x10000, True),  # by what the server knows of it
        (0x40000, 0x200000, 0x10000, True),  # a mixed one
        (0x200000, None, 0, True),
    ],
)
def test_events_for_other_categories_of_devices_are_ignored(
    shown: int | None, ours: int | None, wanted: int, *, taken: bool
) -> None:
    world = World(categories={} if ours is None else {LFDI: ours})
    listed: Any = world.server.resources["/edev"]
    listed.members[0].deviceCategory = shown
    world.server.controls = [replace(control(OFFSET + 100), deviceCategory=wanted or None)]
    world.run(200.0)
    assert [status for _, status in world.responses()] == ([1, 2, 3] if taken else [])


def test_links_that_lead_nowhere_are_no_burden_and_hide_nothing_beside_them() -> None:
    world = World()
    assignments = world.server.resources["/edev/1/fsa"]
    nowhere = FunctionSetAssignments(mRID="F2", DERProgramListLink=ListLink(href="/nowhere", all=1))
    world.server.resources["/edev/1/fsa"] = replace(
        assignments, all=2, results=2, members=[*assignments.members, nowhere]
    )  # type: ignore[call-arg,attr-defined]
    world.run(3000)
    assert world.responses() == [(0.0, 1), (100.0, 2), (160.0, 3)]
    asked = world.server.asked
    assert sum(target.startswith("/nowhere") for target in asked) < 10
    assert sum(target.startswith("/edev/1/fsa") for target in asked) < 20
    followed = world.client.devices[LFDI]
    assert [program.mRID for program in world.client.followers.assigned(followed) or []] == ["A1"]
    assert [default.mRID for _, default in world.client.followers.defaults_of(followed) or []] == ["D1"]


def test_what_is_not_valid_is_reported_and_asked_for_again() -> None:
    world = World()
    world.server.trouble = lambda r: exchange.found(b"<junk/>") if r.target == "/tm" else None
    world.run(10)
    assert {event.href for event in world.of(BadReply)} == {"/tm"}
    world.server.trouble = lambda _request: None
    world.run(30)
    assert world.of(TimeSet)


def test_responses_to_other_servers_are_not_sent() -> None:
    world = World()
    world.server.controls = [control(OFFSET + 100, reply_to="https://elsewhere/rsp")]
    world.run(300)
    assert world.server.posted == []
    assert any("another server" in event.reason for event in world.of(BadReply))


def test_a_user_may_opt_out() -> None:
    world = World()
    world.run(110)
    assert world.client.opt_out(LFDI, "C0", world.now)
    assert not world.client.opt_out("no such device", "C0", world.now)
    assert world.client.opt_in(LFDI, "C0", world.now + 1)
    assert not world.client.opt_in(LFDI, "C1", world.now)
    world.settle()
    assert [int(event.transition.status) for event in world.of(EventHappened)] == [1, 2, 4, 5]


def test_at_most_so_many_requests_are_under_way() -> None:
    client = Client(config(parallel=1), Random(1))
    (first,) = client.next_requests(0)
    assert client.next_requests(0) == []
    assert client.next_timer() is None
    client.on_failure(first.number, 0)
    with pytest.raises(LocalProtocolError, match="not under way"):
        client.on_failure(first.number, 0)
    with pytest.raises(LocalProtocolError, match="not under way"):
        client.on_reply(99, Reply(200), 0)
    assert client.next_timer() is not None


def test_unchanged_resources_are_reported_once() -> None:
    world = World()
    world.run(100)
    found = [event.href for event in world.of(ResourceChanged) if event.href != "/tm"]
    assert len(found) == len(set(found))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.sampled_from([200, 204, 301, 404, 500, 503, 0, 99]), st.binary(max_size=60)), max_size=30))
def test_no_answer_upsets_the_client(answers: list[tuple[int, bytes]]) -> None:
    client = Client(config(), Random(1))
    now = 0.0
    for status, body in answers:
        for outgoing in client.next_requests(now):
            client.on_reply(outgoing.number, Reply(status, {"Location": body.decode("latin-1")}, body), now)
        while client.next_event() is not None:
            pass
        due = client.next_timer()
        assert due is not None
        now = max(now, due) + 1


def test_an_event_of_a_program_that_the_device_has_left_ends_in_silence() -> None:
    world = World()
    world.run(110)
    assert [status for _, status in world.responses()] == [1, 2]
    world.server.resources["/edev/1/fsa"] = FunctionSetAssignmentsList(all=0, results=0, members=[])
    note = Notification(subscribedResource="/edev/1/fsa", subscriptionURI="https://a/b", status=0)
    world.client.on_notification(note, world.now)
    world.run(300)
    assert world.of(EventWithdrawn) == [EventWithdrawn(LFDI, "C0")]
    assert [status for _, status in world.responses()] == [1, 2]
    assert world.of(ControlChanged)[-1].in_force == {}


@pytest.mark.parametrize("gone", ["/edev", "/edev/1/fsa", "/derp"])
def test_a_device_that_is_back_in_its_program_in_time_goes_on_with_its_event(gone: str) -> None:
    """Also where a server only seems to have lost something, as one does that is just starting."""
    world = World()
    world.run(110.0)
    assert world.client.devices[LFDI].in_force["opModTargetW"].by_event
    kept = world.server.resources[gone]
    world.server.resources[gone] = replace(kept, all=0, results=0, members=[])  # type: ignore[call-arg]
    world.client.tree.poll_all(world.now)
    world.run(120.0)
    assert "opModTargetW" not in world.client.devices[LFDI].in_force
    world.server.resources[gone] = kept
    world.client.tree.poll_all(world.now)
    world.run(130.0)
    assert world.client.devices[LFDI].in_force["opModTargetW"].by_event
    world.run(200.0)
    assert world.responses()[-1] == (160.0, 3)


def test_a_device_that_is_back_after_the_end_has_nothing_more_to_say() -> None:
    world = World()
    world.run(110.0)
    kept = world.server.resources["/edev/1/fsa"]
    world.server.resources["/edev/1/fsa"] = replace(kept, all=0, results=0, members=[])  # type: ignore[call-arg]
    world.client.tree.poll_all(world.now)
    world.run(170.0)
    said = world.responses()
    world.server.resources["/edev/1/fsa"] = kept
    world.client.tree.poll_all(world.now)
    world.run(300.0)
    assert world.responses() == said


def test_a_device_that_is_not_enabled_is_not_registered() -> None:
    world = World()
    world.server.resources["/edev"] = EndDeviceList(all=1, results=1, members=[replace(device(LFDI, 1), enabled=False)])
    world.run(200)
    assert world.responses() == []


def test_devices_are_registered_after_their_aggregator() -> None:
    new = "E" * 40
    world = World(register=True, managed=frozenset({new}), sfdis={new: 9}, categories={new: 2})
    world.settle()
    posts = [body for _, method, _, body in world.server.posted if method == "POST" and isinstance(body, EndDevice)]
    assert posts == [EndDevice(lFDI=new, sFDI=9, deviceCategory=2, changedTime=OFFSET)]


def test_a_shell_may_answer_by_itself() -> None:
    world = World(answers=False)
    world.run(300)
    assert world.responses() == []
    assert [event.transition.status for event in world.of(EventHappened)] == [1, 2, 3]


def test_an_unsafe_time_starts_nothing() -> None:
    world = World(qualities=frozenset({3, 4}))
    world.run(300)
    assert world.of(TimeUnsafe)
    assert world.of(TimeSet) == []
    assert world.responses() == []


def test_a_server_moves_as_a_whole_only_where_that_is_allowed() -> None:
    for others, moved in ((frozenset({"new:1"}), True), (frozenset[str](), False)):
        world = World(others=others)
        redirect = Reply(301, {"location": "https://new:1/dcap"})
        world.server.trouble = lambda request, to=redirect: (
            to if request.headers["host"] == "server" and request.target == "/dcap" else None
        )
        world.run(200)
        assert bool(world.of(ServerMoved)) is moved
        assert world.client.authority == ("new:1" if moved else "server")
        assert bool(world.responses()) is moved


def test_a_clock_that_is_set_changes_no_distance() -> None:
    world = World()
    world.run(50)
    due = world.client.next_timer()
    assert due is not None
    world.client.clock_jumped(1000)
    moved = world.client.next_timer()
    assert moved == pytest.approx(due + 1000)
    assert world.client.server_time(1050) == OFFSET + 50


def test_a_notification_during_a_poll_of_its_resource_calls_for_another_one() -> None:
    world = World()
    world.settle()
    (request,) = [world.client.tree.nodes["/derp/1/derc"]]
    world.client.tree.poll_soon("/derp/1/derc", world.now)
    (outgoing,) = world.client.next_requests(world.now)
    old = world.server.answer(outgoing.request, world.now)
    world.server.controls = [*world.server.controls, control(OFFSET + 300, "C1")]
    world.client.on_notification(
        Notification(subscribedResource="/derp/1/derc", status=0, subscriptionURI="/sub/1"), world.now
    )
    world.client.on_reply(outgoing.number, old, world.now)
    assert request.next_at == world.now
    world.settle()
    assert set(world.client.devices[LFDI].follower.events) == {"C0", "C1"}


def test_an_answer_that_is_as_before_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.settle()
    seen: list[int] = []
    monkeypatch.setattr("gridiface.protocols.sep2.client.read", lambda body, *rest: seen.append(1) or read(body, *rest))
    world.client.tree.poll_all(world.now)
    world.settle()
    kept = {node.kind.__name__ for node in world.client.tree.nodes.values() if node.digest}
    assert {"DERProgramList", "DERControlList", "DefaultDERControl", "DeviceCapability"} <= kept
    # Time, for the clock; and the list that comes in two pages.
    assert len(seen) == 3
    assert world.of(BadReply) == []
    world.server.controls = []
    world.client.tree.poll_all(world.now)
    world.settle()
    assert world.client.tree.value_at("/derp/1/derc") == DERControlList(all=0, results=0)


@pytest.mark.parametrize(("status", "told"), [(500, True), (403, True), (501, True), (503, False), (429, False)])
def test_a_resource_that_the_server_does_not_give_is_told_of_and_asked_for_again(status: int, told: bool) -> None:
    world = World()
    world.server.trouble = lambda request: Reply(status) if request.target == "/tm" else None
    world.run(20)
    found = [(event.href, event.reason) for event in world.of(BadReply)]
    assert set(found) == ({("/tm", f"answered with {status}")} if told else set())
    assert world.server.asked.count("/tm") > 1
