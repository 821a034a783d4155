"""Who is no longer trusted: a local revocation list, and certificate revocation lists (CRL) where a CA makes them.

Certificates of the manufacturing PKI never expire and have neither CRL nor OCSP (IEEE 2030.5-2018 section 6.11), so
the local list is the one means to shut a device out. Its form is one entry per line, `#` begins a comment:

    lfdi 3E4F45AB31EDFE5B67E343E5E4562E31984E23E5 stolen from site 12
    fingerprint <64 hexadecimal digits of SHA-256> key leaked
    serial 1F0C@5A3B9C01D2E4F607 superseded

`serial` takes the certificate's serial number and its issuer's key identifier, both hexadecimal. It is the surest: the
two are signed, whereas the holder of a key can turn an ECDSA signature into another valid one, which changes LFDI and
fingerprint. An entry may also name a CA: all that hangs below it is refused. Reads files when told to; watching them is
the work of `credentials`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from gridiface.errors import ConfigError, plainly
from gridiface.pki.certificate import Certificate

_HEX = re.compile(r"[0-9A-F]+")
_LENGTHS = {"lfdi": 40, "fingerprint": 64}
_PEM_CRL = re.compile(rb"-----BEGIN X509 CRL-----.+?-----END X509 CRL-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Revocation:
    """Everything that is revoked.

    Attributes:
        entries: (`lfdi` | `fingerprint` | `serial`, value) -> reason, as in the local list.
        crls: lists of CAs; each counts only for certificates of the CA that signed it.
    """

    entries: Mapping[tuple[str, str], str] = field(default_factory=dict)
    crls: tuple[x509.CertificateRevocationList, ...] = ()

    def reason(self, certificate: Certificate, issuer: Certificate | None) -> str | None:
        """Why `certificate` is revoked, or None if it is not.

        Args:
            certificate: whom to look up.
            issuer: the certificate above it in the accepted path; a CRL counts only if this one signed it.
        """
        for key in _names(certificate):
            if key in self.entries:
                return self.entries[key] or f"listed by {key[0]}"
        if issuer is None:
            return None
        for crl in self.crls:
            if crl.issuer == certificate.parsed.issuer and _is_from(crl, issuer):
                entry = crl.get_revoked_certificate_by_serial_number(certificate.serial)
                if entry is not None:
                    return f"on the CRL of {issuer.label}"
        return None


def _names(certificate: Certificate) -> tuple[tuple[str, str], ...]:
    named = [("lfdi", certificate.lfdi), ("fingerprint", certificate.fingerprint)]
    if certificate.authority_key_id is not None:
        named.append(("serial", serial_name(certificate.serial, certificate.authority_key_id)))
    return tuple(named)


def serial_name(serial: int, issuer_key_id: bytes) -> str:
    """The value of a `serial` entry."""
    return f"{serial:X}@{issuer_key_id.hex().upper()}"


def _is_from(crl: x509.CertificateRevocationList, issuer: Certificate) -> bool:
    usage = issuer.extension(x509.KeyUsage)
    if usage is not None and not usage.crl_sign:
        return False
    try:
        # The stub's union of key types is narrower than what public_key() may return; the call itself checks.
        return bool(crl.is_signature_valid(issuer.parsed.public_key()))  # type: ignore[arg-type]
    except (TypeError, ValueError, UnsupportedAlgorithm):
        return False


def parse_revocation_list(text: str, *, source: str = "revocation list") -> dict[tuple[str, str], str]:
    """Entries of a local list.

    Raises:
        ConfigError: a line is not an entry; the text names source and line.
    """
    entries: dict[tuple[str, str], str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split("#", 1)[0].split(maxsplit=2)
        if not words:
            continue
        kind, value = words[0].lower(), words[1].upper().replace(":", "") if len(words) > 1 else ""
        if not _is_entry(kind, value):
            raise ConfigError(
                f"{source}, line {number}: wanted `lfdi <40 hex>`, `fingerprint <64 hex>` or "
                f"`serial <hex>@<issuer key id>`, found {line.strip()!r}"
            )
        if kind == "serial":
            serial, _, key_id = value.partition("@")
            value = f"{int(serial, 16):X}@{key_id}"
        entries[kind, value] = words[2].strip() if len(words) > 2 else ""
    return entries


def _is_entry(kind: str, value: str) -> bool:
    if kind == "serial":
        serial, at, key_id = value.partition("@")
        return bool(at and _HEX.fullmatch(serial) and _HEX.fullmatch(key_id))
    return kind in _LENGTHS and len(value) == _LENGTHS[kind] and _HEX.fullmatch(value) is not None


def parse_crls(data: bytes, *, source: str = "CRL") -> list[x509.CertificateRevocationList]:
    """Every CRL of a PEM file, or the one of a DER file.

    Raises:
        ConfigError: there is none, or one cannot be read.
    """
    blocks = _PEM_CRL.findall(data)
    try:
        if blocks:
            return [x509.load_pem_x509_crl(block) for block in blocks]
        return [x509.load_der_x509_crl(data)]
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"{source}: not a certificate revocation list ({plainly(error)})") from error


def load_revocation(local_list: Path | None, crls: Iterable[Path]) -> Revocation:
    """Everything revoked according to a local list and CRL files.

    A local list that does not exist yet revokes nothing: it is made by the first revocation.

    Raises:
        ConfigError: a file cannot be read; a CRL does not exist.
    """
    entries: dict[tuple[str, str], str] = {}
    if local_list is not None and local_list.exists():
        try:
            entries = parse_revocation_list(local_list.read_text(encoding="utf-8"), source=str(local_list))
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{local_list}: {plainly(error)}") from error
    lists: list[x509.CertificateRevocationList] = []
    for path in crls:
        try:
            lists.extend(parse_crls(path.read_bytes(), source=str(path)))
        except OSError as error:
            raise ConfigError(f"{path}: {plainly(error)}") from error
    return Revocation(entries=entries, crls=tuple(lists))
