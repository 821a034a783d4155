from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_crl
from hypothesis import given
from hypothesis import strategies as st

from gridiface.errors import ConfigError
from gridiface.pki.authority import make_crl
from gridiface.pki.certificate import parse_certificate
from gridiface.pki.folder import TestPki
from gridiface.pki.revocation import (
    Revocation,
    load_revocation,
    parse_crls,
    parse_revocation_list,
    serial_name,
)


def test_each_kind_of_entry_revokes(pki: TestPki, now: float) -> None:
    device = parse_certificate(pki.issue("device", "inv1", now=now).der)
    assert device.authority_key_id is not None
    for line in (
        f"lfdi {device.lfdi.lower()} stolen",
        f"fingerprint {device.fingerprint} stolen  # by whom?",
        f"serial {serial_name(device.parsed.serial_number, device.authority_key_id)} stolen",
        f"SERIAL 00{device.parsed.serial_number:X}@{device.authority_key_id.hex()} stolen",
    ):
        entries = parse_revocation_list(f"# a comment\n\n{line}\n")
        assert Revocation(entries).reason(device, None) == "stolen", line
    other = parse_certificate(pki.issue("device", "inv2", now=now).der)
    assert Revocation(parse_revocation_list(f"lfdi {device.lfdi}")).reason(other, None) is None
    assert Revocation(parse_revocation_list(f"lfdi {device.lfdi}")).reason(device, None) == "listed by lfdi"


@pytest.mark.parametrize("line", ["lfdi", "lfdi 12", "pin 11115", "serial 12", "serial x@y", "fingerprint " + "g" * 64])
def test_a_mistake_names_its_line(line: str) -> None:
    with pytest.raises(ConfigError, match=r"revoked\.txt, line 2"):
        parse_revocation_list(f"# first\n{line}", source="revoked.txt")


@given(st.text(max_size=200))
def test_any_text_is_a_list_or_a_configuration_error(text: str) -> None:
    try:
        entries = parse_revocation_list(text)
    except ConfigError:
        return
    assert all(kind in {"lfdi", "fingerprint", "serial"} for kind, _ in entries)


def test_a_crl_counts_only_for_the_ca_that_signed_it(pki: TestPki, pkis: dict[int, TestPki], now: float) -> None:
    made = pki.issue("device", "inv1", now=now)
    device, mica = parse_certificate(made.der), parse_certificate(pki.issuer.der)
    serial = made.certificate.serial_number
    good = load_pem_x509_crl(make_crl(pki.issuer, [serial], now=now, next_update=now + 60))
    assert Revocation(crls=(good,)).reason(device, mica) == f"on the CRL of {mica.label}"
    assert Revocation(crls=(good,)).reason(device, None) is None
    empty = load_pem_x509_crl(make_crl(pki.issuer, [], now=now, next_update=now + 60))
    assert Revocation(crls=(empty,)).reason(device, mica) is None
    # The same name, another key: a PKI made anew.
    forged = load_pem_x509_crl(make_crl(pkis[3].issuer, [serial], now=now, next_update=now + 60))
    assert forged.issuer == good.issuer
    assert Revocation(crls=(forged,)).reason(device, mica) is None


def test_files_of_either_form_are_read(pki: TestPki, now: float, tmp_path: Path) -> None:
    pem = make_crl(pki.issuer, [7], now=now, next_update=now + 60)
    (tmp_path / "two.pem").write_bytes(pem + make_crl(pki.root, [8], now=now, next_update=now + 60))
    (tmp_path / "one.der").write_bytes(load_pem_x509_crl(pem).public_bytes(Encoding.DER))
    (tmp_path / "revoked.txt").write_text(f"lfdi {'A' * 40}")
    found = load_revocation(tmp_path / "revoked.txt", [tmp_path / "two.pem", tmp_path / "one.der"])
    assert len(found.crls) == 3
    assert ("lfdi", "A" * 40) in found.entries


def test_files_that_cannot_be_used_are_configuration_errors(tmp_path: Path) -> None:
    assert load_revocation(tmp_path / "not yet.txt", ()).entries == {}
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="binary"):
        load_revocation(tmp_path / "binary", ())
    with pytest.raises(ConfigError, match=r"gone\.crl"):
        load_revocation(None, [tmp_path / "gone.crl"])
    with pytest.raises(ConfigError, match="not a certificate revocation list"):
        parse_crls(b"nothing")
