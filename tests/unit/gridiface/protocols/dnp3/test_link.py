import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridiface.errors import LocalProtocolError
from gridiface.protocols.dnp3.link import (
    Frame,
    FrameReader,
    SecondaryFunction,
    SecondaryStation,
    Silence,
    SilenceWatch,
    datagrams,
    encode,
    wire_octets,
)

READ = bytes.fromhex("05 64 0b c4 0a 00 01 00 ac d1 c0 c0 01 3c 01 06 ff 50")
frames = st.builds(
    Frame,
    st.integers(0, 255),
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFF),
    st.binary(max_size=250),
)


@given(frames)
def test_a_frame_comes_back_as_it_was(frame):
    octets = encode(frame)
    assert len(octets) == wire_octets(octets[2])
    assert FrameReader().feed(octets) == [frame]


@given(st.lists(frames, max_size=4), st.lists(st.integers(1, 40), min_size=1, max_size=8))
def test_frames_come_back_however_the_stream_is_cut(sent, cuts):
    octets = b"".join(encode(frame) for frame in sent)
    reader, found, at, number = FrameReader(), [], 0, 0
    while at < len(octets):
        step = cuts[number % len(cuts)]
        found += reader.feed(octets[at : at + step])
        at, number = at + step, number + 1
    assert found == sent


@given(st.lists(st.binary(max_size=600), max_size=5))
def test_any_octets_raise_nothing_and_little_is_held(chunks):
    reader = FrameReader()
    for chunk in chunks:
        reader.feed(chunk)
        assert len(reader._held) <= 292


def test_a_frame_holds_250_octets_of_user_data():
    assert len(encode(Frame(0xC4, 1, 2, bytes(250)))) == 292
    with pytest.raises(LocalProtocolError, match="251 octets"):
        encode(Frame(0xC4, 1, 2, bytes(251)))


def test_the_control_octet_is_read():
    frame = Frame(0xF3, 1, 2)
    assert (frame.from_master, frame.primary, frame.fcb, frame.fcv, frame.function) == (True, True, True, True, 3)


def test_garbage_before_between_and_a_false_start_are_skipped():
    reader = FrameReader()
    found = reader.feed(b"\x05\x05\x64\x03garbage\x05" + READ + b"\x64\x05" + READ + b"\x05")
    assert [frame.payload for frame in found] == [bytes.fromhex("c0 c0 01 3c 01 06")] * 2
    assert reader.feed(READ[1:]) != []


def test_a_good_frame_inside_the_length_of_a_damaged_one_is_found():
    damaged = bytearray(encode(Frame(0xC4, 10, 1, bytes(200))))
    damaged[60] ^= 1
    reader = FrameReader()
    assert len(reader.feed(bytes(damaged[:30]) + READ + bytes(300))) == 1
    assert reader.bad_crcs >= 1
    assert reader.dropped_octets > 0


@pytest.mark.parametrize("at", [8, 9, 16, 17])
def test_a_wrong_crc_drops_the_frame(at):
    octets = bytearray(READ)
    octets[at] ^= 0xFF
    assert FrameReader().feed(bytes(octets) + b"\0" * 300) == []


def test_an_incomplete_frame_is_forgotten_with_its_connection():
    reader = FrameReader()
    reader.feed(READ[:12])
    reader.clear()
    assert reader.feed(READ[12:]) == []


def _take(station, control):
    return station.take(Frame(control, 10, 1))


def test_reset_acknowledges_and_expects_fcb_one():
    station = SecondaryStation()
    assert _take(station, 0xC0) == (SecondaryFunction.ACK, False)
    assert _take(station, 0xF2) == (SecondaryFunction.ACK, False)
    assert _take(station, 0xD2) == (SecondaryFunction.ACK, False)


def test_confirmed_data_before_a_reset_are_ignored():
    assert _take(SecondaryStation(), 0xF3) == (None, False)
    assert _take(SecondaryStation(), 0xF2) == (None, False)


def test_confirmed_data_with_the_same_fcb_are_a_retry():
    station = SecondaryStation()
    _take(station, 0xC0)
    assert _take(station, 0xF3) == (SecondaryFunction.ACK, True)
    assert _take(station, 0xF3) == (SecondaryFunction.ACK, False)
    assert _take(station, 0xD3) == (SecondaryFunction.ACK, True)


def test_other_functions_are_answered_not_supported():
    for function in (1, 5, 6, 7, 8, 10, 15):
        assert _take(SecondaryStation(), 0xC0 | function) == (SecondaryFunction.NOT_SUPPORTED, False)


def test_a_spoilt_frame_of_another_function_is_dropped_as_procedure_6_6_2_2_wants_it():
    assert _take(SecondaryStation(), 0xD5) == (None, False)


def test_a_frame_count_bit_where_none_belongs_is_dropped():
    station = SecondaryStation()
    _take(station, 0xC0)
    for control in (0xD0, 0xD9, 0xC2, 0xC3):
        assert _take(station, control) == (None, False)
    assert _take(station, 0xD4) == (None, False)
    assert _take(station, 0xC4) == (None, True)
    assert _take(station, 0xC9) == (SecondaryFunction.LINK_STATUS, False)


def test_a_silent_peer_is_probed_once_and_given_up_once():
    watch = SilenceWatch(30.0, 5.0)
    watch.heard(100.0)
    assert watch.next_timer() == 130.0
    assert [watch.handle_timer(at) for at in (129.9, 130.0, 134.9, 135.0, 200.0)] == [
        Silence.NOTHING,
        Silence.PROBE,
        Silence.NOTHING,
        Silence.LOST,
        Silence.NOTHING,
    ]
    watch.heard(201.0)
    assert watch.next_timer() == 231.0
    assert SilenceWatch(None, 5.0).handle_timer(1e9) is Silence.NOTHING


@given(sizes=st.lists(st.integers(0, 250), max_size=30))
def test_datagrams_hold_whole_frames_and_lose_none(sizes):
    sent = [Frame(0x44, 1, 10, bytes(size)) for size in sizes]
    parts = list(datagrams(b"".join(encode(frame) for frame in sent)))
    assert all(len(part) <= 292 for part in parts)
    assert [frame for part in parts for frame in FrameReader().feed(part)] == sent
