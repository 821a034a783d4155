"""The queue of payloads per VEN: order, attempts, time-outs, push."""

from __future__ import annotations

import pytest

from gridiface.protocols.openadr.answers import ok
from gridiface.protocols.openadr.payloads import event, registration, report


@pytest.fixture
def ven(kit):
    return kit.register()


def test_17_a_poll_gets_one_payload_and_oadr_response_when_nothing_waits(kit, ven):
    assert isinstance(kit.poll(ven), report.OadrRegisterReport)
    answer = kit.poll(ven)
    assert isinstance(answer, event.OadrResponse)
    assert (answer.eiResponse.responseCode, answer.eiResponse.requestID) == ("200", "")


def test_18_r501_the_queue_keeps_its_order_over_all_kinds(kit, ven):
    kit.quiet(ven)
    kit.handle(report.OadrRegisterReport(requestID="m", venID=ven))
    (running,) = kit.do(kit.vtn.request_metadata(ven))
    pending = report.OadrPendingReports(reportRequestID=[running])
    kit.handle(report.OadrCreatedReport(eiResponse=ok(kit.poll(ven).requestID), oadrPendingReports=pending, venID=ven))
    kit.do(kit.vtn.request_metadata(ven))
    kit.send([ven])
    kit.do(kit.vtn.cancel_reports(ven, [running]))
    kit.do(kit.vtn.request_reregistration(ven))
    kit.do(kit.vtn.cancel_registration(ven))
    kinds = [type(kit.poll(ven)).__name__ for _ in range(6)]
    assert kinds == [
        "OadrCreateReport",
        "OadrDistributeEvent",
        "OadrCancelReport",
        "OadrRequestReregistration",
        "OadrCancelPartyRegistration",
        "OadrResponse",
    ]


def test_18_the_queue_outlives_a_restart(kit, ven):
    kit.quiet(ven)
    kit.send([ven])
    kit.do(kit.vtn.request_reregistration(ven))
    kit.restart()
    assert isinstance(kit.poll(ven), event.OadrDistributeEvent)
    kit.restart()
    assert isinstance(kit.poll(ven), registration.OadrRequestReregistration)


def test_19_an_unanswered_payload_comes_again_after_the_timeout_and_is_then_given_up(kit, ven):
    kit.quiet(ven)
    kit.send([ven])
    for _ in range(3):
        assert isinstance(kit.poll(ven), event.OadrDistributeEvent)
        assert isinstance(kit.poll(ven), event.OadrResponse)
        kit.now += 30
    assert isinstance(kit.poll(ven), event.OadrResponse)
    assert kit.vtn.waiting(ven) == []
    assert kit.told("Undelivered")[0].attempts == 3


def test_what_was_sent_by_a_clock_that_was_ahead_comes_again(kit, ven):
    kit.quiet(ven)
    kit.send([ven])
    assert isinstance(kit.poll(ven), event.OadrDistributeEvent)
    kit.now -= 3600
    assert isinstance(kit.poll(ven), event.OadrDistributeEvent)
    assert isinstance(kit.poll(ven), event.OadrResponse)


def test_19_an_answer_in_time_ends_the_repetition(kit, ven):
    kit.quiet(ven)
    kit.send([ven])
    kit.poll(ven)
    kit.answer(ven, "E", 0)
    kit.now += 100
    assert isinstance(kit.poll(ven), event.OadrResponse)


def test_r502_only_new_content_makes_a_distribute_not_a_status(kit, ven):
    kit.quiet(ven)
    kit.send([ven], start=10)
    kit.poll(ven)
    kit.answer(ven, "E", 0)
    kit.now += 20
    kit.do(kit.vtn.handle_timer(kit.now))
    assert isinstance(kit.poll(ven), event.OadrResponse)
    kit.do(kit.vtn.cancel_event("E", kit.now))
    assert kit.poll(ven).oadrEvent[0].eiEvent.eventDescriptor.eventStatus == "cancelled"


def test_several_changes_before_a_poll_are_one_distribute(kit, ven):
    kit.quiet(ven)
    kit.send([ven], "A")
    kit.send([ven], "B")
    kit.do(kit.vtn.distribute([ven]))
    answer = kit.poll(ven)
    assert len(answer.oadrEvent) == 2
    assert isinstance(kit.poll(ven), event.OadrResponse)


def test_an_empty_distribute_can_be_sent_by_hand(kit, ven):
    kit.quiet(ven)
    kit.do(kit.vtn.distribute([ven]))
    answer = kit.poll(ven)
    assert answer.oadrEvent == []
    assert answer.eiResponse.responseCode == "200"
    assert kit.vtn.waiting(ven) == []


def test_a_partly_answered_distribute_comes_again(kit, ven):
    kit.quiet(ven)
    kit.send([ven], "A")
    kit.send([ven], "B")
    kit.poll(ven)
    kit.answer(ven, "A", 0)
    kit.now += 30
    assert len(kit.poll(ven).oadrEvent) == 2
    kit.answer(ven, "B", 0)
    kit.now += 30
    assert isinstance(kit.poll(ven), event.OadrResponse)


