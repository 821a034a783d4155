"""Options and the master that the verbs of `gridiface dnp3` share which speak DNP3 to an outstation themselves."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Annotated

import typer

from gridiface.errors import ConfigError, GridifaceError
from gridiface.pki.contexts import KeyPair, client_context
from gridiface.protocols.dnp3.master_settings import MasterSettings
from gridiface.simulation.dnp3.client import MasterClient

Place = Annotated[str, typer.Argument(help="HOST:PORT of the outstation.")]
OurAddress = Annotated[int, typer.Option("--address", help="Our link address.", min=0, max=65_519)]
ItsAddress = Annotated[int, typer.Option("--outstation", help="The outstation's link address.", min=0, max=65_519)]
Timeout = Annotated[float, typer.Option("--timeout", help="Wait for an answer, s.", min=0.1, max=600)]
Certificate = Annotated[Path | None, typer.Option("--certificate", help="TLS: our certificate, PEM.")]
Key = Annotated[Path | None, typer.Option("--key", help="TLS: our key, PEM.")]
Roots = Annotated[Path | None, typer.Option("--roots", help="TLS: trusted roots, PEM.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def master_for(place: str, address: int, outstation: int, timeout: float, tls: ssl.SSLContext | None) -> MasterClient:
    """A master that does nothing unless it is asked.

    Raises:
        ConfigError: the place is not HOST:PORT.
    """
    host, separator, port = place.rpartition(":")
    if not separator or not port.isdigit():
        raise ConfigError(f"{place!r}: write HOST:PORT")
    settings = MasterSettings(
        address, outstation, response_timeout=timeout, startup_integrity=False, enable_classes=(), startup_disable=False
    )
    return MasterClient(settings, host.strip("[]"), int(port), tls=tls)


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
