from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridiface.pki.certificate import CertificateMalformed, parse_certificate, parse_pem_certificates
from gridiface.pki.faults import FAULTS, FaultBench
from gridiface.pki.folder import TestPki


def test_a_device_certificate_is_read(pki: TestPki, now: float) -> None:
    device = parse_certificate(pki.issue("device", "inv1", now=now).der)
    assert device.subject == ""
    assert (device.key_kind, device.signature_hash) == ("secp256r1", "sha256")
    assert not device.is_ca
    assert device.policies[0] == "1.3.6.1.4.1.40732.1.1"
    assert device.authority_key_id == parse_certificate(pki.issuer.der).subject_key_id
    assert device.label == f"LFDI {device.lfdi}"
    assert device.not_before < now < device.not_after


def test_a_certificate_knows_its_issuer(pki: TestPki, now: float) -> None:
    device = parse_certificate(pki.issue("device", "inv1", now=now).der)
    mica, serca = parse_certificate(pki.issuer.der), parse_certificate(pki.root.der)
    assert device.names_as_issuer(mica)
    assert device.is_signed_by(mica)
    assert not device.names_as_issuer(serca)
    assert not device.is_signed_by(serca)
    assert serca.is_self_issued
    assert not device.is_self_issued


def test_the_kind_of_foreign_keys_is_told(bench: FaultBench) -> None:
    kinds = {}
    for fault in FAULTS:
        if fault.check == "key" and (made := fault.make(bench)) is not None:
            kinds[fault.name] = parse_certificate(made.der).key_kind
    assert kinds == {"p-384": "secp384r1", "secp256k1": "secp256k1", "rsa-1024": "rsa-1024", "rsa-2048": "rsa-2048"}


@given(st.binary(max_size=200))
def test_bytes_that_are_no_certificate(data: bytes) -> None:
    with pytest.raises(CertificateMalformed):
        parse_certificate(data)


@given(place=st.integers(0, 400), value=st.integers(0, 255))
def test_a_damaged_certificate_is_read_or_malformed(pki: TestPki, place: int, value: int) -> None:
    der = bytearray(pki.root.der)
    der[place % len(der)] = value
    try:
        read = parse_certificate(bytes(der))
    except CertificateMalformed:
        return
    assert read.is_signed_by(read) == (bytes(der) == pki.root.der) or not read.is_signed_by(read)


def test_a_pem_file_holds_a_chain(pki: TestPki) -> None:
    assert [item.subject for item in parse_pem_certificates(pki.ca_bundle())] == [
        item.certificate.subject.rfc4514_string() for item in pki.authorities.values()
    ]
    with pytest.raises(CertificateMalformed):
        parse_pem_certificates(b"nothing")


def test_another_encoding_of_the_signature_is_not_another_identity(pki: TestPki, now: float) -> None:
    # A signature that ends in a zero bit, said to have one unused bit: the same signature, another LFDI.
    good = pki.issue("device", "inv1", now=now)
    while good.der[-1] & 1:
        good = pki.issue("device", "inv1", now=now)
    signature = good.certificate.signature
    damaged = bytearray(good.der)
    damaged[-len(signature) - 1] = 1
    parse_certificate(good.der)
    with pytest.raises(CertificateMalformed, match="not encoded in DER"):
        parse_certificate(bytes(damaged))


def test_a_serial_number_that_is_not_positive_is_malformed(pki: TestPki) -> None:
    serial = pki.root.certificate.serial_number.to_bytes(20, "big")
    place = pki.root.der.index(serial)
    negative = pki.root.der[:place] + b"\x80" + pki.root.der[place + 1 :]
    with pytest.raises(CertificateMalformed, match="not positive"):
        parse_certificate(negative)
