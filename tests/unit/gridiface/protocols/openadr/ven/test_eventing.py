"""EiEvent of the VEN: the receipt table, verdicts, random start, cancellation, steps of running events."""

from __future__ import annotations

import dataclasses

import pytest
from lxml import etree

from gridiface.errors import RefusedControl
from gridiface.protocols.openadr.events import Signal, to_wire
from gridiface.protocols.openadr.payloads import event
from gridiface.protocols.openadr.payloads.common import EiTarget
from gridiface.protocols.openadr.payloads.envelope import decode_payload, encode_payload
from gridiface.protocols.openadr.payloads.units import power_real, price_per_kwh
from gridiface.protocols.openadr.ven import Verdict


class Side:
    """A registered VEN that is handed sets of events directly."""

    def __init__(self, made):
        self.talk = made
        made.run()
        made.sent.clear()
        made.drain()
        made.notices.clear()
        self.ven = made.ven
        self.id = made.ven.registration.venID

    def give(self, *events, vtn="VTN", request="d1", answer=None):
        """Hand a set over; returns the oadrCreatedEvent that follows, None when there is none."""
        wires = [to_wire(one, self.talk.now) for one in events]
        payload = event.OadrDistributeEvent(eiResponse=answer, requestID=request, vtnID=vtn, oadrEvent=wires)
        self.talk.sent.clear()
        assert self.ven.receive_push(payload, self.talk.now) is None
        for _ in range(2):
            self.talk.step()
        found = self.talk.payloads(event.OadrCreatedEvent)
        return found[-1].eiCreatedEvent if found else None

    def one(self, *events, **fields):
        """The only event response."""
        (response,) = self.give(*events, **fields).eventResponses.eventResponse
        return response

    def move(self, seconds):
        self.talk.kit.now += seconds
        self.ven.handle_timer(self.talk.now)
        self.talk.drain()

    def steps(self):
        """Steps told since the last call: (kind, seconds after `zero`)."""
        found = [(n.kind, n.at, n.value) for n in self.talk.told("EventStep")]
        self.talk.notices = [n for n in self.talk.notices if type(n).__name__ != "EventStep"]
        return found


@pytest.fixture
def side(talk):
    return lambda judge=None, **config: Side(talk(judge, **config))


def changed(made, **fields):
    return dataclasses.replace(made, modification=made.modification + 1, **fields)


# -- answers -------------------------------------------------------------------------------------------------------


def test_55_r42_r43_r62_every_event_that_wants_it_is_answered_each_time_with_the_request_id(side, kit):
    ven = side()
    for request in ("d1", "d2"):
        answer = ven.give(kit.event(), request=request)
        assert (answer.eiResponse.responseCode, answer.eiResponse.requestID) == ("200", "")
        (one,) = answer.eventResponses.eventResponse
        assert (one.requestID, one.optType, one.responseCode) == (request, "optIn", "200")
        assert (one.qualifiedEventID.eventID, one.qualifiedEventID.modificationNumber) == ("E", 0)
        assert answer.venID == ven.id


def test_56_r12_r35_events_that_want_no_answer_get_none_and_no_empty_list_is_sent(side, kit):
    ven = side()
    assert ven.give(kit.event(response_required=False)) is None
    assert "E" in ven.ven.events
    assert ven.give() is None
    answer = ven.give(kit.event("A"), kit.event("B", response_required=False))
    assert len(answer.eventResponses.eventResponse) == 1
    with pytest.raises(RefusedControl):
        ven.ven.change_opt("B", Verdict("optOut"))


def test_57_r57_r58_a_higher_modification_replaces_a_lower_gets_450_an_equal_is_answered(side, kit):
    ven = side()
    first = kit.event()
    second = changed(changed(first, priority=2))
    ven.give(first)
    assert ven.one(second).responseCode == "200"
    assert ven.ven.events["E"].event.priority == 2
    low = ven.one(changed(first))
    assert (low.responseCode, low.optType, low.qualifiedEventID.modificationNumber) == ("450", "optOut", 1)
    assert ven.ven.events["E"].event.modification == 2
    assert ven.one(second).optType == "optIn"
    assert [note.previous.modification if note.previous else None for note in ven.talk.told("EventReceived")] == [
        None,
        0,
    ]


