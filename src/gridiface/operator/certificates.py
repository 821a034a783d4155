"""Certificates for people: judge a chain or a request check by check, sign with our own test CA, revoke.

Owns the use cases; the checks are pki's own, so that the page, `gridiface pki inspect` and the listener say the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gridiface.domain.clock import Instant
from gridiface.errors import ConfigError
from gridiface.operator.problems import Refused
from gridiface.pki.certificate import Certificate, CertificateMalformed, parse_certificate, parse_pem_certificates
from gridiface.pki.credentials import load_roots
from gridiface.pki.folder import TestPki, file_name, revoke, write_credential
from gridiface.pki.identity import openadr_fingerprint
from gridiface.pki.inspection import describe, inspect_chain, names_of
from gridiface.pki.revocation import load_revocation, serial_name
from gridiface.pki.rules import CLIENT_AUTH, SERVER_AUTH, ChainRules, openadr_rules, sep2_rules

#: What a chain can be judged as.
Purpose = Literal["sep2", "sep2-server", "openadr", "openadr-server"]

#: Most certificates of one chain that are judged.
_MOST = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateDesk:
    """What is judged by, signed with and revoked in.

    Args:
        roots: files of trusted roots.
        revoked: the local revocation list; None: nothing can be revoked here.
        authority: folder of a CA made by `gridiface pki init`; None: nothing is signed here.
        peer: the certificate (DER) that an LFDI came with last, when (s since 1970 UTC), and from where.
    """

    roots: Sequence[Path] = ()
    revoked: Path | None = None
    authority: Path | None = None
    peer: Callable[[str], tuple[bytes, float, str] | None] = lambda _: None

    def seen(self, lfdi: str) -> dict[str, Any] | None:
        """The certificate that a peer came with last, for people; None: it has not been here since the start."""
        found = self.peer(lfdi.upper())
        if found is None:
            return None
        der, at, address = found
        try:
            certificate = parse_certificate(der)
        except CertificateMalformed:
            return None
        pem = certificate.parsed.public_bytes(Encoding.PEM).decode("ascii")
        return {**describe(certificate), "ends": certificate.not_after, "at": at, "address": address, "pem": pem}

    def inspect(self, pem: str, purpose: Purpose, now: Instant, *, strict: bool = False) -> dict[str, Any]:
        """Every check that a chain or a request passes or fails, with its clause.

        Raises:
            Refused: 422, this is neither, or a file that it is judged by cannot be read.
        """
        if "CERTIFICATE REQUEST" in pem:
            return _request_report(_request(pem))
        chain = _chain(pem)
        try:
            report = inspect_chain(
                chain,
                now=now,
                rules=_rules(purpose, strict=strict),
                roots=load_roots(list(self.roots)),
                revocation=load_revocation(self.revoked, ()),
            )
        except ConfigError as error:
            raise Refused(422, str(error), "correct the file on the server") from error
        return {"kind": "certificate", **report.as_json()}

    def sign(self, pem: str, profile: str, name: str, hosts: Sequence[str], now: Instant) -> dict[str, Any]:
        """Certify the key of a request; the new chain, also kept in the CA's folder.

        Raises:
            Refused: 409 a certificate of that name is there or no CA is configured, 422 the request is not good.
        """
        if self.authority is None:
            raise Refused(
                409, "no CA is configured to sign here", "set operator.pki to a folder of `gridiface pki init`"
            )
        request = _request(pem)
        if not _signed(request):
            raise Refused(422, "the request is not signed with its own key", "make it anew: `gridiface pki csr`")
        try:
            made = TestPki.load(self.authority).issue(profile, file_name(name), now=now, hosts=hosts, request=request)
            write_credential(self.authority, name, made)
        except ConfigError as error:
            taken = "there already" in str(error)
            raise Refused(409 if taken else 422, str(error), "choose another name" if taken else "") from error
        return {"certificate": made.chain_pem.decode("ascii"), **names_of(made.der)}

    def revoke(self, pem: str, reason: str) -> dict[str, str]:
        """Put a certificate on the local list; listeners take it within seconds.

        Raises:
            Refused: 409 no list is configured or it cannot be written, 422 no certificate.
        """
        if self.revoked is None:
            raise Refused(409, "no revocation list is configured", "set sep2.tls.revoked")
        own = _chain(pem)[0]
        entries = {"lfdi": own.lfdi}
        if own.authority_key_id is not None:
            entries["serial"] = serial_name(own.serial, own.authority_key_id)
        try:
            for kind, value in entries.items():
                revoke(self.revoked, kind, value, reason)
        except ConfigError as error:
            raise Refused(409, str(error), "correct the file on the server") from error
        return entries

    def bundle(self) -> str:
        """The trusted roots in PEM, for peers that want to trust us.

        Raises:
            Refused: 409 a file cannot be read.
        """
        try:
            found = load_roots(list(self.roots))
        except ConfigError as error:
            raise Refused(409, str(error), "correct the file on the server") from error
        return "".join(one.parsed.public_bytes(Encoding.PEM).decode("ascii") for one in found)


def _rules(purpose: Purpose, *, strict: bool) -> ChainRules:
    use = SERVER_AUTH if purpose.endswith("-server") else CLIENT_AUTH
    if purpose.startswith("sep2"):
        return sep2_rules(purpose=use, strict_profile=strict)
    return openadr_rules(purpose=use)


def _chain(pem: str) -> list[Certificate]:
    if "PRIVATE KEY" in pem:
        raise Refused(422, "this has a private key in it: it must not leave its device", "send the certificate only")
    try:
        # What is beside the PEM may be in any language.
        found = parse_pem_certificates(pem.encode("utf-8", "replace"))
    except CertificateMalformed as error:
        text = f"no certificate can be read: {error}"[:300]
        raise Refused(422, text, "paste PEM: BEGIN CERTIFICATE to END CERTIFICATE") from error
    if not 0 < len(found) <= _MOST:
        raise Refused(422, f"there are {len(found)} certificates", f"send 1 to {_MOST}, the peer's own first")
    return found


def _request(pem: str) -> x509.CertificateSigningRequest:
    if "PRIVATE KEY" in pem:
        raise Refused(422, "this has a private key in it: it must not leave its device", "send the request only")
    try:
        return x509.load_pem_x509_csr(pem.encode("utf-8", "replace"))
    except ValueError as error:
        text = f"no signing request can be read: {error}"[:300]
        raise Refused(422, text, "paste PEM: BEGIN CERTIFICATE REQUEST to END") from error


def _signed(request: x509.CertificateSigningRequest) -> bool:
    try:
        return bool(request.is_signature_valid)
    except (InvalidSignature, ValueError):
        return False


def _request_report(request: x509.CertificateSigningRequest) -> dict[str, Any]:
    """A request judged by what a certificate made of it has to be."""
    key = request.public_key()
    curve = key.curve.name if isinstance(key, ec.EllipticCurvePublicKey) else type(key).__name__
    digest = "" if request.signature_hash_algorithm is None else request.signature_hash_algorithm.name
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    checks = [
        ("signed with its own key", "RFC 2986 section 4", _signed(request), "proof that the asker has the key"),
        ("key is EC P-256", "IEEE 2030.5-2018, 6.11.3", curve == "secp256r1", f"it is {curve}"),
        ("signed with SHA-256", "IEEE 2030.5-2018, 6.11.3", digest == "sha256", f"it is {digest}"),
        (
            "subject is empty",
            "IEEE 2030.5-2018, 6.11.8.3.3",
            not list(request.subject),
            request.subject.rfc4514_string() or "a device is named by its hardware module name",
        ),
    ]
    return {
        "kind": "request",
        "accepted": all(passed for _, _, passed, _ in checks[:3]),
        "certificates": [],
        "request": {"subject": request.subject.rfc4514_string(), "key": curve, "key_sha256": openadr_fingerprint(spki)},
        "checks": [
            {
                "check": name,
                "clause": clause,
                "result": "pass" if passed else "note" if name == "subject is empty" else "fail",
                "detail": detail,
            }
            for name, clause, passed, detail in checks
        ],
    }
