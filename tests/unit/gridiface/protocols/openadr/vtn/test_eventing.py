"""EiEvent of the VTN."""

from __future__ import annotations

import dataclasses

import pytest

from gridiface.errors import RefusedControl
from gridiface.protocols.openadr.events import Baseline, Signal, current_value
from gridiface.protocols.openadr.payloads import event, registration
from gridiface.protocols.openadr.payloads.common import EiResponse, EiTarget, QualifiedEventID
from gridiface.protocols.openadr.payloads.units import power_real, price_per_kwh


@pytest.fixture
def ven(kit):
    made = kit.register()
    kit.quiet(made)
    return made


def ids(answer):
    return [one.eiEvent.eventDescriptor.eventID for one in answer.oadrEvent]


def only(answer):
    assert len(answer.oadrEvent) == 1
    return answer.oadrEvent[0].eiEvent


def failed(ven, code="454"):
    body = event.EiCreatedEvent(eiResponse=EiResponse(responseCode=code, requestID="d"), venID=ven)
    return event.OadrCreatedEvent(eiCreatedEvent=body)


# -- distribution --------------------------------------------------------------------------------------------------


def test_20_r40_r41_a_request_is_answered_by_a_distribute_with_an_ei_response_also_without_events(kit, ven):
    answer = kit.request(ven)
    assert isinstance(answer, event.OadrDistributeEvent)
    assert (answer.eiResponse.responseCode, answer.eiResponse.requestID) == ("200", "q")
    assert answer.oadrEvent == []


@pytest.mark.parametrize("limit", [0, 1, 2, 5])
def test_21_r27_the_reply_limit_is_obeyed_exactly_in_a_stable_order(kit, ven, limit):
    for name in "CAB":
        kit.send([ven], name)
    whole = ids(kit.request(ven))
    assert whole == ["A", "B", "C"]
    assert ids(kit.request(ven, limit)) == whole[:limit]


def test_22_r15_r50_all_far_near_and_active_events_are_listed_in_order(kit, ven):
    kit.send([ven], "low", start=10)
    kit.send([ven], "prio2", start=12, priority=2)
    kit.send([ven], "prio1", start=14, priority=1)
    kit.send([ven], "late", start=5000)
    kit.send([ven], "soon", start=1000)
    kit.now += 20
    answer = kit.request(ven)
    assert ids(answer) == ["prio1", "prio2", "low", "soon", "late"]
    kit.now += 600
    assert ids(kit.request(ven)) == ["soon", "late"]


def test_23_r4_r5_r10_modification_numbers_start_at_zero_and_grow_by_one_per_change(kit, ven):
    kit.send([ven])
    assert only(kit.request(ven)).eventDescriptor.modificationNumber == 0
    kit.do(kit.vtn.modify_event("E", kit.now, priority=3))
    kit.do(kit.vtn.modify_event("E", kit.now, comment="more", reason="because"))
    descriptor = only(kit.request(ven)).eventDescriptor
    assert descriptor.modificationNumber == 2
    assert descriptor.modificationReason == "because"
    assert descriptor.modificationDateTime == kit.now
    kit.do(kit.vtn.cancel_event("E", kit.now))
    assert only(kit.request(ven)).eventDescriptor.modificationNumber == 3


def test_23_r5_r502_a_change_of_nothing_is_no_change_and_a_recipient_more_is_told_alone(kit, ven):
    other, third = kit.register("other"), kit.register("third")
    for one in (ven, other, third):
        kit.quiet(one)
    kit.send([ven, other])
    for one in (ven, other):
        kit.request(one)
        kit.answer(one, "E", 0)
    kit.now += 10
    record, changed = kit.vtn.events["E"], kit.vtn.events["E"].changed
    for fields in ({"comment": record.event.comment}, {"recipients": [other, ven], "reason": "again"}):
        kit.do(kit.vtn.modify_event("E", kit.now, **fields))
        assert [kit.vtn.waiting(one) for one in (ven, other, third)] == [[], [], []]
        assert only(kit.request(ven)).eventDescriptor.modificationNumber == 0
        assert kit.vtn.events["E"].changed == changed
    kit.do(kit.vtn.modify_event("E", kit.now, recipients=[ven, third]))
    assert [kit.vtn.waiting(one) for one in (ven, other, third)] == [[], ["events"], ["events"]]
    kit.do(kit.vtn.modify_event("E", kit.now, comment="another"))
    assert [kit.vtn.waiting(one) for one in (ven, third)] == [["events"], ["events"]]


