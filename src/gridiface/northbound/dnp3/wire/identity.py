"""Who a peer of a TLS end point is, and which masters it may speak for. Reads certificates, decides nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import NameOID

from gridiface.northbound.dnp3.settings import MasterEntry
from gridiface.pki.identity import fingerprint
from gridiface.pki.rules import ChainRules

RULES = ChainRules(
    name="DNP3 over TLS (IEC 62351-3)",
    max_depth=6,
    curves=frozenset({"secp256r1", "secp384r1", "secp521r1"}),
    rsa_bits=2048,
    signature_hashes=frozenset({"sha256", "sha384", "sha512"}),
    forbid_constraints=False,
    require_key_usage=False,
)
"""What a master's chain must be beside coming from a trusted root."""


@dataclass(frozen=True, slots=True)
class CertificateNames:
    """Fingerprint (SHA-256, 64 upper-case hex digits) and names (common name, DNS names) of a certificate."""

    fingerprint: str
    names: frozenset[str]

    def may_be(self, master: MasterEntry) -> bool:
        """Whether a master's allow-list has this certificate. Names count without case."""
        wanted = {name.casefold() for name in master.names}
        return self.fingerprint in master.fingerprints or bool(wanted & self.names)


def names_of(der: bytes) -> CertificateNames:
    """The names of a DER certificate; one that cannot be read has its fingerprint only."""
    found: set[str] = set()
    try:
        certificate = x509.load_der_x509_certificate(der)
        for attribute in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME):
            found.add(str(attribute.value).casefold())
        alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        found |= {name.casefold() for name in alternatives.get_values_for_type(x509.DNSName)}
    except (ValueError, x509.ExtensionNotFound):
        pass
    return CertificateNames(fingerprint(der).hex().upper(), frozenset(found))


def permitted(
    masters: Iterable[MasterEntry], host: str, certificate: CertificateNames | None, *, tls: bool
) -> list[int]:
    """Link addresses of the masters that a peer may speak for.

    Args:
        masters: of one outstation.
        host: the peer's IP address.
        certificate: its certificate under TLS.
        tls: whether a certificate is needed.
    """
    found = []
    for master in masters:
        if not master.may_come_from(host):
            continue
        if tls and (certificate is None or not certificate.may_be(master)):
            continue
        found.append(master.address)
    return found
