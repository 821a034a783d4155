from hypothesis import given
from hypothesis import strategies as st

from gridiface.protocols.dnp3.crc import checksum, is_sealed, sealed


def test_check_value_of_the_catalogue():
    assert checksum(b"123456789") == 0xEA82


def test_worked_header_of_a_reset_link_states():
    assert sealed(bytes.fromhex("05 64 05 c0 01 00 00 04")).hex(" ") == "05 64 05 c0 01 00 00 04 e9 21"


@given(st.binary(min_size=1, max_size=16), st.integers(0, 143))
def test_one_flipped_bit_is_always_seen(block, bit):
    octets = bytearray(sealed(block))
    assert is_sealed(bytes(octets))
    octets[bit // 8 % len(octets)] ^= 1 << bit % 8
    assert not is_sealed(bytes(octets))


def test_a_bare_crc_seals_nothing():
    assert not is_sealed(b"")
    assert not is_sealed(b"\xff\xff")