def test_23_r14_r29_status_and_current_value_change_without_a_new_modification(kit, ven):
    kit.send([ven], start=100, values=(1.0, 2.0), ramp_up=50)
    seen = []
    for offset in (0, 60, 110, 710):
        kit.now += offset - (seen[-1][3] if seen else 0)
        found = only(kit.request(ven))
        descriptor, signal = found.eventDescriptor, found.eiEventSignals.eiEventSignal[0]
        seen.append(
            (descriptor.eventStatus, signal.currentValue.payloadFloat.value, descriptor.modificationNumber, offset)
        )
    assert [row[:3] for row in seen] == [("far", 0.0, 0), ("near", 0.0, 0), ("active", 1.0, 0), ("active", 2.0, 0)]


def test_24_r115_created_date_time_is_new_with_each_change_and_the_same_for_all_events(kit, ven):
    kit.send([ven], "A")
    first = kit.request(ven).oadrEvent[0].eiEvent.eventDescriptor.createdDateTime
    kit.now += 50
    kit.send([ven], "B")
    kit.now += 50
    times = {one.eiEvent.eventDescriptor.createdDateTime for one in kit.request(ven).oadrEvent}
    assert len(times) == 1
    assert first + 50 <= min(times) <= first + 100
    kit.do(kit.vtn.cancel_event("A", kit.now))
    (last,) = {one.eiEvent.eventDescriptor.createdDateTime for one in kit.request(ven).oadrEvent}
    assert min(times) < last
    assert last - first == pytest.approx(100, abs=0.01)


@pytest.mark.parametrize("start", [20.0, 20.4])
def test_24_r115_what_a_payload_says_is_so_at_its_created_date_time(kit, ven, start):
    """Receivers judge the status, and which interval runs, by that time: it is renewed as these change by the clock."""
    sent = kit.send([ven], "A", start=start, values=(1.0, 2.0), length=10, ramp_up=5, duration=20)
    begin, seen = kit.now, set()
    for tenths in range(0, int((start + 20) * 10)):
        kit.now = begin + tenths / 10
        (one,) = kit.request(ven).oadrEvent
        descriptor = one.eiEvent.eventDescriptor
        created = descriptor.createdDateTime
        signal = one.eiEvent.eiEventSignals.eiEventSignal[0]
        assert kit.now - 1 < created <= kit.now + 0.002
        assert descriptor.eventStatus == sent.status_at(created)
        assert signal.currentValue.payloadFloat.value == current_value(sent.signals[0], sent, created)
        seen.add((descriptor.eventStatus, signal.currentValue.payloadFloat.value))
    assert seen == {("far", 0.0), ("near", 0.0), ("active", 1.0), ("active", 2.0)}


def test_25_r13_near_comes_only_with_a_ramp_up(kit, ven):
    kit.send([ven], start=100)
    kit.now += 99
    assert only(kit.request(ven)).eventDescriptor.eventStatus == "far"
    kit.now += 1
    assert only(kit.request(ven)).eventDescriptor.eventStatus == "active"


def test_26_27_r2_r8_r100_r102_r103_r105_the_wire_form_of_an_event(kit, ven):
    kit.send([ven], values=(1.0, 3.0), startafter=30, ramp_up=20, recovery=-10, notification=None)
    found = only(kit.request(ven))
    times = found.eiActivePeriod.properties
    assert (times.x_eiNotification, times.x_eiRampUp, times.x_eiRecovery) == (0, 20, -10)
    assert times.tolerance.startafter == 30
    signal = found.eiEventSignals.eiEventSignal[0]
    rows = signal.intervals.interval
    assert [row.uid for row in rows] == ["0", "1"]
    assert all(row.dtstart is None for row in rows)
    assert sum(row.duration for row in rows) == times.duration
    assert (signal.signalName, signal.signalType) == ("SIMPLE", "level")


