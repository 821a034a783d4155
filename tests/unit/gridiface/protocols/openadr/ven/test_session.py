"""Registration, polling and sending of the VEN, mostly in conversation with our VTN core."""

from __future__ import annotations

import itertools
import random

import pytest

from gridiface.errors import LocalProtocolError, RefusedControl
from gridiface.protocols.openadr.answers import ok, response
from gridiface.protocols.openadr.payloads import event, opt, registration, report
from gridiface.protocols.openadr.payloads.common import EiResponse
from gridiface.protocols.openadr.payloads.envelope import PAYLOADS, Payload
from gridiface.protocols.openadr.payloads.units import power_real
from gridiface.protocols.openadr.reports import ReportRequest
from gridiface.protocols.openadr.ven import DataPoint, ReportOffer, VenConfig
from gridiface.protocols.openadr.vtn import Peer, ReportWish
from gridiface.protocols.openadr.vtn import Ven as KnownVen


def names(made):
    return [type(payload).__name__ for payload in made.sent]


def test_47_51_r309_r405_first_start_registers_then_exchanges_metadata_then_asks_for_events(talk):
    made = talk()
    made.run()
    assert names(made) == [
        "OadrQueryRegistration",
        "OadrCreatePartyRegistration",
        "OadrRegisterReport",
        "OadrPoll",
        "OadrRegisteredReport",
        "OadrPoll",
        "OadrRequestEvent",
    ]
    own = made.ven.registration
    assert own.registrationID
    assert own.venID in made.kit.vtn.vens
    assert made.kit.vtn.waiting(own.venID) == []


def test_47_r508_every_payload_names_its_ven(talk):
    made = talk()
    made.run(30)
    assert made.sent[2:]
    for payload in made.sent[2:]:
        holder = getattr(payload, "eiRequestEvent", payload)
        assert holder.venID == made.ven.registration.venID


def test_47_a_restart_registers_again_with_the_stored_ids(talk):
    made = talk()
    made.run()
    before = made.ven.registration
    made.sent.clear()
    made.restart()
    made.run()
    again = made.payloads(registration.OadrCreatePartyRegistration)[0]
    assert (again.registrationID, again.venID) == (before.registrationID, before.venID)
    assert not made.payloads(report.OadrRegisterReport, registration.OadrQueryRegistration)
    assert made.told("Registered")[-1].again


def test_48_a_new_registration_never_carries_a_registration_id(talk):
    made = talk(query=False, ven_id=None)
    made.run()
    first = made.payloads(registration.OadrCreatePartyRegistration)[0]
    assert (first.registrationID, first.venID) == (None, None)
    assert not made.payloads(registration.OadrQueryRegistration)


def test_48_a_preconfigured_ven_id_is_told(talk, kit):
    kit.do(kit.vtn.put_ven(KnownVen(venID="V7")))
    made = talk(ven_id="V7")
    made.run()
    assert made.payloads(registration.OadrCreatePartyRegistration)[0].venID == "V7"
    assert made.ven.registration.venID == "V7"


def test_49_r402_the_pull_model_is_always_told_and_an_address_only_for_push(talk):
    pull, push = talk(), talk(name="push", push_address="https://ven.example/")
    pull.run()
    push.run()
    first, second = (m.payloads(registration.OadrCreatePartyRegistration)[0] for m in (pull, push))
    assert (first.oadrHttpPullModel, first.oadrTransportAddress) == (True, None)
    assert (second.oadrHttpPullModel, second.oadrTransportAddress) == (False, "https://ven.example/")
    assert not push.payloads(event.OadrPoll)


def test_47_ids_that_the_vtn_forgot_lead_to_a_new_registration(talk, kit):
    made = talk()
    made.run()
    old = made.ven.registration.registrationID
    kit.vtn.drop_ven(made.ven.registration.venID)
    kit.store = kit.vtn.export()
    made.restart()
    made.run()
    assert made.ven.registration.registrationID not in {None, old}
    assert made.told("Unregistered")[0].by == "refused"


@pytest.mark.parametrize("how", ["unregistered", "unknown"])
def test_a_poll_that_is_refused_leads_to_a_new_registration(talk, kit, how):
    made = talk()
    made.run()
    ven = made.ven.registration.venID
    if how == "unknown":
        kit.vtn.drop_ven(ven)
        kit.store = kit.vtn.export()
    else:
        own = made.ven.registration.registrationID
        kit.handle(registration.OadrCancelPartyRegistration(requestID="x", registrationID=own, venID=ven))
    made.run(30)
    assert made.told("Unregistered")
    assert len(made.told("Registered")) == 2


