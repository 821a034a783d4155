"""A bare DNP3 master for benchmarks: sends a request, takes every fragment, confirms, and looks at nothing else.

It spends as little as Python can, so that what is measured is the outstation. Blocking; one request at a time.
"""

from __future__ import annotations

import socket

from gridiface.errors import GridifaceError
from gridiface.protocols.dnp3.application import CON, FIN, FIR, SEQUENCE_MASK, UNS, FunctionCode
from gridiface.protocols.dnp3.link import HEADER_OCTETS, Frame, encode, wire_octets

_UNCONFIRMED_DATA = 0xC4
_WHOLE = 0xC0
_LENGTH_AT = 2
_LAST_SEGMENT = 0x80
_FIRST_SEGMENT = 0x40
_BUFFER = 1 << 20


class BareMaster:
    """One connection. Use as a context manager.

    Args:
        port: of the outstation, on loopback.
        address, outstation: link addresses.
        timeout_s: for each read.
    """

    def __init__(self, port: int, address: int = 1, outstation: int = 10, timeout_s: float = 10.0) -> None:
        self._link = (outstation, address)
        self._sequence = 0
        self._socket = socket.create_connection(("127.0.0.1", port), timeout_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._held = b""
        # by the AC octet's last five bits: UNS and the sequence number
        self._confirms = [
            self._frame(FIR | FIN | number, FunctionCode.CONFIRM) for number in range((UNS | SEQUENCE_MASK) + 1)
        ]

    def __enter__(self) -> BareMaster:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def prepare(self, function: FunctionCode, objects: bytes) -> bytes:
        """The next request as octets; prepared requests must be sent in their order."""
        sequence, self._sequence = self._sequence, (self._sequence + 1) & SEQUENCE_MASK
        return self._frame(FIR | FIN | sequence, function, objects)

    def exchange(self, request: bytes) -> bytes:
        """Send a request, confirm its fragments; returns the last fragment's first segment, from its AC octet on.

        Raises:
            GridifaceError: the connection was closed.
            TimeoutError: no answer.
        """
        self._socket.sendall(request)
        while True:
            head = self._fragment()
            if head[0] & CON:
                self._socket.sendall(self._confirms[head[0] & (UNS | SEQUENCE_MASK)])
            if head[0] & FIN and not head[0] & UNS:
                return head

    def _fragment(self) -> bytes:
        """One whole fragment; returns its first segment's data up to the first CRC."""
        held, at, head = self._held, 0, b""
        while True:
            while len(held) < at + HEADER_OCTETS + 1 or len(held) < at + wire_octets(held[at + _LENGTH_AT]):
                more = self._socket.recv(_BUFFER)
                if not more:
                    raise GridifaceError("the outstation closed the connection")
                held += more
            size = wire_octets(held[at + _LENGTH_AT])
            transport = held[at + HEADER_OCTETS]
            if transport & _FIRST_SEGMENT:
                head = held[at + HEADER_OCTETS + 1 : at + min(size, HEADER_OCTETS + 16)]
            at += size
            if transport & _LAST_SEGMENT:
                self._held = held[at:]
                return head

    def _frame(self, control: int, function: FunctionCode, objects: bytes = b"") -> bytes:
        outstation, address = self._link
        return encode(Frame(_UNCONFIRMED_DATA, outstation, address, bytes((_WHOLE, control, function)) + objects))
