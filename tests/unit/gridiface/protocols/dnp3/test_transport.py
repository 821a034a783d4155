from hypothesis import given
from hypothesis import strategies as st

from gridiface.protocols.dnp3.link import FrameReader
from gridiface.protocols.dnp3.transport import FragmentWriter, Reassembler


def _segments(octets):
    return [frame.payload for frame in FrameReader().feed(octets)]


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=2100), st.booleans()), min_size=1, max_size=6))
def test_fragments_come_back_as_they_were(fragments):
    writer, assembler = FragmentWriter(0xC4, 10, 1), Reassembler(2100)
    for fragment, keep in fragments * 2:
        pieces = [assembler.push(segment) for segment in _segments(writer.encode(fragment, keep=keep))]
        assert pieces[-1] == fragment
        assert all(piece is None for piece in pieces[:-1])


def test_the_sequence_counts_on_over_fragments_and_wraps():
    writer = FragmentWriter(0xC4, 10, 1)
    seen = [segment[0] & 0x3F for _ in range(40) for segment in _segments(writer.encode(bytes(400)))]
    assert seen == [number % 64 for number in range(80)]


def test_kept_fragments_are_encoded_as_fresh_ones():
    kept, fresh = FragmentWriter(0x44, 1, 10), FragmentWriter(0x44, 1, 10)
    for number in range(200):
        fragment = bytes((0xE0 | number & 15, 129, 0, number & 1)) + bytes(range(256)) * 4
        assert kept.encode(fragment, keep=True) == fresh.encode(fragment)


def test_caches_stay_bounded():
    writer = FragmentWriter(0x44, 1, 10)
    for number in range(3000):
        writer.encode(number.to_bytes(2, "big") * 150, keep=True)
    assert len(writer._tails) <= 1024
    assert len(writer._wholes) <= 256


def _segment(octet, data=b"ab"):
    return bytes((octet,)) + data


def test_12_a_sequence_gap_drops_all_until_the_next_fir():
    assembler = Reassembler()
    assert assembler.push(_segment(0x40 | 5)) is None
    assert assembler.push(_segment(0x80 | 7)) is None
    assert assembler.push(_segment(0x80 | 6)) is None
    assert assembler.push(_segment(0xC0 | 9)) == b"ab"
    assert assembler.dropped == 2


def test_13_an_exact_duplicate_segment_is_dropped():
    assembler = Reassembler()
    assembler.push(_segment(0x40 | 5))
    assembler.push(_segment(6, b"cd"))
    assert assembler.push(_segment(6, b"cd")) is None
    assert assembler.push(_segment(0x80 | 7, b"e")) == b"abcde"
    assert assembler.push(_segment(0x80 | 7, b"e")) is None  # of the last one, when its fragment is whole already
    assembler.push(_segment(0x40 | 8))
    assert assembler.push(_segment(0x40 | 8)) is None  # of the first one: nothing doubled, nothing lost
    assert assembler.push(_segment(0x80 | 9, b"f")) == b"abf"


def test_13_a_repeat_that_is_not_octet_identical_is_a_gap():
    assembler = Reassembler()
    assembler.push(_segment(0x40 | 5))
    assembler.push(_segment(6, b"cd"))
    assert assembler.push(_segment(6, b"xx")) is None
    assert assembler.push(_segment(0x80 | 7, b"e")) is None
    assert assembler.push(_segment(0xC0 | 8)) == b"ab"


def test_fir_in_the_middle_starts_again():
    assembler = Reassembler()
    assembler.push(_segment(0x40 | 5))
    assert assembler.push(_segment(0xC0 | 30, b"x")) == b"x"


def test_the_sequence_wraps_within_a_fragment():
    assembler = Reassembler()
    assembler.push(_segment(0x40 | 63))
    assert assembler.push(_segment(0x80, b"c")) == b"abc"


def test_14_a_fragment_above_the_limit_is_dropped_and_memory_stays_bounded():
    assembler = Reassembler(2048)
    assembler.push(_segment(0x40, bytes(249)))
    for number in range(1, 2000):
        assert assembler.push(_segment(number & 0x3F, bytes(249))) is None
        assert assembler._octets <= 2048
    assert assembler.push(_segment(0xC0, b"ok")) == b"ok"


def test_segments_without_user_data_are_dropped():
    assert Reassembler().push(b"") is None
    assert Reassembler().push(b"\xc0") is None
