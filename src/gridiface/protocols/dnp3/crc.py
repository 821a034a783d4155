"""The frame check of DNP3: CRC-16/DNP over each block of a link frame.

Owns the one call into the compiled CRC; knows nothing of frames. The polynomial is 0x3D65, reflected, start
value 0, inverted at the end, sent low octet first (IEEE 1815 clause 9.2.5).
"""

from __future__ import annotations

from collections.abc import Callable

from fastcrc import crc16

checksum: Callable[[bytes], int] = crc16.dnp
"""CRC-16/DNP of the given octets as an unsigned 16-bit number."""


def sealed(block: bytes) -> bytes:
    """The block followed by its CRC, low octet first: how each block stands on the wire."""
    return block + checksum(block).to_bytes(2, "little")


def is_sealed(octets: bytes) -> bool:
    """True when the last two octets are the CRC of those before them."""
    return len(octets) > 2 and checksum(octets[:-2]) == int.from_bytes(octets[-2:], "little")