def test_a_refused_registration_is_tried_again_later(vtn_kit, talk):
    made = talk(registration_retry=60.0)
    made.kit = closed = vtn_kit(open_registration=False)
    made.run(50)
    assert len(made.payloads(registration.OadrCreatePartyRegistration)) == 1
    assert made.told("Rejected")[0].code == 463
    closed.do(closed.vtn.put_ven(KnownVen(venID="V1", name="ven")))
    made.run(20)
    assert made.ven.registration.venID == "V1"


def test_52_r500_polls_come_at_the_requested_frequency_with_jitter(talk):
    made = talk()
    made.run()
    made.sent.clear()
    made.run(100, pace=0.5)
    # Ten seconds asked for, and half of a tenth added by chance.
    assert len(made.payloads(event.OadrPoll)) == 9


@pytest.mark.parametrize("back", [0, 5, 3600, 30 * 86_400])
def test_polls_go_on_when_the_clock_was_set_back(talk, kit, back):
    made = talk()
    made.run(20)
    kit.now -= back
    made.sent.clear()
    made.run(25, pace=0.5)
    assert len(made.payloads(event.OadrPoll)) == 3


def test_what_waits_for_a_vtn_that_is_back_goes_when_the_clock_was_set_back(talk, kit):
    made = talk()
    made.run()
    kit.send([made.ven.registration.venID])
    made.down = True
    made.run(60)
    made.down = False
    kit.now -= 3600
    made.run(15)
    assert made.payloads(event.OadrCreatedEvent)


def test_52_the_queue_is_drained(talk, kit):
    made = talk()
    made.run()
    ven = made.ven.registration.venID
    kit.send([ven])
    kit.do(kit.vtn.request_metadata(ven))
    made.sent.clear()
    made.run(11)
    assert names(made)[:5] == ["OadrPoll", "OadrCreatedEvent", "OadrPoll", "OadrCreatedReport", "OadrRegisterReport"]


def test_52_failures_back_off_exponentially_and_nothing_is_lost(talk, kit):
    made = talk()
    made.run()
    kit.send([made.ven.registration.venID])
    made.down = True
    made.sent.clear()
    start = kit.now
    made.run(200)
    tries = len(made.sent)
    # 1, 2, 4, 8 s, and then the poll interval.
    assert 20 <= tries <= 24
    assert made.told("LinkChanged")[0].up is False
    made.down = False
    made.run(300)
    assert made.told("LinkChanged")[1].up is True
    assert kit.vtn.delivery(made.ven.registration.venID, "E").opt == "optIn"
    assert kit.now == start + 500


@pytest.mark.parametrize("status", [404, 406, 501])
def test_what_the_vtn_does_not_understand_is_not_sent_again(talk, status):
    made = talk()
    made.run()
    made.ven.add_opt_schedule("optOut", [(made.now, 60)], made.now)
    (request,) = made.ven.next_requests(made.now)
    made.ven.failed(request.id, made.now, status=status)
    made.run()
    assert made.ven.waiting == 0
    assert made.told("Rejected")[0].description == f"HTTP {status}"


def test_overload_and_silence_are_tried_again(talk):
    made = talk()
    made.run()
    made.ven.add_opt_schedule("optOut", [(made.now, 60)], made.now)
    (request,) = made.ven.next_requests(made.now)
    made.ven.failed(request.id, made.now, status=503)
    assert made.ven.next_requests(made.now) == ()
    assert made.ven.waiting == 1
    made.run(3)
    assert made.ven.waiting == 0


