from __future__ import annotations

import itertools

import pytest

from gridiface.pki.authority import Credential
from gridiface.pki.certificate import Certificate, parse_certificate
from gridiface.pki.faults import FAULTS, FaultBench
from gridiface.pki.folder import TestPki
from gridiface.pki.path import Gap, build_path

SHA256 = frozenset({"sha256"})


def certificates(credential: Credential) -> list[Certificate]:
    return [parse_certificate(der) for der in credential.chain_der]


def test_the_order_of_the_issuers_does_not_matter(pki: TestPki, roots: list[Certificate], now: float) -> None:
    own, *issuers = certificates(pki.issue("device", "inv1", now=now))
    for order in itertools.permutations([*issuers, *roots]):
        path = build_path([own, *order], roots, signature_hashes=SHA256)
        assert path.gap is None
        assert list(path.certificates) == [own, *issuers, *roots]


def test_known_intermediates_fill_a_gap(pki: TestPki, roots: list[Certificate], now: float) -> None:
    own, *issuers = certificates(pki.issue("device", "inv1", now=now))
    assert build_path([own], roots, signature_hashes=SHA256).gap is Gap.NO_ISSUER
    assert build_path([own], roots, signature_hashes=SHA256, helpers=issuers).gap is None


def test_a_root_made_anew_under_the_same_name_does_not_disturb(
    pki: TestPki, pkis: dict[int, TestPki], roots: list[Certificate], now: float
) -> None:
    both = [parse_certificate(pkis[3].root.der), *roots]
    for issuing in (pki, pkis[3]):
        chain = certificates(issuing.issue("device", "inv1", now=now))
        path = build_path(chain, both, signature_hashes=SHA256)
        assert path.gap is None
        assert path.certificates[-1].der == issuing.root.der


@pytest.mark.parametrize(
    ("name", "gap"),
    [
        ("self-signed", Gap.SELF_SIGNED),
        ("unknown-ca", Gap.NO_ISSUER),
        ("same-name-root", Gap.OTHER_KEY),
        ("missing-intermediate", Gap.NO_ISSUER),
        ("tampered", Gap.BAD_SIGNATURE),
    ],
)
def test_what_is_missing_is_told(name: str, gap: Gap, bench: FaultBench, roots: list[Certificate]) -> None:
    made = next(fault for fault in FAULTS if fault.name == name).make(bench)
    assert made is not None
    assert build_path(certificates(made), roots, signature_hashes=SHA256).gap is gap


@pytest.mark.parametrize(("name", "gap"), [("unknown-ca", Gap.UNKNOWN_ROOT), ("same-name-root", Gap.OTHER_KEY)])
def test_a_foreign_root_in_the_chain_is_not_trusted(
    name: str, gap: Gap, bench: FaultBench, roots: list[Certificate]
) -> None:
    made = next(fault for fault in FAULTS if fault.name == name).make(bench)
    assert made is not None
    with_root = [*certificates(made), parse_certificate(Credential(made.issuers[-1], None).der)]
    assert build_path(with_root, roots, signature_hashes=SHA256).gap is gap


def test_many_certificates_of_one_name_cost_a_bounded_number_of_signatures(
    pki: TestPki, roots: list[Certificate], now: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = certificates(pki.issue("device", "inv1", now=now))[0]
    others = [parse_certificate(TestPki.create(depth=4, now=now).issuer.der) for _ in range(9)]
    computed = []
    original = Certificate.is_signed_by

    def counting(self: Certificate, other: Certificate) -> bool:
        computed.append(other)
        return original(self, other)

    monkeypatch.setattr(Certificate, "is_signed_by", counting)
    monkeypatch.setattr(Certificate, "names_as_issuer", lambda self, other: True)
    assert build_path([own, *others], roots, signature_hashes=SHA256).gap is not None
    assert 9 <= len(computed) <= 60
