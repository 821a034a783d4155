from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from gridiface.pki.authority import key_usage, new_key, sign
from gridiface.pki.certificate import Certificate, parse_certificate
from gridiface.pki.faults import FaultBench
from gridiface.pki.profile_notes import authority_notes, hardware_name, profile_notes
from gridiface.pki.rules import sep2_rules

Extensions = list[tuple[x509.ExtensionType, bool]]


def noted(certificate: Certificate) -> set[str]:
    notes = profile_notes([certificate], device_policies=sep2_rules().policies)
    return {note.name for note in notes if not note.passed}


def changed(bench: FaultBench, *, subject: x509.Name, change: dict[type[x509.ExtensionType], object]) -> Certificate:
    key = new_key()
    extensions: Extensions = []
    for value, critical in bench.extensions("device", key, bench.mica):
        new = change.get(type(value), (value, critical))
        if isinstance(new, tuple):
            extensions.append(new)
    made = sign(subject, key.public_key(), extensions, now=bench.now, issuer=bench.mica, key=key)
    return parse_certificate(made.der)


EMPTY = x509.Name([])
NAMED = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "inv1")])


@pytest.mark.parametrize(
    ("subject", "change", "names"),
    [
        (EMPTY, {}, set()),
        (NAMED, {}, {"empty-subject"}),
        (EMPTY, {x509.SubjectAlternativeName: None}, {"critical-san", "hardware-module-name"}),
        (EMPTY, {x509.KeyUsage: (key_usage("digital_signature"), False)}, {"critical-keyUsage", "key-agreement"}),
        (EMPTY, {x509.AuthorityKeyIdentifier: None}, {"authority-key-id"}),
        (
            EMPTY,
            {
                x509.CertificatePolicies: (
                    x509.CertificatePolicies(
                        [x509.PolicyInformation(x509.ObjectIdentifier("1.3.6.1.4.1.40732.1.1"), ["http://x"])]
                    ),
                    False,
                )
            },
            {"critical-certificatePolicies", "policy-qualifiers"},
        ),
        (
            EMPTY,
            {x509.SubjectAlternativeName: (x509.SubjectAlternativeName([x509.DNSName("localhost")]), True)},
            set(),
        ),
    ],
)
def test_deviations_of_a_device(
    bench: FaultBench, subject: x509.Name, change: dict[type[x509.ExtensionType], object], names: set[str]
) -> None:
    assert noted(changed(bench, subject=subject, change=change)) == names


def test_deviations_of_a_ca(bench: FaultBench) -> None:
    key = new_key()
    extensions: Extensions = [
        (x509.BasicConstraints(ca=True, path_length=None), False),
        (x509.SubjectKeyIdentifier(b"x" * 20), False),
        (x509.SubjectAlternativeName([x509.DNSName("ca.example")]), False),
    ]
    made = sign(EMPTY, key.public_key(), extensions, now=bench.now, issuer=bench.serca, key=key)
    found = {note.name for note in authority_notes(parse_certificate(made.der)) if not note.passed}
    assert found == {"ca-subject", "subject-key-id", "ca-san", "ca-critical", "ca-policies"}


def test_nothing_is_noted_where_the_profile_does_not_apply(bench: FaultBench) -> None:
    assert list(profile_notes([parse_certificate(bench.serca.der)], device_policies=None)) == []


def test_the_name_of_the_hardware_is_read(bench: FaultBench) -> None:
    names = parse_certificate(bench.device().der).extension(x509.SubjectAlternativeName)
    assert names is not None
    assert hardware_name(names) == ("1.3.6.1.4.1.32473.1", b"fault")
    broken = x509.OtherName(x509.ObjectIdentifier("1.3.6.1.5.5.7.8.4"), b"\x05\x00")
    assert hardware_name(x509.SubjectAlternativeName([broken])) is None
    assert hardware_name(x509.SubjectAlternativeName([x509.DNSName("x")])) is None
