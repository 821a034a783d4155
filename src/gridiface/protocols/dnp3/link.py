"""Data link frames: octets to frames and back, and the FCB rules of the secondary station.

Owns the frame format (IEEE 1815 clause 9.2), the search for frames in a stream, and what a station answers
by itself (acknowledge, link status, not supported). It does not know transport segments or what user data mean,
nor who may talk to whom: the outstation and the master decide that from the addresses.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, IntEnum
from typing import NamedTuple

from gridiface.errors import LocalProtocolError
from gridiface.protocols.dnp3.crc import checksum, sealed

START = b"\x05\x64"
HEADER_OCTETS = 10
BLOCK_OCTETS = 16
MAX_USER_DATA = 250

DIR = 0x80
PRM = 0x40
FCB = 0x20
FCV = 0x10
DFC = 0x10

SELF_ADDRESS = 0xFFFC
BROADCAST_NO_CONFIRM = 0xFFFD
BROADCAST_SHALL_CONFIRM = 0xFFFE
BROADCAST_MAY_CONFIRM = 0xFFFF
BROADCASTS = frozenset((BROADCAST_NO_CONFIRM, BROADCAST_SHALL_CONFIRM, BROADCAST_MAY_CONFIRM))
MAX_ADDRESS = 0xFFEF

FRAME_GAP = 1.0
"""Octets of one frame follow each other: after so long a pause on a serial line, s, those missing were lost."""


class PrimaryFunction(IntEnum):
    """Function codes of frames that start a link transaction (PRM = 1)."""

    RESET_LINK_STATES = 0
    TEST_LINK_STATES = 2
    CONFIRMED_USER_DATA = 3
    UNCONFIRMED_USER_DATA = 4
    REQUEST_LINK_STATUS = 9


class SecondaryFunction(IntEnum):
    """Function codes of frames that answer (PRM = 0)."""

    ACK = 0
    NACK = 1
    LINK_STATUS = 11
    NOT_SUPPORTED = 15


_UNCONFIRMED = int(PrimaryFunction.UNCONFIRMED_USER_DATA)
_WANTS_FCV = frozenset((PrimaryFunction.TEST_LINK_STATES, PrimaryFunction.CONFIRMED_USER_DATA))


class Frame(NamedTuple):
    """One link frame whose CRCs were right; `payload` holds 0 to 250 octets of user data."""

    control: int
    destination: int
    source: int
    payload: bytes = b""

    @property
    def from_master(self) -> bool:
        """The DIR bit: set in every frame that a master sends."""
        return bool(self.control & DIR)

    @property
    def primary(self) -> bool:
        """The PRM bit: set in frames that start a transaction."""
        return bool(self.control & PRM)

    @property
    def function(self) -> int:
        """The function code, to be read with `primary`."""
        return self.control & 0x0F

    @property
    def fcb(self) -> bool:
        """The frame count bit of a primary frame."""
        return bool(self.control & FCB)

    @property
    def fcv(self) -> bool:
        """True when the frame count bit counts."""
        return bool(self.control & FCV)


def header_octets(control: int, destination: int, source: int, user_octets: int) -> bytes:
    """The ten octets of a frame's header block with its CRC."""
    return sealed(
        bytes(
            (
                0x05,
                0x64,
                user_octets + 5,
                control,
                destination & 0xFF,
                destination >> 8,
                source & 0xFF,
                source >> 8,
            )
        )
    )


def body_octets(user_data: bytes) -> bytes:
    """User data cut into blocks of 16 octets, each followed by its CRC."""
    crc = checksum
    return b"".join(
        [
            block + crc(block).to_bytes(2, "little")
            for block in [user_data[at : at + BLOCK_OCTETS] for at in range(0, len(user_data), BLOCK_OCTETS)]
        ]
    )


def encode(frame: Frame) -> bytes:
    """A frame as it stands on the wire.

    Raises:
        LocalProtocolError: more than 250 octets of user data.
    """
    if len(frame.payload) > MAX_USER_DATA:
        raise LocalProtocolError(f"{len(frame.payload)} octets of user data; a frame holds 250")
    head = header_octets(frame.control, frame.destination, frame.source, len(frame.payload))
    return head + body_octets(frame.payload)


