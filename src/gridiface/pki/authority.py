"""A certificate authority for tests and demonstrations: SERCA, MCA, MICA, and every kind of certificate below.

Makes certificates of the profile of IEEE 2030.5-2018 section 6.11 in memory; `folder` keeps them in files. Not an
authority for production: keys are unencrypted and nothing audits who asks.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from gridiface.errors import ConfigError
from gridiface.pki.der import hardware_module_name
from gridiface.pki.keyfiles import PrivateKey, key_pem
from gridiface.pki.profiles import HARDWARE_MODULE_NAME, Profile, Profiles, default_profiles

FOREVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
ORGANISATION = "gridiface test PKI"
_BACKDATE_SECONDS = 3600
"""notBefore lies in the past by this much, for peers whose clock is behind."""

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
Extension = tuple[x509.ExtensionType, bool]
"""An extension and whether it is critical."""


@dataclass(frozen=True, slots=True)
class Credential:
    """A certificate, its key where we hold it, and its way up.

    Attributes:
        certificate: the own one.
        key: None if the certificate was issued for somebody else's request.
        issuers: the certificates above it, nearest first, the root last; empty for the root.
    """

    certificate: x509.Certificate
    key: PrivateKey | None
    issuers: tuple[x509.Certificate, ...] = ()

    @property
    def der(self) -> bytes:
        """The own certificate."""
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def chain_der(self) -> list[bytes]:
        """What a peer presents: own certificate first, without the root."""
        return [self.der, *(item.public_bytes(Encoding.DER) for item in self.issuers[:-1])]

    @property
    def chain_pem(self) -> bytes:
        """The same in PEM."""
        return b"".join(item.public_bytes(Encoding.PEM) for item in (self.certificate, *self.issuers[:-1]))

    @property
    def root_pem(self) -> bytes:
        """The trust anchor in PEM."""
        root = self.issuers[-1] if self.issuers else self.certificate
        return root.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The private key in PEM.

        Raises:
            ConfigError: the key is elsewhere.
        """
        if self.key is None:
            raise ConfigError("the key of this certificate is with the one who made the request")
        return key_pem(self.key)


def new_key() -> ec.EllipticCurvePrivateKey:
    """An EC key on P-256."""
    return ec.generate_private_key(ec.SECP256R1())


def key_identifier(public_key: PublicKey) -> bytes:
    """Eight octets: 0100 and the last 60 bits of SHA-1 over the key (RFC 5280 section 4.2.1.2 method 2)."""
    if isinstance(public_key, ec.EllipticCurvePublicKey):
        bits = public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    else:
        bits = public_key.public_bytes(Encoding.DER, PublicFormat.PKCS1)
    # SHA-1 names a key here, as the RFC wants it; it secures nothing.
    tail = hashlib.sha1(bits, usedforsecurity=False).digest()[-8:]
    return bytes((0x40 | tail[0] & 0x0F,)) + tail[1:]


def make_request(name: str, *, key: PrivateKey, empty_subject: bool = True) -> x509.CertificateSigningRequest:
    """A signing request (PKCS #10); a device asks with an empty subject."""
    subject = x509.Name([]) if empty_subject else subject_of(name)
    return x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())


def subject_of(name: str) -> x509.Name:
    """The subject of certificates that have one.

    Raises:
        ConfigError: the name is empty or longer than 64 characters.
    """
    if not 1 <= len(name) <= 64:
        raise ConfigError(f"{name!r}: a name of 1 to 64 characters is wanted")
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANISATION), x509.NameAttribute(NameOID.COMMON_NAME, name)]
    )


def issue(
    profile: Profile,
    name: str,
    *,
    now: float,
    issuer: Credential | None = None,
    request: x509.CertificateSigningRequest | None = None,
    hosts: Sequence[str] = (),
    profiles: Profiles | None = None,
) -> Credential:
    """A certificate of `profile`.

    Args:
        profile: from certs/profiles.toml.
        name: common name, or the serial number of the hardware for a device.
        now: seconds since 1970 UTC; validity begins an hour before.
        issuer: who signs; None makes a self-signed root.
        request: somebody else's key; its signature is checked, its subject and extensions are ignored. None makes a
            new key.
        hosts: DNS names and addresses of a server.
        profiles: where hwType comes from; the installation's own by default.

    Raises:
        ConfigError: the issuer has no key, the request is not good, or the name or a host is unusable.
    """
    key = new_key() if request is None else None
    public: PublicKey = key.public_key() if key is not None else _requested_key(request)
    extensions = profile_extensions(
        profile, public, name=name, issuer=issuer, hosts=hosts, hw_type=(profiles or default_profiles()).hw_type
    )
    subject = subject_of(name) if profile.subject == "name" else x509.Name([])
    return sign(subject, public, extensions, now=now, issuer=issuer, key=key)


