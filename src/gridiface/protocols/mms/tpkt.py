"""Packets on TCP (RFC 1006 section 6): four octets of header, then one transport protocol data unit."""

from __future__ import annotations

from gridiface.errors import LocalProtocolError
from gridiface.protocols.mms.ber import broken

VERSION = 3
HEADER = 4
MAX_PACKET = 65_535


class PacketReader:
    """Cuts a stream into packets; holds at most one that is not whole.

    Args:
        limit: the longest packet that is taken, octets with its header: what class 0 agreed on.
    """

    def __init__(self, limit: int = MAX_PACKET) -> None:
        self.limit = limit
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The transport units that are whole now.

        Raises:
            RemoteProtocolError: no packet begins where one belongs, or it is longer than agreed.
        """
        self._buffer += data
        found: list[bytes] = []
        while len(self._buffer) >= HEADER:
            length = self._buffer[2] << 8 | self._buffer[3]
            if self._buffer[0] != VERSION or length < HEADER + 3:
                raise broken(f"no TPKT begins with {bytes(self._buffer[:4]).hex(' ')}")
            if length > self.limit:
                raise broken(f"a packet of {length} octets, {self.limit} were agreed")
            if len(self._buffer) < length:
                break
            found.append(bytes(self._buffer[HEADER:length]))
            del self._buffer[:length]
        return found


def packet(unit: bytes) -> bytes:
    """One transport unit as it goes onto the stream.

    Raises:
        LocalProtocolError: it is too long for any packet.
    """
    length = HEADER + len(unit)
    if length > MAX_PACKET:
        raise LocalProtocolError(f"a transport unit of {len(unit)} octets")
    return bytes((VERSION, 0, length >> 8, length & 0xFF)) + unit
