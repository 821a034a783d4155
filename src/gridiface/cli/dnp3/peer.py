"""Options and the master that the verbs of `gridiface dnp3` share which speak DNP3 to an outstation themselves."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from enum import StrEnum
from inspect import Parameter, signature
from pathlib import Path
from typing import Annotated, Any

import typer

from gridiface.app.fronts.dnp3_settings import read_update_key
from gridiface.cli.places.signatures import shown_as
from gridiface.errors import ConfigError, GridifaceError
from gridiface.pki.contexts import KeyPair, client_context
from gridiface.protocols.dnp3.authentication.algorithms import DEFAULT_USER, AuthenticationSettings, MacAlgorithm, User
from gridiface.protocols.dnp3.master.authentication import MasterAuthentication
from gridiface.protocols.dnp3.master.settings import MasterSettings
from gridiface.simulation.dnp3.client import MasterClient


class Mac(StrEnum):
    """MAC algorithms of secure authentication, as people write them."""

    HMAC_SHA_256_16 = "hmac-sha-256-16"
    HMAC_SHA_256_8 = "hmac-sha-256-8"
    AES_GMAC_12 = "aes-gmac-12"
    HMAC_SHA_1_10 = "hmac-sha-1-10"
    HMAC_SHA_1_8 = "hmac-sha-1-8"


def master_for(
    place: Annotated[str, typer.Argument(help="HOST:PORT of the outstation.")],
    *,
    address: Annotated[int, typer.Option(help="Our link address.", min=0, max=65_519)] = 1,
    outstation: Annotated[int, typer.Option(help="The outstation's link address.", min=0, max=65_519)] = 10,
    timeout: Annotated[float, typer.Option(help="Wait for an answer, s.", min=0.1, max=600)] = 5.0,
    udp: Annotated[bool, typer.Option("--udp", help="Over UDP in place of TCP.")] = False,
    certificate: Annotated[Path | None, typer.Option(help="TLS: our certificate, PEM.")] = None,
    key: Annotated[Path | None, typer.Option(help="TLS: our key, PEM.")] = None,
    roots: Annotated[Path | None, typer.Option(help="TLS: trusted roots, PEM.")] = None,
    user_key: Annotated[
        Path | None, typer.Option(help="Secure authentication: file with our update key, 32 or 64 hex digits.")
    ] = None,
    user_number: Annotated[
        int, typer.Option(help="Secure authentication: our user number.", min=1, max=65_535)
    ] = DEFAULT_USER,
    mac: Annotated[Mac, typer.Option(help="Secure authentication: the weakest algorithm that is taken.")] = (
        Mac.HMAC_SHA_256_16
    ),
) -> MasterClient:
    """A master that does nothing unless it is asked.

    Raises:
        ConfigError: the place is not HOST:PORT, or the key cannot be read.
        GridifaceError: a part of what TLS needs is missing.
    """
    if udp and {certificate, key, roots} != {None}:
        raise ConfigError("TLS is for TCP: leave out --udp, or the TLS files")
    tls = tls_context(certificate, key, roots)
    host, separator, port = place.rpartition(":")
    if not separator or not port.isdigit():
        raise ConfigError(f"{place!r}: write HOST:PORT")
    settings = MasterSettings(
        address, outstation, response_timeout=timeout, startup_integrity=False, enable_classes=(), startup_disable=False
    )
    own = None if user_key is None else _as_user(user_number, read_update_key(user_key), mac)
    return MasterClient(settings, host.strip("[]"), int(port), tls=tls, udp=udp, authentication=own)


def _as_user(number: int, key: bytes, mac: Mac) -> MasterAuthentication:
    algorithm = MacAlgorithm[mac.name]
    settings = AuthenticationSettings(mac=algorithm, allow_sha_1="sha-1-" in mac, aggressive=False)
    return MasterAuthentication(settings, User(number, "", key))


def with_master(verb: Callable[..., None]) -> Callable[..., None]:
    """A verb whose first parameter is a master takes the arguments and options of `master_for` in its place.

    The place comes first on the command line, then what is the verb's own.
    """
    shared = signature(master_for, eval_str=True).parameters
    _, *own = signature(verb, eval_str=True).parameters.values()
    by_name = [one.replace(kind=Parameter.KEYWORD_ONLY) for one in (*shared.values(), *own)]

    def run(**given: Any) -> None:
        verb(master_for(**{name: given.pop(name) for name in shared}), **given)

    shown_as(verb, run, by_name)
    return run


def tls_context(certificate: Path | None, key: Path | None, roots: Path | None) -> ssl.SSLContext | None:
    """The context for TLS; None where nothing of it is wanted.

    Raises:
        GridifaceError: a part is missing.
    """
    if certificate is None and key is None and roots is None:
        return None
    if certificate is None or key is None or roots is None:
        raise GridifaceError("TLS needs --certificate, --key and --roots")
    return client_context("modern", key_pairs=[KeyPair(certificate, key)], roots=[roots])
