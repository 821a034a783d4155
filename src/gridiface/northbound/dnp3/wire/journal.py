"""The frame log: what passed, kept in memory, as text for people and as a pcap that decoders of DNP3 open.

Owns the ring, the text and the file format; who writes files, and when, is the caller's. Ethernet, IP and TCP or UDP
headers of the pcap are made up: addresses are those of the peers where they are IPv4, checksums are 0.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Address

from gridiface.domain import traffic
from gridiface.domain.clock import Instant
from gridiface.domain.traffic import Tap
from gridiface.errors import RemoteProtocolError
from gridiface.protocols.dnp3.application import IIN, Fragment, FunctionCode, parse_request, parse_response
from gridiface.protocols.dnp3.link import Frame, FrameReader, PrimaryFunction, SecondaryFunction

DNP3_PORT = 20_000
_LINKTYPE_ETHERNET = 1
_MOST_PER_PACKET = 60_000
_OUR_ADDRESS = IPv4Address("127.0.0.1")
_FIRST_MADE_UP = int(IPv4Address("127.1.0.1"))


@dataclass(slots=True)
class Passed:
    """Octets of one write or read; `peer` is host and port of the other side. Never changed; not frozen, for speed."""

    at: Instant
    peer: tuple[str, int]
    received: bool
    octets: bytes
    datagram: bool = False


class Journal:
    """The last so many reads and writes.

    Args:
        most: how many are kept; 0: none.
    """

    def __init__(self, most: int = 2000) -> None:
        self._passed: deque[Passed] = deque(maxlen=most)
        self.enabled = most > 0
        #: Told of what passes; None: nobody listens.
        self.tap: Tap | None = None

    def note(
        self, at: Instant, peer: tuple[str, int], octets: bytes, *, received: bool, datagram: bool = False
    ) -> None:
        """Keep what passed; the oldest goes when there is no room."""
        if octets and self.enabled:
            self._passed.append(Passed(at, peer, received, bytes(octets), datagram))
        if octets and self.tap is not None:
            self.tap(_told(at, peer, bytes(octets), received=received))

    def __iter__(self) -> Iterator[Passed]:
        return iter(tuple(self._passed))

    def __len__(self) -> int:
        return len(self._passed)

    def clear(self) -> None:
        """Forget all."""
        self._passed.clear()

    def lines(self) -> Iterator[str]:
        """One line of text for each frame, oldest first."""
        readers: dict[tuple[tuple[str, int], bool], FrameReader] = {}
        for item in self:
            reader = readers.setdefault((item.peer, item.received), FrameReader())
            for frame in reader.feed(item.octets):
                arrow = "<-" if item.received else "->"
                yield f"{_utc(item.at)} {arrow} {item.peer[0]}:{item.peer[1]} {describe(frame)}"

    def pcap(self) -> bytes:
        """The whole log as a pcap file."""
        return b"".join(_packets(self))


def _utc(at: Instant) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _told(at: Instant, peer: tuple[str, int], octets: bytes, *, received: bool) -> traffic.Passed:
    """What passed, for the trace: the first frame as its summary, all of them as its text."""

    def frames() -> list[str]:
        try:
            return [describe(frame) for frame in FrameReader().feed(octets)]
        except RemoteProtocolError as problem:
            return [f"no frames: {problem}"]

    def text() -> str:
        return "\n".join([*frames(), "", octets.hex(" ")])

    found = frames()
    what = (found[0] if found else f"{len(octets)} octets")[:300]
    address = f"{peer[0]}:{peer[1]}"
    return traffic.Passed(
        at=at, protocol="dnp3", received=received, peer="", address=address, what=what, size=len(octets), text=text
    )


def describe(frame: Frame) -> str:
    """One frame in words: addresses, link function, and the application header of a first segment."""
    way = f"{frame.source}>{frame.destination}"
    if not frame.primary:
        return f"{way} link {_name(SecondaryFunction, frame.function)}"
    if frame.function not in (PrimaryFunction.UNCONFIRMED_USER_DATA, PrimaryFunction.CONFIRMED_USER_DATA):
        return f"{way} link {_name(PrimaryFunction, frame.function)}"
    if not frame.payload:
        return f"{way} empty user data"
    head = frame.payload[0]
    place = f"segment {head & 0x3F}{' first' if head & 0x40 else ''}{' last' if head & 0x80 else ''}"
    if not head & 0x40 or len(frame.payload) < 3:
        return f"{way} {place}, {len(frame.payload) - 1} octets"
    return f"{way} {place}: {_application(frame.payload[1:], whole=bool(head & 0x80))}"


def _application(octets: bytes, *, whole: bool) -> str:
    control, function = octets[0], octets[1]
    bits = "".join(letter for letter, bit in (("C", 0x20), ("U", 0x10)) if control & bit)
    words = [f"seq {control & 0x0F}{' ' + bits if bits else ''}", _name(FunctionCode, function)]
    answer = function >= FunctionCode.RESPONSE
    if answer and len(octets) >= 4:
        raised = IIN(octets[2] | octets[3] << 8)
        words.append(f"IIN[{', '.join(bit.name or '?' for bit in IIN if bit & raised)}]")
    words.append(_objects(octets, answer=answer) if whole else "...")
    return " ".join(word for word in words if word)


def _objects(octets: bytes, *, answer: bool) -> str:
    try:
        parsed: Fragment = parse_response(octets) if answer else parse_request(octets)
    except RemoteProtocolError as problem:
        return f"(malformed: {problem.reason})"
    return ", ".join(f"g{head.group}v{head.variation} x{head.count}" for head in parsed.headers)


def _name(kind: type[FunctionCode] | type[PrimaryFunction] | type[SecondaryFunction], number: int) -> str:
    try:
        return kind(number).name
    except ValueError:
        return f"function {number}"


def _packets(journal: Journal) -> Iterator[bytes]:
    yield struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, _LINKTYPE_ETHERNET)
    sent: dict[tuple[tuple[str, int], bool], int] = {}
    made_up: dict[str, IPv4Address] = {}
    for item in journal:
        for at in range(0, len(item.octets), _MOST_PER_PACKET):
            part = item.octets[at : at + _MOST_PER_PACKET]
            yield _packet(item, part, _address(item.peer[0], made_up), sent)


def _address(host: str, made_up: dict[str, IPv4Address]) -> IPv4Address:
    try:
        address = IPv4Address(host)
    except ValueError:
        return made_up.setdefault(host, IPv4Address(_FIRST_MADE_UP + len(made_up)))
    # both ends on one address could not be told apart
    return made_up.setdefault(host, IPv4Address(_FIRST_MADE_UP)) if address == _OUR_ADDRESS else address


def _packet(item: Passed, part: bytes, peer: IPv4Address, sent: dict[tuple[tuple[str, int], bool], int]) -> bytes:
    ends = [(peer.packed, item.peer[1]), (_OUR_ADDRESS.packed, DNP3_PORT)]
    if not item.received:
        ends.reverse()
    (source, source_port), (target, target_port) = ends
    if item.datagram:
        transport = struct.pack(">HHHH", source_port, target_port, 8 + len(part), 0)
        protocol = 17
    else:
        own, other = (item.peer, item.received), (item.peer, not item.received)
        begin, acknowledged = sent.setdefault(own, 1), sent.setdefault(other, 1)
        transport = struct.pack(">HHIIBBHHH", source_port, target_port, begin, acknowledged, 0x50, 0x18, 65_535, 0, 0)
        sent[own] = (begin + len(part)) & 0xFFFFFFFF
        protocol = 6
    total = 20 + len(transport) + len(part)
    network = struct.pack(">BBHHHBBH", 0x45, 0, total, 0, 0, 64, protocol, 0) + source + target
    packet = bytes(12) + b"\x08\0" + network + transport + part
    micros = round(item.at * 1_000_000)
    return struct.pack("<IIII", micros // 1_000_000, micros % 1_000_000, len(packet), len(packet)) + packet
