from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from gridiface.pki.faults import FAULTS, Fault, FaultBench


def test_every_class_has_its_own_name() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) >= 28


@pytest.mark.parametrize("fault", [f for f in FAULTS if f.name != "none"], ids=lambda fault: fault.name)
def test_the_peer_has_the_key_of_what_it_shows(fault: Fault, bench: FaultBench) -> None:
    made = fault.make(bench)
    assert made is not None
    assert made.key is not None
    assert made.key.public_key() == made.certificate.public_key()


def test_the_weak_signature_is_a_true_one(bench: FaultBench) -> None:
    made = next(fault for fault in FAULTS if fault.name == "sha-1").make(bench)
    assert made is not None
    hashed = made.certificate.signature_hash_algorithm
    public = bench.mica.certificate.public_key()
    assert hashed is not None
    assert hashed.name == "sha1"
    assert isinstance(public, ec.EllipticCurvePublicKey)
    public.verify(made.certificate.signature, made.certificate.tbs_certificate_bytes, ec.ECDSA(hashed))
    assert made.certificate.version is x509.Version.v3


def test_the_client_without_a_certificate_shows_none(bench: FaultBench) -> None:
    assert next(fault for fault in FAULTS if fault.name == "none").make(bench) is None
