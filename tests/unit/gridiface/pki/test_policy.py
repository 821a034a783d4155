from __future__ import annotations

from collections.abc import Mapping

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from gridiface.pki.alerts import Alert
from gridiface.pki.authority import Credential, issue
from gridiface.pki.certificate import Certificate, parse_certificate
from gridiface.pki.faults import FAULTS, Fault, FaultBench
from gridiface.pki.folder import TestPki
from gridiface.pki.policy import CHECKS, check_authority, check_chain
from gridiface.pki.profiles import default_profiles
from gridiface.pki.revocation import Revocation
from gridiface.pki.rules import Verdict, openadr_rules, sep2_rules


def judged(chain: list[bytes], roots: list[Certificate], now: float, **more: object) -> Verdict:
    return check_chain(chain, now=now, rules=sep2_rules(), roots=roots, **more)


@pytest.mark.parametrize("depth", [2, 3, 4])
@pytest.mark.parametrize("profile", ["device", "aggregator", "utility", "operator", "server"])
def test_good_chains_of_every_depth_pass_without_a_note(
    depth: int, profile: str, pkis: Mapping[int, TestPki], now: float
) -> None:
    made = pkis[depth].issue(profile, "good", now=now, hosts=["localhost"])
    verdict = judged(made.chain_der, [parse_certificate(pkis[depth].root.der)], now)
    assert verdict.accepted, verdict.describe()
    assert len(made.chain_der) == depth - 1
    assert verdict.notes == ()
    assert verdict.identity is not None
    assert len(verdict.identity.chain) == depth


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_each_class_of_bad_certificate_is_refused_by_its_own_check(
    fault: Fault, bench: FaultBench, roots: list[Certificate], now: float
) -> None:
    made = fault.make(bench)
    chain = made.chain_der if made is not None else []
    revoked = Revocation({("lfdi", parse_certificate(chain[0]).lfdi): "stolen"}) if fault.revoke else None
    verdict = judged(chain, roots, now, revocation=revoked)
    refusal = verdict.refusal
    assert refusal is not None
    assert (refusal.name, refusal.alert) == (fault.check, fault.alert), verdict.describe()
    assert refusal.clause
    if made is not None:
        text = verdict.describe()
        assert refusal.certificate is not None
        assert parse_certificate(made.der).lfdi in text
        assert refusal.certificate.fingerprint in text
        assert repr(refusal.certificate.subject) in text
        assert fault.alert.name.lower() in text


def test_every_check_of_the_table_is_met_by_a_class_or_named_here() -> None:
    met = {fault.check for fault in FAULTS}
    assert {rule.name for rule in CHECKS} - met == {"version", "depth"}


def test_a_chain_of_five_is_too_deep(pki: TestPki, roots: list[Certificate], now: float) -> None:
    above: Credential = pki.root
    for word in ("mca", "mca", "mica"):
        profile = default_profiles().get(word).model_copy(update={"path_length": None})
        above = issue(profile, f"CA below {above.certificate.serial_number}", now=now, issuer=above)
    made = issue(default_profiles().get("device"), "deep", now=now, issuer=above)
    refusal = judged(made.chain_der, roots, now).refusal
    assert refusal is not None
    assert (refusal.name, refusal.alert) == ("depth", Alert.UNKNOWN_CA)


@pytest.mark.parametrize(
    "extension",
    [
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (x509.BasicConstraints(ca=False, path_length=None), False),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]), False),
        (x509.SubjectKeyIdentifier(b"12345678"), False),
        (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.32473.98"), b"\x05\x00"), False),
    ],
    ids=str,
)
def test_what_the_standard_permits_on_a_device_is_accepted(
    extension: tuple[x509.ExtensionType, bool], bench: FaultBench, roots: list[Certificate], now: float
) -> None:
    verdict = judged(bench.device(add=(extension,)).chain_der, roots, now)
    assert verdict.accepted, verdict.describe()


def test_a_non_critical_eku_for_clients_on_a_mica_is_accepted(
    bench: FaultBench, roots: list[Certificate], now: float
) -> None:
    eku = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)
    assert judged(bench.device(issuer=bench.mica_with(add=(eku,))).chain_der, roots, now).accepted


