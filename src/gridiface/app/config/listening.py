"""Where a configuration listens: every place with what carries it, and which places take each other's port. Pure.

Not owned: places of drivers, whose keys the drivers know.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import BaseModel

from gridiface.app.config.base import host_port
from gridiface.northbound.dnp3.settings import Transport

#: Keys of the configuration that name a place to listen on.
_LISTENS = ("listen", "redirect")

#: Hosts that stand for every address of the machine.
_ANY = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared, not listened on


@dataclass(frozen=True, slots=True)
class Listening:
    """One place: where its key stands, HOST:PORT, and whether it is UDP's."""

    place: tuple[int | str, ...]
    address: str
    udp: bool = False

    def takes(self, other: Listening) -> bool:
        """Whether one of two programs that listen there finds its port taken by the other; port 0 is any free one."""
        (host, port), (others_host, others_port) = host_port(self.address), host_port(other.address)
        alike = host == others_host or host in _ANY or others_host in _ANY
        return port != 0 and port == others_port and self.udp == other.udp and alike


def listening_in(value: object, place: tuple[int | str, ...] = ()) -> Iterator[Listening]:
    """Every place that a block listens on, in the order of its keys."""
    if isinstance(value, tuple):
        for number, part in enumerate(value):
            yield from listening_in(part, (*place, number))
    elif isinstance(value, BaseModel):
        udp = getattr(value, "transport", None) is Transport.UDP
        for name in type(value).model_fields:
            part = getattr(value, name)
            if name in _LISTENS and isinstance(part, str):
                yield Listening((*place, name), part, udp)
            else:
                yield from listening_in(part, (*place, name))