def test_57_a_modification_that_cannot_be_read_takes_the_place_of_what_was_opted_into(side, kit):
    """The VTN hears optOut: what it asked for before must not go on."""
    ven = side()
    first = kit.event()
    assert ven.one(first).optType == "optIn"
    endless = Signal(name="SIMPLE", type="level", id="s", durations=(0, 600), values=(1.0, 2.0))
    wrong = changed(first, duration=600, signals=(endless,))
    for _ in range(2):  # however often it comes
        answer = ven.one(wrong)
        assert (answer.optType, answer.responseCode) == ("optOut", "454")
    ven.move(first.dtstart - ven.talk.now + 1)
    assert ven.ven.active(ven.talk.now) == []
    assert ven.steps() == []
    received = ven.talk.told("EventReceived")
    assert [(note.opt, note.event.modification) for note in received] == [("optIn", 0), ("optOut", 1)]
    again = ven.one(dataclasses.replace(first, modification=2))
    assert (again.optType, again.responseCode) == ("optIn", "200")
    assert len(ven.ven.active(ven.talk.now)) == 1


def test_58_r59_a_known_cancelled_event_is_stopped_and_confirmed(side, kit):
    ven = side()
    made = kit.event()
    ven.give(made)
    answer = ven.one(changed(made, status="cancelled"))
    assert (answer.optType, answer.responseCode) == ("optIn", "200")
    assert ven.talk.told("EventCancelled")[0].implied is False
    ven.move(4000)
    assert ven.steps() == []
    with pytest.raises(RefusedControl):
        ven.ven.change_opt("E", Verdict("optOut"))


def test_58_r60_an_unknown_cancelled_event_is_confirmed_without_error(side, kit):
    ven = side()
    answer = ven.one(kit.event(modification=4, status="cancelled"))
    assert (answer.optType, answer.responseCode) == ("optIn", "200")
    assert not ven.ven.events


def test_59_r61_an_event_that_is_missing_is_cancelled(side, kit):
    ven = side()
    ven.give(kit.event("A"), kit.event("B"))
    ven.give(kit.event("B"))
    assert [note.event.id for note in ven.talk.told("EventCancelled")] == ["A"]
    assert ven.talk.told("EventCancelled")[0].implied
    ven.give(kit.event("A"), kit.event("B"))
    assert ven.ven.events["A"].stop is None


def test_59_a_finished_event_that_is_missing_is_no_cancellation(side, kit):
    ven = side()
    ven.give(kit.event(start=10))
    ven.move(700)
    ven.give()
    assert not ven.ven.events
    assert not ven.talk.told("EventCancelled")


def test_60_r19_r109_unsupported_signals_get_460_and_the_others_are_still_processed(side, kit):
    ven = side()
    strange = Signal(name="x-own", type="level", id="s", durations=(600,), values=(1.0,))
    answer = ven.give(kit.event("A", signals=(strange,)), kit.event("B"))
    first, second = answer.eventResponses.eventResponse
    assert (first.responseCode, first.optType) == ("460", "optOut")
    assert (second.responseCode, second.optType) == ("200", "optIn")


@pytest.mark.parametrize(
    ("signal", "code"),
    [
        ({"name": "SIMPLE", "type": "level", "values": (1.0,)}, "200"),
        ({"name": "simple", "type": "level", "values": (1.0,)}, "200"),
        ({"name": "SIMPLE", "type": "level", "values": (9.0,)}, "454"),
        ({"name": "ELECTRICITY_PRICE", "type": "price", "unit": price_per_kwh("USD"), "values": (0.2,)}, "200"),
        ({"name": "LOAD_DISPATCH", "type": "setpoint", "unit": power_real(), "values": (-5.0,)}, "200"),
        ({"name": "LOAD_DISPATCH", "type": "setpoint", "unit": price_per_kwh("USD")}, "460"),
        ({"name": "LOAD_CONTROL", "type": "x-loadControlCapacity", "values": (0.5,)}, "460"),
    ],
)
def test_60_62_what_is_supported_is_configured(side, kit, signal, code):
    supported = frozenset({("SIMPLE", "level"), ("ELECTRICITY_PRICE", "price"), ("LOAD_DISPATCH", "setpoint")})
    ven = side(signals=supported)
    made = Signal(**{"id": "s", "durations": (600,), "values": (1.0,), **signal})
    assert ven.one(kit.event(signals=(made,))).responseCode == code