def test_policies_of_a_ca_bind_what_is_below_it(bench: FaultBench, roots: list[Certificate], now: float) -> None:
    def under(oid: str) -> Verdict:
        named = (x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier(oid), None)]), True)
        mica = bench.mica_with(without=(x509.CertificatePolicies,), add=(named,))
        return judged(bench.device(issuer=mica).chain_der, roots, now)

    assert under("1.3.6.1.4.1.40732.1.1").accepted
    refusal = under("1.3.6.1.4.1.40732.1.2").refusal
    assert refusal is not None
    assert refusal.name == "wrong-policy"
    assert judged(
        bench.device(issuer=bench.mica_with(without=(x509.CertificatePolicies,))).chain_der, roots, now
    ).accepted


def test_revoking_a_ca_refuses_all_below_it(pki: TestPki, roots: list[Certificate], now: float) -> None:
    mica = parse_certificate(pki.issuer.der)
    made = pki.issue("device", "inv1", now=now)
    refusal = judged(made.chain_der, roots, now, revocation=Revocation({("lfdi", mica.lfdi): ""})).refusal
    assert refusal is not None
    assert (refusal.name, refusal.certificate) == ("revoked", mica)


def test_deviations_refuse_only_on_demand(bench: FaultBench, roots: list[Certificate], now: float) -> None:
    chain = bench.device(not_after=bench.day(300), without=(x509.AuthorityKeyIdentifier,)).chain_der
    verdict = judged(chain, roots, now)
    assert verdict.accepted
    assert {note.name for note in verdict.notes} == {"not-after", "authority-key-id"}
    strict = check_chain(chain, now=now, rules=sep2_rules(strict_profile=True), roots=roots)
    assert strict.refusal is not None
    assert strict.refusal.name == "not-after"
    assert verdict.valid_until == bench.day(300).timestamp()


def test_openadr_accepts_rsa_from_2048_bits_and_asks_for_no_policy(
    bench: FaultBench, roots: list[Certificate], now: float
) -> None:
    verdicts = {}
    for fault in FAULTS:
        made = fault.make(bench)
        chain = made.chain_der if made is not None else []
        verdicts[fault.name] = check_chain(chain, now=now, rules=openadr_rules(), roots=roots).accepted
    accepted = {name for name, good in verdicts.items() if good}
    assert accepted == {
        "p-384", "rsa-2048", "no-policy", "wrong-policy", "revoked", "name-constraints", "policy-mappings",
        "critical-eku-client-auth-on-mica",
    }  # fmt: skip


def test_too_many_or_too_large_certificates_are_not_parsed(roots: list[Certificate], now: float) -> None:
    for chain in ([b"x"] * 11, [b"x" * 20_000]):
        refusal = judged(chain, roots, now).refusal
        assert refusal is not None
        assert refusal.name == "size"


@pytest.fixture(scope="module")
def good_chain(pki: TestPki, now: float) -> list[bytes]:
    return pki.issue("device", "inv1", now=now).chain_der


@settings(max_examples=300)
@given(which=st.integers(0, 2), place=st.integers(0, 2000), change=st.integers(1, 255))
def test_no_damage_raises_and_none_is_accepted(
    which: int, place: int, change: int, good_chain: list[bytes], roots: list[Certificate], now: float
) -> None:
    damaged = bytearray(good_chain[which])
    damaged[place % len(damaged)] ^= change
    assert not judged([*good_chain[:which], bytes(damaged), *good_chain[which + 1 :]], roots, now).accepted


@given(st.lists(st.binary(max_size=100), max_size=4))
def test_any_bytes_are_refused(roots: list[Certificate], now: float, chain: list[bytes]) -> None:
    assert not judged(chain, roots, now).accepted


def test_a_ca_is_judged_alone(pki: TestPki, bench: FaultBench, now: float) -> None:
    for authority in pki.authorities.values():
        checks = check_authority(parse_certificate(authority.der), now=now, rules=sep2_rules())
        assert all(check.passed for check in checks)
    spoilt = bench.mica_with(add=((x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), True),))
    failed = [
        c.name for c in check_authority(parse_certificate(spoilt.der), now=now, rules=sep2_rules()) if not c.passed
    ]
    assert failed == ["critical-eku-on-ca"]
