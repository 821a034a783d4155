"""Which masters a certificate or an address may speak for."""

from ipaddress import ip_network

import pytest

from gridiface.northbound.dnp3.settings import MasterEntry
from gridiface.northbound.dnp3.wire.identity import CertificateNames, names_of, permitted
from gridiface.pki.folder import TestPki
from gridiface.pki.identity import fingerprint


@pytest.fixture(scope="module")
def der():
    pki = TestPki.create(depth=3, now=1.7e9)
    return pki.issue("server", "scada", now=1.7e9, hosts=["SCADA.example"]).der


def test_a_certificate_has_its_fingerprint_and_names(der):
    found = names_of(der)
    assert found.fingerprint == fingerprint(der).hex().upper()
    assert "scada.example" in found.names


def test_what_is_no_certificate_has_a_fingerprint_only():
    found = names_of(b"no certificate")
    assert found.names == frozenset()
    assert len(found.fingerprint) == 64


def test_a_master_is_known_by_fingerprint_or_name(der):
    found = names_of(der)
    assert found.may_be(MasterEntry(name="m", address=1, fingerprints=(found.fingerprint,)))
    assert found.may_be(MasterEntry(name="m", address=1, names=("Scada.Example",)))
    assert not found.may_be(MasterEntry(name="m", address=1, names=("other.example",)))


def test_address_and_certificate_must_both_fit():
    one = MasterEntry(name="one", address=1, sources=(ip_network("192.0.2.0/24"),), names=("a",))
    two = MasterEntry(name="two", address=2, names=("b",))
    shown = CertificateNames("0" * 64, frozenset({"a", "b"}))
    assert permitted([one, two], "192.0.2.1", shown, tls=True) == [1, 2]
    assert permitted([one, two], "198.51.100.1", shown, tls=True) == [2]
    assert permitted([one, two], "192.0.2.1", None, tls=True) == []
    assert permitted([one, two], "192.0.2.1", None, tls=False) == [1, 2]
