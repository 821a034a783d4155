import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridiface.protocols.dnp3.objects import GROUPS, TABLE, Field, Layout, find

FIXED = [row for row in TABLE.values() if row.layout is Layout.FIXED]

# sizes with flags, as the reference table of objects lists them
SIZES = {
    (2, 1): 1, (2, 2): 7, (2, 3): 3, (12, 1): 11, (13, 1): 1, (13, 2): 7,
    (20, 1): 5, (20, 2): 3, (20, 5): 4, (20, 6): 2, (21, 5): 11, (21, 6): 9, (21, 9): 4, (22, 5): 11,
    (30, 1): 5, (30, 2): 3, (30, 3): 4, (30, 4): 2, (30, 5): 5, (30, 6): 9,
    (32, 3): 11, (32, 4): 9, (32, 7): 11, (32, 8): 15, (34, 1): 2, (34, 2): 4, (34, 3): 4,
    (40, 1): 5, (40, 2): 3, (40, 3): 5, (40, 4): 9, (41, 1): 5, (41, 2): 3, (41, 3): 5, (41, 4): 9,
    (50, 1): 6, (50, 2): 10, (50, 4): 11, (51, 1): 6, (52, 1): 2, (52, 2): 2, (121, 1): 7, (122, 2): 13,
}  # fmt: skip


@pytest.mark.parametrize(("key", "size"), SIZES.items())
def test_size(key, size):
    assert TABLE[key].size == size


def test_every_group_of_the_subset_tables_is_there():
    wanted = {*range(5), *range(10, 14), *range(20, 24), *range(30, 35), *range(40, 44), 50, 51, 52, 60, 70, 80}
    assert wanted | {91, 110, 111, 112, 113, 120, 121, 122} | {0} == GROUPS


def test_rows_are_unique_and_named():
    assert all(row.name and (row.group, row.variation) == key for key, row in TABLE.items())
    assert find(30, 5) is TABLE[30, 5]
    assert find(30, 0) is None
    assert find(99, 1) is None


@given(st.sampled_from(FIXED), st.data())
def test_octets_come_back_as_they_were(row, data):
    octets = data.draw(st.binary(min_size=row.size, max_size=row.size))
    fields = row.unpack(octets)
    values = [fields[item.label] for item in row.fields]
    again = row.unpack(row.pack(*values))
    for name, value in fields.items():
        assert again[name] == value or value != value


@pytest.mark.parametrize("row", FIXED, ids=lambda row: f"g{row.group}v{row.variation}")
def test_the_numpy_record_is_as_long_as_the_object(row):
    assert row.dtype().itemsize == row.size


def test_packed_rows_count_bits():
    assert [TABLE[1, 1].octets(count) for count in (1, 8, 9)] == [1, 1, 2]
    assert [TABLE[3, 1].octets(count) for count in (1, 4, 5)] == [1, 1, 2]
    assert TABLE[70, 5].octets(1) is None
    assert TABLE[60, 1].octets(5) == 0
    assert TABLE[110, 7].octets(3) == 21


def test_a_time_is_one_number_of_48_bits():
    time = 0x0123_4567_89AB
    octets = TABLE[2, 2].pack(0x81, time)
    assert octets.hex() == "81ab8967452301"
    assert TABLE[2, 2].unpack(octets) == {"flags": 0x81, "time": time}


def test_a_number_that_does_not_fit_is_an_error():
    with pytest.raises(struct.error):
        TABLE[30, 2].pack(1, 40_000)


def test_fields_know_name_and_code():
    assert (Field.F32.label, Field.F32.code) == ("value", "f")
