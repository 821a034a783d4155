"""The VTN core as a whole: services, documents, restarts, the A profile, hostile payloads."""

from __future__ import annotations

import pytest

from gridiface.errors import RefusedControl
from gridiface.protocols.openadr.answers import SERVICE_OF
from gridiface.protocols.openadr.events import Signal
from gridiface.protocols.openadr.payloads import event, report
from gridiface.protocols.openadr.payloads.common import EiTarget
from gridiface.protocols.openadr.payloads.envelope import PAYLOADS, Payload
from gridiface.protocols.openadr.payloads.units import power_real
from gridiface.protocols.openadr.vtn import Peer, Ven, Vtn

A_PEER = Peer(profile="2.0a")


@pytest.fixture
def ven(kit):
    made = kit.register()
    kit.quiet(made)
    return made


def test_a_payload_at_the_wrong_service_gets_459_in_the_answer_that_fits(kit, ven):
    poll = event.OadrPoll(venID=ven)
    assert kit.handle(poll, service="EiEvent").eiResponse.responseCode == "459"
    assert kit.handle(poll, service="OadrPoll").eiResponse.responseCode == "200"
    made = report.OadrRegisterReport(requestID="m", venID=ven)
    answer = kit.handle(made, service="EiOpt")
    assert isinstance(answer, report.OadrRegisteredReport)
    assert answer.eiResponse.responseCode == "459"


def test_every_payload_belongs_to_a_service_but_oadr_response():
    assert {cls for cls in PAYLOADS if cls not in SERVICE_OF} == {event.OadrResponse}


@pytest.mark.parametrize("cls", PAYLOADS, ids=lambda cls: cls.__name__)
def test_no_valid_payload_breaks_the_core_and_each_gets_a_valid_answer(kit, ven, maker, cls):
    kit.send([ven])
    kit.request(ven)
    for seed in range(30):
        made = maker(seed).make(cls)
        for holder in (made, getattr(made, "eiRequestEvent", None), getattr(made, "eiCreatedEvent", None)):
            if hasattr(holder, "venID"):
                holder.venID = ven
        reply = kit.handle(made)
        assert reply is None or isinstance(reply, Payload)
        if not kit.vtn.vens[ven].registered:
            kit.register()
            kit.send([ven], f"E{seed}")


@pytest.mark.parametrize(
    "cls", [cls for cls in PAYLOADS if "requestID" in cls.__dataclass_fields__], ids=lambda c: c.__name__
)
@pytest.mark.parametrize("known", [True, False], ids=["registered", "stranger"])
def test_10_r207_r303_every_answer_to_a_request_with_an_id_echoes_it(kit, maker, cls, known):
    """Whatever the answer is: 200, a refusal of what it asks for, or that the VEN is not registered."""
    ven = kit.register() if known else "stranger"
    for seed in range(20):
        made = maker(seed).make(cls)
        made.requestID = f"id {seed}"
        if hasattr(made, "venID"):
            made.venID = ven
        reply = kit.handle(made, peer=Peer("AA") if not known else None)
        assert reply.eiResponse.requestID == f"id {seed}", (seed, reply)
        if known and not kit.vtn.vens[ven].registered:
            ven = kit.register()


def test_a_payload_that_only_a_vtn_sends_gets_459(kit, ven):
    answer = kit.handle(event.OadrDistributeEvent(requestID="r", vtnID="VTN"), peer=Peer())
    assert answer.eiResponse.responseCode == "459"


def test_without_ven_id_the_certificate_tells(kit):
    peer = Peer("AA")
    kit.register(peer=peer)
    assert kit.handle(report.OadrRegisterReport(requestID="m"), peer=peer).eiResponse.responseCode == "200"
    assert kit.handle(report.OadrRegisterReport(requestID="m")).eiResponse.responseCode == "459"


def test_changes_that_cannot_be_committed_are_taken_back(kit, ven):
    before = kit.vtn.export()
    result = kit.vtn.create_event(kit.event(), [ven], kit.now)
    assert "E" in kit.vtn.events
    kit.vtn.revert(result.changes)
    assert "E" not in kit.vtn.events
    assert kit.vtn.export() == before
    assert isinstance(kit.poll(ven), event.OadrResponse)
    kit.send([ven])
    assert len(kit.poll(ven).oadrEvent) == 1


