"""Deviations from the certificate profile that harm nobody: noted by `inspect`, refused only on demand.

IEEE 2030.5-2018 section 6.11 tells more of a certificate than trust needs. A device in the field that deviates here is
still the device it says it is, so by default it is let in.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from cryptography import x509

from gridiface.pki.certificate import Certificate
from gridiface.pki.der import read_hardware_module_name
from gridiface.pki.profiles import HARDWARE_MODULE_NAME
from gridiface.pki.rules import Check

FOREVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()
"""notAfter of every certificate of the profile: 99991231235959Z."""

_SECTION = "6.11"
_DEVICE_ARC = "1.3.6.1.4.1.40732.1."


def profile_notes(path: Sequence[Certificate], *, device_policies: frozenset[str] | None) -> Iterator[Check]:
    """Every point of the profile, passed or not, of a path whose first certificate is the peer's own.

    Args:
        path: own certificate first.
        device_policies: None where the profile of IEEE 2030.5 does not apply: then there is nothing to note.
    """
    if device_policies is None:
        return
    yield from _common_notes(path[0])
    yield from _leaf_notes(path[0])
    for item in path[1:]:
        yield from authority_notes(item)


def _common_notes(item: Certificate) -> Iterator[Check]:
    yield _note(item, "not-after", item.not_after == FOREVER, "notAfter is not 99991231235959Z")
    for kind, word in ((x509.CertificatePolicies, "certificatePolicies"), (x509.KeyUsage, "keyUsage")):
        present = item.extension(kind) is not None
        yield _note(item, f"critical-{word}", not present or item.is_critical(kind), f"{word} is not critical")
    yield _note(item, "policy-qualifiers", not _has_qualifiers(item), "a policy has qualifiers")


def _leaf_notes(leaf: Certificate) -> Iterator[Check]:
    usage = leaf.extension(x509.KeyUsage)
    agreement = usage is not None and usage.key_agreement
    yield _note(leaf, "key-agreement", agreement, "keyUsage lacks keyAgreement")
    yield _note(leaf, "authority-key-id", leaf.authority_key_id is not None, "it names no authorityKeyIdentifier")
    names = leaf.extension(x509.SubjectAlternativeName)
    if not leaf.subject:
        critical = names is not None and leaf.is_critical(x509.SubjectAlternativeName)
        yield _note(leaf, "critical-san", critical, "the subject is empty and no critical subjectAltName is there")
    if any(policy.startswith(_DEVICE_ARC) for policy in leaf.policies) and not _names_host(names):
        yield _note(leaf, "empty-subject", not leaf.subject, "the subject of a device is not empty")
        yield _note(leaf, "hardware-module-name", _names_hardware(names), "no single hardwareModuleName")


def authority_notes(item: Certificate) -> Iterator[Check]:
    """Every point of the profile of a CA certificate, passed or not."""
    yield from _common_notes(item)
    yield _note(item, "ca-subject", bool(item.subject), "the subject of a CA is empty")
    key_id = item.subject_key_id
    short = key_id is not None and len(key_id) == 8
    yield _note(item, "subject-key-id", short, "subjectKeyIdentifier is not 8 octets (RFC 5280 4.2.1.2 method 2)")
    san = item.extension(x509.SubjectAlternativeName)
    yield _note(item, "ca-san", san is None, "a CA has a subjectAltName")
    yield _note(item, "ca-critical", item.is_critical(x509.BasicConstraints), "basicConstraints is not critical")
    policies = bool(item.policies)
    yield _note(item, "ca-policies", policies, "a CA has no certificatePolicies")


def _note(item: Certificate, name: str, passed: object, detail: str) -> Check:
    text = "" if passed else f"{item.label}: {detail}"
    return Check(name, _SECTION, passed=bool(passed), detail=text, refuses=False, certificate=None if passed else item)


def _has_qualifiers(item: Certificate) -> bool:
    found = item.extension(x509.CertificatePolicies)
    return found is not None and any(policy.policy_qualifiers for policy in found)


def _names_host(names: x509.SubjectAlternativeName | None) -> bool:
    return names is not None and any(isinstance(name, x509.DNSName | x509.IPAddress) for name in names)


def _names_hardware(names: x509.SubjectAlternativeName | None) -> bool:
    return names is not None and len(list(names)) == 1 and hardware_name(names) is not None


def hardware_name(names: x509.SubjectAlternativeName) -> tuple[str, bytes] | None:
    """The hardwareModuleName of a subjectAltName as hwType and hwSerialNum, None if there is none to be read."""
    for name in names:
        if isinstance(name, x509.OtherName) and name.type_id.dotted_string == HARDWARE_MODULE_NAME:
            try:
                return read_hardware_module_name(name.value)
            except ValueError:
                return None
    return None