def test_28_r9_r104_r116_only_signals_of_the_table_can_be_sent(kit, ven):
    def trial(**fields):
        signal = Signal(**{"id": "s", "durations": (600,), "values": (1.0,), **fields})
        return kit.vtn.create_event(kit.event(signals=(signal,)), [ven], kit.now)

    for wrong in (
        {"name": "SIMPLE", "type": "price"},
        {"name": "SIMPLE", "type": "level", "values": (4.0,)},
        {"name": "SIMPLE", "type": "level", "unit": power_real()},
        {"name": "LOAD_DISPATCH", "type": "setpoint"},
        {"name": "LOAD_DISPATCH", "type": "setpoint", "unit": price_per_kwh("EUR")},
        {"name": "CHARGE_STATE", "type": "multiplier", "values": (1.5,)},
        {"name": "LOAD_DISPATCH", "type": "setpoint", "unit": power_real(), "values": (float("nan"),)},
        {"name": "SIMPLE", "type": "level", "durations": (500,)},
        {"name": "SIMPLE", "type": "level", "durations": (), "values": ()},
    ):
        with pytest.raises(RefusedControl):
            trial(**wrong)
    kit.do(trial(name="LOAD_DISPATCH", type="setpoint", unit=power_real("k"), values=(12.5,)))


def test_an_event_for_nobody_says_whom_it_could_mean(kit, ven):
    event = kit.event(signals=(Signal(id="s", durations=(600,), values=(1.0,), name="SIMPLE", type="level"),))
    with pytest.raises(RefusedControl, match="no VEN is meant: none is named, and none is in a group"):
        kit.vtn.create_event(event, [], kit.now)
    with pytest.raises(RefusedControl, match="not known as VENs: nobody"):
        kit.vtn.create_event(event, [ven, "nobody"], kit.now)


def test_28_r107_signal_ids_of_an_event_differ(kit, ven):
    signal = kit.event().signals[0]
    with pytest.raises(RefusedControl, match="signalIDs"):
        kit.vtn.create_event(kit.event(signals=(signal, signal)), [ven], kit.now)


def test_29_r101_r108_a_baseline_has_its_own_times(kit, ven):
    base = Baseline(
        id="b",
        name="10 of 10",
        dtstart=kit.now,
        durations=(900, 900),
        values=(5.0, 6.0),
        unit=power_real("k"),
        resources=("r",),
    )
    kit.send([ven], baseline=base)
    found = only(kit.request(ven)).eiEventSignals.eiEventBaseline
    assert found.duration == 1800
    assert [row.uid for row in found.intervals.interval] == ["0", "1"]
    assert found.dtstart == kit.now
    assert found.resourceID == ["r"]


def test_r106_r111_several_signals_targets_and_device_classes_pass_unharmed(kit, ven):
    price = Signal(
        name="ELECTRICITY_PRICE",
        type="price",
        id="p",
        durations=(300, 300),
        values=(0.1, 0.2),
        unit=price_per_kwh("EUR"),
        devices=("Thermostat", "EVSE"),
    )
    target = EiTarget(groupID=["g"], resourceID=["r1", "r2"], partyID=["p"])
    kit.send([ven], signals=(kit.event().signals[0], price), target=target)
    found = only(kit.request(ven))
    assert found.eiTarget == target
    second = found.eiEventSignals.eiEventSignal[1]
    assert second.eiTarget.endDeviceAsset == ["Thermostat", "EVSE"]
    assert second.currentValue is None


def test_30_r36_a_cancelled_event_is_repeated_until_it_is_acknowledged(kit, ven):
    kit.send([ven])
    kit.request(ven)
    kit.do(kit.vtn.cancel_event("E", kit.now))
    for _ in range(3):
        assert only(kit.request(ven)).eventDescriptor.eventStatus == "cancelled"
    kit.answer(ven, "E", 1)
    assert kit.request(ven).oadrEvent == []
    assert kit.told("EventAnswered")[-1].cancelled


def test_32_r36_the_word_on_an_event_stays_when_its_end_is_confirmed(kit, ven):
    kit.send([ven])
    kit.request(ven)
    kit.answer(ven, "E", 0, "optOut", "460")
    said_at = kit.now
    kit.now += 5
    kit.do(kit.vtn.cancel_event("E", kit.now))
    kit.request(ven)
    kit.answer(ven, "E", 1)
    found = kit.vtn.delivery(ven, "E")
    assert (found.opt, found.code, found.opted_at) == ("optOut", 460, said_at)
    assert (found.answered, found.cancel_done, found.cancel_refused) == (1, True, None)
    assert kit.vtn.said(ven, "E", None) == "optOut"


