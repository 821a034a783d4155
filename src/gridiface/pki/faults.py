"""Certificates that must be refused: one maker per class of fault, with the rule each breaks and the alert it earns.

For tests, for chaos runs and for conformance runs against other servers. Each maker takes a good PKI of depth four and
changes one thing, so that a refusal can have one reason only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from gridiface.pki import der
from gridiface.pki.alerts import Alert
from gridiface.pki.authority import (
    FOREVER,
    Credential,
    Extension,
    key_identifier,
    key_usage,
    new_key,
    profile_extensions,
    sign,
    subject_of,
)
from gridiface.pki.folder import TestPki
from gridiface.pki.keyfiles import PrivateKey

POLICY_MAPPINGS = x509.ObjectIdentifier("2.5.29.33")
_UNKNOWN_EXTENSION = x509.ObjectIdentifier("1.3.6.1.4.1.32473.99")
_FOREIGN_POLICY = "1.3.6.1.4.1.32473.7"
_ECDSA_SHA256 = der.element(der.SEQUENCE, der.object_identifier("1.2.840.10045.4.3.2"))
_ECDSA_SHA1 = der.element(der.SEQUENCE, der.object_identifier("1.2.840.10045.4.1"))


class FaultBench:
    """A good PKI and the tools to spoil what it issues.

    Args:
        pki: of depth four.
        now: seconds since 1970 UTC.
    """

    def __init__(self, pki: TestPki, *, now: float) -> None:
        self.pki = pki
        self.now = now
        self.serca, self.mca, self.mica = (pki.authorities[word] for word in ("serca", "mca", "mica"))

    def extensions(self, profile: str, key: PrivateKey, issuer: Credential, name: str = "fault") -> list[Extension]:
        """The right extensions of a profile."""
        return profile_extensions(
            self.pki.profiles.get(profile),
            key.public_key(),
            name=name,
            issuer=issuer,
            hosts=(),
            hw_type=self.pki.profiles.hw_type,
        )

    def device(
        self,
        *,
        key: PrivateKey | None = None,
        issuer: Credential | None = None,
        without: Sequence[type[x509.ExtensionType]] = (),
        add: Sequence[Extension] = (),
        not_before: datetime | None = None,
        not_after: datetime = FOREVER,
    ) -> Credential:
        """A device certificate, right but for what the arguments change."""
        own, above = key or new_key(), issuer or self.mica
        extensions = [item for item in self.extensions("device", own, above) if not isinstance(item[0], tuple(without))]
        return sign(
            x509.Name([]),
            own.public_key(),
            [*extensions, *add],
            now=self.now,
            issuer=above,
            key=own,
            not_before=not_before,
            not_after=not_after,
        )

    def mica_with(
        self,
        *,
        without: Sequence[type[x509.ExtensionType]] = (),
        add: Sequence[Extension] = (),
        not_after: datetime = FOREVER,
    ) -> Credential:
        """A MICA below the good MCA, right but for what the arguments change."""
        own = new_key()
        extensions = [
            item for item in self.extensions("mica", own, self.mca) if not isinstance(item[0], tuple(without))
        ]
        return sign(
            subject_of("Spoilt MICA"),
            own.public_key(),
            [*extensions, *add],
            now=self.now,
            issuer=self.mca,
            key=own,
            not_before=datetime.fromtimestamp(self.now, UTC) - timedelta(days=30),
            not_after=not_after,
        )

    def day(self, offset: int) -> datetime:
        """Now, and so many days."""
        return datetime.fromtimestamp(int(self.now), UTC) + timedelta(days=offset)


def _self_signed(bench: FaultBench) -> Credential:
    key = new_key()
    extensions = [(key_usage("digital_signature", "key_agreement"), True), _policies("1.3.6.1.4.1.40732.2.2")]
    return sign(subject_of("self-signed"), key.public_key(), extensions, now=bench.now, issuer=None, key=key)


def _unknown_ca(bench: FaultBench) -> Credential:
    key = new_key()
    profile = bench.pki.profiles.get("serca")
    extensions = profile_extensions(profile, key.public_key(), name="x", issuer=None, hosts=(), hw_type="")
    root = sign(subject_of("Some other SERCA"), key.public_key(), extensions, now=bench.now, issuer=None, key=key)
    return bench.device(issuer=root)


def _same_name_root(bench: FaultBench) -> Credential:
    key = new_key()
    profile = bench.pki.profiles.get("serca")
    extensions = profile_extensions(profile, key.public_key(), name="x", issuer=None, hosts=(), hw_type="")
    subject = bench.serca.certificate.subject
    return bench.device(issuer=sign(subject, key.public_key(), extensions, now=bench.now, issuer=None, key=key))


def _expired(bench: FaultBench) -> Credential:
    return bench.device(not_before=bench.day(-30), not_after=bench.day(-1))


def _not_yet_valid(bench: FaultBench) -> Credential:
    return bench.device(not_before=bench.day(1))


def _expired_intermediate(bench: FaultBench) -> Credential:
    return bench.device(issuer=bench.mica_with(not_after=bench.day(-1)))


def _missing_intermediate(bench: FaultBench) -> Credential:
    return replace(bench.device(), issuers=(bench.serca.certificate,))


def _issuer_not_ca(bench: FaultBench) -> Credential:
    not_ca: Extension = (x509.BasicConstraints(ca=False, path_length=None), True)
    return bench.device(issuer=bench.mica_with(without=(x509.BasicConstraints,), add=(not_ca,)))


def _no_key_cert_sign(bench: FaultBench) -> Credential:
    usage: Extension = (key_usage("digital_signature", "crl_sign"), True)
    return bench.device(issuer=bench.mica_with(without=(x509.KeyUsage,), add=(usage,)))


def _path_length(bench: FaultBench) -> Credential:
    # Below the MICA, whose pathLenConstraint is 0, stands one CA too many; three certificates are presented.
    key = new_key()
    mica = sign(
        subject_of("MICA"), key.public_key(), bench.extensions("mica", key, bench.serca),
        now=bench.now, issuer=bench.serca, key=key,
    )  # fmt: skip
    lower = new_key()
    below = sign(
        subject_of("CA too many"), lower.public_key(), bench.extensions("mica", lower, mica),
        now=bench.now, issuer=mica, key=lower,
    )  # fmt: skip
    return bench.device(issuer=below)


def _ca_as_client(bench: FaultBench) -> Credential:
    key = new_key()
    extra: list[Extension] = [
        (key_usage("digital_signature", "key_agreement", "key_cert_sign", "crl_sign"), True),
        (x509.BasicConstraints(ca=True, path_length=0), True),
        (x509.SubjectKeyIdentifier(key_identifier(key.public_key())), False),
    ]
    return bench.device(key=key, issuer=bench.mca, without=(x509.KeyUsage,), add=extra)


def _wrong_key_usage(bench: FaultBench) -> Credential:
    return bench.device(without=(x509.KeyUsage,), add=((key_usage("key_encipherment", "key_agreement"), True),))


def _eku(*purposes: x509.ObjectIdentifier, critical: bool = False) -> Extension:
    return x509.ExtendedKeyUsage(purposes), critical


def _policies(*oids: str) -> Extension:
    return x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier(oid), None) for oid in oids]), True


def _eku_server(bench: FaultBench) -> Credential:
    return bench.device(add=(_eku(ExtendedKeyUsageOID.SERVER_AUTH),))


def _eku_code(bench: FaultBench) -> Credential:
    return bench.device(add=(_eku(ExtendedKeyUsageOID.CODE_SIGNING),))


def _unknown_critical(bench: FaultBench) -> Credential:
    return bench.device(add=((x509.UnrecognizedExtension(_UNKNOWN_EXTENSION, b"\x05\x00"), True),))


def _unknown_critical_on_mica(bench: FaultBench) -> Credential:
    return bench.device(
        issuer=bench.mica_with(add=((x509.UnrecognizedExtension(_UNKNOWN_EXTENSION, b"\x05\x00"), True),))
    )


def _p384(bench: FaultBench) -> Credential:
    return bench.device(key=ec.generate_private_key(ec.SECP384R1()))


def _secp256k1(bench: FaultBench) -> Credential:
    return bench.device(key=ec.generate_private_key(ec.SECP256K1()))


def _rsa_1024(bench: FaultBench) -> Credential:
    return bench.device(key=rsa.generate_private_key(65537, 1024))  # noqa: S505 - the weak key is the fault


def _rsa_2048(bench: FaultBench) -> Credential:
    return bench.device(key=rsa.generate_private_key(65537, 2048))


def _sha1(bench: FaultBench) -> Credential:
    good = bench.device()
    body, _ = der.take(good.certificate.tbs_certificate_bytes, der.SEQUENCE)
    tbs = der.element(der.SEQUENCE, body.replace(_ECDSA_SHA256, _ECDSA_SHA1, 1))
    signer = bench.mica.key
    if not isinstance(signer, ec.EllipticCurvePrivateKey):
        raise TypeError("the MICA of the bench has an EC key")
    signature = signer.sign(tbs, ec.ECDSA(hashes.SHA1()))  # noqa: S303 - the weak hash is the fault
    whole = der.element(der.SEQUENCE, tbs + _ECDSA_SHA1 + der.element(der.BIT_STRING, b"\0" + signature))
    return replace(good, certificate=x509.load_der_x509_certificate(whole))


def _no_policy(bench: FaultBench) -> Credential:
    return bench.device(without=(x509.CertificatePolicies,))


def _wrong_policy(bench: FaultBench) -> Credential:
    return bench.device(without=(x509.CertificatePolicies,), add=(_policies(_FOREIGN_POLICY),))


def _no_extensions(bench: FaultBench) -> Credential:
    key = new_key()
    subject = subject_of("no extensions")
    return sign(subject, key.public_key(), (), now=bench.now, issuer=bench.mica, key=key)


def _good(bench: FaultBench) -> Credential:
    return bench.device()


def _tampered(bench: FaultBench) -> Credential:
    good = bench.device()
    changed = good.der.replace(b"fault", b"other", 1)
    return replace(good, certificate=x509.load_der_x509_certificate(changed))


def _no_certificate(_: FaultBench) -> None:
    return None


def _name_constraints(bench: FaultBench) -> Credential:
    permitted = x509.NameConstraints(permitted_subtrees=[x509.DNSName("example.org")], excluded_subtrees=None)
    return bench.device(issuer=bench.mica_with(add=((permitted, False),)))


def _policy_mappings(bench: FaultBench) -> Credential:
    pair = der.object_identifier("1.3.6.1.4.1.40732.1.1") + der.object_identifier(_FOREIGN_POLICY)
    mappings = der.element(der.SEQUENCE, der.element(der.SEQUENCE, pair))
    return bench.device(issuer=bench.mica_with(add=((x509.UnrecognizedExtension(POLICY_MAPPINGS, mappings), False),)))


def _critical_eku_client(bench: FaultBench) -> Credential:
    return bench.device(issuer=bench.mica_with(add=(_eku(ExtendedKeyUsageOID.CLIENT_AUTH, critical=True),)))


def _critical_eku_server(bench: FaultBench) -> Credential:
    return bench.device(issuer=bench.mica_with(add=(_eku(ExtendedKeyUsageOID.SERVER_AUTH, critical=True),)))


@dataclass(frozen=True, slots=True)
class Fault:
    """A class of bad certificate.

    Attributes:
        name: for tables and logs.
        check: the check of `policy` that refuses it.
        alert: what the client sees.
        make: the credential to show; None where the client shows nothing.
        revoke: whether the certificate is good and has to be put on the server's revocation list.
    """

    name: str
    check: str
    alert: Alert
    make: Callable[[FaultBench], Credential | None]
    revoke: bool = False


_UNSUPPORTED = Alert.UNSUPPORTED_CERTIFICATE

FAULTS: tuple[Fault, ...] = (
    Fault("self-signed", "trust-anchor", Alert.UNKNOWN_CA, _self_signed),
    Fault("unknown-ca", "trust-anchor", Alert.UNKNOWN_CA, _unknown_ca),
    Fault("same-name-root", "trust-anchor", Alert.UNKNOWN_CA, _same_name_root),
    Fault("expired", "expired", Alert.CERTIFICATE_EXPIRED, _expired),
    Fault("not-yet-valid", "not-yet-valid", Alert.CERTIFICATE_EXPIRED, _not_yet_valid),
    Fault("expired-intermediate", "expired", Alert.CERTIFICATE_EXPIRED, _expired_intermediate),
    Fault("missing-intermediate", "trust-anchor", Alert.UNKNOWN_CA, _missing_intermediate),
    Fault("issuer-not-ca", "issuer-not-ca", Alert.UNKNOWN_CA, _issuer_not_ca),
    Fault("no-key-cert-sign", "issuer-key-usage", Alert.UNKNOWN_CA, _no_key_cert_sign),
    Fault("path-length", "path-length", Alert.UNKNOWN_CA, _path_length),
    Fault("ca-as-client", "ca-as-peer", _UNSUPPORTED, _ca_as_client),
    Fault("key-usage", "key-usage", _UNSUPPORTED, _wrong_key_usage),
    Fault("eku-server-auth", "extended-key-usage", _UNSUPPORTED, _eku_server),
    Fault("eku-code-signing", "extended-key-usage", _UNSUPPORTED, _eku_code),
    Fault("unknown-critical-extension", "unknown-critical-extension", _UNSUPPORTED, _unknown_critical),
    Fault("p-384", "key", _UNSUPPORTED, _p384),
    Fault("secp256k1", "key", _UNSUPPORTED, _secp256k1),
    Fault("rsa-1024", "key", _UNSUPPORTED, _rsa_1024),
    Fault("rsa-2048", "key", _UNSUPPORTED, _rsa_2048),
    Fault("sha-1", "signature-algorithm", _UNSUPPORTED, _sha1),
    Fault("no-policy", "no-policy", Alert.CERTIFICATE_UNKNOWN, _no_policy),
    Fault("wrong-policy", "wrong-policy", Alert.CERTIFICATE_UNKNOWN, _wrong_policy),
    Fault("no-extensions", "key-usage", _UNSUPPORTED, _no_extensions),
    Fault("revoked", "revoked", Alert.CERTIFICATE_REVOKED, _good, revoke=True),
    Fault("tampered", "trust-anchor", Alert.BAD_CERTIFICATE, _tampered),
    Fault("none", "none", Alert.HANDSHAKE_FAILURE, _no_certificate),
    Fault("name-constraints", "name-constraints", _UNSUPPORTED, _name_constraints),
    Fault("policy-mappings", "policy-mappings", _UNSUPPORTED, _policy_mappings),
    Fault("unknown-critical-extension-on-mica", "unknown-critical-extension", _UNSUPPORTED, _unknown_critical_on_mica),
    Fault("critical-eku-client-auth-on-mica", "critical-eku-on-ca", _UNSUPPORTED, _critical_eku_client),
    Fault("critical-eku-server-auth-on-mica", "critical-eku-on-ca", _UNSUPPORTED, _critical_eku_server),
)
"""Every class, each with the check and the alert that it must meet."""