@pytest.mark.parametrize("status", [500, 503, 520])
def test_a_vtn_that_fails_at_reports_alone_is_there_and_gets_them_ever_more_rarely(talk, status):
    """Polls, which it answers, neither end the back-off of what it fails at nor make a link that comes and goes."""
    made = talk(retry_first=1.0, retry_most=20.0, jitter=0.0)
    made.run()
    made.ven.registration.poll_frequency = 1.0
    made.ven.add_opt_schedule("optOut", [(made.now, 3_600)], made.now)
    start, tries, polls = made.now, [], 0
    while made.now - start < 60:
        while requests := made.ven.next_requests(made.now):
            (request,) = requests
            if request.kind == "poll":
                polls += 1
                made.ven.receive(request.id, made.kit.handle(request.payload, service=request.service), made.now)
            else:
                tries.append(made.now - start)
                made.ven.failed(request.id, made.now, status=status)
        assert made.ven.next_timer(made.now) > made.now
        made.kit.now = made.now + 0.25
        made.ven.handle_timer(made.now)
    gaps = [later - earlier for earlier, later in itertools.pairwise(tries)]
    assert gaps == pytest.approx([1, 2, 4, 8, 16, 20], rel=0.1, abs=0.3)
    assert polls > 10
    assert made.told("LinkChanged") == []
    made.run(25)
    assert made.ven.waiting == 0


def test_what_is_given_up_after_failing_again_and_again_leaves_the_next_one_waiting(talk):
    made = talk(retry_first=1.0, retry_most=20.0)
    made.run()
    for number in range(2):
        made.ven.add_opt_schedule("optOut", [(made.now + number, 3_600)], made.now)
    (request,) = made.ven.next_requests(made.now)
    made.ven.failed(request.id, made.now, status=500)
    made.kit.now += 2
    request = next(one for one in made.ven.next_requests(made.now) if one.kind != "poll")
    made.ven.failed(request.id, made.now, status=400)
    assert made.ven.waiting == 1
    assert [one.kind for one in made.ven.next_requests(made.now)] in ([], ["poll"])
    assert made.told("Rejected")[0].description == "HTTP 400"


@pytest.mark.parametrize(("asked", "waited"), [(0.5, 1.0), (40.0, 40.0), (1e6, 300.0)])
def test_a_vtn_that_wants_to_be_left_alone_is_within_the_longest_back_off(talk, asked, waited):
    made = talk(retry_first=1.0, retry_most=300.0)
    made.run()
    made.ven.add_opt_schedule("optOut", [(made.now, 60)], made.now)
    (request,) = made.ven.next_requests(made.now)
    made.ven.failed(request.id, made.now, status=503, pause=asked)
    assert made.ven.next_requests(made.now + 0.89 * waited) == ()
    assert made.ven.next_requests(made.now + 1.11 * waited)


def test_what_nobody_waits_for_any_more_is_sent_again_at_once(talk):
    made = talk()
    made.run()
    made.ven.add_opt_schedule("optOut", [(made.now, 60)], made.now)
    (request,) = made.ven.next_requests(made.now)
    assert made.ven.next_requests(made.now) == ()
    made.ven.abandon()
    made.ven.abandon()
    (again,) = made.ven.next_requests(made.now)
    assert again.payload is request.payload
    with pytest.raises(LocalProtocolError):
        made.ven.receive(request.id, None, made.now)


def test_a_due_poll_does_not_wait_until_all_reports_are_sent(talk, kit):
    """A VTN that takes longer for a report than reports are apart would never tell an event."""
    made = talk()
    made.run()
    for _ in range(5):
        made.ven.add_opt_schedule("optOut", [(made.now, 60)], made.now)
    made.sent.clear()
    for _ in range(10):
        kit.now += 11
        made.step()
    assert names(made) == ["OadrPoll", "OadrCreateOpt"] * 5
    assert made.ven.waiting == 0


def test_53_r401_request_reregistration_is_answered_and_followed(talk, kit):
    made = talk()
    made.run()
    before = made.ven.registration.registrationID
    kit.do(kit.vtn.request_reregistration(made.ven.registration.venID))
    made.sent.clear()
    made.run(11)
    assert names(made)[:3] == ["OadrPoll", "OadrResponse", "OadrCreatePartyRegistration"]
    assert made.payloads(event.OadrResponse)[0].venID == made.ven.registration.venID
    again = made.payloads(registration.OadrCreatePartyRegistration)[0]
    assert again.registrationID == before == made.ven.registration.registrationID
    assert not made.payloads(report.OadrRegisterReport)