def test_60_r109_one_signal_that_is_not_supported_is_enough_to_refuse(side, kit):
    ven = side()
    strange = Signal(name="x-own", type="level", id="t", durations=(600,), values=(1.0,))
    plain = kit.event().signals[0]
    for signals in ((strange, plain), (plain, strange)):
        answer = ven.one(kit.event(signals=signals))
        assert (answer.responseCode, answer.optType) == ("460", "optOut")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"market_context": "http://foreign.example/"}, "462"),
        ({"market_context": "HTTP://PROGRAM.example:80/a"}, "200"),
        ({"target": EiTarget(venID=["foreign"])}, "462"),
        ({"target": EiTarget(groupID=["foreign"])}, "462"),
        ({"target": EiTarget(resourceID=["foreign"])}, "469"),
        ({"target": EiTarget(resourceID=["foreign", "mine"])}, "200"),
        ({"target": EiTarget(venID=["foreign"], groupName=["ours"])}, "200"),
        ({"target": EiTarget(partyID=["me"])}, "200"),
    ],
)
def test_60_r22_r48_r112_foreign_contexts_and_targets_get_462_and_unknown_resources_469(side, kit, fields, code):
    ven = side(
        market_contexts=("http://program.example/a",),
        resources=frozenset({"mine"}),
        groups=frozenset({"ours"}),
        parties=frozenset({"me"}),
    )
    answer = ven.one(kit.event(**fields))
    assert (answer.responseCode, answer.optType) == (code, "optIn" if code == "200" else "optOut")


def test_60_broken_events_are_refused_one_by_one(side, kit):
    ven = side()
    broken = to_wire(kit.event("A"), kit.now)
    broken.eiEvent.eiEventSignals.eiEventSignal[0].intervals.interval[0].uid = "5"
    good = to_wire(kit.event("B"), kit.now)
    payload = event.OadrDistributeEvent(requestID="d", vtnID="VTN", oadrEvent=[broken, good])
    ven.ven.receive_push(payload, kit.now)
    ven.talk.step()
    answers = ven.talk.payloads(event.OadrCreatedEvent)[0].eiCreatedEvent.eventResponses.eventResponse
    assert [one.responseCode for one in answers] == ["450", "200"]
    assert list(ven.ven.events) == ["B"]


@pytest.mark.parametrize(
    "place",
    [
        "properties/c:duration/c:duration",
        "tolerate/c:startafter",
        "x-eiNotification/c:duration",
        "interval//c:duration",
    ],
)
def test_60_r19_a_time_of_over_a_thousand_years_refuses_its_event_and_not_the_document(side, kit, place):
    ven = side()
    events = [to_wire(kit.event(name, startafter=60), kit.now) for name in ("A", "B")]
    root = etree.fromstring(encode_payload(event.OadrDistributeEvent(requestID="d", vtnID="VTN", oadrEvent=events)))
    above, _, below = place.partition("/")
    found = root.xpath(f"//*[local-name()='{above}']/{below}", namespaces={"c": "urn:ietf:params:xml:ns:icalendar-2.0"})
    next(one for one in found if one.text).text = "P1001Y"
    ven.ven.receive_push(decode_payload(etree.tostring(root))[0], kit.now)
    ven.talk.step()
    answers = ven.talk.payloads(event.OadrCreatedEvent)[0].eiCreatedEvent.eventResponses.eventResponse
    told = [(one.qualifiedEventID.eventID, one.responseCode, one.optType) for one in answers]
    assert told == [("A", "454", "optOut"), ("B", "200", "optIn")]
    assert list(ven.ven.events) == ["B"]


def broken(kit, *events, event_id, **texts):
    """A set of events of which one has other texts, or None for no element, in places of its own."""
    wires = [to_wire(one, kit.now) for one in events]
    root = etree.fromstring(encode_payload(event.OadrDistributeEvent(requestID="d", vtnID="VTN", oadrEvent=wires)))
    (wanted,) = (one for one in root.iter("{*}oadrEvent") if one.findtext(".//{*}eventID") == event_id)
    for name, text in texts.items():
        found = next(wanted.iter(f"{{*}}{name}"))
        if text is None:
            found.getparent().remove(found)
        else:
            found.text = text
    return decode_payload(etree.tostring(root))[0]


