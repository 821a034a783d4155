"""What several loopback tests share: certificates of an ordinary TLS world, and free ports."""

from __future__ import annotations

import datetime
import ipaddress
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _write(folder: Path, stem: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    (folder / f"{stem}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / f"{stem}.key").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, plain))


@pytest.fixture
def tls_files(tmp_path: Path) -> Callable[[str], Path]:
    """`tls_files("device.test")`: a folder with .pem and .key of ca, server, client and other (another authority)."""

    def make(host: str) -> Path:
        folder = tmp_path / "tls"
        folder.mkdir()
        now = datetime.datetime.now(datetime.UTC)

        def sign(
            stem: str,
            subject: str,
            issuer: tuple[x509.Name, ec.EllipticCurvePrivateKey] | None,
            use: x509.ObjectIdentifier,
        ) -> ec.EllipticCurvePrivateKey:
            key = ec.generate_private_key(ec.SECP256R1())
            name, signer = issuer or (_name(subject), key)
            sans = [x509.DNSName(subject), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            builder = (
                x509.CertificateBuilder()
                .subject_name(_name(subject))
                .issuer_name(name)
                .public_key(key.public_key())
                .serial_number(x509.random_serial_number())
                .not_valid_before(now - datetime.timedelta(days=1))
                .not_valid_after(now + datetime.timedelta(days=2))
                .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
                .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
                .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
            )
            if issuer is not None:
                builder = builder.add_extension(x509.SubjectAlternativeName(sans), critical=False)
                builder = builder.add_extension(x509.ExtendedKeyUsage([use]), critical=False)
            else:
                usage = x509.KeyUsage(
                    digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False,
                    key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False,
                    decipher_only=False,
                )  # fmt: skip
                builder = builder.add_extension(usage, critical=True)
            _write(folder, stem, builder.sign(signer, hashes.SHA256()), key)
            return key

        root = (_name("test authority"), sign("ca", "test authority", None, ExtendedKeyUsageOID.SERVER_AUTH))
        sign("server", host, root, ExtendedKeyUsageOID.SERVER_AUTH)
        sign("client", "gridiface.test", root, ExtendedKeyUsageOID.CLIENT_AUTH)
        sign("other", "another authority", None, ExtendedKeyUsageOID.SERVER_AUTH)
        return folder

    return make


@pytest.fixture
def free_port() -> Callable[[], int]:
    """`free_port()`: a port on loopback that nobody uses now."""

    def find() -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return int(probe.getsockname()[1])

    return find
