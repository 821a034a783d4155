"""What a certificate file says, for people and for scripts: its names, and every check passed or failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509

from gridiface.errors import ConfigError, plainly
from gridiface.pki.certificate import Certificate, CertificateMalformed, parse_certificate, parse_pem_certificates
from gridiface.pki.identity import format_sfdi, lfdi_from_der, openadr_fingerprint, sfdi_from_lfdi
from gridiface.pki.policy import check_authority, check_chain
from gridiface.pki.profile_notes import hardware_name
from gridiface.pki.profiles import default_profiles
from gridiface.pki.revocation import Revocation
from gridiface.pki.rules import ChainRules, Check


def read_chain(path: Path) -> list[Certificate]:
    """The certificates of a PEM file, or the one of a DER file.

    Raises:
        ConfigError: the file is missing or holds no certificate.
    """
    try:
        data = path.read_bytes()
        return parse_pem_certificates(data) if b"-----BEGIN" in data else [parse_certificate(data)]
    except (OSError, CertificateMalformed) as error:
        raise ConfigError(f"{path}: {plainly(error)}") from error


def names_of(der: bytes) -> dict[str, str]:
    """LFDI, SFDI and fingerprints of a DER certificate, as text."""
    lfdi = lfdi_from_der(der)
    sfdi = sfdi_from_lfdi(lfdi)
    return {
        "lfdi": lfdi.hex().upper(),
        "sfdi": str(sfdi),
        "sfdi_for_people": format_sfdi(sfdi),
        "openadr_fingerprint": openadr_fingerprint(der),
    }


def describe(certificate: Certificate) -> dict[str, Any]:
    """Everything worth knowing of one certificate, ready for JSON."""
    words = default_profiles().policy_names
    names = certificate.extension(x509.SubjectAlternativeName)
    hardware = hardware_name(names) if names is not None else None
    return {
        **names_of(certificate.der),
        "fingerprint": certificate.fingerprint,
        "subject": certificate.subject,
        "issuer": certificate.issuer,
        "serial": f"{certificate.serial:X}",
        "not_before": _instant(certificate.not_before),
        "not_after": _instant(certificate.not_after),
        "key": certificate.key_kind,
        "signature_hash": certificate.signature_hash,
        "ca": certificate.is_ca,
        "policies": [{"oid": oid, "name": words.get(oid, "")} for oid in certificate.policies],
        "hosts": [str(n.value) for n in names or () if isinstance(n, x509.DNSName | x509.IPAddress)],
        "hardware": {"type": hardware[0], "serial": hardware[1].decode("utf-8", "replace")} if hardware else None,
    }


def _instant(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class Report:
    """What `inspect_chain` found.

    Attributes:
        certificates: as in the file, described.
        checks: in order.
    """

    certificates: list[dict[str, Any]]
    checks: tuple[Check, ...]

    @property
    def accepted(self) -> bool:
        """Whether a listener would let this chain in."""
        return all(check.passed or not check.refuses for check in self.checks)

    def as_json(self) -> dict[str, Any]:
        """The report, ready for JSON."""
        return {
            "accepted": self.accepted,
            "certificates": self.certificates,
            "checks": [
                {
                    "check": check.name,
                    "clause": check.clause,
                    "result": "pass" if check.passed else ("fail" if check.refuses else "note"),
                    "detail": check.detail,
                    **({} if check.passed else {"alert": check.alert.name.lower()}),
                }
                for check in self.checks
            ],
        }


def inspect_chain(
    chain: Sequence[Certificate],
    *,
    now: float,
    rules: ChainRules,
    roots: Sequence[Certificate],
    revocation: Revocation | None = None,
) -> Report:
    """Judge a chain as a listener would; a file that begins with a CA certificate is judged as a CA.

    Args:
        chain: own certificate first.
        now: seconds since 1970 UTC.
        rules: what to judge by.
        roots: trust anchors.
        revocation: who is revoked.
    """
    described = [describe(item) for item in chain]
    if chain[0].is_ca:
        return Report(described, check_authority(chain[0], now=now, rules=rules))
    verdict = check_chain([item.der for item in chain], now=now, rules=rules, roots=roots, revocation=revocation)
    return Report(described, verdict.checks)
