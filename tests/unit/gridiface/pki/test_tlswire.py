from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gridiface.pki.alerts import Alert
from gridiface.pki.tlswire import HandshakeTap, alert_record


def record(content_type: int, fragment: bytes) -> bytes:
    return bytes((content_type, 3, 3)) + len(fragment).to_bytes(2, "big") + fragment


def message(kind: int, body: bytes) -> bytes:
    return bytes((kind,)) + len(body).to_bytes(3, "big") + body


def certificates(*ders: bytes) -> bytes:
    listed = b"".join(len(item).to_bytes(3, "big") + item for item in ders)
    return message(11, len(listed).to_bytes(3, "big") + listed)


def test_an_alert_record_byte_by_byte() -> None:
    # type alert, version 3.3, length 2, level fatal, unknown_ca (RFC 5246 sections 6.2.1, 7.2)
    assert alert_record(Alert.UNKNOWN_CA).hex() == "15030300020230"


@given(
    st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=5),
    st.lists(st.integers(1, 30), min_size=1, max_size=40),
)
def test_certificates_are_seen_however_the_bytes_are_cut(ders: list[bytes], cuts: list[int]) -> None:
    handshake = message(1, b"hello") + certificates(*ders) + message(16, b"key")
    half = len(handshake) // 2
    stream = record(22, handshake[:half]) + record(22, handshake[half:]) + record(20, b"\1")
    tap = HandshakeTap()
    place = 0
    for cut in cuts:
        tap.feed(stream[place : place + cut])
        place += cut
    tap.feed(stream[place:])
    assert tap.certificates == tuple(ders)
    assert tap.alert is None


@given(st.binary(max_size=400))
def test_any_bytes_are_taken(data: bytes) -> None:
    tap = HandshakeTap()
    tap.feed(data)
    assert len(tap.certificates) <= 16


def test_a_refusal_by_the_client_is_seen() -> None:
    tap = HandshakeTap()
    tap.feed(record(22, message(1, b"hello")) + alert_record(Alert.BAD_CERTIFICATE))
    assert tap.alert == Alert.BAD_CERTIFICATE


def test_nothing_is_read_after_change_cipher_spec() -> None:
    tap = HandshakeTap()
    tap.feed(record(20, b"\1") + record(22, certificates(b"late")))
    assert tap.certificates == ()


def test_no_client_makes_it_keep_more_than_its_limit() -> None:
    tap = HandshakeTap()
    for _ in range(100):
        tap.feed(record(22, b"\0" * 16_000))
    assert tap.certificates == ()
    tap.feed(record(22, certificates(b"more")))
    assert tap.certificates == ()