def _requested_key(request: x509.CertificateSigningRequest | None) -> PublicKey:
    if request is None or not request.is_signature_valid:
        raise ConfigError("the signature of the request does not verify: it was not made with the key it names")
    public = request.public_key()
    if not isinstance(public, ec.EllipticCurvePublicKey) or not isinstance(public.curve, ec.SECP256R1):
        raise ConfigError("the request names a key that is not EC P-256, which IEEE 2030.5 wants")
    return public


def sign(
    subject: x509.Name,
    public_key: PublicKey,
    extensions: Sequence[Extension],
    *,
    now: float,
    issuer: Credential | None,
    key: PrivateKey | None,
    not_before: datetime | None = None,
    not_after: datetime = FOREVER,
) -> Credential:
    """A certificate with exactly these fields, whatever they are; self-signed with `key` if there is no issuer.

    Raises:
        ConfigError: there is no key to sign with.
    """
    signer = issuer.key if issuer is not None else key
    if signer is None:
        raise ConfigError("the key of the issuing CA is not here")
    begin = not_before or datetime.fromtimestamp(int(now) - _BACKDATE_SECONDS, UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer is not None else subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(not_after)
    )
    for value, critical in extensions:
        builder = builder.add_extension(value, critical)
    certificate = builder.sign(signer, hashes.SHA256())
    above = (issuer.certificate, *issuer.issuers) if issuer is not None else ()
    return Credential(certificate, key, above)


def profile_extensions(
    profile: Profile, public_key: PublicKey, *, name: str, issuer: Credential | None, hosts: Sequence[str], hw_type: str
) -> list[Extension]:
    """The extensions of a certificate of `profile`, with their criticality.

    Raises:
        ConfigError: a server without hosts, or a host that is neither a name nor an address.
    """
    extensions: list[Extension] = [(key_usage(*profile.key_usage), True)]
    if profile.ca:
        extensions.append((x509.BasicConstraints(ca=True, path_length=profile.path_length), True))
        extensions.append((x509.SubjectKeyIdentifier(key_identifier(public_key)), False))
    if issuer is not None:
        extensions.append((x509.AuthorityKeyIdentifier(issuer_key_id(issuer), None, None), False))
    policies = [x509.PolicyInformation(x509.ObjectIdentifier(oid), None) for oid in profile.policies]
    extensions.append((x509.CertificatePolicies(policies), True))
    if profile.san == "hardware":
        value = hardware_module_name(hw_type, name.encode())
        extensions.append((x509.SubjectAlternativeName([_other_name(value)]), True))
    elif profile.san == "host":
        extensions.append((x509.SubjectAlternativeName(_host_names(hosts)), True))
    return extensions


def issuer_key_id(issuer: Credential) -> bytes:
    """The subject key identifier of a CA, computed where its certificate has none.

    Raises:
        ConfigError: its key is neither EC nor RSA.
    """
    try:
        return issuer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        public = issuer.certificate.public_key()
        if not isinstance(public, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
            raise ConfigError("the issuing CA has neither an EC nor an RSA key") from None
        return key_identifier(public)


def key_usage(*bits: str) -> x509.KeyUsage:
    """A keyUsage extension with the named bits set."""
    return x509.KeyUsage(
        digital_signature="digital_signature" in bits,
        content_commitment="content_commitment" in bits,
        key_encipherment="key_encipherment" in bits,
        data_encipherment="data_encipherment" in bits,
        key_agreement="key_agreement" in bits,
        key_cert_sign="key_cert_sign" in bits,
        crl_sign="crl_sign" in bits,
        encipher_only=False,
        decipher_only=False,
    )


def _other_name(value: bytes) -> x509.OtherName:
    return x509.OtherName(x509.ObjectIdentifier(HARDWARE_MODULE_NAME), value)


def _host_names(hosts: Sequence[str]) -> list[x509.GeneralName]:
    if not hosts:
        raise ConfigError("a server certificate needs at least one DNS name or address (--host)")
    names: list[x509.GeneralName] = []
    for host in hosts:
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(host)))
        except ValueError:
            try:
                names.append(x509.DNSName(host))
            except ValueError as error:
                raise ConfigError(f"{host!r} is neither a DNS name nor an address") from error
    return names


def make_crl(issuer: Credential, serials: Sequence[int], *, now: float, next_update: float) -> bytes:
    """A CRL of `issuer` in PEM.

    Args:
        issuer: a CA whose key is here.
        serials: of the certificates it revokes.
        now: seconds since 1970 UTC.
        next_update: when the next list is due, seconds since 1970 UTC.

    Raises:
        ConfigError: the key of the CA is not here.
    """
    if issuer.key is None:
        raise ConfigError("the key of the CA that should sign the list is not here")
    made = datetime.fromtimestamp(int(now), UTC)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(made)
        .next_update(datetime.fromtimestamp(int(next_update), UTC))
        .add_extension(x509.AuthorityKeyIdentifier(issuer_key_id(issuer), None, None), critical=False)
    )
    for serial in serials:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(made).build()
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.PEM)
