import pytest

from gridiface.errors import RemoteProtocolError
from gridiface.protocols.dnp3.application import IIN
from gridiface.protocols.dnp3.outstation.events import Event
from gridiface.protocols.dnp3.outstation.settings import TimePolicy
from gridiface.protocols.dnp3.points import PointConfig, PointType

AI = PointType.ANALOG_INPUT


def test_every_condition_has_its_indication(build):
    peer = build(need_time=True)
    station, state = peer.outstation.station, peer.association.state
    station.local_control = station.device_trouble = station.config_corrupt = True
    assert state.indications(peer.now) == (
        IIN.DEVICE_RESTART | IIN.NEED_TIME | IIN.LOCAL_CONTROL | IIN.DEVICE_TROUBLE | IIN.CONFIG_CORRUPT
    )


def test_34_overflow_is_told_until_the_buffer_has_room(build):
    peer = build(event_capacity=5)
    peer.clear_restart()
    for number in range(7):
        peer.update(PointType.BINARY_INPUT, 0, number & 1 ^ 1)
    assert peer.one("c0 17")[2:4].hex() == "0208"
    assert peer.one("c1 01 3c 02 06")[2:4].hex() == "0008"
    peer.silent("c1 00")
    assert peer.one("c2 17")[2:4].hex() == "0000"
    assert peer.buffer.dropped == 2


def test_event_times_follow_the_master_where_configured(build):
    for policy, shown in ((TimePolicy.REPORT_ONLY, 5_000_000), (TimePolicy.SHIFT_EVENTS, 5_000_500)):
        peer = build([PointConfig(AI, 0, event_class=1)], now=5000.0, time_policy=policy)
        peer.one("c0 02 32 01 07 01" + (5_000_500).to_bytes(6, "little").hex())
        peer.update(AI, 0, 1.0)
        (key,) = peer.buffer.keys()
        assert peer.buffer.get(key).time == shown


SECURITY_EVENT = Event(122, 2, 2, 1, 1, 5_000_000, wide_index=False)


def test_an_event_that_no_point_made_is_told_in_the_time_of_the_master_too(build):
    peer = build(now=5000.0, time_policy=TimePolicy.SHIFT_EVENTS, need_time=True)
    peer.association.state.add(SECURITY_EVENT, 1, 5000.0)
    peer.one("c0 02 32 01 07 01" + (5_000_500).to_bytes(6, "little").hex())
    peer.association.state.add(SECURITY_EVENT, 1, 5000.0)
    found = [peer.buffer.get(key) for key in sorted(peer.buffer.keys())]
    assert [(event.time, event.synchronised) for event in found] == [(5_000_000, False), (5_000_500, True)]


def test_event_times_count_as_synchronised_once_the_master_that_is_asked_for_it_wrote_the_time(build):
    # procedure 8.15: g51v2 before the first time write, g51v1 after it, also when the time is needed again
    peer = build([PointConfig(PointType.BINARY_INPUT, 0, event_class=1)], need_time=True, time_sync_interval=60.0)
    found = []
    for number in range(3):
        peer.update(PointType.BINARY_INPUT, 0, 1 - number % 2)
        response = peer.one(bytes((0xC0 | 2 * number, 1, 2, 3, 6)))
        found.append((response[4:7].hex(" "), response[2] & 0x10))
        peer.silent(bytes((0xC0 | 2 * number, 0)))
        if not number:
            peer.one("c1 02 32 01 07 01 00 00 00 00 8b 01")
        peer.now += 61 * number
    assert found[:2] == [("33 02 07", 0x10), ("33 01 07", 0)]
    assert found[2] == ("33 01 07", 0x10)


def test_a_freeze_that_was_missed_several_times_is_made_once(build):
    peer = build(now=1000.0)
    state = peer.association.state
    state.plan_freeze(0, 1000, [], 1000.0)
    state.run_freezes(1000.0)
    state.run_freezes(1010.5)
    assert [plan.due for plan in state.freezes] == [1011.0]


def test_planned_freezes_are_bounded(build):
    state = build().association.state
    for number in range(16):
        state.plan_freeze(5000 + number, 0, [], 0.0)
    with pytest.raises(RemoteProtocolError):
        state.plan_freeze(6000, 0, [], 0.0)


def test_an_interval_without_a_time_counts_from_the_beginning_of_the_hour(build):
    state = build(now=7_500.0).association.state
    state.plan_freeze(0, 900_000, [], 7_500.0)
    assert [plan.due for plan in state.freezes] == [8_100.0]  # 02:15, not a quarter of an hour from 02:05
    state.set_time(7_500_000 + 120_000, 7_500.0)
    state.plan_freeze(0, 600_000, [(PointType.COUNTER, 0, 1)], 7_500.0)
    assert state.freezes[1].due == 7_680.0  # 02:10 by the master's clock, which is two minutes ahead


def test_a_repeated_freeze_takes_the_place_of_the_one_of_the_same_points(build):
    state = build(now=0.0).association.state
    counters, analogs = [(PointType.COUNTER, 0, 5)], [(PointType.ANALOG_INPUT, 0, 5)]
    for seconds in range(1, 40):
        state.plan_freeze(0, 1000 * seconds, counters, 0.0)
    state.plan_freeze(0, 1000, analogs, 0.0)
    state.plan_freeze(9000, 0, counters, 0.0)
    assert [(plan.interval, plan.targets) for plan in state.freezes] == [(39, counters), (1, analogs), (0, counters)]


def test_an_interval_below_a_second_is_refused(build):
    state = build().association.state
    for interval in (1, 999):
        with pytest.raises(RemoteProtocolError, match="too short") as caught:
            state.plan_freeze(0, interval, [], 0.0)
        assert caught.value.answer == 0x0400
    assert state.freezes == []


def test_notices_are_bounded(build):
    peer = build()
    for number in range(5000):
        peer.ask(bytes((0xC0 | number & 15, 0x55)))
    assert len(peer.notices()) == 4096


def test_a_masters_time_goes_on_as_it_was_when_the_hosts_clock_is_set(build):
    peer = build([PointConfig(AI, 0, event_class=1)], now=5000.0, time_policy=TimePolicy.SHIFT_EVENTS, need_time=True,
                 time_sync_interval=60.0)  # fmt: skip
    state = peer.association.state
    peer.one("c0 02 32 01 07 01" + (5_000_500).to_bytes(6, "little").hex())
    state.plan_freeze(5_030_500, 0, [], 5000.0)
    peer.outstation.clock_set(3600.0, 8600.0)
    peer.now = 8601.0
    assert state.time_ms(peer.now) == 5_001_500
    assert [plan.due for plan in state.freezes] == [8630.0]
    assert not state.needs_time(8660.0)
    assert state.needs_time(8661.0)
    peer.update(AI, 0, 1.0)
    (key,) = peer.buffer.keys()
    assert peer.buffer.get(key).time == 5_001_500


def test_without_a_masters_time_the_hosts_clock_counts_as_it_is_set(build):
    state = build(now=5000.0, need_time=True).association.state
    state.plan_freeze(5_030_000, 0, [], 5000.0)
    state.clock_set(-100.0)
    assert state.time_ms(4900.0) == 4_900_000
    assert [plan.due for plan in state.freezes] == [5030.0]
    assert state.needs_time(4900.0)
