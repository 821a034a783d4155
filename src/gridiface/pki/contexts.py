"""ssl contexts for every listener and client: one table of profiles, one builder for each side.

Only TLS parameters, keys and trust; what a chain must be beyond OpenSSL's own checks is in `policy`.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from gridiface.errors import ConfigError, plainly

ProfileName = Literal["strict", "compatible", "openadr", "openadr-wide", "modern"]


@dataclass(frozen=True, slots=True)
class TlsProfile:
    """Parameters of TLS.

    Attributes:
        ciphers: OpenSSL names, in our order of preference.
        highest: newest version; the oldest is TLS 1.2 always.
        curve: the one curve for key exchange, None leaves OpenSSL's list.
    """

    ciphers: tuple[str, ...]
    highest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    curve: str | None = "prime256v1"


_MODERN = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES256-GCM-SHA384",
)

PROFILES: dict[str, TlsProfile] = {
    # IEEE 2030.5-2018 section 6.7: TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8 on secp256r1, TLS 1.2.
    "strict": TlsProfile(("ECDHE-ECDSA-AES128-CCM8",)),
    # Many clients in the field have no CCM_8.
    "compatible": TlsProfile(("ECDHE-ECDSA-AES128-CCM8", "ECDHE-ECDSA-AES128-GCM-SHA256")),
    # OpenADR 2.0b rule 67: one suite for ECC and one for RSA certificates. Rule 68 knows no largest curve, and a list
    # of curves for the key exchange would be one for certificates, too.
    "openadr": TlsProfile(("ECDHE-ECDSA-AES128-SHA256", "AES128-SHA256"), curve=None),
    # A deployment may agree on others (rule 67): peers whose TLS library no longer offers these two.
    "openadr-wide": TlsProfile(
        ("ECDHE-ECDSA-AES128-SHA256", "AES128-SHA256", *_MODERN), highest=ssl.TLSVersion.TLSv1_3, curve=None
    ),
    # For people: web pages and the REST API.
    "modern": TlsProfile(_MODERN, highest=ssl.TLSVersion.TLSv1_3, curve=None),
}

# OpenSSL from 3.2 on refuses CCM_8 above level 0, and its default list never holds it. What level 0 lets pass is
# caught by our own check of the chain.
_SECURITY_LEVEL = ":@SECLEVEL=0"


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate file (own certificate first, then its issuers without the root) and its key file."""

    certificate: Path
    key: Path


def server_context(
    profile: ProfileName = "strict",
    *,
    key_pairs: Sequence[KeyPair],
    roots: Sequence[Path],
    intermediates: Sequence[Path] = (),
    require_client: bool = True,
) -> ssl.SSLContext:
    """A context for a listener.

    Args:
        profile: name of a row of PROFILES.
        key_pairs: one, or an ECC and an RSA chain together.
        roots: PEM files of trust anchors, or folders of them.
        intermediates: PEM files of CAs for peers that send only their own certificate.
        require_client: whether a client without a certificate is refused in the handshake; where it is not, and there
            are roots, one is asked for all the same, and must hold where it is shown.

    Raises:
        ConfigError: a file is missing or unusable, the key does not fit, or OpenSSL lacks the cipher suite.
    """
    context = _context(ssl.PROTOCOL_TLS_SERVER, profile)
    # A ticket would bring back a session without the chain that has to be judged, and costs more than it saves.
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.num_tickets = 0
    context.verify_mode = ssl.CERT_REQUIRED if require_client else ssl.CERT_OPTIONAL if roots else ssl.CERT_NONE
    _load(context, key_pairs, [*roots, *intermediates])
    if not key_pairs:
        raise ConfigError("a TLS listener needs a certificate and its key")
    if require_client and not roots:
        raise ConfigError("a TLS listener that asks for client certificates needs at least one root")
    return context


