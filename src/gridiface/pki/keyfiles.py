"""Writing keys and certificates: keys readable by their owner only, nothing overwritten by accident."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from gridiface.errors import ConfigError, plainly

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def make_folder(path: Path) -> None:
    """A folder that only its owner may enter; an existing one is left as it is.

    Raises:
        ConfigError: it cannot be made.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{path}: {plainly(error)}") from error


def write_file(path: Path, data: bytes, *, secret: bool = False, force: bool = False) -> None:
    """Write a file whole or not at all; mode 0600 if `secret`, else 0644.

    Raises:
        ConfigError: the file is there and `force` is not given, or it cannot be written.
    """
    if path.exists() and not force:
        raise ConfigError(f"{path} is there already; give --force to replace it")
    half = path.with_name(f".{path.name}.new")
    try:
        half.unlink(missing_ok=True)
        handle = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if secret else 0o644)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        half.replace(path)
    except OSError as error:
        half.unlink(missing_ok=True)
        raise ConfigError(f"{path}: {plainly(error)}") from error


def key_pem(key: PrivateKey) -> bytes:
    """A private key as unencrypted PKCS #8 PEM."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def read_key(path: Path) -> PrivateKey:
    """A private key from an unencrypted PEM file.

    Raises:
        ConfigError: the file is missing, encrypted, or of another kind than EC or RSA.
    """
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, TypeError, ValueError) as error:
        raise ConfigError(f"{path}: not a readable private key ({plainly(error)})") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise ConfigError(f"{path}: neither an EC nor an RSA key")
    return key


def read_certificates(path: Path) -> list[x509.Certificate]:
    """All certificates of a PEM file.

    Raises:
        ConfigError: the file is missing or holds none.
    """
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: no readable certificate ({plainly(error)})") from error
