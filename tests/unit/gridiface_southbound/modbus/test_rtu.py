"""The answer to a request in what a line says; pymodbus makes the frames and the CRC."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.framer.rtu import FramerRTU
from pymodbus.pdu import DecodePDU

from gridiface_southbound.modbus.rtu import Hearing, answer_in, crc

FRAMER = FramerRTU(DecodePDU(True))
READ = FRAMER.encode(bytes.fromhex("03 9c40 0002"), 7, 0)
WRITE = FRAMER.encode(bytes.fromhex("10 0001 0001 02 01f4"), 7, 0)


def frame(pdu: str, unit: int = 7) -> bytes:
    return FRAMER.encode(bytes.fromhex(pdu), unit, 0)


MASKED = frame("16 0004 00f2 0025")
SHOWN, TAKEN, REFUSED = frame("03 04 0001 0002"), frame("10 0001 0001"), frame("83 02")


@given(st.binary(max_size=300))
def test_the_crc_is_pymodbuses(data: bytes) -> None:
    assert crc(data) == FramerRTU.compute_CRC(data).to_bytes(2, "big")


@pytest.mark.parametrize(
    ("request_", "heard", "answer"),
    [
        (READ, SHOWN, SHOWN),
        (READ, REFUSED, REFUSED),
        (WRITE, TAKEN, TAKEN),
        (MASKED, b"\x00" + MASKED, MASKED),
        (READ, b"\x00\xff" + SHOWN, SHOWN),
        (READ, b"\x07\x03" + SHOWN, SHOWN),  # noise that could be the beginning of a long answer
        (READ, READ + SHOWN, SHOWN),
        (WRITE, WRITE + TAKEN, TAKEN),
        (READ, frame("03 04 0009 0009", unit=2) + SHOWN, SHOWN),
        (READ, TAKEN + SHOWN, SHOWN),
        (READ, SHOWN + frame("03 04 0009 0009"), SHOWN),  # what follows belongs to nobody
        (READ, TAKEN, TAKEN),  # it answers another function: the caller says so
        (READ, frame("03 04 0001 0002", unit=2), b""),
        (READ, SHOWN[:-1], b""),
        (READ, SHOWN[:-1] + bytes((SHOWN[-1] ^ 1,)), b""),
        (READ, frame("2b 0e 01 01 00 00 00"), b""),
        (b"", SHOWN, b""),
    ],
)
def test_the_answer_is_found(request_: bytes, heard: bytes, answer: bytes) -> None:
    assert answer_in(request_, heard) == answer


@given(st.binary(max_size=264), st.binary(max_size=20))
def test_any_noise_is_an_answer_with_its_crc_or_none(heard: bytes, before: bytes) -> None:
    found = answer_in(READ, heard)
    assert not found or (found[0] == 7 and crc(found[:-2]) == found[-2:])
    assert answer_in(READ, before + SHOWN) in (SHOWN, answer_in(READ, before))


def test_nothing_is_handed_on_until_the_answer_is_whole() -> None:
    hearing = Hearing()
    assert hearing(True, READ) == READ
    assert [hearing(False, SHOWN[:end]) for end in range(len(SHOWN) + 1)] == [b""] * len(SHOWN) + [SHOWN]
    assert hearing(True, WRITE) == WRITE
    assert hearing(False, SHOWN + TAKEN) == TAKEN