def told(ven, payload):
    """What is said of a set of events: (event, modification, code, word) of each."""
    ven.talk.sent.clear()
    assert ven.ven.receive_push(payload, ven.talk.now) is None
    for _ in range(2):
        ven.talk.step()
    found = ven.talk.payloads(event.OadrCreatedEvent)
    answers = found[-1].eiCreatedEvent.eventResponses.eventResponse if found else []
    names = [(one.qualifiedEventID.eventID, one.qualifiedEventID.modificationNumber) for one in answers]
    return [(*name, one.responseCode, one.optType) for name, one in zip(names, answers, strict=True)]


@pytest.mark.parametrize(
    ("texts", "code"),
    [
        ({"createdDateTime": "yesterday"}, "454"),
        ({"dtstart": None}, "459"),
        ({"signalID": None}, "459"),
        ({"eiEventSignals": None}, "459"),
        ({"value": "much"}, "454"),
        ({"eventStatus": "sometime"}, "454"),
        ({"oadrResponseRequired": "perhaps"}, "454"),
        ({"marketContext": None}, "459"),
    ],
)
def test_60_r19_an_event_that_breaks_the_schema_is_refused_and_the_others_are_executed(side, kit, texts, code):
    ven = side()
    payload = broken(kit, kit.event("A"), kit.event("B"), kit.event("C"), event_id="B", **texts)
    assert sorted(told(ven, payload)) == [
        ("A", 0, "200", "optIn"),
        ("B", 0, code, "optOut"),
        ("C", 0, "200", "optIn"),
    ]
    assert sorted(ven.ven.events) == ["A", "C"]
    (notice,) = ven.talk.told("EventUnread")
    assert notice.eventID == "B"
    assert next(iter(texts)) in notice.reason or "missing" in notice.reason


def test_60_r19_r57_a_version_that_breaks_the_schema_takes_the_place_of_the_last_one(side, kit):
    ven = side()
    good = kit.event("B")
    ven.give(kit.event("A"), good)
    assert told(ven, broken(kit, kit.event("A"), good, event_id="B", value="much"))[-1] == ("B", 0, "200", "optIn")
    assert ven.ven.events["B"].opt == "optIn"  # The same version, which was read before.
    payload = broken(kit, kit.event("A"), changed(good), event_id="B", value="much")
    assert told(ven, payload) == [("A", 0, "200", "optIn"), ("B", 1, "454", "optOut")]
    assert ven.ven.events["B"].opt == "optOut"
    assert [one.event.id for one in ven.ven.active(kit.now + 3600)] == ["A"]


def test_59_r19_an_unreadable_event_that_is_cancelled_is_cancelled_and_not_taken_for_one_that_is_missing(side, kit):
    ven = side()
    ven.give(kit.event("A"), kit.event("B"))
    payload = broken(
        kit, kit.event("A"), kit.event("B", status="cancelled", modification=1), event_id="B", dtstart=None
    )
    assert told(ven, payload) == [("A", 0, "200", "optIn"), ("B", 1, "200", "optIn")]
    (notice,) = ven.talk.told("EventCancelled")
    assert (notice.event.id, notice.implied) == ("B", False)


@pytest.mark.parametrize("texts", [{"eventID": None}, {"modificationNumber": "two"}, {"eventID": "x" * 600}])
def test_59_r19_an_event_that_cannot_be_told_apart_cancels_none_that_is_missing(side, kit, texts):
    ven = side()
    ven.give(kit.event("A"), kit.event("B"))
    assert told(ven, broken(kit, kit.event("A"), kit.event("B"), event_id="B", dtstart=None, **texts)) == [
        ("A", 0, "200", "optIn")
    ]
    assert not ven.talk.told("EventCancelled")
    assert ven.ven.events["B"].stop is None


def test_56_r12_an_unreadable_event_that_wants_no_answer_gets_none(side, kit):
    ven = side()
    quiet = kit.event("B", response_required=False)
    assert told(ven, broken(kit, kit.event("A"), quiet, event_id="B", value="x")) == [("A", 0, "200", "optIn")]
    assert list(ven.ven.events) == ["A"]


def test_60_an_event_that_is_over_is_refused(side, kit):
    answer = side().one(kit.event(start=-1000))
    assert (answer.responseCode, answer.optType) == ("451", "optOut")


def test_r21_a_foreign_vtn_id_refuses_the_whole_payload(side, kit):
    answer = side().give(kit.event(), vtn="vtn")
    assert (answer.eiResponse.responseCode, answer.eventResponses) == ("452", None)