def test_36_r36_a_ven_that_cannot_cancel_says_so_once_and_is_not_counted_as_ended(kit, ven):
    kit.send([ven])
    kit.request(ven)
    kit.answer(ven, "E", 0)
    kit.do(kit.vtn.cancel_event("E", kit.now))
    kit.request(ven)
    kit.answer(ven, "E", 1, "optOut")
    found = kit.vtn.delivery(ven, "E")
    assert (found.opt, found.cancel_done, found.cancel_refused) == ("optIn", True, "optOut (200)")
    assert kit.request(ven).oadrEvent == []
    kit.restart()
    assert kit.vtn.delivery(ven, "E").cancel_refused == "optOut (200)"


def test_30_r52_an_unacknowledged_cancellation_ends_with_the_event_or_the_limit(vtn_kit):
    kit = vtn_kit(cancel_attempts=2)
    ven = kit.register()
    kit.send([ven], "A")
    kit.send([ven], "B", start=10)
    kit.request(ven)
    kit.do(kit.vtn.cancel_event("A", kit.now))
    kit.do(kit.vtn.cancel_event("B", kit.now))
    assert ids(kit.request(ven)) == ["B", "A"]
    kit.now += 611
    assert ids(kit.request(ven)) == ["A"]
    assert ids(kit.request(ven)) == []
    kit.check()


def test_30_who_never_got_an_event_is_not_told_of_its_cancellation(kit, ven):
    kit.send([ven])
    kit.do(kit.vtn.cancel_event("E", kit.now))
    assert kit.request(ven).oadrEvent == []


def test_31_r66_an_event_with_startafter_is_listed_until_the_last_ven_may_have_ended(kit, ven):
    kit.send([ven], start=10, startafter=100)
    kit.now += 10 + 600 + 99
    assert only(kit.request(ven)).eventDescriptor.eventStatus == "completed"
    kit.now += 1
    assert kit.request(ven).oadrEvent == []


def test_r47_an_open_ended_event_runs_until_it_is_cancelled(kit, ven):
    signal = Signal(name="SIMPLE", type="level", id="s", durations=(0,), values=(2.0,))
    kit.send([ven], start=10, duration=0, signals=(signal,))
    kit.now += 10_000_000
    found = only(kit.request(ven))
    assert found.eventDescriptor.eventStatus == "active"
    assert found.eiEventSignals.eiEventSignal[0].currentValue.payloadFloat.value == 2.0
    kit.do(kit.vtn.cancel_event("E", kit.now))
    kit.request(ven)
    kit.answer(ven, "E", 1)
    assert kit.request(ven).oadrEvent == []


def test_r6_test_events_carry_their_mark(kit, ven):
    kit.send([ven], test="true", comment="a drill")
    descriptor = only(kit.request(ven)).eventDescriptor
    assert (descriptor.testEvent, descriptor.vtnComment) == ("true", "a drill")


# -- answers -------------------------------------------------------------------------------------------------------


def test_32_r16_r17_opt_in_and_later_opt_out_are_taken(kit, ven):
    kit.send([ven])
    kit.request(ven)
    assert kit.answer(ven, "E", 0).eiResponse.responseCode == "200"
    assert kit.vtn.delivery(ven, "E").opt == "optIn"
    kit.answer(ven, "E", 0, "optOut")
    assert kit.vtn.delivery(ven, "E").opt == "optOut"
    assert [note.opt for note in kit.told("EventAnswered")] == ["optIn", "optOut"]


def test_32_r48_a_wrong_modification_number_gets_450(kit, ven):
    kit.send([ven])
    kit.request(ven)
    answer = kit.answer(ven, "E", 7)
    assert (answer.eiResponse.responseCode, answer.eiResponse.requestID) == ("450", "d")
    assert kit.vtn.delivery(ven, "E").opt is None


def test_32_r21_r33_an_unknown_event_id_gets_452(kit, ven):
    assert kit.answer(ven, "nothing", 0).eiResponse.responseCode == "452"


