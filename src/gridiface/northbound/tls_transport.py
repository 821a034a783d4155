"""What an application's protocol sees of a TLS connection: an asyncio transport, and its names and phases.

The connection itself is in `tls_connection`.
"""

from __future__ import annotations

import asyncio
import ssl
from enum import Enum
from typing import Any, Protocol

PEER = "gridiface_peer"
"""`transport.get_extra_info` name of the PeerIdentity; None without a client certificate."""
CONNECTION = "gridiface_connection"
"""`transport.get_extra_info` name of the TlsConnection."""


class Phase(Enum):
    """What a connection is waiting for; each but HANDLING and CLOSED has a deadline."""

    HANDSHAKE = "handshake"
    HEADER = "header"
    BODY = "body"
    HANDLING = "handling"
    IDLE = "idle"
    CLOSING = "closing"
    CLOSED = "closed"


TALKING = frozenset({Phase.HEADER, Phase.BODY, Phase.HANDLING, Phase.IDLE})
"""The phases in which application data flows."""


class Stream(Protocol):
    """What a transport needs of its connection."""

    app: asyncio.Protocol | None
    tcp: asyncio.Transport | None
    phase: Phase
    reading_paused: bool

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt and send."""

    def close(self) -> None:
        """Send what was written, then close."""

    def abort(self) -> None:
        """Drop the connection."""

    def pause_reading(self) -> None:
        """Pass on nothing more."""

    def resume_reading(self) -> None:
        """Go on."""


class TlsTransport(asyncio.Transport):
    """What the application's protocol writes to."""

    def __init__(self, connection: Stream, extra: dict[str, Any]) -> None:
        super().__init__(extra)
        self._connection = connection
        self._own = extra
        self._protocol: asyncio.BaseProtocol | None = None

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """The peer and TLS by name, everything else from the socket's transport."""
        if name in self._own:
            return self._own[name]
        tcp = self._connection.tcp
        return tcp.get_extra_info(name, default) if tcp is not None else default

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Hand the decrypted stream to another protocol.

        Raises:
            TypeError: it is no `asyncio.Protocol`.
        """
        if not isinstance(protocol, asyncio.Protocol):
            raise TypeError("only asyncio.Protocol is served")
        self._connection.app = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """The application's protocol.

        Raises:
            RuntimeError: the connection is closed.
        """
        if self._connection.app is None:
            raise RuntimeError("the connection is closed")
        return self._connection.app

    def is_closing(self) -> bool:
        """Whether nothing can be written any more."""
        return self._connection.phase not in TALKING

    def close(self) -> None:
        """Send what was written, then close_notify."""
        self._connection.close()

    def abort(self) -> None:
        """Drop the connection and what was not yet sent."""
        self._connection.abort()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt and send; dropped when the connection is closing."""
        self._connection.write(data)

    def writelines(self, list_of_data: Any) -> None:
        """Encrypt and send the parts as one stretch, so that a header and its body share a record."""
        self._connection.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        """TLS knows no half-closed connection."""
        return False

    def write_eof(self) -> None:
        """TLS knows no half-closed connection.

        Raises:
            NotImplementedError: always, as asyncio's own TLS transport.
        """
        raise NotImplementedError("TLS has no write_eof")

    def pause_reading(self) -> None:
        """Decrypt nothing more until `resume_reading`."""
        self._connection.pause_reading()

    def resume_reading(self) -> None:
        """Go on decrypting."""
        self._connection.resume_reading()

    def is_reading(self) -> bool:
        """Whether data is passed on."""
        return self._connection.phase in TALKING and not self._connection.reading_paused

    def get_write_buffer_size(self) -> int:
        """Encrypted bytes not yet taken by the kernel."""
        tcp = self._connection.tcp
        return tcp.get_write_buffer_size() if tcp is not None else 0

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Low and high mark of the socket's transport."""
        tcp = self._connection.tcp
        return tcp.get_write_buffer_limits() if tcp is not None else (0, 0)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set the marks of the socket's transport."""
        if self._connection.tcp is not None:
            self._connection.tcp.set_write_buffer_limits(high, low)


def reason_of(error: ssl.SSLError) -> str:
    """OpenSSL's reason in plain words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate verification failed: {error.verify_message}"
    words = (error.reason or str(error)).replace("_", " ").lower()
    if "alert" in words:
        return f"the client refused: {words}"
    return words
