import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridiface.errors import RemoteProtocolError
from gridiface.protocols.dnp3.application import parse_response
from gridiface.protocols.dnp3.measurements import point_blocks
from gridiface.protocols.dnp3.points import PointType


def blocks(text):
    return list(point_blocks(parse_response(bytes.fromhex("c0 81 00 00" + text)).headers))


def rows(text):
    return [
        (item.type, item.point, item.value, item.flags, item.time)
        for block in blocks(text)
        for item in block.measurements()
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1e 05 00 01 02 01 00 00 80 3f 05 00 00 00 40",
         [(PointType.ANALOG_INPUT, 1, 1.0, 1, None), (PointType.ANALOG_INPUT, 2, 2.0, 5, None)]),
        ("1e 04 01 2c 01 2c 01 fe ff", [(PointType.ANALOG_INPUT, 300, -2.0, 1, None)]),
        ("01 01 00 00 02 05", [(PointType.BINARY_INPUT, at, value, 1, None) for at, value in enumerate((1, 0, 1))]),
        ("01 02 00 00 00 85", [(PointType.BINARY_INPUT, 0, 1.0, 5, None)]),
        ("03 01 00 00 02 39", [(PointType.DOUBLE_BIT_INPUT, at, value, 1, None) for at, value in enumerate((1, 2, 3))]),
        ("03 02 00 00 00 81", [(PointType.DOUBLE_BIT_INPUT, 0, 2.0, 1, None)]),
        ("20 07 28 01 00 03 00 01 00 00 c0 3f 05 00 00 00 00 01",
         [(PointType.ANALOG_INPUT, 3, 1.5, 1, 5 + (1 << 40))]),
        ("16 05 17 01 03 01 07 00 00 00 05 00 00 00 00 00", [(PointType.COUNTER, 3, 7.0, 1, 5)]),
        ("33 01 07 01 e8 03 00 00 00 00 02 03 17 01 03 81 02 00", [(PointType.BINARY_INPUT, 3, 1.0, 1, 1002)]),
        ("0d 02 17 01 03 84 05 00 00 00 00 00", [(PointType.BINARY_OUTPUT, 3, 1.0, 4, 5)]),
        ("2b 02 17 01 03 0c 09 00", [(PointType.ANALOG_OUTPUT, 3, 9.0, 12, None)]),
        ("6f 02 17 01 03 68 69", [(PointType.OCTET_STRING, 3, b"hi", 1, None)]),
        ("34 02 07 01 00 00 50 01 00 00 07 80", []),
    ],
)  # fmt: skip
def test_objects_become_points(text, expected):
    assert rows(text) == expected


def test_events_and_command_events_are_told_apart():
    event, command = blocks("02 01 17 01 03 81 0d 01 17 01 03 81")
    assert (event.is_event, event.is_command) == (True, False)
    assert (command.is_event, command.is_command) == (True, True)
    assert not blocks("01 02 00 00 00 85")[0].is_event


def test_an_unsynchronised_common_time_is_told():
    (block,) = blocks("33 02 07 01 e8 03 00 00 00 00 02 03 17 01 03 81 02 00")
    assert not block.synchronised


@given(st.binary(max_size=60))
def test_any_response_raises_nothing_but_the_remote_error(octets):
    try:
        response = parse_response(b"\xc0\x81\0\0" + octets)
    except RemoteProtocolError:
        return
    for block in point_blocks(response.headers):
        assert len(list(block.measurements())) == len(block.indices)


def test_what_the_outstation_sends_is_what_the_master_reads(build):
    peer = build()
    for point_type in (PointType.BINARY_INPUT, PointType.DOUBLE_BIT_INPUT, PointType.COUNTER, PointType.ANALOG_INPUT):
        peer.update(point_type, 2, 1, flags=5)
    static = parse_response(peer.one("c0 01 3c 01 06"))
    seen = {
        (item.type, item.point): (item.value, item.flags)
        for block in point_blocks(static.headers)
        for item in block.measurements()
    }
    for point_type in (PointType.BINARY_INPUT, PointType.DOUBLE_BIT_INPUT, PointType.COUNTER, PointType.ANALOG_INPUT):
        assert seen[point_type, 2] == (1.0, 5)
    assert len(seen) == 80
