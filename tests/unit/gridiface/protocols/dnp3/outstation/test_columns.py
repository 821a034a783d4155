from gridiface.protocols.dnp3.objects import Flags
from gridiface.protocols.dnp3.outstation.columns import Column, Run
from gridiface.protocols.dnp3.points import PointConfig, PointType


def _column(point_type, indices, **more):
    return Column(point_type, [PointConfig(point_type, index, **more) for index in indices])


def test_runs_break_at_gaps_and_at_other_variations():
    configs = [PointConfig(PointType.ANALOG_INPUT, index) for index in (7, 1, 2)]
    configs.append(PointConfig(PointType.ANALOG_INPUT, 8, static_variation=1))
    column = Column(PointType.ANALOG_INPUT, configs)
    assert column.indices.tolist() == [1, 2, 7, 8]
    assert column.runs() == [Run(5, 0, 2), Run(5, 2, 3), Run(1, 3, 4)]
    assert column.runs(2) == [Run(2, 0, 2), Run(2, 2, 4)]


def test_class_0_leaves_points_out():
    configs = [PointConfig(PointType.ANALOG_INPUT, index, in_class_0=index != 1) for index in range(3)]
    assert Column(PointType.ANALOG_INPUT, configs).runs(class_0=True) == [Run(5, 0, 1), Run(5, 2, 3)]


def test_a_span_holds_the_points_within_a_range():
    column = _column(PointType.COUNTER, (1, 2, 7))
    assert column.span(0, 6) == (0, 2)
    assert column.span(3, 6) == (2, 2)
    assert column.span(7, 65_535) == (2, 3)


def test_images_follow_the_values():
    column = _column(PointType.ANALOG_INPUT, (0, 1), initial_flags=1)
    assert column.octets(30, 2, 0, 2).hex() == "010000010000"
    column.values[1] = 5
    column.changed()
    assert column.octets(30, 2, 1, 2).hex() == "010500"
    assert column.octets(34, 1, 0, 1).hex() == "0000"


def test_packed_states():
    column = _column(PointType.BINARY_INPUT, range(10), initial_flags=1)
    column.values[[0, 9]] = 1
    assert column.octets(1, 1, 0, 10).hex() == "0102"
    assert column.octets(1, 2, 8, 10).hex() == "0181"
    double = _column(PointType.DOUBLE_BIT_INPUT, range(5), initial_flags=1)
    double.values[:] = [0, 1, 2, 3, 2]
    assert double.octets(3, 1, 0, 5).hex() == "e402"
    assert double.octets(3, 2, 0, 4).hex() == "014181c1"


def test_packed_is_not_sent_when_a_point_is_not_plainly_online():
    column = _column(PointType.BINARY_INPUT, range(3), initial_flags=1)
    assert column.sendable(1, 0, 3) == 1
    column.flags[1] = Flags.COMM_LOST
    assert column.sendable(1, 0, 3) == 2
    assert column.sendable(1, 2, 3) == 1


def test_octet_strings_run_by_length():
    column = _column(PointType.OCTET_STRING, range(3))
    assert column.runs() == [Run(1, 0, 3)]
    for at, octets in enumerate((b"ab", b"cd", b"e")):
        column.set_string(at, octets)
    assert column.runs() == [Run(2, 0, 2), Run(1, 2, 3)]
    assert column.octets(110, 2, 0, 2) == b"abcd"
    assert column.runs(class_0=True) == []


def test_flags_hold_the_state():
    column = _column(PointType.BINARY_OUTPUT, range(1), initial_flags=1)
    assert column.with_state(1, 1.0) == 0x81
    assert not column.wide_index
    assert _column(PointType.COUNTER, (256,)).wide_index
