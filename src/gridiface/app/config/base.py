"""What the blocks of the protocols are made of, and places to listen on."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict

from gridiface.domain import definitions
from gridiface.pki.identity import pin_is_valid

#: The name of a host, as a resolver may know it.
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_.])?")


class Block(definitions.Block):
    """A block of a protocol: numbers may be infinite there, for limits that do not limit."""

    model_config = ConfigDict(allow_inf_nan=True)


def place_like(example: int) -> Any:
    """The check of a HOST:PORT, whose complaint shows the port that is usual there."""

    def check(text: str) -> str:
        host, separator, port = text.rpartition(":")
        if not separator or not host or not port.isdigit() or int(port) > 65_535:
            raise ValueError(f"write HOST:PORT, for example 0.0.0.0:{example} or [::]:{example}")
        if not _is_host(host):
            raise ValueError(
                f"{host!r} is no host; write HOST:PORT with an address, or a name without http:// and blanks, for "
                f"example 0.0.0.0:{example}; an IPv6 address stands in brackets: [::1]:{port}"
            )
        return text

    return AfterValidator(check)


def _is_host(host: str) -> bool:
    """Whether it is an address, that of IPv6 in brackets, or may be a name; numbers alone are never one (RFC 3696)."""
    bracketed = host.startswith("[") and host.endswith("]")
    try:
        return (ip_address(host.strip("[]")).version == 6) is bracketed
    except ValueError:
        return not bracketed and _NAME.fullmatch(host) is not None and not host.rpartition(".")[2].isdigit()


Listen = Annotated[str, place_like(8443)]


def _network(text: str) -> str:
    try:
        ip_network(text)
    except ValueError as problem:
        raise ValueError(f"write an address or a network such as 192.0.2.0/24: {problem}") from problem
    return text


def _pin(pin: int) -> int:
    if not pin_is_valid(pin):
        raise ValueError(f"PIN {pin:06d} is mistyped: its last digit makes the sum of all a multiple of 10")
    return pin


#: A registration PIN: five digits and a check digit (identity.py).
Pin = Annotated[int, AfterValidator(_pin)]


Network = Annotated[str, AfterValidator(_network)]


def host_port(listen: str) -> tuple[str, int]:
    """Split a validated HOST:PORT; brackets of an IPv6 address are dropped."""
    host, _, port = listen.rpartition(":")
    return host.strip("[]"), int(port)