def client_context(
    profile: ProfileName = "strict",
    *,
    key_pairs: Sequence[KeyPair] = (),
    roots: Sequence[Path],
    check_hostname: bool = True,
) -> ssl.SSLContext:
    """A context for a client; the server's chain is always verified.

    Args:
        profile: name of a row of PROFILES.
        key_pairs: what the client shows of itself; may be empty.
        roots: PEM files of trust anchors, or folders of them.
        check_hostname: False where servers are known by certificate instead of by name.

    Raises:
        ConfigError: as for `server_context`.
    """
    context = _context(ssl.PROTOCOL_TLS_CLIENT, profile)
    context.check_hostname = check_hostname
    context.verify_mode = ssl.CERT_REQUIRED
    if not roots:
        raise ConfigError("a TLS client needs at least one root to know its server by")
    _load(context, key_pairs, roots)
    return context


def _context(protocol: ssl._SSLMethod, profile: ProfileName) -> ssl.SSLContext:
    parameters = PROFILES.get(profile)
    if parameters is None:
        raise ConfigError(f"no TLS profile is called {profile!r}; there are {', '.join(PROFILES)}")
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = parameters.highest
    try:
        context.set_ciphers(":".join(parameters.ciphers) + _SECURITY_LEVEL)
    except ssl.SSLError as error:
        wanted = ", ".join(parameters.ciphers)
        raise ConfigError(f"this OpenSSL ({ssl.OPENSSL_VERSION}) offers none of {wanted}") from error
    if parameters.curve is not None:
        context.set_ecdh_curve(parameters.curve)
    return context


def pem_files(paths: Sequence[Path]) -> list[Path]:
    """The files among `paths`, and the .pem and .crt files of the folders among them.

    Raises:
        ConfigError: a path does not exist or a folder cannot be listed.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            try:
                found.extend(sorted(item for item in path.iterdir() if item.suffix in {".pem", ".crt"}))
            except OSError as error:
                raise ConfigError(f"{path}: {plainly(error)}") from error
        elif path.exists():
            found.append(path)
        else:
            raise ConfigError(f"{path}: no such file")
    return found


def _load(context: ssl.SSLContext, key_pairs: Sequence[KeyPair], trusted: Sequence[Path]) -> None:
    for pair in key_pairs:
        _look(pair.certificate, "the certificate")
        _look(pair.key, "the key")
        try:
            context.load_cert_chain(pair.certificate, pair.key, password=_no_password)
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"{pair.certificate} with key {pair.key}: {plainly(error)}; "
                "wanted are two PEM files that belong together"
            ) from error
    for path in pem_files(trusted):
        try:
            context.load_verify_locations(path)
        except (OSError, ValueError) as error:
            raise ConfigError(f"{path}: {plainly(error)}; wanted is a PEM file of CA certificates") from error


def _look(path: Path, what: str) -> None:
    """OpenSSL does not say which of the two files it could not read."""
    try:
        path.open("rb").close()
    except OSError as error:
        raise ConfigError(
            f"{path}: {what} cannot be read: {plainly(error)}; correct its name or its rights "
            "(`gridiface pki issue` makes a pair for trials)"
        ) from error


def _no_password() -> str:
    # Without this OpenSSL would ask at the terminal and hang a service.
    raise ValueError("the key is encrypted, gridiface reads unencrypted keys of mode 0600")


def peer_chain(connection: ssl.SSLObject | ssl.SSLSocket) -> list[bytes]:
    """The peer's chain in DER after a handshake, own certificate first; empty without a certificate.

    The verified chain where OpenSSL tells it (public from Python 3.13, private before), else what was presented, else
    the peer's own certificate alone: a resumed session keeps no verified chain.
    """
    own = connection.getpeercert(binary_form=True)
    if own is None:
        return []
    for name in ("get_verified_chain", "get_unverified_chain"):
        read = getattr(connection, name, None) or getattr(getattr(connection, "_sslobj", None), name, None)
        chain = _as_der(read() if read is not None else None)
        if chain and chain[0] == own:
            return chain
    return [own]


def _as_der(chain: Sequence[Any] | None) -> list[bytes]:
    """DER of what either API gives: bytes, or the private certificate objects of Python before 3.13."""
    found: list[bytes] = []
    for item in chain or ():
        if isinstance(item, bytes):
            found.append(item)
        elif hasattr(item, "public_bytes"):
            pem = item.public_bytes()
            found.append(ssl.PEM_cert_to_DER_cert(pem) if isinstance(pem, str) else pem)
    return found
