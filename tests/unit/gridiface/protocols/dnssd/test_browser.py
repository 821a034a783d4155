"""A search, question by question, against a responder and against silence."""

from __future__ import annotations

import ipaddress

from gridiface.protocols.dnssd.browser import Browser
from gridiface.protocols.dnssd.messages import Message, Record, RecordType, Service, decode, encode, name_of, text_pairs

SERVICE = (b"_smartenergy", b"_tcp")
BASE = name_of("_smartenergy._tcp.site")
ONE, HOST = (b"One", *BASE), name_of("h.site")
POINTER = Record(BASE, RecordType.PTR, ONE, 10)
SRV = Record(ONE, RecordType.SRV, Service(HOST, 80), 10)
TXT = Record(ONE, RecordType.TXT, text_pairs({"dcap": "/dcap", "https": None}), 10)
ADDRESSES = (
    Record(HOST, RecordType.AAAA, ipaddress.ip_address("2001:db8::1"), 10),
    Record(HOST, RecordType.A, ipaddress.ip_address("192.0.2.1"), 10),
)


def answer(*records: Record, number: int = 5) -> bytes:
    return encode(Message(id=number, is_response=True, answers=records))


def asked(browser: Browser) -> list[tuple[tuple[bytes, ...], int]]:
    return [(question.name, question.type) for question in decode(browser.query()).questions]


def test_what_is_missing_is_asked_for_next() -> None:
    browser = Browser(b"site", SERVICE, id=5)
    assert asked(browser) == [(BASE, RecordType.PTR)]
    assert decode(browser.query()).id == 5
    assert not browser.complete
    browser.receive(answer(POINTER))
    assert asked(browser) == [(ONE, RecordType.SRV), (ONE, RecordType.TXT)]
    assert browser.found() == []
    browser.receive(answer(SRV))
    assert asked(browser) == [(ONE, RecordType.TXT), (HOST, RecordType.A), (HOST, RecordType.AAAA)]
    browser.receive(answer(TXT, *ADDRESSES))
    assert browser.complete
    (found,) = browser.found()
    assert (found.instance, found.host, found.port) == ("One._smartenergy._tcp.site", "h.site", 80)
    assert [str(address) for address in found.addresses] == ["192.0.2.1", "2001:db8::1"]
    assert found.text == {"dcap": "/dcap", "https": None}


def test_a_subtype_is_asked_for_by_its_own_name() -> None:
    browser = Browser(b"site", SERVICE, "derp", id=5)
    assert asked(browser) == [((b"derp", b"_sub", *BASE), RecordType.PTR)]
    browser.receive(answer(POINTER))
    assert browser.found() == []
    assert not browser.complete


def test_what_is_not_an_answer_to_us_is_not_heard() -> None:
    browser = Browser(b"site", SERVICE, id=5)
    for octets in (b"x", encode(Message(answers=(POINTER,))), answer(POINTER, number=6)):
        browser.receive(octets)
    assert not browser.complete
    browser.receive(answer(POINTER.lasting(0)))
    assert asked(browser) == [(BASE, RecordType.PTR)]


def test_a_flood_of_answers_is_cut() -> None:
    browser = Browser(b"site", SERVICE, id=5)
    for start in range(0, 4000, 40):
        browser.receive(
            answer(*(Record(BASE, RecordType.PTR, (b"%d" % n, *BASE), 10) for n in range(start, start + 40)))
        )
    assert len(asked(browser)) == 64
