"""One X.509 certificate as the checks want to see it: parsed once, extensions by their dotted identifier.

Whatever a peer sends is tamed here: bytes that the parser cannot take become `CertificateMalformed`, never another
exception. Judges nothing.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from gridiface.errors import GridifaceError, plainly
from gridiface.pki.der import BIT_STRING, element
from gridiface.pki.identity import fingerprint, format_lfdi, lfdi_from_der

_PARSE_ERRORS = (
    ValueError,
    TypeError,
    OverflowError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)

_Extension = TypeVar("_Extension", bound=x509.ExtensionType)


class CertificateMalformed(GridifaceError):
    """The bytes are not a certificate that can be read."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A parsed certificate.

    Attributes:
        der: the bytes as received.
        parsed: the library's view of them.
        serial: the serial number, positive.
        subject: RFC 4514 text, may be empty.
        issuer: RFC 4514 text.
        not_before: seconds since 1970 UTC.
        not_after: seconds since 1970 UTC.
        key_kind: `secp256r1`, `rsa-2048`, ... or `unreadable`.
        signature_hash: `sha256`, ... or `unknown`.
    """

    der: bytes
    parsed: x509.Certificate = field(repr=False, compare=False)
    serial: int
    subject: str
    issuer: str
    not_before: float
    not_after: float
    key_kind: str
    signature_hash: str
    _extensions: dict[str, x509.Extension[Any]] = field(repr=False, compare=False)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate, 64 upper-case hexadecimal digits."""
        return fingerprint(self.der).hex().upper()

    @property
    def lfdi(self) -> str:
        """40 upper-case hexadecimal digits."""
        return format_lfdi(lfdi_from_der(self.der))

    @property
    def extensions(self) -> dict[str, x509.Extension[Any]]:
        """Extensions by dotted identifier."""
        return self._extensions

    def extension(self, kind: type[_Extension]) -> _Extension | None:
        """The value of an extension, or None."""
        found = self._extensions.get(kind.oid.dotted_string)
        return found.value if found is not None and isinstance(found.value, kind) else None

    def is_critical(self, kind: type[x509.ExtensionType]) -> bool:
        """Whether the extension is there and marked critical."""
        found = self._extensions.get(kind.oid.dotted_string)
        return found is not None and found.critical

    @property
    def is_ca(self) -> bool:
        """Whether basicConstraints says CA:TRUE."""
        constraints = self.extension(x509.BasicConstraints)
        return constraints is not None and constraints.ca

    @property
    def policies(self) -> tuple[str, ...]:
        """Certificate policy identifiers, dotted; empty without the extension."""
        found = self.extension(x509.CertificatePolicies)
        return tuple(policy.policy_identifier.dotted_string for policy in found) if found is not None else ()

    @property
    def subject_key_id(self) -> bytes | None:
        """The subject key identifier, where there is one."""
        found = self.extension(x509.SubjectKeyIdentifier)
        return found.digest if found is not None else None

    @property
    def authority_key_id(self) -> bytes | None:
        """The key identifier of the issuer, where the certificate names one."""
        found = self.extension(x509.AuthorityKeyIdentifier)
        return found.key_identifier if found is not None else None

    @property
    def is_self_issued(self) -> bool:
        """Whether subject and issuer are the same name (and not both empty)."""
        return self.parsed.subject == self.parsed.issuer and len(list(self.parsed.subject)) > 0

    def names_as_issuer(self, other: Certificate) -> bool:
        """Whether `other` bears the name, and where both tell it the key identifier, of this one's issuer."""
        if self.parsed.issuer != other.parsed.subject:
            return False
        wanted, offered = self.authority_key_id, other.subject_key_id
        return wanted is None or offered is None or wanted == offered

    def is_signed_by(self, other: Certificate) -> bool:
        """Whether the key of `other` made this certificate's signature; False also if it cannot be computed."""
        try:
            self.parsed.verify_directly_issued_by(other.parsed)
        except (InvalidSignature, *_PARSE_ERRORS):
            return False
        return True

    @property
    def label(self) -> str:
        """A short name for logs: the subject, or the LFDI where the subject is empty."""
        return self.subject or f"LFDI {self.lfdi}"


def _key_kind(parsed: x509.Certificate) -> str:
    try:
        key = parsed.public_key()
    except _PARSE_ERRORS:
        return "unreadable"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.curve.name
    if isinstance(key, rsa.RSAPublicKey):
        return f"rsa-{key.key_size}"
    return type(key).__name__.lower()


def _signature_hash(parsed: x509.Certificate) -> str:
    try:
        algorithm = parsed.signature_hash_algorithm
    except _PARSE_ERRORS:
        return "unknown"
    return algorithm.name if algorithm is not None else "unknown"


def parse_certificate(der: bytes) -> Certificate:
    """A certificate from DER.

    Raises:
        CertificateMalformed: the bytes cannot be read, are not DER, or carry the same extension twice.
    """
    try:
        # The library warns of oddities that are judged here; a peer must not be able to fill the log with them.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            certificate = _read(bytes(der))
    except _PARSE_ERRORS as error:
        raise CertificateMalformed(f"not a readable X.509 certificate: {plainly(error)}") from error
    if certificate.serial <= 0:
        raise CertificateMalformed("the serial number is not positive (RFC 5280 section 4.1.2.2)")
    # Unused bits in the signature are outside what is signed: who sets them gets another LFDI for the same certificate.
    if not certificate.der.endswith(element(BIT_STRING, b"\0" + certificate.parsed.signature)):
        raise CertificateMalformed("the signature is not encoded in DER")
    return certificate


def _read(der: bytes) -> Certificate:
    parsed = x509.load_der_x509_certificate(der)
    return Certificate(
        der=der,
        parsed=parsed,
        serial=parsed.serial_number,
        subject=parsed.subject.rfc4514_string(),
        issuer=parsed.issuer.rfc4514_string(),
        not_before=parsed.not_valid_before_utc.timestamp(),
        not_after=parsed.not_valid_after_utc.timestamp(),
        key_kind=_key_kind(parsed),
        signature_hash=_signature_hash(parsed),
        _extensions={item.oid.dotted_string: item for item in parsed.extensions},
    )


def parse_pem_certificates(data: bytes) -> list[Certificate]:
    """Every certificate of a PEM file, in its order.

    Raises:
        CertificateMalformed: there is none, or one cannot be read.
    """
    try:
        found = x509.load_pem_x509_certificates(data)
    except _PARSE_ERRORS as error:
        raise CertificateMalformed(f"no readable PEM certificate: {plainly(error)}") from error
    return [parse_certificate(item.public_bytes(Encoding.DER)) for item in found]