def test_54_r407_a_cancellation_by_the_vtn_is_answered_and_everything_forgotten(talk, kit):
    offer = ReportOffer(specifier="u", name="TELEMETRY_USAGE", points=(DataPoint(rid="p", unit=power_real()),))
    made = talk(offers=(offer,))
    made.run()
    old = made.ven.registration.registrationID
    ven = made.ven.registration.venID
    kit.send([ven])
    wish = ReportRequest(id="r", specifier="u", rids=("p",), granularity=10, back=10, start=made.now)
    kit.do(kit.vtn.request_reports(ven, [wish]))
    made.run(25)
    assert made.ven.pending_reports == ("r",)
    kit.do(kit.vtn.cancel_registration(ven))
    made.sent.clear()
    made.run(60)
    told = [name for name in names(made) if name != "OadrUpdateReport"]
    assert told == ["OadrPoll", "OadrCanceledPartyRegistration"]
    assert names(made)[-1] == "OadrCanceledPartyRegistration", "nothing after it"
    assert made.ven.registration.registrationID is None
    assert not made.ven.events
    assert made.ven.pending_reports == ()
    assert made.ven.waiting == 0
    assert made.told("Unregistered")[0].by == "vtn"
    assert not kit.vtn.vens[ven].registered
    made.restart()
    assert (made.ven.registration.registrationID, dict(made.ven.events)) == (None, {}), "not only until the next start"
    made.sent.clear()
    made.run()
    first = made.payloads(registration.OadrCreatePartyRegistration)[0]
    assert first.registrationID is None
    assert made.ven.registration.registrationID not in {None, old}
    assert made.payloads(report.OadrRegisterReport), "the metadata are told anew"
    assert made.ven.pending_reports == ()


def test_54_r400_a_foreign_registration_id_gets_452(talk):
    made = talk()
    made.run()
    own = made.ven.registration
    push = registration.OadrCancelPartyRegistration(requestID="c", registrationID="foreign", venID=own.venID)
    answer = made.ven.receive_push(push, made.now)
    assert isinstance(answer, registration.OadrCanceledPartyRegistration)
    assert (answer.eiResponse.responseCode, answer.venID) == ("452", own.venID)
    assert own.registrationID


def test_the_ven_ends_its_registration(talk, kit):
    made = talk()
    made.run()
    ven = made.ven.registration.venID
    made.ven.cancel_registration()
    made.run(60)
    assert not kit.vtn.vens[ven].registered
    assert made.told("Unregistered")[0].by == "ven"
    with pytest.raises(RefusedControl):
        made.ven.cancel_registration()
    with pytest.raises(RefusedControl):
        made.ven.add_opt_schedule("optOut", [], made.now)


def test_64_opts_of_resources_and_schedules_reach_the_vtn(talk, kit):
    made = talk(resources=frozenset({"a"}))
    made.run()
    ven = made.ven.registration.venID
    kit.send([ven])
    made.run(11)
    made.ven.opt_resources("E", ["a"], "optOut", made.now, reason="overrideStatus")
    schedule = made.ven.add_opt_schedule("optOut", [(made.now, 0)], made.now, market_context="http://other.example/")
    made.run()
    first, second = made.payloads(opt.OadrCreateOpt)
    assert (first.vavailability, first.marketContext) == (None, None)
    assert first.eiTarget.resourceID == ["a"]
    assert second.eiTarget.venID == [ven]
    assert kit.vtn.opt_of(ven, "E", "a", made.now) == "optOut"
    assert kit.vtn.opt_of(ven, "E", "b", made.now) == "optIn"
    made.ven.cancel_opt_schedule(schedule)
    made.run()
    assert made.payloads(opt.OadrCancelOpt)[0].optID == schedule
    assert not made.told("Rejected")


def test_72_an_unregistered_ven_sends_registration_only_and_takes_no_payloads(talk):
    made = talk()
    made.down = True
    made.run(30)
    assert {type(payload) for payload in made.sent} == {registration.OadrQueryRegistration}
    answer = made.ven.receive_push(event.OadrDistributeEvent(requestID="d", vtnID="VTN"), made.now)
    assert answer.eiResponse.responseCode == "463"


def test_a_report_only_ven_neither_asks_for_events_nor_takes_them(talk):
    made = talk(report_only=True)
    made.run()
    assert not made.payloads(event.OadrRequestEvent)
    answer = made.ven.receive_push(event.OadrDistributeEvent(requestID="d", vtnID="VTN"), made.now)
    assert answer.eiResponse.responseCode == "459"


