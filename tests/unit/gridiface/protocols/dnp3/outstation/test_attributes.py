import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridiface.errors import RemoteProtocolError
from gridiface.protocols.dnp3.outstation.attributes import (
    NAMES,
    WRITABLE,
    AttributeSet,
    AttributeType,
    decode_value,
    encode_value,
)
from gridiface.protocols.dnp3.outstation.database import Database
from gridiface.protocols.dnp3.points import PointConfig, PointType


@given(st.text(max_size=60), st.integers(0, 2**32 - 1), st.integers(-(2**31), 2**31 - 1), st.integers(0, 2**48 - 1))
def test_values_come_back_as_they_were(text, unsigned, signed, time):
    for kind, value in (
        (AttributeType.VSTR, text),
        (AttributeType.UINT, unsigned),
        (AttributeType.INT, signed),
        (AttributeType.TIME, time),
        (AttributeType.FLT, 1.5),
        (AttributeType.OSTR, b"\0\1"),
    ):
        octets = encode_value(kind, value)
        assert octets[1] == len(octets) - 2
        assert decode_value(octets) == (kind, value)


def test_integers_take_no_more_octets_than_they_need():
    assert encode_value(AttributeType.UINT, 255).hex() == "0201ff"
    assert encode_value(AttributeType.UINT, 256).hex() == "02020001"
    assert encode_value(AttributeType.INT, -129).hex() == "03027fff"
    assert encode_value(AttributeType.UINT, 2**40).hex() == "0204ffffffff"


@pytest.mark.parametrize("text", ["0101ff", "04020000"])
def test_data_that_do_not_fit_are_refused(text):
    with pytest.raises(RemoteProtocolError):
        decode_value(bytes.fromhex(text))


def test_counts_follow_from_the_points():
    described = AttributeSet({252: "maker"})
    database = Database(
        [PointConfig(PointType.ANALOG_INPUT, 9, event_class=1), PointConfig(PointType.FROZEN_COUNTER, 0)]
    )
    described.derive(database, max_tx=2048, max_rx=1024, max_controls=16)
    wanted = {231: 1, 232: 9, 233: 1, 237: 0, 239: 0, 226: 1, 225: 0, 230: 0, 216: 16, 240: 2048, 241: 1024}
    assert wanted.items() <= described.given.items()
    assert 238 not in described.given


def test_the_list_tells_which_may_be_written():
    assert AttributeSet({245: "here", 252: "maker"}).octets(255).hex() == "fe04f501fc00"
    assert AttributeSet().octets(252) is None


def test_only_writable_attributes_of_the_right_type_are_written():
    described = AttributeSet({245: "here"})
    described.write(245, encode_value(AttributeType.VSTR, "there"))
    assert described.given[245] == "there"
    for variation, octets in ((252, encode_value(AttributeType.VSTR, "x")), (245, encode_value(AttributeType.UINT, 1))):
        with pytest.raises(RemoteProtocolError):
            described.write(variation, octets)


def test_writable_attributes_are_named():
    assert set(NAMES) >= WRITABLE
