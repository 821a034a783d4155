"""The client: terms, requests in flight, cancel, conclude, refusals, and a stream that is spoilt anywhere."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridiface.errors import LocalProtocolError, RemoteProtocolError
from gridiface.protocols.mms import acse, cotp, pdu, presentation, responses, services, session, tpkt
from gridiface.protocols.mms.association import Settings
from gridiface.protocols.mms.client import Answered, Associated, Client, Ended, Event, Reported
from gridiface.protocols.mms.data import Data, Kind
from gridiface.protocols.mms.errors import ServiceError
from gridiface.protocols.mms.names import Name

CONFIRM = tpkt.packet(cotp.encode_connect(cotp.Connect(7, 1, 10), confirm=True))
NAME = Name("LD0", "LLN0$ST$Mod")


def unit(kind: session.Kind, content: bytes = b"", **more: int) -> bytes:
    octets = session.encode(session.SessionUnit(kind, content, reason=more.get("reason")))
    return b"".join(tpkt.packet(part) for part in cotp.segments(octets, 1024))


def mms(content: bytes) -> bytes:
    return unit(session.Kind.DATA, presentation.encode_data(content, presentation.MMS_CONTEXT))


def accept(**terms: int) -> bytes:
    initiated = pdu.encode_initiate(pdu.Initiate(**{"calling": 2, "max_octets": 1000} | terms), answer=True)
    return unit(session.Kind.ACCEPT, presentation.encode_accept(b"", acse.encode_answer(initiated)))


def opened(**terms: int) -> Client:
    client = Client(Settings())
    client.connect()
    client.receive(CONFIRM + accept(**terms))
    assert isinstance(client.next_event(), Associated)
    client.to_send()
    return client


def events(client: Client) -> list[Event]:
    found: list[Event] = []
    while (event := client.next_event()) is not None:
        found.append(event)
    return found


def sent(client: Client) -> list[pdu.Unit | None]:
    """The MMS units that go out."""
    found = []
    for packet in tpkt.PacketReader().feed(client.to_send()):
        part = cotp.decode(packet)
        assert isinstance(part, cotp.Data)
        told = session.decode(part.content)
        if told.kind is session.Kind.DATA:
            found.append(pdu.decode(presentation.decode_data(told.user_data)[1]))
    return found


def answered(invoke: int, response: services.Response) -> bytes:
    return mms(pdu.encode_confirmed(invoke, responses.encode_response(response), answer=True))


def test_no_more_requests_are_in_flight_than_agreed() -> None:
    client = opened()
    numbers = [client.request(services.Status()) for _ in range(4)]
    assert [one.invoke for one in sent(client) if isinstance(one, pdu.Confirmed)] == numbers[:2]
    client.receive(answered(numbers[1], services.StatusAnswer(0, 0)))
    assert [one.invoke for one in sent(client) if isinstance(one, pdu.Confirmed)] == numbers[2:3]
    (done,) = events(client)
    assert done == Answered(numbers[1], services.Status(), services.StatusAnswer(0, 0))


def test_who_agrees_on_more_than_was_offered_is_held_to_the_offer() -> None:
    terms = opened(calling=50, max_octets=100_000).terms
    assert terms is not None
    assert (terms.calling, terms.max_octets) == (10, 65_000)


def test_errors_and_rejects_are_answers() -> None:
    client = opened()
    first, second = client.request(services.Status()), client.request(services.Identify())
    client.receive(
        mms(pdu.encode_failure(first, ServiceError(7, 1))) + mms(pdu.encode_reject(pdu.Reject(second, 1, 1)))
    )
    results = [event.result for event in events(client) if isinstance(event, Answered)]
    assert results == [ServiceError(7, 1), pdu.Reject(second, 1, 1)]


def test_a_request_that_is_called_off_is_not_told() -> None:
    client = opened()
    one, two, waiting = (client.request(services.Status()) for _ in range(3))
    sent(client)
    client.cancel(waiting)
    client.cancel(one)
    assert sent(client) == [pdu.Cancel(one)]
    client.receive(
        mms(pdu.encode_cancel(pdu.Cancel(one, answer=True))) + mms(pdu.encode_failure(one, ServiceError(5, 3)))
    )
    client.receive(answered(two, services.StatusAnswer(0, 0)))
    assert [event.invoke for event in events(client) if isinstance(event, Answered)] == [two]
    assert sent(client) == []


def test_reports_come_unasked() -> None:
    client = opened()
    report = pdu.Report(Name("", "RPT"), (Data(Kind.VISIBLE_STRING, "r"),))
    client.receive(mms(pdu.encode_report(report)))
    assert events(client) == [Reported(report)]


def test_a_server_that_asks_us_is_told_that_we_serve_nothing() -> None:
    client = opened()
    client.receive(mms(pdu.encode_confirmed(5, services.encode_request(services.Status()))))
    assert sent(client) == [pdu.Reject(5, 1, 1)]


def test_it_ends_in_order() -> None:
    client = opened()
    client.conclude()
    assert sent(client) == [pdu.Conclude()]
    client.receive(mms(pdu.encode_conclude(answer=True)))
    assert b"\x09" in client.to_send()
    client.receive(unit(session.Kind.DISCONNECT, presentation.encode_data(acse.encode_release_answer(), 1)))
    assert events(client) == [Ended("released")]
    with pytest.raises(LocalProtocolError):
        client.request(services.Status())


def test_the_server_may_end_it() -> None:
    client = opened()
    client.receive(mms(pdu.encode_conclude()))
    assert sent(client) == [pdu.Conclude(answer=True)]
    client.receive(unit(session.Kind.FINISH, presentation.encode_data(acse.encode_release_request(), 1)))
    (end,) = events(client)
    assert isinstance(end, Ended)


REFUSALS = [
    (tpkt.packet(cotp.encode_disconnect(1, 0, 3)), "address unknown"),
    (CONFIRM + unit(session.Kind.REFUSE, reason=0x81), "selector unknown"),
    (
        CONFIRM + unit(session.Kind.ACCEPT, presentation.encode_accept(b"", acse.encode_answer(b"", 1, 13))),
        "authentication",
    ),
    (CONFIRM + unit(session.Kind.ACCEPT, presentation.encode_refusal(3)), "presentation address unknown"),
    (CONFIRM + unit(session.Kind.ABORT), "aborts"),
    (CONFIRM + accept(calling=0), "terms on which nobody can work"),
    (CONFIRM + accept(max_octets=10), "terms on which nobody can work"),
    (CONFIRM + accept(version=0), "terms on which nobody can work"),
    (CONFIRM + CONFIRM, "confirmed twice"),
    (tpkt.packet(cotp.encode_connect(cotp.Connect(7, 9, 10), confirm=True)), "another connection request"),
    (mms(pdu.encode_conclude()), "data before"),
    (CONFIRM + mms(pdu.encode_conclude()), "session unit DATA"),
]


@pytest.mark.parametrize(("octets", "why"), REFUSALS)
def test_refusals_end_it_with_their_reason(octets: bytes, why: str) -> None:
    client = Client(Settings())
    client.connect()
    with pytest.raises(RemoteProtocolError, match=why):
        client.receive(octets)
    *_, end = events(client)
    assert isinstance(end, Ended)
    assert why in end.why


BREACHES = [
    (mms(pdu.encode_confirmed(99, responses.encode_response(services.StatusAnswer(0, 0)), answer=True)), "nobody made"),
    (mms(pdu.encode_failure(99, ServiceError(7, 1))), "nobody made"),
    (mms(pdu.encode_reject(pdu.Reject(None, 5, 0))), "unit rejected"),
    (mms(pdu.encode_initiate(pdu.Initiate())), "Initiate where none"),
    (unit(session.Kind.DATA, presentation.encode_data(b"\x8b\0", 9)), "context 9"),
    (unit(session.Kind.ACCEPT), "session unit ACCEPT while open"),
]


@pytest.mark.parametrize(("octets", "why"), BREACHES)
def test_a_peer_that_breaks_a_rule_is_aborted(octets: bytes, why: str) -> None:
    client = opened()
    with pytest.raises(RemoteProtocolError, match=why):
        client.receive(octets)
    last = tpkt.PacketReader().feed(client.to_send())[-1]
    assert session.decode(last[3:]).kind is session.Kind.ABORT
    assert not client.is_open


def test_requests_longer_than_agreed_are_our_own_error() -> None:
    client = opened()
    with pytest.raises(LocalProtocolError, match="were agreed"):
        client.request(services.Read((NAME,) * 100))
    with pytest.raises(LocalProtocolError):
        client.connect()


RECORDED = Path(__file__).parents[4] / "vectors" / "mms" / "libiec61850.txt"
STREAM = b"".join(bytes.fromhex(line[2:]) for line in RECORDED.read_text().splitlines() if line[0] == "<")


@given(at=st.integers(0, len(STREAM) - 1), new=st.binary(min_size=1, max_size=6), cut=st.integers(1, 2000))
def test_a_spoilt_stream_raises_only_the_protocols_error(at: int, new: bytes, cut: int) -> None:
    client = Client(Settings())
    client.connect()
    octets = STREAM[:at] + new + STREAM[at + len(new) :]
    with contextlib.suppress(RemoteProtocolError):
        for start in range(0, len(octets), cut):
            client.receive(octets[start : start + cut])
            if client.is_open:
                client.request(services.Read((NAME,)))
    events(client)