def test_push_payloads_are_answered_at_once_and_events_by_a_post(talk, kit):
    made = talk(push_address="https://ven.example/")
    made.run()
    ven = made.ven.registration.venID
    kit.send([ven])
    found, result = kit.vtn.next_pushes(kit.now)
    kit.commit(result)
    answer = made.ven.receive_push(found[0].payload, made.now)
    assert isinstance(answer, report.OadrRegisteredReport)
    kit.handle(answer)
    found, result = kit.vtn.next_pushes(kit.now)
    kit.commit(result)
    assert made.ven.receive_push(found[0].payload, made.now) is None
    made.run()
    assert kit.vtn.delivery(ven, "E").opt == "optIn"


@pytest.mark.parametrize("cls", PAYLOADS, ids=lambda cls: cls.__name__)
def test_no_valid_payload_breaks_the_ven(talk, maker, cls):
    made = talk()
    made.run()
    for seed in range(20):
        payload = maker(seed).make(cls)
        if hasattr(payload, "venID"):
            payload.venID = made.ven.registration.venID
        answer = made.ven.receive_push(payload, made.now)
        assert answer is None or isinstance(answer, Payload)


@pytest.mark.parametrize("cls", PAYLOADS, ids=lambda cls: cls.__name__)
def test_no_answer_whatever_it_is_breaks_the_ven(talk, maker, cls):
    made = talk()
    for seed in range(10):
        made.ven.handle_timer(made.now)
        for request in made.ven.next_requests(made.now):
            made.ven.receive(request.id, maker(seed).make(cls), made.now)
        made.kit.now += 400
    made.commit()
    assert made.ven.export() == made.store


def test_another_ven_id_is_refused(talk):
    made = talk()
    made.run()
    answer = made.ven.receive_push(registration.OadrRequestReregistration(venID="foreign"), made.now)
    assert answer.eiResponse.responseCode == "452"


def test_only_the_request_under_way_can_be_answered(talk):
    made = talk()
    with pytest.raises(LocalProtocolError):
        made.ven.receive(7, None, made.now)
    (request,) = made.ven.next_requests(made.now)
    assert made.ven.next_requests(made.now) == ()
    made.ven.receive(request.id, None, made.now)
    with pytest.raises(LocalProtocolError):
        made.ven.failed(request.id, made.now)


def test_a_query_without_an_answer_does_not_stop_the_registration(talk):
    made = talk()
    (request,) = made.ven.next_requests(made.now)
    made.ven.receive(request.id, event.OadrResponse(eiResponse=ok("")), made.now)
    made.run()
    assert made.ven.registration.registrationID


def test_events_can_be_asked_for_again(talk):
    made = talk()
    made.run()
    made.sent.clear()
    made.ven.request_events()
    made.run()
    assert names(made) == ["OadrRequestEvent"]


def test_a_vtn_that_answers_a_request_for_events_with_oadr_response_is_tolerated(talk):
    made = talk()
    made.run()
    made.ven.request_events()
    (request,) = made.ven.next_requests(made.now)
    answer = event.OadrResponse(eiResponse=EiResponse(responseCode="200", requestID="None"))
    made.ven.receive(request.id, answer, made.now)
    made.run()
    assert not made.told("Rejected")


def test_an_error_from_the_vtn_is_told(talk):
    made = talk()
    made.run()
    made.ven.add_opt_schedule("optOut", [(made.now, 1)], made.now)
    (request,) = made.ven.next_requests(made.now)
    made.ven.receive(request.id, opt.OadrCreatedOpt(eiResponse=response(469, "no", ""), optID="o"), made.now)
    made.commit()
    assert made.told("Rejected")[0].code == 469
    assert made.ven.waiting == 0


def test_the_next_timer_says_when_to_come_back(talk):
    made = talk()
    assert made.ven.next_timer(made.now) <= made.now
    made.run()
    assert made.now < made.ven.next_timer(made.now) <= made.now + 11


# -- faults --------------------------------------------------------------------------------------------------------


