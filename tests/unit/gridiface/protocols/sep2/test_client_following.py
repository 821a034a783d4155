"""When devices are shown what is new: at rest or once a second, and never before time and server are known."""

from __future__ import annotations

from collections import deque
from random import Random

from gridiface.protocols.sep2.client_devices import DeviceFollowers
from gridiface.protocols.sep2.client_enrolment import Enrolment
from gridiface.protocols.sep2.client_events import ClientEvent, EventHappened
from gridiface.protocols.sep2.client_following import Following
from gridiface.protocols.sep2.enums import ResponseStatus
from gridiface.protocols.sep2.followed import Transition
from gridiface.protocols.sep2.polling import Node, ResourceTree
from gridiface.protocols.sep2.resources import (
    ActivePower,
    DateTimeInterval,
    DERControl,
    DERControlBase,
    DERControlList,
    DERProgram,
    DERProgramList,
    EndDevice,
    EndDeviceList,
    EventStatus,
    FunctionSetAssignments,
    FunctionSetAssignmentsList,
    ListLink,
    Time,
)
from gridiface.protocols.sep2.server_clock import ServerClock
from gridiface.protocols.xmlwire import WireObject

LFDI = "A" * 40
OFFSET = 1_000


class Stage:
    """One device with one program, whose controls are given; the server's clock is OFFSET ahead."""

    def __init__(self, pin: int | None = None) -> None:
        self.tree = ResourceTree("/dcap", "server", lambda _holder, _name: True, Random(1))
        assigned = FunctionSetAssignments(mRID="01", DERProgramListLink=ListLink(href="/derp"))
        program = DERProgram(mRID="AA", primacy=1, DERControlListLink=ListLink(href="/derc"))
        self.keep("/fsa", FunctionSetAssignmentsList(all=1, results=1, members=[assigned]))
        self.keep("/derp", DERProgramList(all=1, results=1, members=[program]))
        self.keep("/derc", DERControlList(all=0, results=0))
        followers = DeviceFollowers([LFDI], self.tree, "server", None, Random(1))
        link = ListLink(href="/fsa")
        device = EndDevice(sFDI=1, changedTime=1, lFDI=LFDI, FunctionSetAssignmentsListLink=link)
        followers.match(EndDeviceList(all=1, results=1, members=[device]))
        self.clock = ServerClock(frozenset({7}), None)
        self.happened: deque[ClientEvent] = deque()
        self.answers: list[tuple[ResponseStatus, float]] = []
        enrolment = Enrolment(LFDI, 1, pin, {}, {}, posting=False)
        self.following = Following(followers, self.clock, enrolment, self.happened, self.respond)

    def respond(self, lfdi: str, transition: Transition, now: float) -> None:
        assert lfdi == LFDI
        self.answers.append((transition.status, now))

    def keep(self, href: str, value: WireObject) -> None:
        self.tree.nodes[href] = Node(href, type(value), "/dcap", 1e9, value)

    def know_time(self, now: float) -> None:
        shown = Time(currentTime=int(now) + OFFSET, dstEndTime=0, dstOffset=0, dstStartTime=0, quality=7, tzOffset=0)
        assert self.clock.read(shown, now, now)

    def show(self, start: float) -> None:
        control = DERControl(
            mRID="C0", creationTime=0, interval=DateTimeInterval(duration=50, start=int(start) + OFFSET),
            eventStatus=EventStatus(currentStatus=0, dateTime=0, potentiallySuperseded=False),
            derControlBase=DERControlBase(opModTargetW=ActivePower(multiplier=0, value=1)),
        )  # fmt: skip
        self.keep("/derc", DERControlList(all=1, results=1, members=[control]))
        self.following._followers.changed_at("/derc")
        self.following.read("/derc")


def test_news_waits_for_rest_or_a_second() -> None:
    stage = Stage()
    stage.know_time(0.0)
    stage.following.call()
    stage.following.turn(0.0, at_rest=True)
    stage.show(100.0)
    stage.following.turn(0.5, at_rest=False)
    assert (stage.answers, stage.following.next_timer()) == ([], 1.0)
    stage.following.turn(1.0, at_rest=False)
    assert stage.answers == [(ResponseStatus.RECEIVED, 1.0)]
    assert [type(event) for event in stage.happened] == [EventHappened]
    # Two seconds before it begins the list is looked at once more.
    assert stage.tree.nodes["/derc"].next_at == 98.0
    assert stage.following.next_timer() == 100.0
    stage.following.turn(100.0, at_rest=False)
    assert stage.answers[1:] == [(ResponseStatus.STARTED, 100.0)]
    stage.following.shift_time(-3600.0)
    stage.show(200.0)
    stage.following.turn(100.1, at_rest=False)
    assert stage.following.next_timer() is not None


def test_nothing_happens_without_time_or_trust() -> None:
    stage = Stage()
    stage.show(0.0)
    stage.following.turn(5.0, at_rest=True)
    assert (stage.answers, stage.following.next_timer()) == ([], None)
    assert not stage.following.opt(LFDI, "C0", 5.0, out=True)
    stage.know_time(5.0)
    stage.following.turn(5.0, at_rest=True)
    assert [status for status, _ in stage.answers] == [ResponseStatus.RECEIVED, ResponseStatus.STARTED]
    assert stage.following.opt(LFDI, "C0", 6.0, out=True)
    assert stage.answers[-1] == (ResponseStatus.OPTED_OUT, 6.0)

    wary = Stage(pin=111115)
    wary.know_time(5.0)
    wary.show(0.0)
    wary.following.turn(5.0, at_rest=True)
    assert (wary.answers, wary.following.next_timer()) == ([], None)
