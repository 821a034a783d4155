"""Places to listen on, as the configuration writes them."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator


def _listen(text: str) -> str:
    host, separator, port = text.rpartition(":")
    if not separator or not host or not port.isdigit() or int(port) > 65535:
        raise ValueError("write HOST:PORT, for example 0.0.0.0:8443 or [::]:8443")
    return text


Listen = Annotated[str, AfterValidator(_listen)]


def host_port(listen: str) -> tuple[str, int]:
    """Split a validated HOST:PORT; brackets of an IPv6 address are dropped."""
    host, _, port = listen.rpartition(":")
    return host.strip("[]"), int(port)
