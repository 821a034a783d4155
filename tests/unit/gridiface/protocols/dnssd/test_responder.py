"""A responder on a clock of our own: probes, conflicts, announcements, answers, good-bye."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from gridiface.protocols.dnssd.messages import (
    Message,
    Question,
    Record,
    RecordType,
    Service,
    decode,
    encode,
    name_of,
)
from gridiface.protocols.dnssd.responder import Responder
from gridiface.protocols.dnssd.zone import Instance, Zone

SERVICE = (b"_smartenergy", b"_tcp")
POINTER = name_of("_smartenergy._tcp.local")
INSTANCE = (b"S", *POINTER)
PEER, LEGACY = ("192.0.2.7", 5353), ("192.0.2.7", 40000)


def zone(label: str = "S", address: str = "192.0.2.1") -> Zone:
    return Zone(
        domain=b"local", host="h", addresses=[ipaddress.ip_address(address)], port=8443, service=SERVICE,
        instances=[Instance(label, {"txtvers": "1"})],
    )  # fmt: skip


class Bench:
    """A responder and its clock."""

    def __init__(self, made: Zone | None = None) -> None:
        self.responder = Responder(made or zone(), draw=lambda: 0.5)
        self.now = 100.0
        self.responder.start(self.now)

    def until(self, end: float) -> list[tuple[float, Message, Any]]:
        """What is said until then."""
        said = self.said()
        while (at := self.responder.next_timer()) is not None and at <= end:
            self.now = at
            self.responder.handle_timer(at)
            said += self.said()
        self.now = end
        return said

    def said(self) -> list[tuple[float, Message, Any]]:
        return [(self.now, decode(one.octets), one.to) for one in self.responder.to_send()]

    def hear(self, message: Message, peer: tuple[str, int] = PEER) -> list[tuple[float, Message, Any]]:
        self.responder.receive(encode(message), peer, self.now)
        return self.said()

    def ask(self, *questions: Question, peer: tuple[str, int] = PEER, **more: Any) -> list[tuple[float, Message, Any]]:
        return self.hear(Message(questions=questions, **more), peer)


@pytest.fixture
def bench() -> Bench:
    made = Bench()
    made.until(110.0)
    assert made.responder.established
    return made


def ptr(*, unicast: bool = False) -> Question:
    return Question(POINTER, RecordType.PTR, unicast=unicast)


def kinds(records: Sequence[Record]) -> list[int]:
    return [record.type for record in records]


def test_three_probes_a_quarter_second_apart_then_two_announcements() -> None:
    bench = Bench()
    said = bench.until(110.0)
    assert [round(at, 3) for at, _, _ in said] == [100.125, 100.375, 100.625, 100.875, 101.875]
    assert all(to is None for _, _, to in said)
    for _, probe, _ in said[:3]:
        assert not probe.is_response
        assert {q.name for q in probe.questions} == {(b"h", b"local"), INSTANCE}
        assert all(q.unicast and q.type == RecordType.ANY for q in probe.questions)
        assert sorted(kinds(probe.authorities)) == [RecordType.A, RecordType.TXT, RecordType.SRV]
    for _, told, _ in said[3:]:
        assert told.is_response
        assert {(r.type, r.unique) for r in told.answers} == {
            (RecordType.PTR, False), (RecordType.A, True), (RecordType.SRV, True), (RecordType.TXT, True),
        }  # fmt: skip


def test_nothing_is_answered_before_the_names_are_ours() -> None:
    bench = Bench()
    bench.until(100.5)
    assert bench.ask(ptr(unicast=True)) == []


def test_qu_is_answered_by_unicast_and_qm_by_multicast_after_a_while(bench: Bench) -> None:
    ((_, direct, to),) = bench.ask(ptr(unicast=True))
    assert (to, direct.id, direct.questions) == (PEER, 0, ())
    assert kinds(direct.answers) == [RecordType.PTR]
    assert kinds(direct.additionals) == [RecordType.SRV, RecordType.TXT, RecordType.A]
    assert bench.ask(ptr()) == []
    ((at, told, to),) = bench.until(111.0)
    assert (round(at, 3), to) == (110.07, None)
    assert kinds(told.answers) == [RecordType.PTR]
    assert kinds(told.additionals) == [RecordType.SRV, RecordType.TXT, RecordType.A]


def test_records_that_are_ours_alone_are_answered_at_once_but_once_a_second(bench: Bench) -> None:
    question = Question(INSTANCE, RecordType.SRV)
    ((_, told, to),) = bench.ask(question)
    assert (kinds(told.answers)[0], to) == (RecordType.SRV, None)
    assert bench.ask(question) == []
    bench.until(111.5)
    assert len(bench.ask(question)) == 1


def test_a_plain_resolver_is_answered_as_it_expects(bench: Bench) -> None:
    ((_, told, to),) = bench.hear(Message(id=77, questions=(ptr(),)), LEGACY)
    assert (to, told.id, told.questions) == (LEGACY, 77, (ptr(),))
    assert all(r.ttl <= 10 and not r.unique for r in told.records)
    assert bench.until(112.0) == []


def test_who_asks_with_forged_addresses_gets_little_out_of_it(bench: Bench) -> None:
    assert sum(len(bench.ask(ptr(), peer=LEGACY)) for _ in range(500)) == 50
    bench.until(111.5)
    assert len(bench.ask(ptr(), peer=LEGACY)) == 1


def test_known_answers_are_not_told_again(bench: Bench) -> None:
    known = Record(POINTER, RecordType.PTR, INSTANCE, 4500)
    assert bench.ask(ptr(), answers=(known,)) == []
    assert bench.until(111.0) == []
    bench.ask(ptr(), answers=(known.lasting(2000),))
    assert len(bench.until(112.0)) == 1
    bench.until(120.0)
    bench.ask(ptr(), truncated=True)
    ((at, _, _),) = bench.until(121.0)
    assert round(at, 2) == 120.45  # more known answers may come


def test_a_probe_for_a_name_of_ours_is_told_to_all_at_once(bench: Bench) -> None:
    theirs = Record(INSTANCE, RecordType.SRV, Service((b"other", b"local"), 1), 120)
    ((_, told, to),) = bench.ask(Question(INSTANCE, RecordType.ANY, unicast=True), authorities=(theirs,))
    assert to is None
    assert INSTANCE in {r.name for r in told.answers}
    assert bench.responder.zone.names[1] == INSTANCE


def test_a_name_that_somebody_has_is_given_up() -> None:
    bench = Bench()
    bench.until(100.3)
    theirs = Record(INSTANCE, RecordType.SRV, Service((b"other", b"local"), 1), 120, unique=True)
    bench.hear(Message(is_response=True, answers=(theirs,)))
    assert bench.responder.conflicts == 1
    said = bench.until(120.0)
    renamed = (b"S-2", *POINTER)
    assert bench.responder.established
    assert renamed in {q.name for _, m, _ in said for q in m.questions}
    assert {r.data for _, m, _ in said for r in m.answers if r.type == RecordType.PTR} == {renamed}


def test_a_conflict_after_the_announcement_is_settled_by_probing_again(bench: Bench) -> None:
    theirs = Record((b"h", b"local"), RecordType.A, ipaddress.IPv4Address("192.0.2.99"), 120, unique=True)
    bench.hear(Message(is_response=True, answers=(theirs,)), LEGACY)
    assert bench.responder.established  # from another port than the group's it proves nothing
    bench.hear(Message(is_response=True, answers=(theirs,)))
    assert not bench.responder.established
    bench.until(130.0)
    assert bench.responder.zone.host == (b"h-2", b"local")


def test_what_agrees_with_ours_is_no_conflict(bench: Bench) -> None:
    for record in bench.responder.zone.unique():
        bench.hear(Message(is_response=True, answers=(record, replace(record, ttl=0))))
    assert bench.responder.conflicts == 0
    assert bench.responder.established


@pytest.mark.parametrize(("address", "waits"), [("192.0.2.99", True), ("10.0.0.1", False)])
def test_of_two_that_probe_at_once_the_greater_records_win(address: str, waits: bool) -> None:
    bench = Bench()
    bench.until(100.3)
    rival = tuple(r for r in zone(address=address).unique((b"h", b"local")))
    bench.hear(Message(questions=(Question((b"h", b"local"), RecordType.ANY, unicast=True),), authorities=rival))
    first = bench.until(120.0)[0][0]
    assert round(first, 3) == (101.3 if waits else 100.375)
    assert bench.responder.zone.host == (b"h", b"local")


def test_many_conflicts_make_it_calm() -> None:
    bench = Bench()
    for number in range(1, 16):
        name = bench.responder.zone.names[1]
        theirs = Record(name, RecordType.SRV, Service((b"o", b"local"), number), 120, unique=True)
        bench.hear(Message(is_response=True, answers=(theirs,)))
    at = bench.responder.next_timer()
    assert at is not None
    assert at - bench.now == pytest.approx(5.0)


def test_a_good_bye_for_everything_that_was_said(bench: Bench) -> None:
    bench.responder.stop()
    said = bench.said()
    assert {r.ttl for _, m, _ in said for r in m.answers} == {0}
    assert len([r for _, m, _ in said for r in m.answers]) == 4
    assert bench.ask(ptr(unicast=True)) == []
    early = Bench()
    early.responder.stop()
    assert early.said() == []


def test_what_is_no_message_is_dropped(bench: Bench) -> None:
    bench.responder.receive(b"\0" * 5, PEER, bench.now)
    assert bench.said() == []
