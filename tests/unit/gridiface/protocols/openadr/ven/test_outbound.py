"""The order in which a VEN says what it has to say."""

from __future__ import annotations

import pytest

from gridiface.protocols.openadr.payloads import event, report
from gridiface.protocols.openadr.payloads.envelope import Payload
from gridiface.protocols.openadr.ven.outbound import Outbound
from gridiface.protocols.openadr.ven.registration import CANCEL, POLL, Registrar
from gridiface.protocols.openadr.ven.reporting import ReportDesk
from gridiface.protocols.openadr.ven.samples import SampleMemory
from gridiface.protocols.openadr.ven.state import State, VenConfig


class Desk:
    def __init__(self, **config):
        numbers = iter(range(1000))
        self.state = State(VenConfig(name="v", **config), lambda: str(next(numbers)), lambda: 0.0)
        reports = ReportDesk(self.state, SampleMemory())
        self.registrar = Registrar(self.state, reports)
        self.outbound = Outbound(self.state, reports, self.registrar)
        self.state.registration.registrationID, self.state.registration.venID = "r", "v"

    def kinds(self, now=0.0, most=10):
        """What is sent until nothing is left or a poll has come."""
        found = []
        while len(found) < most and (made := self.outbound.next(now)) is not None:
            found.append(made[0])
            if made[0] == POLL:
                break
            self.outbound.done(*made)
        return found


def data() -> Payload:
    return report.OadrUpdateReport(requestID="q", oadrReport=[], venID="v")


@pytest.fixture
def desk():
    return Desk()


def test_47_51_the_steps_of_a_start_come_first_and_in_order(desk):
    desk.state.post("update_report", data())
    desk.registrar.link.steps = ["query", "create", "register_report", POLL, "request_event"]
    assert desk.kinds() == ["query", "create", "register_report", POLL]


def test_an_answer_that_is_due_goes_before_a_step(desk):
    desk.registrar.link.steps = ["request_event"]
    desk.state.post("update_report", data())
    desk.state.post("answer", event.OadrPoll(venID="v"), urgent=True)
    assert desk.kinds(most=2) == ["answer", "request_event"]


def test_reports_and_polls_take_turns_and_answers_wait_for_neither(desk):
    for _ in range(2):
        desk.state.post("update_report", data())
    assert desk.kinds() == [POLL]
    desk.registrar.link.polled = True
    assert desk.kinds() == ["update_report", "update_report", POLL]
    desk.registrar.link.polled = False
    desk.state.post("created_event", event.OadrPoll(venID="v"), urgent=True)
    assert desk.kinds() == ["created_event", POLL]


def test_nothing_is_polled_once_the_registration_is_to_end_nor_before_its_time(desk):
    desk.state.post(CANCEL, event.OadrPoll(venID="v"))
    assert desk.kinds(most=1) == [CANCEL]
    desk.registrar.link.next_poll = 100.0
    assert desk.kinds(99.0) == []
    assert desk.kinds(100.0) == [POLL]


@pytest.mark.parametrize("config", [{"push_address": "http://v"}, {"transport": "xmpp"}])
def test_r500_who_is_pushed_to_does_not_poll(config):
    assert Desk(**config).kinds() == []
