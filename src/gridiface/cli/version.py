"""`gridiface version`: what runs here."""

from __future__ import annotations

import json
import platform
import ssl
from importlib.metadata import version as installed
from typing import Annotated

import typer

from gridiface import __version__

_LIBRARIES = ("aiohttp", "cryptography", "lxml", "numpy", "pydantic", "pymodbus", "sqlalchemy")


def versions() -> dict[str, str]:
    """Name -> version of gridiface, Python, OpenSSL and the libraries that matter on the wire."""
    return {
        "gridiface": __version__,
        "python": platform.python_version(),
        "openssl": ssl.OPENSSL_VERSION,
        **{name: installed(name) for name in _LIBRARIES},
    }


def version(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> None:
    """Print the version of gridiface and of what it runs on.

    Example: gridiface version --json
    """
    if as_json:
        typer.echo(json.dumps(versions()))
        return
    for name, value in versions().items():
        typer.echo(f"{name:14} {value}")
