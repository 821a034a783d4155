import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridiface.protocols.dnp3.objects import TABLE, Flags, Layout, Meaning
from gridiface.protocols.dnp3.values import ENCODERS, FLOAT32_MAX, fit, fit_many

NUMBERED = [
    row
    for row in TABLE.values()
    if row.layout is Layout.FIXED
    and row.meaning in (Meaning.ANALOG, Meaning.COUNTER)
    and row.group not in (41, 43, 121, 122)
]
numbers = st.one_of(
    st.floats(), st.integers(-(2**40), 2**40).map(float), st.sampled_from([0.5, 1.5, 2.5, -0.5, 32767.5])
)


@given(st.sampled_from(NUMBERED), st.lists(st.tuples(numbers, st.integers(0, 127)), min_size=1, max_size=20))
def test_one_by_one_and_many_at_once_give_the_same_octets(row, points):
    if row.meaning is Meaning.COUNTER:
        points = [(float(abs(int(value)) % 2**48) if math.isfinite(value) else 0.0, flags) for value, flags in points]
    values = np.array([value for value, _ in points])
    flags = np.array([octet for _, octet in points], dtype=np.uint8)
    times = np.arange(len(points), dtype=np.int64) + (1 << 40)
    encode = ENCODERS[row.group, row.variation]
    singly = b"".join(encode(value, octet, int(time)) for (value, octet), time in zip(points, times, strict=True))
    assert fit_many(row, values, flags, times).tobytes() == singly


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ((30, 2), 32767.0, (32767, 1)),
        ((30, 2), 32768.0, (32767, 1 | Flags.OVER_RANGE)),
        ((30, 2), -40000.0, (-32768, 1 | Flags.OVER_RANGE)),
        ((30, 1), 2.0**31, (2**31 - 1, 1 | Flags.OVER_RANGE)),
        ((30, 1), 2.5, (2, 1)),
        ((30, 5), 1e300, (FLOAT32_MAX, 1 | Flags.OVER_RANGE)),
        ((30, 5), -math.inf, (-FLOAT32_MAX, 1 | Flags.OVER_RANGE)),
        ((30, 6), 1e300, (1e300, 1)),
        ((30, 1), math.nan, (0, Flags.REFERENCE_ERR)),
        ((20, 2), 65_537.0, (1, 1)),
        ((20, 1), 2.0**32 + 5, (5, 1)),
    ],
)
def test_what_does_not_fit_is_clamped_and_marked(key, value, expected):
    assert fit(TABLE[key], value, 1) == expected


def test_not_a_number_stays_one_in_a_float_and_loses_online():
    value, flags = fit(TABLE[30, 5], math.nan, Flags.ONLINE)
    assert math.isnan(value)
    assert flags == Flags.REFERENCE_ERR


def test_a_status_is_not_changed_by_clamping():
    assert ENCODERS[43, 2](1e9, 12, 0).hex() == "0cff7f"
    assert ENCODERS[43, 4](1e9, 12, 5).hex() == "0cff7f050000000000"
    assert ENCODERS[41, 2](1e9, 0, 0).hex() == "ff7f00"


def test_states_carry_flags_and_time():
    assert ENCODERS[2, 1](1, 0x81, 0).hex() == "81"
    assert ENCODERS[2, 2](1, 0x81, 1).hex() == "81010000000000"
    assert ENCODERS[2, 3](1, 0x81, 515).hex() == "810302"
    assert ENCODERS[13, 2](1, 0x84, 1).hex() == "84010000000000"
    assert ENCODERS[30, 3](7.4, 1, 0).hex() == "07000000"
