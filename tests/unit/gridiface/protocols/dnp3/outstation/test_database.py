import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridiface.errors import LocalProtocolError
from gridiface.protocols.dnp3.objects import Flags
from gridiface.protocols.dnp3.outstation.database import Database
from gridiface.protocols.dnp3.points import EventMode, PointConfig, PointType

NOW = 1_700_000_000.0
AI, BI = PointType.ANALOG_INPUT, PointType.BINARY_INPUT


class Listening:
    def __init__(self, *points):
        self.database = Database(points)
        self.changes = []
        self.database.listen(lambda changes, now: self.changes.extend(changes))

    def values(self):
        return [change.event.value for change in self.changes]


def test_points_are_found_by_name_and_by_index():
    database = Database([PointConfig(AI, 3, "W", event_class=1)])
    assert database.point("W") is database.find(AI, 3)
    assert database.find(AI, 4) is None
    with pytest.raises(LocalProtocolError, match="'var'"):
        database.point("var")


def test_a_point_or_a_name_twice_is_refused():
    with pytest.raises(LocalProtocolError, match="twice"):
        Database([PointConfig(AI, 3), PointConfig(AI, 3)])
    with pytest.raises(LocalProtocolError, match="twice"):
        Database([PointConfig(AI, 3, "W"), PointConfig(AI, 4, "W")])


def test_an_update_is_stored_with_flags_and_time():
    database = Database([PointConfig(AI, 3)])
    assert database.value(AI, 3) == (0.0, Flags.RESTART, 0)
    database.update(NOW, AI, 3, 7.5, Flags.ONLINE | Flags.COMM_LOST)
    assert database.value(AI, 3) == (7.5, 5, 1_700_000_000_000)
    with pytest.raises(LocalProtocolError, match="analog input 9"):
        database.update(NOW, AI, 9, 1)


def test_35_the_dead_band_is_against_the_last_reported_value():
    heard = Listening(PointConfig(AI, 0, deadband=1.0))
    for value in (0.0, 1.0, 1.01, 2.0, 0.5, -0.6):
        heard.database.update(NOW, AI, 0, value)
    assert heard.values() == [0.0, 1.01, -0.6]


def test_36_a_change_of_flags_alone_is_an_event():
    heard = Listening(PointConfig(AI, 0, deadband=100.0))
    for flags in (Flags.ONLINE, Flags.ONLINE, Flags.COMM_LOST):
        heard.database.update(NOW, AI, 0, 0.0, flags)
    assert [change.event.flags for change in heard.changes] == [1, 4]


def test_binary_events_carry_the_state_in_the_flags():
    heard = Listening(PointConfig(BI, 0))
    for value in (0, 1, 1, 0):
        heard.database.update(NOW, BI, 0, value)
    assert [change.event.flags for change in heard.changes] == [0x01, 0x81, 0x01]


@pytest.mark.parametrize(
    ("mode", "events", "static"),
    [
        (EventMode.DETECT, 1, 5.0),
        (EventMode.FORCE, 2, 5.0),
        (EventMode.SUPPRESS, 0, 5.0),
        (EventMode.EVENT_ONLY, 2, 0.0),
    ],
)
def test_event_modes(mode, events, static):
    heard = Listening(PointConfig(AI, 0, mode=mode))
    for _ in range(2):
        heard.database.update(NOW, AI, 0, 5.0)
    assert len(heard.changes) == events
    assert heard.database.value(AI, 0)[0] == static


def test_the_mode_of_one_update_overrides_the_points():
    heard = Listening(PointConfig(AI, 0))
    heard.database.update(NOW, AI, 0, 0.0)
    assert heard.database.update(NOW, AI, 0, 0.0, mode=EventMode.FORCE)
    assert not heard.database.update(NOW, AI, 0, 9.0, mode=EventMode.SUPPRESS)


def test_not_a_number_is_reported_once():
    heard = Listening(PointConfig(AI, 0))
    for value in (1.0, math.nan, math.nan, 2.0):
        heard.database.update(NOW, AI, 0, value)
    assert len(heard.changes) == 3