def test_32_r19_good_answers_count_beside_bad_ones(kit, ven):
    kit.send([ven])
    kit.request(ven)
    both = event.EventResponses(
        eventResponse=[
            event.EventResponse(
                responseCode="200",
                requestID="d",
                qualifiedEventID=QualifiedEventID(eventID=name, modificationNumber=0),
                optType="optIn",
            )
            for name in ("unknown", "E")
        ]
    )
    body = event.EiCreatedEvent(eiResponse=EiResponse(responseCode="200", requestID=""), eventResponses=both, venID=ven)
    answer = kit.handle(event.OadrCreatedEvent(eiCreatedEvent=body))
    assert answer.eiResponse.responseCode == "452"
    assert kit.vtn.delivery(ven, "E").opt == "optIn"


@pytest.mark.parametrize("responses", [None, event.EventResponses()])
def test_33_r35_an_error_without_or_with_empty_event_responses_is_taken(kit, ven, responses):
    kit.send([ven])
    kit.poll(ven)
    payload = failed(ven)
    payload.eiCreatedEvent.eventResponses = responses
    assert kit.handle(payload).eiResponse.responseCode == "200"
    assert kit.told("DistributeRejected")[0].code == 454
    assert kit.vtn.waiting(ven) == []


def test_r25_event_responses_beside_an_error_do_not_count(kit, ven):
    kit.send([ven])
    kit.request(ven)
    payload = failed(ven)
    payload.eiCreatedEvent.eventResponses = event.EventResponses(
        eventResponse=[
            event.EventResponse(
                responseCode="200",
                requestID="d",
                qualifiedEventID=QualifiedEventID(eventID="E", modificationNumber=0),
                optType="optIn",
            )
        ]
    )
    kit.handle(payload)
    assert kit.vtn.delivery(ven, "E").opt is None


def test_34_r12_answers_to_events_that_want_none_are_neither_expected_nor_counted(kit, ven):
    kit.send([ven], response_required=False)
    assert kit.poll(ven).oadrEvent[0].oadrResponseRequired == "never"
    assert kit.vtn.waiting(ven) == []
    kit.answer(ven, "E", 0)
    assert kit.vtn.delivery(ven, "E").opt is None
    assert not kit.told("EventAnswered")


def test_35_r22_r63_a_target_names_one_ven_and_an_empty_one_the_recipient(kit, ven):
    other = kit.register("other")
    kit.send([ven, other])
    assert only(kit.request(ven)).eiTarget.venID == [ven]
    assert only(kit.request(other)).eiTarget.venID == [other]
    with pytest.raises(RefusedControl, match="venID"):
        kit.vtn.create_event(kit.event("F", target=EiTarget(venID=["a", "b"])), [ven], kit.now)


def test_35_r70_an_event_id_is_not_used_again(kit, ven):
    """Also long after: a VEN that remembers the event would answer 450 to a lower modificationNumber of another."""
    kit.send([ven])
    kit.do(kit.vtn.create_event(kit.event("drawn"), [ven], kit.now, drawn=True))
    for _ in range(2):
        with pytest.raises(RefusedControl, match="used before"):
            kit.vtn.create_event(kit.event(), [ven], kit.now)
        kit.now += kit.config.retention + 10_000
        kit.do(kit.vtn.handle_timer(kit.now))
        assert not kit.vtn.events
        kit.restart()
    # What was drawn never comes again by itself, and is not kept for ever.
    assert sorted(key for key in kit.store if key.startswith(("event/", "spent/"))) == ["spent/E"]


def test_22_r50_what_a_poll_brings_lists_all_that_is_open_not_what_is_new_alone(kit, ven):
    kit.quiet(ven)
    kit.send([ven], "A", start=10)
    kit.send([ven], "B")
    kit.poll(ven)
    kit.answer(ven, "A", 0)
    kit.answer(ven, "B", 0)
    kit.now += 20
    kit.send([ven], "C", start=5000)
    found = kit.poll(ven)
    assert ids(found) == ["A", "B", "C"]
    assert [one.eiEvent.eventDescriptor.eventStatus for one in found.oadrEvent] == ["active", "far", "far"]


# -- changes -------------------------------------------------------------------------------------------------------