def test_a_poll_alone_costs_no_commit(kit, ven):
    kit.quiet(ven)
    before = dict(kit.store)
    kit.poll(ven)
    assert kit.store == before


# -- push ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def pushed(kit):
    return kit.register("push", oadrHttpPullModel=False, oadrTransportAddress="https://ven.example/x/")


def pushes(kit):
    found, result = kit.vtn.next_pushes(kit.now)
    kit.commit(result)
    return found


def test_44_a_push_ven_gets_its_payloads_at_its_address(kit, pushed):
    (first,) = pushes(kit)
    assert (first.venID, first.address, first.service) == (pushed, "https://ven.example/x/", "EiReport")
    assert isinstance(first.payload, report.OadrRegisterReport)
    kit.handle(report.OadrRegisteredReport(eiResponse=ok(first.payload.requestID), venID=pushed))
    kit.send([pushed])
    (second,) = pushes(kit)
    assert second.service == "EiEvent"
    assert second.payload.eiResponse is None
    assert kit.answer(pushed, "E", 0).eiResponse.responseCode == "200"
    assert kit.vtn.waiting(pushed) == []


def test_44_a_failed_push_is_tried_again_later_each_time(kit, pushed):
    waits = []
    for _ in range(10):
        assert len(pushes(kit)) == 1
        kit.do(kit.vtn.push_failed(pushed, kit.now, status=503 if len(waits) % 2 else 0))
        assert pushes(kit) == ()
        due = kit.vtn.next_timer(kit.now)
        waits.append(due - kit.now)
        kit.now = due
    assert waits == [2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 300.0, 300.0]
    # However long the VEN was away, what waits for it is not lost; only what it got counts against the attempts.
    kit.restart()
    for _ in range(3):
        assert len(pushes(kit)) == 1
        kit.now += 30
    assert pushes(kit) == ()
    assert kit.told("Undelivered")


def test_44_what_needs_no_answer_is_pushed_until_it_is_taken(kit, pushed):
    (first,) = pushes(kit)
    kit.do(kit.vtn.push_done(pushed, kit.now))
    kit.handle(report.OadrRegisteredReport(eiResponse=ok(first.payload.requestID), venID=pushed))
    kit.send([pushed], response_required=False)
    for _ in range(5):
        (push,) = pushes(kit)
        assert [one.eiEvent.eventDescriptor.eventID for one in push.payload.oadrEvent] == ["E"]
        kit.do(kit.vtn.push_failed(pushed, kit.now))
        kit.restart()
        kit.now = kit.vtn.next_timer(kit.now)
    assert len(pushes(kit)) == 1
    kit.do(kit.vtn.push_done(pushed, kit.now))
    kit.now += 1000
    assert pushes(kit) == ()
    assert kit.vtn.waiting(pushed) == []


def test_44_a_push_whose_outcome_nobody_learnt_comes_again(kit, pushed):
    (first,) = pushes(kit)
    kit.handle(report.OadrRegisteredReport(eiResponse=ok(first.payload.requestID), venID=pushed))
    kit.do(kit.vtn.distribute([pushed]))
    assert len(pushes(kit)) == 1
    kit.restart()
    assert pushes(kit) == ()
    kit.now += 30
    assert len(pushes(kit)) == 1


@pytest.mark.parametrize("status", [400, 404, 406, 413, 501])
def test_r517_what_a_ven_cannot_take_is_not_pushed_again(kit, pushed, status):
    assert len(pushes(kit)) == 1
    kit.do(kit.vtn.push_failed(pushed, kit.now, status=status))
    kit.now += 10_000
    assert pushes(kit) == ()
    assert kit.told("Undelivered")


def test_a_push_ven_that_is_busy_gets_nothing(kit, pushed):
    found, _ = kit.vtn.next_pushes(kit.now, busy={pushed})
    assert found == ()
    assert len(pushes(kit)) == 1


def test_r500_a_push_ven_must_not_poll(kit, pushed):
    assert kit.poll(pushed).eiResponse.responseCode == "451"


def test_a_ven_cannot_fill_its_queue(kit, ven):
    def wanted(name):
        return report.OadrReportRequest(
            reportRequestID=name,
            reportSpecifier=report.ReportSpecifier(
                reportSpecifierID="METADATA",
                granularity=0,
                reportBackDuration=0,
                specifierPayload=[report.SpecifierPayload(rID="0", readingType="x-notApplicable")],
            ),
        )

    def code(names):
        payload = report.OadrCreateReport(requestID="c", oadrReportRequest=[wanted(n) for n in names], venID=ven)
        return kit.handle(payload).eiResponse.responseCode

    assert code(["m"] * 60) == code(["m"] * 60) == "200"
    assert len(kit.vtn.waiting(ven)) == 2
    codes = [code([f"{group}{n}" for n in range(60)]) for group in "abc"]
    assert codes == ["200", "469", "469"]
    assert len(kit.vtn.waiting(ven)) == 62
