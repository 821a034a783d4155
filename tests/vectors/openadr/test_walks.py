"""Conversations of any order with the VTN core, two VENs at a time, against a model of the rules.

The model knows who is registered as what, which events a VEN must be told and which of its words count, and which
reports run; it says what each message is answered with. After each step a core made of the store is the same as the
one that ran, so that a restart at any place changes nothing.
"""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.openadr_messages import offering, registering, telling

from gridiface.errors import RefusedControl
from gridiface.protocols.openadr.answers import ok, response
from gridiface.protocols.openadr.events import Event, Signal
from gridiface.protocols.openadr.payloads import event, registration, report
from gridiface.protocols.openadr.payloads.common import EiResponse, QualifiedEventID
from gridiface.protocols.openadr.payloads.envelope import decode_payload, encode_payload
from gridiface.protocols.openadr.reports import ReportRequest
from gridiface.protocols.openadr.vtn import Peer, Vtn, VtnConfig
from gridiface.protocols.openadr.vtn import Ven as Known

pytestmark = pytest.mark.timeout(600)

THOROUGH = bool(os.environ.get("GRIDIFACE_THOROUGH"))
TWO = ("A", "B")
who = st.sampled_from(TWO)
PEERS = {"A": Peer("AA:AA"), "B": Peer("BB:BB"), "X": Peer("XX:XX")}
EVENTS = tuple(f"E{number}" for number in range(6))
LONG = 3600


@dataclass
class AnEvent:
    """An event as its sender thinks of it."""

    ends: float
    number: int = 0
    status: str = "alive"
    answers: dict[str, tuple[int, str]] = field(default_factory=dict)
    #: Last number that a VEN was told.
    told: dict[str, int] = field(default_factory=dict)
    cancel_sends: dict[str, int] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)


@dataclass
class AVen:
    """What a VTN knows of a VEN."""

    registration: str | None = None
    offers: bool = False
    running: set[str] = field(default_factory=set)


