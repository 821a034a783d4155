"""Transport function: application fragments cut into segments, segments put together again.

Owns FIR, FIN and the sequence of six bits (IEEE 1815 clause 8), and the cached encoding of whole fragments into
link frames. It does not look into fragments beyond the octets that change from poll to poll.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gridiface.protocols.dnp3.crc import checksum
from gridiface.protocols.dnp3.link import BLOCK_OCTETS, body_octets, header_octets

FIN = 0x80
FIR = 0x40
SEQUENCE_MASK = 0x3F
MAX_SEGMENT = 249

_CACHED_TAILS = 1024
_CACHED_FRAGMENTS = 256
_FIRST_BLOCK = BLOCK_OCTETS - 1


@dataclass(slots=True)
class Reassembler:
    """Puts the segments of one peer together (clause 8.2); holds at most `max_fragment` octets.

    A segment that breaks the sequence drops what was gathered until the next FIR; an exact repeat of the last
    segment is dropped without harm; a fragment that grows above the limit is dropped.
    """

    max_fragment: int = 2048
    dropped: int = 0
    _parts: list[bytes] = field(default_factory=list)
    _octets: int = 0
    _last: bytes = b""

    def push(self, segment: bytes) -> bytes | None:
        """Takes the user data of one frame; returns a whole fragment when this was its last segment."""
        if len(segment) < 2:
            self.dropped += 1
            return None
        header = segment[0]
        if header & (FIR | FIN) == FIR | FIN and len(segment) - 1 <= self.max_fragment:
            self._parts.clear()
            self._octets = 0
            self._last = segment
            return segment[1:]
        if header & FIR:
            self._parts.clear()
            self._octets = 0
        elif not self._continues(segment):
            return None
        self._last = segment
        self._octets += len(segment) - 1
        if self._octets > self.max_fragment:
            self.clear()
            self.dropped += 1
            return None
        self._parts.append(segment[1:])
        if not header & FIN:
            return None
        fragment = b"".join(self._parts)
        self._parts.clear()
        self._octets = 0
        return fragment

    def clear(self) -> None:
        """Drops what was gathered: the sequence broke or the connection is gone."""
        self._parts.clear()
        self._octets = 0
        self._last = b""

    def _continues(self, segment: bytes) -> bool:
        """True when a segment without FIR is the next one of the fragment being gathered."""
        if not self._parts:
            self.dropped += 1
            return False
        if segment == self._last:
            return False
        if segment[0] & SEQUENCE_MASK != (self._last[0] + 1) & SEQUENCE_MASK:
            self.clear()
            self.dropped += 1
            return False
        return True


class FragmentWriter:
    """Encodes fragments for one peer into link frames; its transport sequence counts on over fragments.

    A poll of values that did not change differs from the last one only in the first block of each frame: the
    transport octet, the application header and the IIN. All blocks behind it are kept encoded by content, and so are
    whole fragments by content and sequence, so that a repeated poll costs one CRC and a copy.
    """

    def __init__(self, control: int, destination: int, source: int) -> None:
        self._control = control
        self._destination = destination
        self._source = source
        self._sequence = 0
        self._headers: dict[int, bytes] = {}
        self._tails: dict[bytes, bytes] = {}
        self._wholes: dict[tuple[int, bytes], bytes] = {}

    def encode(self, fragment: bytes, *, keep: bool = False) -> bytes:
        """All frames of a fragment, back to back, to be sent in one write; `keep` caches what may repeat."""
        sequence = self._sequence
        last = len(fragment) <= MAX_SEGMENT
        first = bytes((sequence | FIR | (FIN if last else 0),)) + fragment[:_FIRST_BLOCK]
        head = self._header(min(len(fragment), MAX_SEGMENT) + 1) + first + checksum(first).to_bytes(2, "little")
        self._sequence = (sequence - (-len(fragment) // MAX_SEGMENT)) & SEQUENCE_MASK
        if len(fragment) <= _FIRST_BLOCK:
            return head
        if not keep:
            return head + self._rest(fragment, sequence, keep=False)
        key = (sequence, fragment[_FIRST_BLOCK:])
        rest = self._wholes.get(key)
        if rest is None:
            rest = self._rest(fragment, sequence, keep=True)
            if len(self._wholes) >= _CACHED_FRAGMENTS:
                self._wholes.clear()
            self._wholes[key] = rest
        return head + rest

    def _rest(self, fragment: bytes, sequence: int, *, keep: bool) -> bytes:
        """All that follows the first block of the first frame."""
        out = [self._tail(fragment[_FIRST_BLOCK:MAX_SEGMENT], keep=keep)]
        last = len(fragment) - MAX_SEGMENT
        for at in range(MAX_SEGMENT, len(fragment), MAX_SEGMENT):
            sequence = (sequence + 1) & SEQUENCE_MASK
            segment = fragment[at : at + MAX_SEGMENT]
            first = bytes((sequence | (FIN if at >= last else 0),)) + segment[:_FIRST_BLOCK]
            out.append(self._header(len(segment) + 1))
            out.append(first + checksum(first).to_bytes(2, "little"))
            if len(segment) > _FIRST_BLOCK:
                out.append(self._tail(segment[_FIRST_BLOCK:], keep=keep))
        return b"".join(out)

    def _header(self, user_octets: int) -> bytes:
        """The sealed header block for a frame of this length; there are at most 250 of them."""
        header = self._headers.get(user_octets)
        if header is None:
            header = header_octets(self._control, self._destination, self._source, user_octets)
            self._headers[user_octets] = header
        return header

    def _tail(self, octets: bytes, *, keep: bool) -> bytes:
        """The sealed blocks behind the first; looked up by content, bounded in number."""
        encoded = self._tails.get(octets)
        if encoded is None:
            encoded = body_octets(octets)
            if keep:
                if len(self._tails) >= _CACHED_TAILS:
                    self._tails.clear()
                self._tails[octets] = encoded
        return encoded
