from gridiface.protocols.dnp3.outstation.columns import Column
from gridiface.protocols.dnp3.outstation.events import Event, EventBuffer
from gridiface.protocols.dnp3.outstation.response import (
    EventPart,
    EventSource,
    Fragment,
    ObjectPart,
    Series,
    StaticPart,
)
from gridiface.protocols.dnp3.points import PointConfig, PointType


def _inputs(count, **more):
    point_type = PointType.BINARY_INPUT
    return Column(point_type, [PointConfig(point_type, index, initial_flags=1, **more) for index in range(count)])


def test_an_object_is_written_whole_or_not_at_all():
    fragment = Fragment(10)
    assert ObjectPart(b"12345678").fill(fragment)
    assert not ObjectPart(b"123").fill(fragment)
    assert bytes(fragment.data) == b"12345678"
    assert fragment.space == 2


def test_static_values_go_on_in_the_next_fragment():
    column = _inputs(20)
    series = Series([StaticPart(column, 1, column.runs())])
    lengths = []
    while not series.done:
        fragment = series.next_fragment(12)
        lengths.append(len(fragment.data))
        assert fragment.has_static
    assert lengths == [12, 12, 11]


def test_packed_values_go_on_at_any_bit():
    column = _inputs(30, static_variation=1)
    part = StaticPart(column, 1, column.runs())
    first, second = Fragment(8), Fragment(8)
    assert not part.fill(first)
    assert part.fill(second)
    assert first.data.hex() == "0101000017000000"
    assert second.data.hex() == "010100181d00"


def test_an_event_that_does_not_fit_waits_with_those_behind_it():
    buffer = EventBuffer()
    for point in range(3):
        buffer.add(Event(32, point, 1, 1.0, 1, 0), 1)
    part = EventPart(EventSource(buffer), (1,))
    first, second = Fragment(17), Fragment(100)
    assert not part.fill(first)
    assert first.data.hex() == "200128" + "0100" + "00000101000000"
    assert part.fill(second)
    assert len(second.keys) == 2


def test_an_event_dropped_meanwhile_is_left_out():
    buffer = EventBuffer(2)
    for point in range(2):
        buffer.add(Event(2, point, 1, 1.0, 1, 0), 1)
    source = EventSource(buffer)
    source.queue((1,), 0)
    buffer.add(Event(2, 2, 1, 1.0, 1, 0), 1)
    fragment = Fragment(100)
    assert EventPart(source, (1,)).fill(fragment)
    assert [buffer.get(key).point for key in fragment.keys] == [1]


def test_narrow_and_wide_indices_do_not_share_a_header():
    buffer = EventBuffer()
    buffer.add(Event(2, 0, 1, 1.0, 1, 0, wide_index=False), 1)
    buffer.add(Event(2, 300, 1, 1.0, 1, 0, wide_index=True), 1)
    fragment = Fragment(100)
    EventPart(EventSource(buffer), (1,)).fill(fragment)
    assert fragment.data.hex() == "020117010001" + "02012801002c0101"


def test_a_short_count_starts_a_new_header_after_255_objects():
    buffer = EventBuffer()
    for point in range(260):
        buffer.add(Event(2, point & 0xFF, 1, 1.0, 1, 0, wide_index=False), 1)
    fragment = Fragment(2000)
    EventPart(EventSource(buffer), (1,)).fill(fragment)
    assert fragment.data[3] == 255
    assert fragment.data[4 + 255 * 2 + 3] == 5