def test_r20_what_is_past_cannot_be_changed(kit, ven):
    made = kit.send([ven], start=10, values=(1.0, 2.0))
    kit.now += 10 + 650
    past = dataclasses.replace(made.signals[0], values=(0.0, 2.0))
    running = dataclasses.replace(made.signals[0], values=(1.0, 3.0))
    with pytest.raises(RefusedControl, match="are over"):
        kit.vtn.modify_event("E", kit.now, signals=(past,))
    with pytest.raises(RefusedControl, match="another time"):
        kit.vtn.modify_event("E", kit.now, dtstart=made.dtstart + 10)
    with pytest.raises(RefusedControl, match="already be over"):
        kit.vtn.modify_event(
            "E", kit.now, duration=600, signals=(dataclasses.replace(made.signals[0], durations=(600,), values=(1.0,)),)
        )
    kit.do(kit.vtn.modify_event("E", kit.now, signals=(running,)))
    kit.now += 600
    for change in (lambda: kit.vtn.modify_event("E", kit.now, priority=1), lambda: kit.vtn.cancel_event("E", kit.now)):
        with pytest.raises(RefusedControl):
            change()


def test_a_pending_event_cannot_be_moved_into_the_past(kit, ven):
    made = kit.send([ven])
    with pytest.raises(RefusedControl, match="past"):
        kit.vtn.modify_event("E", kit.now, dtstart=kit.now - 1)
    kit.do(kit.vtn.modify_event("E", kit.now, dtstart=made.dtstart + 60))


def test_a_cancelled_event_cannot_be_changed_and_is_cancelled_once(kit, ven):
    kit.send([ven])
    kit.do(kit.vtn.cancel_event("E", kit.now))
    assert kit.do(kit.vtn.cancel_event("E", kit.now)).event.modification == 1
    with pytest.raises(RefusedControl):
        kit.vtn.modify_event("E", kit.now, priority=1)


@pytest.mark.parametrize("field", ["id", "modification", "status", "created", "modified"])
def test_what_the_rules_count_cannot_be_set_by_hand(kit, ven, field):
    kit.send([ven])
    with pytest.raises(RefusedControl, match="by hand"):
        kit.vtn.modify_event("E", kit.now, **{field: "x"})


def test_recipients_can_change_and_who_leaves_gets_a_set_without_the_event(kit, ven):
    other = kit.register("other")
    kit.quiet(other)
    kit.send([ven])
    kit.poll(ven)
    kit.answer(ven, "E", 0)
    kit.do(kit.vtn.modify_event("E", kit.now, recipients=[other]))
    assert kit.poll(ven).oadrEvent == []
    assert ids(kit.poll(other)) == ["E"]
    assert kit.vtn.events["E"].event.modification == 0


def test_events_need_known_recipients_and_a_future(kit, ven):
    for made, recipients in (
        (kit.event(), []),
        (kit.event(), ["nobody"]),
        (kit.event(start=-700), [ven]),
        (kit.event(modification=1), [ven]),
        (kit.event(market_context=""), [ven]),
        (kit.event(startafter=-1), [ven]),
        (kit.event(signals=()), [ven]),
    ):
        with pytest.raises(RefusedControl):
            kit.vtn.create_event(made, recipients, kit.now)
    assert not kit.vtn.events
    for verb in (kit.vtn.cancel_event, kit.vtn.modify_event):
        with pytest.raises(RefusedControl):
            verb("nothing", kit.now)


# -- time ----------------------------------------------------------------------------------------------------------


def test_status_changes_are_told_once_and_old_events_forgotten(kit, ven):
    kit.send([ven], start=100, ramp_up=50)
    for _ in range(2):
        kit.do(kit.vtn.handle_timer(kit.now))
    while (due := kit.vtn.next_timer(kit.now)) < kit.now + 10_000:
        kit.now = due
        kit.do(kit.vtn.handle_timer(kit.now))
    assert [note.status for note in kit.told("EventStatusChanged")] == ["far", "near", "active", "completed"]
    kit.now += 2 * 86_400
    kit.do(kit.vtn.handle_timer(kit.now))
    assert not kit.vtn.events


def test_a_report_only_ven_gets_no_events(kit):
    made = registration.OadrCreatePartyRegistration(
        requestID="r",
        oadrProfileName="2.0b",
        oadrTransportName="simpleHttp",
        oadrReportOnly=True,
        oadrXmlSignature=False,
        oadrVenName="meter",
        oadrHttpPullModel=True,
    )
    ven = kit.handle(made).venID
    kit.quiet(ven)
    kit.send([ven])
    assert isinstance(kit.poll(ven), event.OadrResponse)