def test_a_restart_at_each_step_of_a_conversation_loses_nothing(kit):
    steps = (
        lambda: kit.handle(report.OadrRegisterReport(requestID="m", venID=ven)),
        lambda: kit.quiet(ven),
        lambda: kit.send([ven], values=(1.0, 2.0), startafter=60),
        lambda: kit.poll(ven),
        lambda: kit.answer(ven, "E", 0),
        lambda: kit.do(kit.vtn.modify_event("E", kit.now, priority=1)),
        lambda: kit.poll(ven),
        lambda: kit.answer(ven, "E", 1, "optOut"),
        lambda: kit.do(kit.vtn.cancel_event("E", kit.now)),
        lambda: kit.poll(ven),
        lambda: kit.answer(ven, "E", 2),
    )
    ven = kit.register()
    for step in steps:
        kit.restart()
        step()
        kit.check()
    delivery = kit.vtn.delivery(ven, "E")
    assert (delivery.answered, delivery.opt, delivery.cancel_done) == (2, "optOut", True)
    assert kit.vtn.waiting(ven) == []


def test_documents_of_others_are_left_alone(kit):
    kit.vtn.load({"foreign/x": b"\x00", "ven/v": b'{"venID":"v","later":1}'})
    assert list(kit.vtn.vens) == ["v"]
    assert "foreign/x" not in kit.vtn.export()
    kit.store = kit.vtn.export()


def test_45_an_a_ven_requests_and_answers_at_its_own_url_only(kit):
    kit.do(kit.vtn.put_ven(Ven(venID="A1", profile="2.0a")))
    kit.send(["A1"])
    body = event.EiRequestEvent(requestID="q", venID="A1")
    request = event.OadrRequestEvent(eiRequestEvent=body)
    assert len(kit.handle(request, peer=A_PEER).oadrEvent) == 1
    assert kit.handle(request).eiResponse.responseCode == "463"
    kit.vtn.vens["A1"].profile = "2.0a"
    assert kit.vtn.delivery("A1", "E").opt is None


def test_45_r7_r27_what_has_no_form_in_the_a_profile_is_neither_counted_nor_told(kit):
    kit.do(kit.vtn.put_ven(Ven(venID="A1", profile="2.0a")))
    power = Signal(name="LOAD_DISPATCH", type="setpoint", id="d", durations=(600,), values=(5.0,), unit=power_real())
    kit.send(["A1"], "A", priority=1, signals=(power,))
    kit.send(["A1"], "B", priority=2, target=EiTarget(meterAsset=["m"]))
    kit.send(["A1"], "C", priority=3)
    kit.send(["A1"], "D", priority=4, target=EiTarget(groupID=["g"], meterAsset=["m"]))
    body = event.EiRequestEvent(requestID="q", venID="A1", replyLimit=1)
    sent = kit.handle(event.OadrRequestEvent(eiRequestEvent=body), peer=A_PEER)
    assert [one.eiEvent.eventDescriptor.eventID for one in sent.oadrEvent] == ["C"]
    body = event.EiRequestEvent(requestID="q", venID="A1")
    sent = kit.handle(event.OadrRequestEvent(eiRequestEvent=body), peer=A_PEER)
    assert [one.eiEvent.eventDescriptor.eventID for one in sent.oadrEvent] == ["C", "D"]
    assert kit.vtn.delivery("A1", "A") is None
    assert kit.vtn.delivery("A1", "B") is None


def test_a_b_ven_cannot_use_the_a_url(kit, ven):
    body = event.EiRequestEvent(requestID="q", venID=ven)
    answer = kit.handle(event.OadrRequestEvent(eiRequestEvent=body), peer=A_PEER)
    assert answer.eiResponse.responseCode == "463"


def test_unknown_vens_cannot_be_addressed(kit):
    with pytest.raises(RefusedControl):
        kit.vtn.distribute(["nobody"])
    assert kit.vtn.next_timer(kit.now) == float("inf")
    assert isinstance(kit.vtn, Vtn)
