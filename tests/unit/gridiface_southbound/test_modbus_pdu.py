"""Modbus requests and frames as bytes; whatever bytes come back raise nothing but RemoteProtocolError."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridiface.errors import LocalProtocolError, RemoteProtocolError
from gridiface_southbound.modbus_pdu import (
    ExceptionReply,
    Frame,
    FrameDecoder,
    PairShape,
    WriteThenRead,
    encode_frame,
    read_request,
    reply_data,
    write_request,
    write_single_request,
)

# The examples of the MODBUS Application Protocol V1.1b3, clauses 6.3, 6.6 and 6.12.
EXAMPLES = [
    (read_request(107, 3), "03006b0003", "0306022b00000064", "022b00000064"),
    (write_single_request(1, b"\x00\x03"), "0600010003", "0600010003", ""),
    (write_request(1, bytes.fromhex("000a0102")), "100001000204000a0102", "1000010002", ""),
    (read_request(8, 1, function=4), "0400080001", "0402000a", "000a"),
]


@pytest.mark.parametrize(("request_", "sent", "reply", "data"), EXAMPLES)
def test_the_standards_examples(request_: object, sent: str, reply: str, data: str) -> None:
    assert request_.pdu.hex() == sent
    assert reply_data(request_, bytes.fromhex(reply)) == bytes.fromhex(data)


def test_an_exception_is_a_value() -> None:
    reply = reply_data(read_request(1, 1), b"\x83\x02")
    assert isinstance(reply, ExceptionReply)
    assert (reply.function, reply.code) == (3, 2)
    assert "illegal data address" in reply.reason


@pytest.mark.parametrize(
    "reply", ["", "03", "0304000a000b", "030200", "0402000a", "8302ff", "8402", "06000a0001", "0302000a00"]
)
def test_a_reply_of_another_shape_is_refused(reply: str) -> None:
    with pytest.raises(RemoteProtocolError):
        reply_data(read_request(1, 1), bytes.fromhex(reply))


def test_a_write_confirmed_for_another_register_is_refused() -> None:
    with pytest.raises(RemoteProtocolError):
        reply_data(write_request(1, b"\0\0"), bytes.fromhex("1000020001"))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: read_request(0, 126),
        lambda: read_request(0, 0),
        lambda: read_request(65535, 2),
        lambda: read_request(-1, 1),
        lambda: write_request(0, bytes(248)),
        lambda: write_request(0, b""),
        lambda: write_request(0, b"\0"),
        lambda: write_request(65535, bytes(4)),
        lambda: write_single_request(0, b"\0"),
        lambda: write_single_request(70000, b"\0\0"),
    ],
)
def test_requests_that_no_device_could_take_are_our_error(wrong: object) -> None:
    with pytest.raises(LocalProtocolError):
        wrong()


frames = st.lists(
    st.tuples(st.integers(0, 0xFFFF), st.integers(0, 255), st.binary(min_size=1, max_size=253)), max_size=6
)


@given(frames, st.lists(st.integers(1, 40), max_size=40))
def test_frames_survive_any_cutting_of_the_stream(sent: list[tuple[int, int, bytes]], cuts: list[int]) -> None:
    stream = b"".join(encode_frame(*frame) for frame in sent)
    decoder, found = FrameDecoder(), []
    for cut in [*cuts, len(stream) + 1]:
        found += list(decoder.feed(stream[:cut]))
        stream = stream[cut:]
    assert found == [Frame(*frame) for frame in sent]


@given(st.lists(st.binary(max_size=300), max_size=5))
def test_any_bytes_raise_nothing_else(pieces: list[bytes]) -> None:
    decoder = FrameDecoder()
    with contextlib.suppress(RemoteProtocolError):
        for piece in pieces:
            for frame in decoder.feed(piece):
                assert isinstance(reply_data(read_request(1, 2), frame.pdu), bytes | ExceptionReply)


@pytest.mark.parametrize("header", ["0001000100060103", "000100000001010300", "0001000000ff0103"])
def test_a_wrong_header_ends_the_stream(header: str) -> None:
    with pytest.raises(RemoteProtocolError, match="not a Modbus/TCP header"):
        list(FrameDecoder().feed(bytes.fromhex(header)))


@given(st.integers(0, 255), st.binary(min_size=1, max_size=30), st.integers(1, 125), st.sampled_from([3, 4]))
def test_a_pair_is_a_write_and_a_read(unit: int, words: bytes, count: int, function: int) -> None:
    registers = words + words
    write, read = write_request(40_300, registers), read_request(40_290, count, function=function)
    shape = PairShape(unit, 40_300, len(words), read)
    pair = WriteThenRead(shape, registers)
    assert list(pair) == [pair[0], pair[1]] == [write, read]
    assert pair[:] == (write, read)
    assert len(pair) == 2
    with pytest.raises(IndexError):
        pair[2]
    sent = encode_frame(7, unit, write.pdu) + encode_frame(0xFFFF, unit, read.pdu)
    assert shape.frames(b"\0\7", b"\xff\xff", registers) == sent
    good = encode_frame(7, unit, write.head) + encode_frame(0xFFFF, unit, read.head + bytes(2 * count))
    taken, shown = shape.heads(b"\0\7", b"\xff\xff")
    assert len(good) == shape.size
    assert good[: shape.shown_at] == taken
    assert good[shape.shown_at : shape.data_at] == shown
    assert good[shape.data_at :] == bytes(2 * count)
