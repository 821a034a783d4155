from __future__ import annotations

import hashlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gridiface.errors import ConfigError
from gridiface.pki.authority import (
    Credential,
    issue,
    issuer_key_id,
    key_identifier,
    make_crl,
    make_request,
    new_key,
    sign,
    subject_of,
)
from gridiface.pki.folder import TestPki
from gridiface.pki.profiles import default_profiles


def values(certificate: x509.Certificate) -> dict[str, tuple[object, bool]]:
    return {type(item.value).__name__: (item.value, item.critical) for item in certificate.extensions}


def test_a_device_certificate_has_the_fields_of_the_standard(pki: TestPki, now: float) -> None:
    made = pki.issue("device", "inv1", now=now)
    certificate = made.certificate
    assert len(list(certificate.subject)) == 0
    assert b"99991231235959Z" in made.der
    assert certificate.signature_algorithm_oid.dotted_string == "1.2.840.10045.4.3.2"
    found = values(certificate)
    assert set(found) == {"KeyUsage", "AuthorityKeyIdentifier", "CertificatePolicies", "SubjectAlternativeName"}
    assert {name for name, (_, critical) in found.items() if critical} == set(found) - {"AuthorityKeyIdentifier"}
    aki = found["AuthorityKeyIdentifier"][0]
    assert isinstance(aki, x509.AuthorityKeyIdentifier)
    assert aki.key_identifier is not None
    assert len(aki.key_identifier) == 8
    assert certificate.issuer == pki.issuer.certificate.subject


def test_a_ca_certificate_has_the_fields_of_the_standard(pki: TestPki) -> None:
    for word, authority in pki.authorities.items():
        found = values(authority.certificate)
        assert "SubjectAlternativeName" not in found
        assert found["BasicConstraints"][1]
        assert found["CertificatePolicies"][1]
        usage, critical = found["KeyUsage"]
        assert isinstance(usage, x509.KeyUsage)
        assert (usage.key_cert_sign, usage.crl_sign, usage.digital_signature, critical) == (True, True, False, True)
        assert ("AuthorityKeyIdentifier" in found) == (word != "serca")


def test_the_key_identifier_is_method_two_of_rfc_5280() -> None:
    public = new_key().public_key()
    point = public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    digest = hashlib.sha1(point).hexdigest()
    assert key_identifier(public).hex() == "4" + digest[-15:]


def test_a_server_certificate_names_its_hosts_critically(pki: TestPki, now: float) -> None:
    made = pki.issue("server", "server", now=now, hosts=["localhost", "127.0.0.1", "::1"])
    names, critical = values(made.certificate)["SubjectAlternativeName"]
    assert isinstance(names, x509.SubjectAlternativeName)
    assert critical
    assert [str(name.value) for name in names] == ["localhost", "127.0.0.1", "::1"]
    for hosts in ([], ["bücher.example"]):
        with pytest.raises(ConfigError, match=r"host|address"):
            pki.issue("server", "server", now=now, hosts=hosts)


def test_a_request_is_certified_with_its_own_key(pki: TestPki, now: float) -> None:
    key = new_key()
    made = pki.issue("device", "inv1", now=now, request=make_request("inv1", key=key))
    assert made.key is None
    assert made.certificate.public_key() == key.public_key()
    with pytest.raises(ConfigError, match="made the request"):
        _ = made.key_pem
    assert len(list(make_request("inv1", key=key, empty_subject=False).subject)) == 2


@pytest.mark.parametrize(
    "key", [ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 2048)], ids=["P-384", "RSA"]
)
def test_a_request_for_a_foreign_key_is_not_certified(
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, pki: TestPki, now: float
) -> None:
    with pytest.raises(ConfigError, match="P-256"):
        pki.issue("device", "inv1", now=now, request=make_request("inv1", key=key))


def test_a_request_that_was_changed_is_not_certified(pki: TestPki, now: float) -> None:
    good = make_request("inv1", key=new_key(), empty_subject=False)
    changed = x509.load_der_x509_csr(good.public_bytes(Encoding.DER).replace(b"inv1", b"inv2"))
    with pytest.raises(ConfigError, match="does not verify"):
        pki.issue("device", "inv1", now=now, request=changed)


def test_nobody_signs_without_a_key(pki: TestPki, now: float) -> None:
    without = Credential(pki.issuer.certificate, None, pki.issuer.issuers)
    with pytest.raises(ConfigError, match="not here"):
        issue(default_profiles().get("device"), "x", now=now, issuer=without)
    with pytest.raises(ConfigError, match="not here"):
        make_crl(without, [], now=now, next_update=now)
    with pytest.raises(ConfigError, match="1 to 64"):
        subject_of("")


def test_an_issuer_without_a_key_identifier_gets_the_computed_one(now: float) -> None:
    key = new_key()
    bare = sign(subject_of("bare"), key.public_key(), (), now=now, issuer=None, key=key)
    assert issuer_key_id(bare) == key_identifier(key.public_key())


def test_a_chain_file_holds_no_root(pki: TestPki, now: float) -> None:
    made = pki.issue("device", "inv1", now=now)
    assert x509.load_pem_x509_certificates(made.chain_pem) == [made.certificate, *made.issuers[:-1]]
    assert x509.load_pem_x509_certificates(made.root_pem) == [pki.root.certificate]
    assert pki.root.root_pem == made.root_pem


def test_a_crl_is_signed_by_its_ca(pki: TestPki, now: float) -> None:
    crl = x509.load_pem_x509_crl(make_crl(pki.issuer, [5, 6], now=now, next_update=now + 60))
    assert [entry.serial_number for entry in crl] == [5, 6]
    public = pki.issuer.certificate.public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    assert crl.is_signature_valid(public)
    assert isinstance(crl.signature_hash_algorithm, hashes.SHA256)
