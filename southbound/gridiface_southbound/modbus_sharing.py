"""Which Modbus/TCP link a device uses: one of its own, or one that the devices behind a gateway share.

Owned here: sharing, and TLS by the files that a configuration names. Not owned: the link itself (modbus_link).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol
from weakref import WeakKeyDictionary

from gridiface.errors import DeviceError, DeviceTimeout
from gridiface_southbound.modbus_connection import Reply
from gridiface_southbound.modbus_link import Link, TcpLink
from gridiface_southbound.modbus_pdu import Request
from gridiface_southbound.points.secrets import tls_context
from gridiface_southbound.silence import Silence


class TlsFiles(NamedTuple):
    """Modbus/TCP Security: whom to trust, and who this side is. None: the system's authorities; no certificate."""

    ca_file: Path | None
    cert_file: Path | None
    key_file: Path | None


class TcpKeys(Protocol):
    """What a driver's configuration says of a device over Modbus/TCP."""

    @property
    def host(self) -> str:
        """Name or address of the device or gateway."""
        ...

    @property
    def tcp_port(self) -> int:
        """Its port."""
        ...

    @property
    def connect_timeout_s(self) -> float:
        """Time for one connect, seconds."""
        ...

    @property
    def pipeline(self) -> bool:
        """Whether several requests go out together."""
        ...

    @property
    def pause(self) -> float:
        """Silence before each request and after a connect, seconds."""
        ...

    @property
    def tls_files(self) -> TlsFiles | None:
        """The files of Modbus/TCP Security; None: plain TCP."""
        ...

    @property
    def shared(self) -> bool:
        """Whether the connection is shared with other devices of the same host and port."""
        ...


def tcp_link(keys: TcpKeys) -> Link:
    """The link that a device's configuration asks for; needs a running loop, does no I/O but reading TLS files.

    Raises:
        DeviceRejected: the TLS files cannot be used.
    """
    make = shared_link if keys.shared else own_link
    return make(
        keys.host,
        keys.tcp_port,
        connect_timeout_s=keys.connect_timeout_s,
        pipelined=keys.pipeline,
        pause_s=keys.pause,
        tls=keys.tls_files,
    )


def own_link(
    host: str,
    port: int,
    *,
    connect_timeout_s: float = 3.0,
    pipelined: bool = True,
    pause_s: float = 0.0,
    tls: TlsFiles | None = None,
    silence: Silence | None = None,
) -> TcpLink:
    """A link that is not shared, or, with the `silence` of its units, the one that others get a handle on.

    Raises:
        DeviceRejected: the TLS files cannot be used.
    """
    context = None if tls is None else tls_context(*tls)
    link = TcpLink(host, port, connect_timeout_s=connect_timeout_s, pipelined=pipelined, tls=context, silence=silence)
    link.pause_s = pause_s
    return link


_Place = tuple[str, int, TlsFiles | None]


class SharedLink:
    """One user's handle on a link that several drivers share; the last one to close it closes the connection."""

    def __init__(self, link: TcpLink, key: _Place, users: dict[_Place, tuple[TcpLink, int]]) -> None:
        self._link = link
        self._key = key
        self._users = users
        self._open = True

    @property
    def connected(self) -> bool:
        """Whether the shared connection is open now."""
        return self._open and self._link.connected

    @property
    def connects(self) -> int:
        """As `Link.connects`."""
        return self._link.connects

    async def exchange(self, unit: int, requests: Sequence[Request], *, timeout_s: float) -> list[Reply]:
        """As `Link.exchange`."""
        if not self._open:
            raise DeviceTimeout("the link was closed")
        return await self._link.exchange(unit, requests, timeout_s=timeout_s)

    def begin(
        self,
        unit: int,
        requests: Sequence[Request],
        done: Callable[[list[Reply] | DeviceError], None],
        *,
        timeout_s: float,
    ) -> bool:
        """As `QuickLink.begin`."""
        return self._open and self._link.begin(unit, requests, done, timeout_s=timeout_s)

    async def close(self) -> None:
        """Give the link back; twice is once."""
        if not self._open:
            return
        self._open = False
        key = self._key
        link, users = self._users[key]
        if users > 1:
            self._users[key] = (link, users - 1)
            return
        with contextlib.suppress(KeyError):
            del self._users[key]
        await link.close()


#: The shared links of each running loop: a link's lock and socket belong to one loop.
_shared: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[_Place, tuple[TcpLink, int]]] = WeakKeyDictionary()


def shared_link(
    host: str,
    port: int,
    *,
    connect_timeout_s: float = 3.0,
    pipelined: bool = True,
    pause_s: float = 0.0,
    tls: TlsFiles | None = None,
) -> SharedLink:
    """A handle on THE link to (host, port) of the running loop; the options of the first caller count.

    But of silences the longest does: who needs it hears the requests to the others, too. Those who show another
    certificate, or trust others, share no link.

    Raises:
        DeviceRejected: the TLS files cannot be used.
    """
    links = _shared.setdefault(asyncio.get_running_loop(), {})
    key = (host, port, tls)
    link, users = links.get(key, (None, 0))
    if link is None:
        link = own_link(
            host, port, connect_timeout_s=connect_timeout_s, pipelined=pipelined, tls=tls, silence=Silence()
        )
    link.pause_s = max(link.pause_s, pause_s)
    links[key] = (link, users + 1)
    return SharedLink(link, key, links)