@given(
    st.lists(
        st.lists(
            st.tuples(st.one_of(st.floats(-100, 100), st.just(math.nan)), st.sampled_from([1, 4, 5])),
            min_size=4,
            max_size=4,
        ),
        max_size=8,
    )
)
def test_many_at_once_make_the_events_of_one_by_one(batches):
    configs = [
        PointConfig(AI, index, deadband=index * 5.0, mode=mode)
        for index, mode in enumerate((EventMode.DETECT, EventMode.FORCE, EventMode.SUPPRESS, EventMode.DETECT))
    ]
    singly, at_once = Listening(*configs), Listening(*configs)
    for batch in batches:
        for index, (value, flags) in enumerate(batch):
            singly.database.update(NOW, AI, index, value, flags)
        at_once.database.update_many(NOW, AI, [value for value, _ in batch], flags=[flags for _, flags in batch])
    assert repr(singly.changes) == repr(at_once.changes)


def test_many_at_once_need_as_many_numbers_as_points():
    database = Database([PointConfig(AI, 0), PointConfig(AI, 7), PointConfig(PointType.OCTET_STRING, 0)])
    assert database.update_many(NOW, AI, [1.0], [7]) == 1
    with pytest.raises(LocalProtocolError, match="as many"):
        database.update_many(NOW, AI, [1.0])
    with pytest.raises(LocalProtocolError, match="there is no analog input 8"):
        database.update_many(NOW, AI, [1.0], [8])
    with pytest.raises(LocalProtocolError):
        database.update_many(NOW, PointType.OCTET_STRING, [1.0])


def test_freeze_copies_with_the_time_and_clear_zeroes_the_running_value():
    counter, frozen = PointType.COUNTER, PointType.FROZEN_COUNTER
    heard = Listening(PointConfig(counter, 0), PointConfig(counter, 1), PointConfig(frozen, 1, event_class=3))
    for index in (0, 1):
        heard.database.update(NOW, counter, index, 40 + index)
    heard.changes.clear()
    heard.database.freeze(NOW + 1, counter, 0, 2, clear=False)
    assert heard.database.value(frozen, 1) == (41.0, 1, 1_700_000_001_000)
    assert [change.event.group for change in heard.changes] == [23]
    heard.database.freeze(NOW + 2, counter, 0, 2, clear=True)
    assert heard.database.value(counter, 0)[0] == 0
    assert heard.database.is_freezable(counter)
    assert not heard.database.is_freezable(AI)
    with pytest.raises(LocalProtocolError, match="no frozen"):
        heard.database.freeze(NOW, BI, 0, 0, clear=False)


def test_octet_strings_have_1_to_255_octets():
    heard = Listening(PointConfig(PointType.OCTET_STRING, 0), PointConfig(PointType.VIRTUAL_TERMINAL, 0))
    heard.database.set_octets(NOW, 0, b"abc")
    heard.database.set_octets(NOW, 0, b"abc")
    for _ in range(2):
        heard.database.set_octets(NOW, 0, b"> ", PointType.VIRTUAL_TERMINAL)
    assert heard.values() == [b"abc", b"> ", b"> "]
    for octets in (b"", bytes(256)):
        with pytest.raises(LocalProtocolError, match="1 to 255"):
            heard.database.set_octets(NOW, 0, octets)
    with pytest.raises(LocalProtocolError, match="set_octets"):
        heard.database.update(NOW, PointType.OCTET_STRING, 0, 1)


def test_commands_are_reported_where_configured():
    heard = Listening(
        PointConfig(PointType.BINARY_OUTPUT, 0, command_event_class=1), PointConfig(PointType.ANALOG_OUTPUT, 0)
    )
    heard.database.report_command(NOW, PointType.BINARY_OUTPUT, 0, 1.0, 4)
    heard.database.report_command(NOW, PointType.ANALOG_OUTPUT, 0, 1.0, 4)
    assert [(change.event.group, change.event.flags, change.command_class) for change in heard.changes] == [
        (13, 0x84, 1)
    ]


def test_dead_bands_change_at_run_time():
    heard = Listening(PointConfig(AI, 0))
    heard.database.set_deadband(0, 10.0)
    heard.database.update(NOW, AI, 0, 0.0)
    heard.database.update(NOW, AI, 0, 10.0)
    assert heard.values() == [0.0]