class Walk(RuleBasedStateMachine):
    """Two VENs that are known by their certificates, and an operator."""

    @initialize()
    def begin(self) -> None:
        numbers = itertools.count(1)
        self.now, self.config = 1_800_000_000.0, VtnConfig(vtn_id="VTN", cancel_attempts=10_000, retention=10**9)
        self.new_id = lambda: f"i{next(numbers)}"
        self.vtn, self.store = Vtn(self.config, self.new_id), dict[str, bytes]()
        self.vens = {name: AVen() for name in TWO}
        self.events: dict[str, AnEvent] = {}
        self.requests = itertools.count(1)
        for name in TWO:
            self.commit(self.vtn.put_ven(Known(venID=name, fingerprint=PEERS[name].fingerprint)))

    def commit(self, result: Any) -> Any:
        for change in result.changes:
            assert change.before == self.store.get(change.key)
            if change.body is None:
                del self.store[change.key]
            else:
                self.store[change.key] = change.body
        return result

    def say(self, payload: Any, peer: str) -> Any:
        """The answer to a message, both over the wire."""
        heard = decode_payload(encode_payload(payload))[0]
        reply = self.commit(self.vtn.handle(heard, PEERS[peer], self.now)).reply
        return None if reply is None else decode_payload(encode_payload(reply))[0]

    def refused(self, answer: Any, code: str, kind: type) -> None:
        assert (answer.eiResponse.responseCode, type(answer)) == (code, kind), answer

    def expected(self, name: str, peer: str) -> str:
        """What becomes of a message that names a VEN, by the certificate that it comes with."""
        if peer != name:
            return "463"
        return "200" if self.vens[name].registration else "463"

    def next_id(self) -> str:
        return f"q{next(self.requests)}"

    # -- registration

    @rule(name=who, again=st.sampled_from(["new", "right", "wrong", "half"]))
    def register(self, name: str, again: str) -> None:
        ven = self.vens[name]
        known = ven.registration or "never"
        ids = {"new": None, "right": known, "wrong": "another", "half": known}[again]
        request = self.next_id()
        payload = registering(request, ids, name if again in ("right", "wrong") else None)
        answer = self.say(payload, name)
        assert answer.eiResponse.requestID == request
        if again == "new":
            self.refused(answer, "200", registration.OadrCreatedPartyRegistration)
            assert answer.registrationID not in {None, ven.registration}
            self.forget(name)
            self.vens[name].registration = answer.registrationID
        elif again == "right" and ven.registration:
            self.refused(answer, "200", registration.OadrCreatedPartyRegistration)
            assert (answer.registrationID, answer.venID) == (ven.registration, name)
        else:
            self.refused(answer, "452", registration.OadrCreatedPartyRegistration)
            assert answer.registrationID is None

    def forget(self, name: str) -> None:
        """A new registration, or none: what was told and said is forgotten with the old one."""
        self.vens[name] = AVen()
        for one in self.events.values():
            for memory in (one.answers, one.told, one.cancel_sends):
                memory.pop(name, None)
            one.done.discard(name)

    @rule(name=who, right=st.booleans(), peer=st.sampled_from(["own", "X"]))
    def cancel_registration(self, name: str, right: bool, peer: str) -> None:
        ven, peer = self.vens[name], name if peer == "own" else peer
        payload = registration.OadrCancelPartyRegistration(
            requestID=self.next_id(), registrationID=(ven.registration or "never") if right else "another", venID=name
        )
        answer, code = self.say(payload, peer), self.expected(name, peer)
        if code == "200" and not right:
            code = "452"
        self.refused(answer, code, registration.OadrCanceledPartyRegistration)
        if code == "200":
            self.forget(name)

    # -- events

    def listed(self, name: str) -> dict[str, tuple[int, bool]]:
        """The events that a VEN is told of now: number, and whether cancelled."""
        found = {}
        for key, one in self.events.items():
            if one.ends <= self.now:
                continue
            if one.status == "alive":
                found[key] = one.number, False
            elif name in one.told and name not in one.done:
                found[key] = one.number, True
        return found

    def take(self, name: str, payload: Any) -> None:
        """What a VEN is told: every event that it must know of, as it is, and nothing else."""
        facts = [one.eiEvent.eventDescriptor for one in payload.oadrEvent]
        assert {f.eventID: (f.modificationNumber, f.eventStatus == "cancelled") for f in facts} == self.listed(name)
        assert len({f.createdDateTime for f in facts}) <= 1
        for fact in facts:
            self.events[fact.eventID].told[name] = fact.modificationNumber

    @rule(name=who, peer=st.sampled_from(["own", "own", "own", "X"]))
    def ask_for_events(self, name: str, peer: str) -> None:
        peer = name if peer == "own" else peer
        body = event.EiRequestEvent(requestID=self.next_id(), venID=name)
        answer, code = self.say(event.OadrRequestEvent(eiRequestEvent=body), peer), self.expected(name, peer)
        self.refused(answer, code, event.OadrDistributeEvent)
        assert answer.eiResponse.requestID == body.requestID
        if code == "200":
            self.take(name, answer)
        else:
            assert answer.oadrEvent == []

    @rule(name=who)
    def poll(self, name: str) -> None:
        answer, code = self.say(event.OadrPoll(venID=name), name), self.expected(name, name)
        if code != "200":
            self.refused(answer, code, event.OadrResponse)
            return
        if isinstance(answer, event.OadrDistributeEvent):
            self.take(name, answer)
        elif isinstance(answer, report.OadrRegisterReport):
            said = report.OadrRegisteredReport(eiResponse=ok(answer.requestID), venID=name)
            self.refused(self.say(said, name), "200", event.OadrResponse)
        elif isinstance(answer, report.OadrCreateReport):
            self.accept(name, answer)
        elif isinstance(answer, report.OadrCancelReport):
            self.vens[name].running -= {*answer.reportRequestID}
            left = report.OadrPendingReports(reportRequestID=sorted(self.vens[name].running))
            said = report.OadrCanceledReport(eiResponse=ok(answer.requestID), oadrPendingReports=left, venID=name)
            self.refused(self.say(said, name), "200", event.OadrResponse)
        else:
            self.refused(answer, "200", event.OadrResponse)

    @rule(name=who)
    def drain(self, name: str) -> None:
        """Polls until there is nothing: it comes to an end, and every event is told as it is then."""
        if not self.vens[name].registration:
            return
        for _ in range(50):
            if self.vtn.waiting(name) == []:
                break
            self.poll(name)
            self.answer_all(name)
        assert self.vtn.waiting(name) in ([], ["events"] if self.too_late(name) else [])
        open_ = {key: number for key, (number, _) in self.listed(name).items()}
        assert all(self.events[key].told.get(name) == number for key, number in open_.items())

    def too_late(self, name: str) -> bool:
        """Whether an event that was not answered is over: what told of it waits until its time is over, too."""
        return any(
            one.ends <= self.now
            and (name not in one.done if one.status == "cancelled" else one.answers.get(name, (-1,))[0] != one.number)
            for one in self.events.values()
            if name in one.told
        )

    def answer_all(self, name: str) -> None:
        words = [
            (key, number, "optIn") for key, (number, _) in self.listed(name).items() if name in self.events[key].told
        ]
        if words:
            self.answer(name, words)

    @rule(
        name=who,
        words=st.lists(
            st.tuples(st.sampled_from((*EVENTS, "?")), st.integers(-1, 1), st.sampled_from(["optIn", "optOut"])),
            max_size=4,
        ),
        fails=st.sampled_from([False, False, False, True]),
    )
    def say_of_events(self, name: str, words: list[tuple[str, int, str]], fails: bool) -> None:
        """Answers, also to what was never told, of other numbers, twice in a message, and beside an error."""
        numbers = [
            (key, max(0, (self.events[key].number if key in self.events else 0) + off), opt) for key, off, opt in words
        ]
        self.answer(name, numbers, fails=fails)

    def answer(self, name: str, words: list[tuple[str, int, str]], *, fails: bool = False) -> None:
        rows = [
            event.EventResponse(
                responseCode="200",
                requestID="d",
                qualifiedEventID=QualifiedEventID(eventID=key, modificationNumber=number),
                optType=opt,
            )
            for key, number, opt in words
        ]
        body = event.EiCreatedEvent(
            eiResponse=EiResponse(responseCode="500" if fails else "200", requestID=""),
            eventResponses=event.EventResponses(eventResponse=rows) if rows else None,
            venID=name,
        )
        found, code = self.say(event.OadrCreatedEvent(eiCreatedEvent=body), name), self.expected(name, name)
        if code == "200" and not fails:
            codes = [self.count(name, *word) for word in words]
            code = next((one for one in codes if one != "200"), "200")
        self.refused(found, code, event.OadrResponse)

    def count(self, name: str, key: str, number: int, opt: str) -> str:
        """One word of a VEN on an event: its code, and what it changes (rules 19, 36, 48)."""
        one = self.events.get(key)
        if one is None or name not in one.told:
            return "452"
        if number != one.number:
            return "450"
        if one.status == "cancelled":
            one.done.add(name)
        else:
            one.answers[name] = number, opt
        return "200"

    @rule(key=st.sampled_from(EVENTS), start=st.sampled_from([-10, 60, 600]), length=st.sampled_from([30, LONG]))
    def create(self, key: str, start: int, length: int) -> None:
        signal = Signal(name="SIMPLE", type="level", id="s", durations=(length,), values=(1.0,))
        made = Event(id=key, market_context="http://p", dtstart=self.now + start, duration=length, signals=(signal,))
        if key in self.events or made.end <= self.now:
            with pytest.raises(RefusedControl):
                self.vtn.create_event(made, TWO, self.now)
            return
        self.commit(self.vtn.create_event(made, TWO, self.now))
        self.events[key] = AnEvent(made.end)

    @rule(key=st.sampled_from(EVENTS), cancel=st.booleans(), same=st.booleans())
    def change(self, key: str, cancel: bool, same: bool) -> None:
        one = self.events.get(key)
        if one is None or (one.ends <= self.now and one.status == "alive"):
            with pytest.raises(RefusedControl):
                self.vtn.cancel_event(key, self.now) if cancel else self.vtn.modify_event(key, self.now, comment="x")
        elif cancel:
            self.commit(self.vtn.cancel_event(key, self.now))
            one.number += one.status == "alive"
            one.status = "cancelled"
        elif one.status == "alive":
            comment = self.vtn.events[key].event.comment if same else self.next_id()
            self.commit(self.vtn.modify_event(key, self.now, comment=comment))
            one.number += not same

    # -- reports

    @rule(name=who)
    def offer(self, name: str) -> None:
        payload = offering(self.next_id(), name, self.now)
        answer, code = self.say(payload, name), self.expected(name, name)
        self.refused(answer, code, report.OadrRegisteredReport)
        if code == "200":
            self.vens[name].offers, self.vens[name].running = True, set()

    @rule(name=who)
    def request_a_report(self, name: str) -> None:
        wanted = ReportRequest(id="", specifier="s", rids=("p",), granularity=10, back=10, start=self.now)
        if not self.vens[name].registration or not self.vens[name].offers:
            with pytest.raises(RefusedControl):
                self.vtn.request_reports(name, [wanted])
            return
        self.commit(self.vtn.request_reports(name, [wanted]))

    def accept(self, name: str, asked: Any) -> None:
        self.vens[name].running |= {one.reportRequestID for one in asked.oadrReportRequest}
        pending = report.OadrPendingReports(reportRequestID=sorted(self.vens[name].running))
        said = report.OadrCreatedReport(eiResponse=ok(asked.requestID), oadrPendingReports=pending, venID=name)
        self.refused(self.say(said, name), "200", event.OadrResponse)

    @rule(name=who, unknown=st.booleans())
    def send_data(self, name: str, unknown: bool) -> None:
        running = sorted(self.vens[name].running)
        which = "unknown" if unknown or not running else running[0]
        answer = self.say(telling(self.next_id(), name, which, self.now), name)
        code = self.expected(name, name)
        self.refused(answer, "452" if code == "200" and which == "unknown" else code, report.OadrUpdatedReport)

    @rule(name=who)
    def cancel_a_report(self, name: str) -> None:
        running = sorted(self.vens[name].running)
        if running and self.vens[name].registration:
            self.commit(self.vtn.cancel_reports(name, running[:1]))
            self.drain(name)
            assert running[0] not in self.vens[name].running

    # -- what must not be, and time

    @rule(name=who, other=st.booleans())
    def out_of_place(self, name: str, other: bool) -> None:
        """What no VEN sends, and answers to what nobody asked for."""
        unasked = report.OadrCanceledReport(
            eiResponse=ok("x"), oadrPendingReports=report.OadrPendingReports(), venID=name
        )
        foreign = event.OadrDistributeEvent(requestID="x", vtnID="VTN")
        answer = self.say(foreign if other else unasked, name)
        assert answer is None or answer.eiResponse.responseCode in {"452", "459", "463"}
        said = event.OadrResponse(eiResponse=response(452, "no", "x"), venID=name)
        assert (self.say(said, name) is None) is (self.vens[name].registration is not None)

    @rule(seconds=st.sampled_from([0.0, 1.0, 29.0, 61.0, 4000.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.commit(self.vtn.handle_timer(self.now))

    @rule()
    def restart(self) -> None:
        self.vtn = Vtn(self.config, self.new_id)
        self.vtn.load(self.store)

    @invariant()
    def what_is_known_is_what_was_said_and_is_in_the_store(self) -> None:
        if not hasattr(self, "vens"):
            return
        again = Vtn(self.config, self.new_id)
        again.load(self.store)
        assert again.export() == self.store == self.vtn.export()
        for name, ven in self.vens.items():
            assert self.vtn.vens[name].registrationID == ven.registration
            for key, one in self.events.items():
                delivery = self.vtn.delivery(name, key)
                said = (delivery.opt if delivery is not None else None) or None
                assert said == (one.answers[name][1] if name in one.answers else None), (name, key)
                assert (delivery is not None and delivery.cancel_done) is (name in one.done)


Walk.TestCase.settings = settings(
    max_examples=300 if THOROUGH else 40, stateful_step_count=200 if THOROUGH else 60, deadline=None
)
TestWhateverIsSaidInWhateverOrder = Walk.TestCase
