"""Secrets and certificates in files, read when a connection is made. Owns no connection."""

from __future__ import annotations

import ssl
from pathlib import Path

from gridiface.errors import DeviceRejected

#: A secret longer than this is another file.
_MAX_SECRET = 16_384


def secret_in(path: Path) -> str:
    """The one line of a file.

    Raises:
        DeviceRejected: it cannot be read, or holds something else.
    """
    try:
        with path.open("rb") as stream:
            text = stream.read(_MAX_SECRET + 1).decode("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise DeviceRejected(f"{path} cannot be read: {error}") from error
    if not text or len(text) > _MAX_SECRET or any(char in text for char in "\r\n\0"):
        raise DeviceRejected(f"{path} holds no secret of one line")
    return text


def tls_context(ca_file: Path | None, cert_file: Path | None, key_file: Path | None) -> ssl.SSLContext:
    """TLS 1.2 or 1.3 towards a server whose certificate leads to `ca_file`, or to the system's authorities.

    Raises:
        DeviceRejected: a file cannot be used.
    """
    # OpenSSL's own errors name no file.
    files = str(ca_file)
    try:
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if cert_file is not None:
            files = f"{cert_file} with {key_file}"
            context.load_cert_chain(cert_file, key_file)
    except (OSError, ValueError) as error:
        raise DeviceRejected(f"TLS: {files} cannot be used: {error}") from error
    return context
