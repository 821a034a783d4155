from hypothesis import given
from hypothesis import strategies as st

from gridiface.protocols.dnp3.application import IIN
from gridiface.protocols.dnp3.outstation.events import Event, EventBuffer


def _event(point, group=32):
    return Event(group, point, 1, float(point), 1, 0)


def _points(buffer, keys):
    return [buffer.get(key).point for key in keys]


def test_order_is_kept_within_and_across_classes():
    buffer = EventBuffer()
    for number in range(9):
        buffer.add(_event(number), number % 3 + 1)
    assert _points(buffer, buffer.keys()) == list(range(9))
    assert _points(buffer, buffer.keys((2,))) == [1, 4, 7]


def test_groups_are_picked():
    buffer = EventBuffer()
    buffer.add(_event(1, 2), 1)
    buffer.add(_event(2, 32), 1)
    assert _points(buffer, buffer.keys(groups=frozenset((2,)))) == [1]


def test_selected_events_do_not_count_and_come_back_in_place():
    buffer = EventBuffer()
    for number in range(4):
        buffer.add(_event(number), 1)
    keys = buffer.keys()
    buffer.select(keys[:3])
    assert (buffer.waiting(1), _points(buffer, buffer.keys())) == (1, [3])
    assert buffer.unselected(keys[0]) is None
    assert buffer.unselected(keys[3]) is buffer.get(keys[3]) is not None
    assert (buffer.unconfirmed(1), buffer.unconfirmed(2)) == (3, 0)
    buffer.release(keys[:3])
    assert _points(buffer, buffer.keys()) == [0, 1, 2, 3]
    buffer.select(keys)
    buffer.confirm(keys)
    assert len(buffer) == 0
    assert buffer.get(keys[0]) is None


def test_indications_tell_what_is_unreported():
    buffer = EventBuffer()
    assert buffer.indications() == 0
    buffer.add(_event(1), 3)
    assert buffer.indications() == IIN.CLASS_3_EVENTS
    buffer.select(buffer.keys())
    assert buffer.indications() == 0


def test_a_full_class_drops_its_oldest_and_says_so_until_there_is_room():
    buffer = EventBuffer(2)
    for number in range(3):
        buffer.add(_event(number), 1)
    buffer.add(_event(9), 2)
    assert _points(buffer, buffer.keys((1,))) == [1, 2]
    assert buffer.indications() & IIN.EVENT_BUFFER_OVERFLOW
    assert buffer.overflowed
    assert buffer.dropped == 1
    buffer.confirm(buffer.keys((2,)))
    assert buffer.indications() & IIN.EVENT_BUFFER_OVERFLOW
    buffer.confirm(buffer.keys((1,))[:1])
    assert not buffer.indications() & IIN.EVENT_BUFFER_OVERFLOW
    assert not buffer.overflowed


def test_room_that_a_newer_value_made_in_a_full_class_is_filled_in_order():
    buffer = EventBuffer(3)
    buffer.add(_event(0), 1)
    buffer.add(_event(1), 1, most_recent_only=True)
    buffer.add(_event(2), 1)
    buffer.add(_event(3), 1)  # 0 goes
    buffer.add(_event(1), 2, most_recent_only=True)  # of another class by now: 1 goes, and makes room
    buffer.add_many([_event(4)], 1)
    for number in (5, 6, 7):
        buffer.add(_event(number), 1)
    assert _points(buffer, buffer.keys((1,))) == [5, 6, 7]
    assert buffer.dropped == 4


def test_a_full_class_can_drop_the_newest():
    buffer = EventBuffer(2, drop_oldest=False)
    for number in range(3):
        buffer.add(_event(number), 1)
    assert _points(buffer, buffer.keys()) == [0, 1]


def test_most_recent_only_replaces_what_was_not_sent():
    buffer = EventBuffer()
    for value in (1.0, 2.0):
        buffer.add(_event(5)._replace(value=value), 2, most_recent_only=True)
    (key,) = buffer.keys()
    assert buffer.get(key).value == 2.0
    buffer.select(buffer.keys())
    buffer.add(_event(5)._replace(value=3.0), 2, most_recent_only=True)
    assert len(buffer) == 2


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("add"), st.integers(1, 3)),
            st.tuples(st.sampled_from(["select", "release", "confirm"]), st.integers(0, 5)),
        ),
        max_size=60,
    )
)
def test_no_event_is_lost_or_doubled_whatever_happens(steps):
    buffer, alive, selected, number = EventBuffer(1000), [], set(), 0
    for what, value in steps:
        if what == "add":
            buffer.add(_event(number), value)
            alive.append(number)
            number += 1
        elif what == "select":
            keys = buffer.keys()[:value]
            selected |= set(keys)
            buffer.select(keys)
        elif what == "release":
            buffer.release(selected)
            selected = set()
        else:
            gone = set(_points(buffer, selected))
            buffer.confirm(selected)
            selected, alive = set(), [point for point in alive if point not in gone]
        assert len(buffer) == len(alive)
        assert sum(buffer.waiting(item) for item in (1, 2, 3)) == len(alive) - len(selected)
    buffer.release(selected)
    assert _points(buffer, buffer.keys()) == alive


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("add"), st.integers(1, 2), st.integers(0, 3), st.booleans()),
            st.tuples(st.just("many"), st.integers(1, 2), st.integers(1, 7), st.just(False)),
            st.tuples(st.just("confirm"), st.integers(1, 2), st.integers(0, 4), st.just(False)),
        ),
        max_size=80,
    )
)
def test_of_a_full_class_always_the_oldest_goes(steps):
    """Against a list for each class; points 0 to 3 may be told by their most recent event only."""
    buffer, kept, value = EventBuffer(5), {1: [], 2: []}, 0.0

    def came(event_class, point, alone):
        nonlocal value
        value += 1.0
        held = kept[event_class]
        if alone:
            held[:] = [one for one in held if not (one[0] == point and one[2])]
        held[:] = [*held, (point, value, alone)][-5:]
        return _event(point)._replace(value=value)

    for what, event_class, number, alone in steps:
        if what == "add":
            # a point is of one class, and is told in one way
            buffer.add(
                came(event_class, 10 * event_class + number + 4 * alone, alone), event_class, most_recent_only=alone
            )
        elif what == "many":
            buffer.add_many([came(event_class, 99, False) for _ in range(number)], event_class)
        else:
            buffer.confirm(buffer.keys((event_class,))[:number])
            del kept[event_class][:number]
        for other in (1, 2):
            found = [buffer.get(key) for key in buffer.keys((other,))]
            assert [(one.point, one.value) for one in found] == [one[:2] for one in kept[other]]
    assert all(len(order) <= 10 for order in buffer._order.values())


def test_a_limit_stops_early_and_keeps_the_order():
    buffer = EventBuffer()
    for number in range(9):
        buffer.add(_event(number), number % 3 + 1)
    buffer.select(buffer.keys()[:1])
    assert _points(buffer, buffer.keys(limit=4)) == [1, 2, 3, 4]