def test_the_judge_decides_and_its_code_is_told(side, kit):
    seen = []

    def judge(new, previous):
        seen.append((new.id, previous and previous.modification))
        return Verdict("optOut", 469, "nothing left to shed") if new.priority else Verdict("optIn")

    ven = side(judge)
    made = kit.event()
    assert ven.one(made).optType == "optIn"
    answer = ven.one(changed(made, priority=1))
    assert (answer.optType, answer.responseCode, answer.responseDescription) == (
        "optOut",
        "469",
        "nothing left to shed",
    )
    assert seen == [("E", None), ("E", 0)]


def test_64_r17_an_opt_is_changed_later_with_the_request_id_of_the_distribute(side, kit):
    ven = side()
    ven.give(kit.event(), request="d7")
    ven.talk.sent.clear()
    ven.ven.change_opt("E", Verdict("optOut", 200, "operator"))
    ven.talk.step()
    body = ven.talk.payloads(event.OadrCreatedEvent)[0].eiCreatedEvent
    (one,) = body.eventResponses.eventResponse
    assert (one.requestID, one.optType, one.qualifiedEventID.modificationNumber) == ("d7", "optOut", 0)
    assert body.eiResponse.requestID == ""
    with pytest.raises(RefusedControl):
        ven.ven.change_opt("nothing", Verdict("optIn"))


# -- running -------------------------------------------------------------------------------------------------------


def test_61_62_r31_r32_r114_steps_come_by_our_clock_with_their_values(side, kit):
    ven = side()
    zero = kit.now
    ven.give(kit.event(start=100, values=(1.0, 2.0), ramp_up=50, recovery=30, status="far"))
    seen = []
    for wait in (50, 50, 600):
        ven.move(wait - 1)
        assert ven.steps() == []
        ven.move(1)
        seen += ven.steps()
    ven.move(2000)
    seen += ven.steps()
    assert [(kind, at - zero, value) for kind, at, value in seen] == [
        ("ramp-up", 50, None),
        ("start", 100, None),
        ("interval", 100, 1.0),
        ("interval", 700, 2.0),
        ("recovery", 1300, None),
        ("end", 1300, None),
    ]


def test_negative_ramps_lie_inside_the_event(side, kit):
    ven = side()
    zero = kit.now
    ven.give(kit.event(start=100, ramp_up=-20, recovery=-30))
    ven.move(1000)
    assert [(kind, at - zero) for kind, at, _ in ven.steps()] == [
        ("ramp-up", 100),
        ("start", 100),
        ("interval", 100),
        ("recovery", 670),
        ("end", 700),
    ]


def test_61_r30_the_start_is_randomised_once_and_kept_through_changes(side, kit):
    ven = side()
    made = kit.event(start=100, startafter=60)
    ven.give(made)
    assert ven.ven.events["E"].offset == 30
    ven.talk.chance = 0.9
    ven.give(changed(made, priority=1))
    assert ven.ven.events["E"].offset == 30
    ven.give(changed(changed(made, startafter=100)))
    assert ven.ven.events["E"].offset == 90
    assert ven.talk.told("EventReceived")[-1].start == made.dtstart + 90


def test_61_r66_a_completed_status_with_startafter_does_not_end_our_event(side, kit):
    ven = side()
    made = kit.event(start=10, startafter=100)
    ven.give(made)
    ven.move(615)
    ven.give(made)
    assert [one.event.id for one in ven.ven.active(kit.now)] == ["E"]
    ven.move(50)
    assert ven.ven.active(kit.now) == []


def test_61_r65_the_end_of_a_cancelled_event_is_randomised(side, kit):
    ven = side()
    made = kit.event(start=10, startafter=100)
    ven.give(made)
    ven.move(100)
    ven.steps()
    ven.give(changed(made, status="cancelled"))
    assert ven.talk.told("EventCancelled")[0].end == kit.now + 50
    ven.move(49)
    assert ven.steps() == []
    assert ven.ven.active(kit.now)
    ven.move(1)
    assert [kind for kind, _, _ in ven.steps()] == ["end"]
    assert not ven.ven.active(kit.now)


def test_61_the_random_end_outlives_a_set_without_the_event(side, kit):
    ven = side()
    made = kit.event(start=10, startafter=100)
    ven.give(made)
    ven.move(100)
    ven.steps()
    ven.give()
    ven.give()
    ven.move(50)
    assert [kind for kind, _, _ in ven.steps()] == ["end"]
    ven.give()
    assert not ven.ven.events


