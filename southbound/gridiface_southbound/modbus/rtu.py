"""Finds the answer to a request in what a serial line says: behind noise, an echo, or the words of another unit. Pure.

A line rings when a transmitter is switched on, two-wire adapters hear themselves, and a unit whose time is over may
speak into the next one's turn. Frames have no beginning of their own (MODBUS over Serial Line V1.02, 2.5.1): what is
sought is known, so each octet may be its first, and the CRC decides. Not owned: the line (carriers).
"""

from __future__ import annotations

_EXCEPTION = 0x80
#: Octets of an answer: unit, function, and what is behind them, with the CRC. Reads tell their own length.
_READS, _WRITES, _MASKED = (1, 2, 3, 4), (5, 6, 15, 16), 22
_OF_EXCEPTION, _OF_WRITE, _OF_MASKED, _OF_READ = 5, 8, 10, 5


def _of_octet(value: int) -> int:
    for _ in range(8):
        value = value >> 1 ^ 0xA001 if value & 1 else value >> 1
    return value


_CRC = tuple(map(_of_octet, range(256)))


def crc(data: bytes) -> bytes:
    """CRC-16 as it stands at the end of a frame, low octet first (V1.02, 6.2.2)."""
    value = 0xFFFF
    for octet in data:
        value = value >> 8 ^ _CRC[(value ^ octet) & 0xFF]
    return value.to_bytes(2, "little")


def answer_in(request: bytes, heard: bytes) -> bytes:
    """The first whole frame in `heard` that answers the request's function; else one of its unit; empty: none yet.

    Args:
        request: the frame that was sent.
        heard: all octets since.
    """
    if len(request) < 2:
        return b""
    unit, function = request[0], request[1]
    other = b""
    for at in range(len(heard) - _OF_EXCEPTION + 1):
        if heard[at] != unit:
            continue
        length = _length(heard, at)
        frame = heard[at : at + length]
        if not length or len(frame) < length or crc(frame[:-2]) != frame[-2:]:
            continue
        if frame[1] & ~_EXCEPTION == function:
            return frame
        other = other or frame
    return other


def _length(heard: bytes, at: int) -> int:
    """Octets of the answer that may begin there; 0: none does."""
    function = heard[at + 1]
    if function & _EXCEPTION:
        return _OF_EXCEPTION
    if function in _READS:
        return _OF_READ + heard[at + 2]
    if function == _MASKED:
        return _OF_MASKED
    return _OF_WRITE if function in _WRITES else 0


class Hearing:
    """What a pymodbus client calls with all that it sends and hears (its `trace_packet`): one request at a time."""

    def __init__(self) -> None:
        self._request = b""

    def __call__(self, sending: bool, data: bytes) -> bytes:
        """What is sent as it is; of what was heard the answer alone, nothing until it is whole."""
        if sending:
            self._request = data
            return data
        return answer_in(self._request, data)
