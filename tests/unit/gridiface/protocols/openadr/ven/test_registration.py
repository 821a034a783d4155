"""The link to the VTN: steps, polls, back-off. What is registered is tested in test_session.py."""

from __future__ import annotations

import pytest

from gridiface.protocols.openadr.ven.registration import Registrar
from gridiface.protocols.openadr.ven.reporting import ReportDesk
from gridiface.protocols.openadr.ven.samples import SampleMemory
from gridiface.protocols.openadr.ven.state import State, VenConfig


def make(draw=0.5, **config):
    state = State(VenConfig(**{"name": "v", **config}), lambda: "id", lambda: draw)
    registrar = Registrar(state, ReportDesk(state, SampleMemory()))
    registrar.start()
    return state, registrar


def test_52_the_back_off_doubles_with_jitter_up_to_its_most():
    for draw, factor in ((0.0, 0.9), (0.5, 1.0), (1.0, 1.1)):
        _, registrar = make(draw, retry_first=1.0, retry_most=60.0, poll_frequency=300.0)
        waits = []
        for _ in range(9):
            registrar.failed(100.0)
            waits.append(registrar.link.retry_at - 100.0)
        assert waits == pytest.approx([factor * wait for wait in (1, 2, 4, 8, 16, 32, 60, 60, 60)])


def test_52_the_back_off_ends_at_the_poll_interval():
    _, registrar = make(0.5, retry_first=1.0, retry_most=60.0, poll_frequency=10.0)
    waits = []
    for _ in range(6):
        registrar.failed(100.0)
        waits.append(registrar.link.retry_at - 100.0)
    assert waits == pytest.approx([1, 2, 4, 8, 10, 10])


def test_52_an_answer_ends_the_back_off():
    state, registrar = make()
    registrar.failed(0.0)
    registrar.failed(0.0)
    registrar.worked()
    registrar.worked()
    assert [(notice.up, notice.failures) for notice in state.notices] == [(False, 1), (True, 0)]
    registrar.failed(0.0)
    assert registrar.link.retry_at == pytest.approx(1.0)


@pytest.mark.parametrize(("draw", "wait"), [(0.0, 10.0), (1.0, 11.0)])
def test_52_polls_are_never_faster_than_asked_for(draw, wait):
    state, registrar = make(draw)
    state.registration.poll_frequency = 10
    registrar.polled(0.0, empty=True)
    assert registrar.link.next_poll == pytest.approx(wait)


@pytest.mark.parametrize("asked", [None, 0, -5])
def test_52_without_a_sensible_frequency_our_own_counts(asked):
    state, registrar = make(0.0, poll_frequency=0.5)
    state.registration.poll_frequency = asked
    registrar.polled(0.0, empty=True)
    assert registrar.link.next_poll == 0.5


def test_52_a_queue_that_never_ends_gets_a_pause():
    _, registrar = make(most_drain=3)
    for _ in range(2):
        registrar.polled(5.0, empty=False)
    assert registrar.link.next_poll == 0.0
    registrar.polled(5.0, empty=False)
    assert registrar.link.next_poll > 5.0


def test_r500_push_and_xmpp_do_not_poll():
    assert make()[1].polls
    assert not make(push_address="https://v/")[1].polls
    assert not make(transport="xmpp", push_address="ven@x/client")[1].polls


def test_49_xmpp_says_no_pull_model():
    _, registrar = make(transport="xmpp", push_address="ven@x/client")
    payload = registrar.create()
    assert (payload.oadrHttpPullModel, payload.oadrTransportAddress) == (None, "ven@x/client")
