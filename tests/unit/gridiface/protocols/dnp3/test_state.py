import pytest

from gridiface.errors import RemoteProtocolError
from gridiface.protocols.dnp3.application import IIN
from gridiface.protocols.dnp3.points import PointConfig, PointType
from gridiface.protocols.dnp3.settings import TimePolicy

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


def test_a_freeze_that_was_missed_several_times_is_made_once(build):
    peer = build(now=1000.0)
    state = peer.association.state
    state.plan_freeze(0, 1000, [], 1000.0)
    state.run_freezes(1000.0)
    state.run_freezes(1010.5)
    assert [plan.due for plan in state.freezes] == [1011.0]


def test_planned_freezes_are_bounded(build):
    state = build().association.state
    for _ in range(16):
        state.plan_freeze(0, 1, [], 0.0)
    with pytest.raises(RemoteProtocolError):
        state.plan_freeze(0, 1, [], 0.0)


def test_notices_are_bounded(build):
    peer = build()
    for number in range(5000):
        peer.ask(bytes((0xC0 | number & 15, 0x55)))
    assert len(peer.notices()) == 4096