class Faults:
    """Breaks a conversation at random places: lost requests, lost replies, crashes before and after each commit."""

    KINDS = (
        "none",
        "lost request",
        "lost reply",
        "ven before commit",
        "ven after commit",
        "vtn before commit",
        "vtn after commit",
    )

    def __init__(self, made, seed, rate):
        self.made, self.chance, self.rate = made, random.Random(seed), rate
        made.step = self.step

    def step(self):
        made = self.made
        made.ven.handle_timer(made.now)
        made.commit()
        requests = made.ven.next_requests(made.now)
        for request in requests:
            kind = self.chance.choice(self.KINDS) if self.chance.random() < self.rate else "none"
            made.sent.append(request.payload)
            self.exchange(request, kind)
        made.commit()
        return bool(requests)

    def exchange(self, request, kind):
        made, kit = self.made, self.made.kit
        if kind == "lost request":
            made.ven.failed(request.id, made.now)
            return
        if kind == "vtn before commit":
            kit.vtn.handle(request.payload, Peer(), made.now, service=request.service)
            kit.restart()
            made.ven.failed(request.id, made.now)
            return
        reply = kit.handle(request.payload, service=request.service)
        if kind == "vtn after commit":
            kit.restart()
        if kind in {"lost reply", "vtn after commit"}:
            made.ven.failed(request.id, made.now)
            return
        made.ven.receive(request.id, reply, made.now)
        if kind == "ven after commit":
            made.commit()
        if kind.startswith("ven"):
            made.restart()


@pytest.mark.parametrize("seed", range(25))
def test_whatever_breaks_both_sides_agree_in_the_end_and_nothing_is_lost_or_done_twice(vtn_kit, conversation, seed):
    kit = vtn_kit(wishes=(ReportWish(name="TELEMETRY_USAGE", granularity=10, back=10),), attempts=1000)
    offer = ReportOffer(specifier="u", name="TELEMETRY_USAGE", points=(DataPoint(rid="p", unit=power_real()),))
    made = conversation(kit, VenConfig(name="ven", offers=(offer,), retry_most=5.0))
    faults = Faults(made, seed, 0.4)
    kit.do(kit.vtn.put_ven(KnownVen(venID="V", name="ven")))
    made.run(60)
    kit.send(["V"], "A", start=100, values=(1.0, 2.0), startafter=20)
    made.run(30)
    kit.do(kit.vtn.modify_event("A", kit.now, priority=1))
    kit.send(["V"], "B", start=40)
    made.run(30)
    kit.do(kit.vtn.cancel_event("B", kit.now))
    kit.do(kit.vtn.request_reregistration("V"))
    made.run(120)
    faults.rate = 0.0
    made.run(120)

    own, theirs = made.ven.registration, kit.vtn.vens["V"]
    assert (own.registrationID, own.venID) == (theirs.registrationID, "V")
    assert kit.vtn.delivery("V", "A").answered == 1
    assert kit.vtn.delivery("V", "A").opt == "optIn"
    assert made.ven.events["A"].event.modification == 1
    assert "B" not in {e.event.id for e in made.ven.active(made.now)}
    assert kit.vtn.waiting("V") == []
    assert made.ven.waiting == 0
    starts = [step for step in made.told("EventStep") if step.event.id == "A" and step.kind == "start"]
    # A crash before the commit tells a step again, at the same instant: it was not done, as far as anybody knows.
    assert len({step.at for step in starts}) == 1
    running = [r for r in kit.vtn.reports("V").running.values() if r.state == "running"]
    assert [r.request.id for r in running] == list(made.ven.pending_reports)
    assert running
    last = running[0].request.id
    times = [v.start for n in kit.told("ReportReceived") if n.reportRequestID == last for v in n.values]
    unique = sorted(set(times))
    assert {b - a for a, b in itertools.pairwise(unique)} <= {10.0}
    assert len(unique) >= 10
    kit.check()


def test_an_end_of_the_registration_whose_answer_was_lost_is_an_end(talk, kit):
    """The second try hears that nobody is registered: that is what was asked for, and no reason to register anew."""
    made = talk()
    made.run()
    made.ven.cancel_registration()
    (request,) = made.ven.next_requests(made.now)
    kit.handle(request.payload)  # taken, and the answer is lost
    made.ven.failed(request.id, made.now)
    kit.now += 120
    made.run()
    assert not made.ven.registration.registrationID
    assert not made.payloads(registration.OadrCreatePartyRegistration)[1:]
    assert [one.by for one in made.told("Unregistered")] == ["ven"]


