"""Certificates for tests that want another end, or beginning, than those of the test PKI."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


def self_signed(folder: Path, name: str, ends_s: float, *, begins_s: float = -86_400.0) -> None:
    """A self-signed certificate of localhost that ends in so many seconds, with its key: NAME.pem and NAME.key."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + dt.timedelta(seconds=begins_s))
        .not_valid_after(now + dt.timedelta(seconds=ends_s))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / f"{name}.key").touch(mode=0o600)
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / f"{name}.key").write_bytes(key.private_bytes(serialization.Encoding.PEM, *form))
    (folder / f"{name}.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