def wire_octets(length: int) -> int:
    """How many octets a frame takes on the wire whose LEN octet is `length` (5 to 255)."""
    user = length - 5
    return HEADER_OCTETS + user + 2 * -(-user // BLOCK_OCTETS)


MAX_DATAGRAM = wire_octets(0xFF)
"""No datagram of ours is longer than the longest frame: opendnp3 reads so much of one and drops the rest of it."""


def datagrams(octets: bytes) -> Iterator[bytes]:
    """Whole frames packed into datagrams, of which none is longer than one frame may be (clause 13.2.3)."""
    start = at = 0
    while at < len(octets):
        size = wire_octets(octets[at + 2])
        if at > start and at + size - start > MAX_DATAGRAM:
            yield octets[start:at]
            start = at
        at += size
    if at > start:
        yield octets[start:at]


#: By the LEN octet; 0 where no frame can be so short.
_WIRE_OCTETS = [0] * 5 + [wire_octets(length) for length in range(5, 256)]


class FrameReader:
    """Finds frames in a stream of octets, whatever garbage stands between them.

    Frames with a wrong CRC, wrong start octets or LEN below 5 are dropped in silence (IEEE 1815 clause 9.2.4);
    the search then goes on two octets further, so that a good frame inside the damaged one's length is found.
    Never holds more than one incomplete frame (292 octets) between calls.

    Args:
        gap: seconds without an octet after which half a frame is given up; on a line that loses octets what is missing
            never comes, and would be taken out of the frames that follow. None where nothing is lost.
    """

    def __init__(self, gap: float | None = None) -> None:
        self._held = b""
        self._gap = gap
        self._fed_at = 0.0
        self.dropped_octets = 0
        self.bad_crcs = 0

    def feed(self, data: bytes, now: float = 0.0) -> list[Frame]:
        """Takes octets as they came, at `now` where a gap counts; the frames that are complete now, in order."""
        if self._gap is not None:
            if now - self._fed_at > self._gap:
                self._held = b""
            self._fed_at = now
        if not self._held and len(data) > 2 and data[:2] == START and len(data) == _WIRE_OCTETS[data[2]]:
            # one whole frame and nothing else: nearly every read of a connection
            whole = _whole(data)
            if whole is not None:
                return [whole]
        held = self._held + data if self._held else data
        frames: list[Frame] = []
        at = 0
        while True:
            found = held.find(START, at)
            if found < 0:
                # the last octet may be the first half of the next start
                keep = 1 if held[-1:] == START[:1] and len(held) > at else 0
                self.dropped_octets += len(held) - at - keep
                at = len(held) - keep
                break
            self.dropped_octets += found - at
            frame, used = self._frame_at(held, found)
            if used == 0:
                at = found
                break
            if frame is None:
                self.dropped_octets += used
            else:
                frames.append(frame)
            at = found + used
        self._held = bytes(held[at:]) if at < len(held) else b""
        return frames

    def clear(self) -> None:
        """Forgets an incomplete frame: the connection under it is gone."""
        self._held = b""

    def _frame_at(self, held: bytes, at: int) -> tuple[Frame | None, int]:
        """The frame that starts at `at` and its octets; (None, 2) for no frame; (None, 0) to wait for more."""
        available = len(held) - at
        if available > 2 and held[at + 2] < 5:
            return None, 2
        if available < HEADER_OCTETS:
            return None, 0
        if not _good_header(held[at : at + HEADER_OCTETS]):
            self.bad_crcs += 1
            return None, 2
        total = _WIRE_OCTETS[held[at + 2]]
        if available < total:
            return None, 0
        frame = _whole(held[at : at + total])
        if frame is None:
            self.bad_crcs += 1
            return None, 2
        return frame, total


def _good_header(octets: bytes) -> bool:
    return checksum(octets[:8]) == octets[8] | octets[9] << 8


def _whole(octets: bytes) -> Frame | None:
    """The frame that these octets are from start to end; None when a CRC is wrong."""
    if not _good_header(octets):
        return None
    payload = _payload(octets[HEADER_OCTETS:])
    if payload is None:
        return None
    return Frame(octets[3], octets[4] | octets[5] << 8, octets[6] | octets[7] << 8, payload)


def _payload(body: bytes) -> bytes | None:
    """User data out of sealed blocks, or None when a block's CRC is wrong."""
    if len(body) <= BLOCK_OCTETS + 2:
        # one block or none: most requests and all confirms
        block = body[:-2]
        return block if not body or checksum(block) == body[-2] | body[-1] << 8 else None
    blocks = []
    for at in range(0, len(body), BLOCK_OCTETS + 2):
        end = min(at + BLOCK_OCTETS, len(body) - 2)
        block = body[at:end]
        if checksum(block) != body[end] | body[end + 1] << 8:
            return None
        blocks.append(block)
    return b"".join(blocks)


class SecondaryStation:
    """The answering half of a link between two addresses: reset state and frame count bit (clause 9.2.6).

    `take` says which control function to answer with (None: stay silent) and whether the user data are new.
    """

    def __init__(self) -> None:
        self._reset = False
        self._expected_fcb = True

    def take(self, frame: Frame) -> tuple[SecondaryFunction | None, bool]:
        """Judges a primary frame addressed to this station alone; changes the frame count state."""
        control = frame.control
        function = control & 0x0F
        if function == _UNCONFIRMED:
            return None, not control & FCV
        if frame.fcv != (function in _WANTS_FCV):
            # a function that we do not know counts no frames either: such a frame is spoilt, not unsupported
            return None, False
        if function not in PrimaryFunction._value2member_map_:
            return SecondaryFunction.NOT_SUPPORTED, False
        if function == PrimaryFunction.RESET_LINK_STATES:
            self._reset = True
            self._expected_fcb = True
            return SecondaryFunction.ACK, False
        if function == PrimaryFunction.REQUEST_LINK_STATUS:
            return SecondaryFunction.LINK_STATUS, False
        return self._counted(frame)

    def _counted(self, frame: Frame) -> tuple[SecondaryFunction | None, bool]:
        """Functions 2 and 3: silent before a reset; a repeated bit is a retry, acknowledged again only."""
        if not self._reset:
            return None, False
        fresh = frame.fcb == self._expected_fcb
        if fresh:
            self._expected_fcb = not self._expected_fcb
        is_data = frame.function == PrimaryFunction.CONFIRMED_USER_DATA
        return SecondaryFunction.ACK, fresh and is_data


class Silence(Enum):
    """What to do about a silent peer."""

    NOTHING = "nothing"
    PROBE = "ask for its link status"
    LOST = "give it up"


class SilenceWatch:
    """Keep-alive of a connection (clause 13.3.2): probe after silence, give up when the probe is not answered.

    Args:
        keep_alive: seconds without an octet after which the peer is probed; None: never.
        link_timeout: seconds to wait for any octet after the probe.
    """

    def __init__(self, keep_alive: float | None, link_timeout: float) -> None:
        self._keep_alive = keep_alive
        self._link_timeout = link_timeout
        self._heard_at = 0.0
        self._deadline: float | None = None
        self._lost = False

    def heard(self, now: float) -> None:
        """Something came from the peer, or the connection is new."""
        self._heard_at = now
        self._deadline = None
        self._lost = False

    def next_timer(self) -> float | None:
        """When `handle_timer` is due; None when it never is."""
        if self._keep_alive is None or self._lost:
            return None
        return self._heard_at + self._keep_alive if self._deadline is None else self._deadline

    def handle_timer(self, now: float) -> Silence:
        """What is due now; each probe and each loss is told once."""
        due = self.next_timer()
        if due is None or now < due:
            return Silence.NOTHING
        if self._deadline is None:
            self._deadline = now + self._link_timeout
            return Silence.PROBE
        self._lost = True
        return Silence.LOST
