"""DNS messages: what is written is read, bytes of others' making are read, anything else is refused."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridiface.errors import LocalProtocolError, RemoteProtocolError
from gridiface.protocols.dnssd.messages import (
    Message,
    Question,
    Record,
    RecordType,
    Service,
    decode,
    encode,
    fold,
    name_of,
    pairs_of,
    sorted_data,
    text_of,
    text_pairs,
)

HOST = name_of("host.local")
INSTANCE = name_of("_smartenergy._tcp.local", b"My server. First")
WHOLE = Message(
    id=7,
    is_response=True,
    questions=(Question(INSTANCE, RecordType.ANY, unicast=True),),
    answers=(
        Record(name_of("_smartenergy._tcp.local"), RecordType.PTR, INSTANCE, 4500),
        Record(INSTANCE, RecordType.SRV, Service(HOST, 8443, 1, 2), 120, unique=True),
        Record(INSTANCE, RecordType.TXT, text_pairs({"txtvers": "1", "https": ""}), 4500, unique=True),
    ),
    authorities=(Record(HOST, RecordType.A, ipaddress.IPv4Address("192.0.2.1"), 120),),
    additionals=(Record(HOST, RecordType.AAAA, ipaddress.IPv6Address("2001:db8::1"), 120, unique=True),),
)

# The response to a question for _http._tcp.local PTR, as RFC 1035 and RFC 6763 lay it out, with two pointers.
FOREIGN = bytes.fromhex(
    "000084000000000200000000"
    "055f68747470045f746370056c6f63616c00" "000c" "0001" "00001194" "0007" "0461626364c00c"
    "c028" "0021" "8001" "00000078" "000e" "000000001f90" "05686f737431c017"
)  # fmt: skip


def test_what_is_written_is_read() -> None:
    assert decode(encode(WHOLE)) == WHOLE
    assert len(encode(WHOLE)) < 200  # names that stand there already are pointers


def test_a_message_of_others() -> None:
    found = decode(FOREIGN)
    service = name_of("_http._tcp.local")
    assert found.answers == (
        Record(service, RecordType.PTR, (b"abcd", *service), 4500),
        Record((b"abcd", *service), RecordType.SRV, Service((b"host1", b"local"), 8080), 120, unique=True),
    )


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"", "cut short"),
        (bytes(11), "cut short"),
        (bytes.fromhex("0000000000010000000000000361"), "cut short"),
        (bytes.fromhex("000000000001000000000000c00c00010001"), "forward"),  # a pointer to itself
        (bytes.fromhex("000000000001000000000000c0ff00010001"), "forward"),
        (bytes.fromhex("00000000000100000000000040" + "00" * 8), "unknown kind"),
        (bytes.fromhex("00002800000000000000000000"), "standard"),
        (bytes.fromhex("00000000ffff000000000000"), "standard"),
        (bytes.fromhex("0000840000000001000000000000010001000000780005c0000201"), "cut short"),
        (
            bytes.fromhex("000000000001000000000000") + b"\x3f" + b"a" * 63 + (b"\x3f" + b"a" * 63) * 3 + bytes(5),
            "long",
        ),
    ],
)
def test_what_is_no_message_is_refused(octets: bytes, reason: str) -> None:
    with pytest.raises(RemoteProtocolError, match=reason):
        decode(octets)


@given(st.binary(max_size=80))
def test_any_bytes_raise_nothing_but_a_protocol_error(octets: bytes) -> None:
    for attempt in (octets, FOREIGN[:12] + octets, bytes(4) + b"\0\1\0\1\0\0\0\0" + octets):
        try:
            decode(attempt)
        except RemoteProtocolError:
            continue


def test_data_that_is_not_understood_is_kept_as_octets() -> None:
    odd = Record(HOST, RecordType.A, b"\1\2\3", 120)
    assert decode(encode(Message(answers=(odd,)))).answers == (odd,)


def test_text_keys() -> None:
    assert pairs_of(text_pairs({"txtvers": "1", "https": None, "level": "-S1"})) == {
        "txtvers": "1", "https": None, "level": "-S1",
    }  # fmt: skip
    assert pairs_of(b"\x04A==1\x03a=2\x02=x\x00\x01B") == {"a": "=1", "b": None}
    assert pairs_of(b"\xffshort") == {"short": None}
    assert text_pairs({}) == b"\0"
    with pytest.raises(LocalProtocolError):
        text_pairs({"a": "x" * 254})


def test_names() -> None:
    assert fold(name_of("A.Local.")) == (b"a", b"local")
    assert text_of(INSTANCE) == "My server. First._smartenergy._tcp.local"
    with pytest.raises(LocalProtocolError):
        encode(Message(questions=(Question((b"x" * 64,), RecordType.A),)))


def test_order_of_simultaneous_probes() -> None:
    """RFC 6762, 8.2: by type, then by the octets of the data."""
    low = Record(HOST, RecordType.A, ipaddress.IPv4Address("169.254.99.200"), 120)
    high = Record(HOST, RecordType.A, ipaddress.IPv4Address("169.254.200.50"), 120)
    assert sorted_data([high]) > sorted_data([low])
    assert sorted_data([Record(HOST, RecordType.TXT, b"", 1)]) > sorted_data([high])
