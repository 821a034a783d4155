"""DNP3 as octets, written from IEEE 1815 for tests alone: nothing of the product's codecs is used here.

Frames with their CRCs (clause 9.2), segments (8.2), and a master that asks one thing after the other.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

OUTSTATION, MASTER = 10, 1


def crc(octets: bytes) -> bytes:
    """IEEE 1815 9.2.4.3: polynomial 0x3D65, reflected, inverted, low octet first."""
    value = 0
    for octet in octets:
        value ^= octet
        for _ in range(8):
            value = value >> 1 ^ 0xA6BC if value & 1 else value >> 1
    return struct.pack("<H", value ^ 0xFFFF)


def frame(user: bytes = b"", control: int = 0xC4, to: int = OUTSTATION, source: int = MASTER) -> bytes:
    """One link frame, of the master unless told otherwise."""
    head = b"\x05\x64" + bytes([5 + len(user), control]) + struct.pack("<HH", to, source)
    blocks = (user[at : at + 16] for at in range(0, len(user), 16))
    return head + crc(head) + b"".join(block + crc(block) for block in blocks)


def segments(fragment: bytes, sequence: int = 0, size: int = 249) -> list[bytes]:
    """The user data of the frames that carry a fragment."""
    found = []
    for at in range(0, len(fragment), size):
        first, last = at == 0, at + size >= len(fragment)
        found.append(bytes([first << 6 | last << 7 | sequence % 64]) + fragment[at : at + size])
        sequence += 1
    return found


def request(sequence: int, function: int, objects: bytes | str = b"", transport: int | None = None) -> bytes:
    """A request of one segment as a frame; its transport sequence is the application's unless told otherwise."""
    data = bytes.fromhex(objects) if isinstance(objects, str) else objects
    lead = 0xC0 | (sequence if transport is None else transport) % 64
    return frame(bytes([lead, 0xC0 | sequence, function]) + data)


def confirm(sequence: int, *, unsolicited: bool = False) -> bytes:
    """A confirm as a frame."""
    return frame(bytes([0xC0, 0xC0 | unsolicited << 4 | sequence, 0]))


def unframed(octets: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """(control, destination, source, user data) of whole frames; whatever is wrong with them is an error."""
    while octets:
        assert octets[:2] == b"\x05\x64", octets[:4].hex()
        length, control = octets[2] - 5, octets[3]
        to, source = struct.unpack("<HH", octets[4:8])
        assert octets[8:10] == crc(octets[:8])
        user, at = b"", 10
        while len(user) < length:
            size = min(16, length - len(user))
            block = octets[at : at + size]
            assert len(block) == size
            assert octets[at + size : at + size + 2] == crc(block)
            user, at = user + block, at + size + 2
        yield control, to, source, user
        octets = octets[at:]


def frame_octets(length: int) -> int:
    """How long a frame is on the wire whose third octet is `length`."""
    return 10 + length - 5 + 2 * -(-(length - 5) // 16)


class Joiner:
    """Segments to fragments (clause 8.2), strict: what breaks the sequence is an error of the sender."""

    def __init__(self) -> None:
        self._held = b""
        self._next: int | None = None

    def take(self, user: bytes) -> bytes | None:
        """A fragment once its last segment is there."""
        lead = user[0]
        if lead & 0x40:
            assert not self._held, "a fragment begins before the last one ended"
        assert self._next is None or lead & 0x3F == self._next, "the transport sequence has a gap"
        self._next = (lead + 1) & 0x3F
        self._held += user[1:]
        if not lead & 0x80:
            return None
        whole, self._held = self._held, b""
        return whole