@pytest.mark.parametrize("code", ["463", "452"])
def test_54_a_vtn_that_forgot_us_before_our_answer_to_its_cancellation_came_is_not_registered_with_again(talk, code):
    made = talk()
    made.run()
    own = made.ven.registration
    pushed = registration.OadrCancelPartyRegistration(requestID="c", registrationID=own.registrationID, venID=own.venID)
    made.kit.now += 11
    (poll,) = made.ven.next_requests(made.now)
    made.ven.receive(poll.id, pushed, made.now)
    (answer,) = made.ven.next_requests(made.now)
    assert isinstance(answer.payload, registration.OadrCanceledPartyRegistration)
    made.ven.receive(answer.id, event.OadrResponse(eiResponse=response(int(code), "who are you?", "")), made.now)
    assert made.ven.next_requests(made.now + 1000) == ()
    assert made.ven.registration.registrationID is None


def test_r406_a_registration_that_the_vtn_cancelled_is_made_anew_where_so_configured(talk, kit):
    made = talk(register_again=300.0, jitter=0.1)
    made.run()
    kit.send([made.ven.registration.venID])
    made.run(20)
    assert made.ven.events
    made.sent.clear()
    kit.do(kit.vtn.cancel_registration(made.ven.registration.venID))
    made.run(290)
    assert made.payloads(registration.OadrCanceledPartyRegistration)
    assert made.ven.registration.registrationID is None
    assert not made.payloads(registration.OadrCreatePartyRegistration)
    made.run(60)
    (created,) = made.payloads(registration.OadrCreatePartyRegistration)
    assert (created.registrationID, created.venID) == (None, None)
    assert made.ven.registration.registrationID
    assert made.payloads(event.OadrRequestEvent)
    made.sent.clear()
    made.run(1000)
    assert not made.payloads(registration.OadrCreatePartyRegistration)


def test_a_registration_that_was_cancelled_is_made_anew_as_soon_when_the_clock_is_set_back(talk, kit):
    made = talk(register_again=300.0)
    made.run()
    kit.do(kit.vtn.cancel_registration(made.ven.registration.venID))
    made.run(100)
    kit.now -= 86_400
    made.run(300)
    assert made.ven.registration.registrationID


def test_r407_a_registration_that_we_cancelled_ourselves_is_not_made_anew(talk):
    made = talk(register_again=300.0)
    made.run()
    made.ven.cancel_registration()
    made.run(2000)
    assert made.ven.registration.registrationID is None


@pytest.mark.parametrize("status", [404, 406, 501])
def test_47_a_vtn_without_queries_is_registered_with_all_the_same(talk, status):
    made = talk()
    (query,) = made.ven.next_requests(made.now)
    assert isinstance(query.payload, registration.OadrQueryRegistration)
    made.ven.failed(query.id, made.now, status=status)
    made.run()
    assert made.ven.registration.registrationID


def test_52_a_vtn_that_registers_us_and_knows_us_not_is_not_asked_without_a_pause(talk, kit):
    made = talk(registration_retry=60.0)
    made.run()
    begun = made.now
    for _ in range(10):  # It forgets us as soon as we are registered.
        kit.vtn.drop_ven(made.ven.registration.venID or "")
        kit.store = kit.vtn.export()
        made.run(30)
    tried = len(made.told("Registered"))
    assert 3 <= tried <= 2 + (made.now - begun) / 60.0


def test_52_a_vtn_that_always_wants_a_re_registration_gets_it_with_pauses(talk, kit):
    made = talk(most_drain=3)
    made.run()
    own = made.ven.registration.venID
    made.sent.clear()
    kit.now += 20
    for _ in range(100):
        kit.do(kit.vtn.request_reregistration(own))
        made.step()
        kit.now += 0.01
    assert 1 <= len(made.payloads(registration.OadrCreatePartyRegistration)) <= 4


def test_what_is_answered_while_the_owner_has_it_register_again_is_not_lost(talk, kit):
    made = talk()
    made.run()
    kit.send([made.ven.registration.venID])
    kit.now += 20
    (poll,) = made.ven.next_requests(made.now)
    answer = kit.handle(poll.payload)
    made.ven.start()
    made.ven.receive(poll.id, answer, made.now)
    assert list(made.ven.events) == ["E"]
    made.run()
    assert names(made).count("OadrCreatePartyRegistration") == 2
    assert kit.vtn.delivery(made.ven.registration.venID, "E").opt == "optIn"
