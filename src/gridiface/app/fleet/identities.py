"""Whom a client of the configuration is, by its certificate. Pure but for reading that file."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gridiface.app.config.model import Client
from gridiface.errors import ConfigError
from gridiface.pki.identity import format_lfdi, lfdi_from_der


def lfdi_of(client: Client) -> str:
    """A client's LFDI, 40 upper-case hex digits.

    Raises:
        ConfigError: its certificate cannot be read.
    """
    if client.lfdi is not None:
        return client.lfdi
    assert client.certificate is not None
    try:
        leaf = x509.load_pem_x509_certificates(client.certificate.read_bytes())[0]
    except (OSError, ValueError, IndexError) as problem:
        raise ConfigError(f"{client.certificate}: no certificate can be read: {problem}") from problem
    return format_lfdi(lfdi_from_der(leaf.public_bytes(Encoding.DER)))