def test_63_r47_duration_zero_is_open_ended(side, kit):
    ven = side()
    signal = Signal(name="SIMPLE", type="level", id="s", durations=(0,), values=(2.0,))
    made = kit.event(start=10, duration=0, signals=(signal,))
    ven.give(made)
    ven.move(10_000_000)
    assert [kind for kind, _, _ in ven.steps()] == ["start", "interval"]
    (active,) = ven.ven.active(kit.now)
    assert active.values == {"s": 2.0}
    ven.give(changed(made, status="cancelled"))
    ven.move(1)
    assert [kind for kind, _, _ in ven.steps()] == ["end"]


@pytest.mark.parametrize(
    ("text", "is_test"), [(None, False), ("false", False), ("true", True), ("x", True), ("", True)]
)
def test_63_r6_any_text_but_false_marks_a_test(side, kit, text, is_test):
    seen = []
    ven = side(lambda new, previous: seen.append(new.is_test) or Verdict("optIn"))
    wire = to_wire(kit.event(test=text), kit.now)
    payload = event.OadrDistributeEvent(requestID="d", vtnID="VTN", oadrEvent=[wire])
    ven.ven.receive_push(payload, kit.now)
    assert seen == [is_test]


def test_an_opted_out_event_has_no_steps(side, kit):
    ven = side(lambda new, previous: Verdict("optOut"))
    ven.give(kit.event(start=10))
    ven.move(100)
    assert ven.steps() == []
    assert ven.ven.active(kit.now) == []


def test_r3_r18_overlapping_events_are_ordered_by_priority_then_start(side, kit):
    ven = side()
    ven.give(kit.event("none", start=5), kit.event("two", start=6, priority=2), kit.event("one", start=7, priority=1))
    ven.move(20)
    assert [one.event.id for one in ven.ven.active(kit.now)] == ["one", "two", "none"]


def test_events_outlive_a_restart_and_steps_are_told_once(side, kit):
    ven = side()
    made = kit.event(start=10, startafter=100, values=(1.0, 2.0))
    ven.give(made)
    ven.move(100)
    assert len(ven.steps()) == 2
    ven.talk.commit()
    ven.talk.restart()
    again = ven.talk.ven
    again.handle_timer(kit.now)
    assert again.next_event() is None
    assert again.events["E"].offset == 50
    kit.now += 600
    again.handle_timer(kit.now)
    assert again.next_event().interval == 1


def test_old_events_are_forgotten(side, kit):
    ven = side()
    ven.give(kit.event(start=10))
    ven.move(100_000)
    assert not ven.ven.events


def test_57_r5_a_cancelled_event_that_comes_again_as_if_it_were_not_gets_450_until_it_is_modified(side, kit):
    ven = side()
    ven.one(kit.event())
    ven.one(changed(kit.event(), status="cancelled"))
    again = ven.one(changed(kit.event()))
    assert (again.responseCode, again.optType) == ("450", "optOut")
    later = ven.one(dataclasses.replace(kit.event(), modification=2))
    assert (later.responseCode, later.optType) == ("200", "optIn")
    assert ven.ven.events["E"].stop is None


@pytest.mark.parametrize(
    ("durations", "whole", "code"),
    [
        ((0, 600), 600, "454"),  # would run on beside the next one and behind the event
        ((600, 0), 600, "454"),
        ((0, 600), 0, "454"),
        ((600, 0), 0, "200"),
        ((0, 0), 0, "454"),
        ((600, 600), 0, "454"),  # has it ended after twenty minutes, or does the last value hold?
    ],
)
def test_62_r8_r47_only_the_last_interval_of_an_open_ended_event_has_no_end(side, kit, durations, whole, code):
    signal = Signal(name="SIMPLE", type="level", id="s", durations=durations, values=(1.0, 2.0))
    assert side().one(kit.event(duration=whole, signals=(signal,))).responseCode == code


@pytest.mark.parametrize("fields", [{"event_id": "e" * 513}, {"signals": "s" * 513}])
def test_60_an_event_whose_ids_no_database_would_index_is_refused_by_itself(side, kit, fields):
    if "signals" in fields:
        fields = {"signals": (dataclasses.replace(kit.event().signals[0], id=fields["signals"]),)}
    first, second = side().give(kit.event(**fields), kit.event("B")).eventResponses.eventResponse
    assert (first.responseCode, first.optType) == ("452", "optOut")
    assert second.responseCode == "200"
