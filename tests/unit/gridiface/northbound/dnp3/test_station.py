"""A station's points follow the fleet, its outputs and its read-backs."""

from dataclasses import replace

import pytest

from gridiface.domain.changes import Document
from gridiface.domain.controls import Target, TargetKind
from gridiface.domain.telemetry import OperatingState, Quality
from gridiface.errors import ConfigError
from gridiface.northbound.dnp3.pointmap.meanings import Measure
from gridiface.northbound.dnp3.pointmap.points import PointEntry
from gridiface.northbound.dnp3.settings import QualityPolicy
from gridiface.northbound.dnp3.tags import Tags
from gridiface.protocols.dnp3.controls import AnalogOutput, CommandStatus, ControlRelayOutputBlock
from gridiface.protocols.dnp3.objects import Flags
from gridiface.protocols.dnp3.points import PointType

NOW = 1.7e9
AI, BI, AO = PointType.ANALOG_INPUT, PointType.BINARY_INPUT, PointType.ANALOG_OUTPUT
CT = PointType.COUNTER
ON, OFF = ControlRelayOutputBlock(3), ControlRelayOutputBlock(4)


def test_a_refresh_writes_values_flags_and_source_times(station, seen):
    one = station()
    assert one.refresh(NOW) > 10
    assert one.database.value(AI, 0) == (1.25, Flags.ONLINE, round(seen.source_time * 1000))
    assert one.database.value(AI, 9)[0] == 4.0
    assert one.refresh(NOW + 1) == 1  # the heartbeat alone


def test_small_changes_stay_within_the_dead_band(station, house, seen):
    one = station()
    one.refresh(NOW)
    house.states["fleet"] = replace(seen, w=1.30e6)
    assert one.refresh(NOW + 2) == 1
    house.states["fleet"] = replace(seen, w=1.36e6)
    assert one.refresh(NOW + 4) >= 2


def test_a_lost_fleet_keeps_values_and_loses_online(station, house, seen):
    one = station()
    one.refresh(NOW)
    house.states["fleet"] = replace(seen, quality=Quality.BAD)
    one.refresh(NOW + 1)
    assert one.database.value(AI, 0)[:2] == (1.25, Flags.COMM_LOST)
    del house.states["fleet"]
    one.refresh(NOW + 2)
    assert one.database.value(AI, 0)[:2] == (1.25, Flags.COMM_LOST)


def test_a_fleet_that_never_spoke_is_in_its_restart_state(station, house):
    house.states.clear()
    one = station()
    one.refresh(NOW)
    assert one.database.value(AI, 0)[1] == Flags.COMM_LOST | Flags.RESTART
    assert one.database.value(AI, 8)[:2] == (5.0, Flags.ONLINE)  # a rating


def test_frequency_comes_from_the_meter_or_a_member(station, house, seen, battery):
    house.states["b1"] = replace(seen, device_id="b1", hz=49.9)
    one = station()
    one.refresh(NOW)
    assert one.database.value(AI, 3)[0] == 49.9
    house.known["meter"] = replace(battery, id="meter")
    house.meter, house.states["meter"] = "meter", replace(seen, hz=50.1)
    one.refresh(NOW + 1)
    assert one.database.value(AI, 3)[0] == 49.9  # what is summed up is looked at anew after a while
    one.refresh(NOW + 20)
    assert one.database.value(AI, 3)[0] == 50.1


def test_a_point_may_speak_of_a_device_of_its_own(station, house, seen):
    house.states["b1"] = replace(seen, device_id="b1", w=7.0)
    target = Target(TargetKind.DEVICE, "b1")
    entries = [
        PointEntry(type=AI, index=0, name="fleet", measure=Measure.W),
        PointEntry(type=AI, index=1, name="b1", measure=Measure.W, target=target),
        PointEntry(type=AI, index=2, name="rated", measure=Measure.RATED_W, target=target),
    ]
    one = station(points=entries)
    one.refresh(NOW)
    assert [one.database.value(AI, index)[0] for index in range(3)] == [1.25e6, 7.0, 5e6]


def test_heartbeats_move_at_each_refresh(station):
    entries = [
        PointEntry(type=AI, index=0, name="count", measure=Measure.HEARTBEAT),
        PointEntry(type=BI, index=0, name="toggle", measure=Measure.HEARTBEAT),
    ]
    one = station(points=entries)
    seen = []
    for step in range(4):
        one.refresh(NOW + step)
        seen.append((one.database.value(AI, 0)[0], one.database.value(BI, 0)[0]))
    assert seen == [(1, 1), (2, 0), (3, 1), (4, 0)]


def test_local_mode_and_store_trouble_are_indicated(station, house, seen):
    one = station()
    one.apply(Tags(local=True))
    assert one.outstation.station.local_control
    one.apply(Tags())
    assert not one.outstation.station.local_control
    house.states["fleet"] = replace(seen, local_control=True)
    one.refresh(NOW)
    assert one.outstation.station.local_control


def test_only_outputs_can_be_blocked(station):
    one = station()
    with pytest.raises(ConfigError, match="no output"):
        one.check_output("net power")
    one.check_output("breaker")
    one.check_output("")
    one.apply(one.tags.with_block("breaker", "why"))
    assert one.tags.blocked == {"breaker": "why"}


def test_what_was_set_is_taken_up_after_a_restart(station):
    kept = Tags(local=True, blocked={"breaker": "tag 4711"}).document("gw")
    one = station(local=False)
    one.restore([Document(kept.space, kept.key, kept.body)], [], NOW)
    assert one.tags == Tags(True, {"breaker": "tag 4711"})
    assert one.outstation.station.local_control


def test_outputs_are_online_and_those_without_meaning_are_not(station):
    one = station("der")
    assert one.database.value(AO, 87)[:2] == (1000, Flags.ONLINE)
    one.refresh(NOW)
    assert one.database.value(AI, 36)[:2] == (6_000_000, Flags.ONLINE)
    assert one.database.value(AI, 121)[:2] == (36, 0)  # droop is disabled


async def test_energy_is_counted_kept_and_frozen(station, house, seen):
    one = station("der")
    house.states["fleet"] = replace(seen, w=3.6e6)
    for second in (0, 10, 20):
        one.refresh(NOW + second)
    assert one.database.value(CT, 0)[:2] == (20_000, Flags.ONLINE)
    one.handle_timer(NOW + 20)
    one.handle_timer(NOW + 90)
    (commission,) = one.handler.take()
    await one.handler.carry_out(commission, NOW + 90)
    other = station("der")
    other.restore(await house.documents(""), [], NOW + 100)
    other.refresh(NOW + 100)
    assert other.database.value(CT, 0)[0] == 20_000
    assert (PointType.FROZEN_COUNTER, 0) in {(point.type, point.index) for point in other.settings.points.core()}


def test_stale_readings_keep_their_source_time(station, house, seen):
    one = station()
    one.refresh(NOW)
    house.states["fleet"] = replace(seen, quality=Quality.STALE)
    one.refresh(NOW + 100)
    assert one.database.value(AI, 0)[2] == round(seen.source_time * 1000)


def test_what_is_beyond_the_range_of_an_input_is_its_bound_over_range(station, house, seen):
    one = station("der")
    house.states["fleet"] = replace(seen, w=4e9)
    one.refresh(NOW)
    assert one.database.value(AI, 537)[:2] == (2**31 - 1, Flags.ONLINE | Flags.OVER_RANGE)
    house.states["fleet"] = replace(seen, w=float(2**31 - 1))
    one.refresh(NOW + 1)
    assert one.database.value(AI, 537)[:2] == (2**31 - 1, Flags.ONLINE)


async def test_inputs_of_a_disabled_function_tell_their_values_without_online(operate, house):
    """IEEE 1815.2, 6.1.1: all but whether it is supported and whether it is enabled."""
    assert await operate("AO87", AnalogOutput(400, 1), points="der") is CommandStatus.SUCCESS
    one = operate.station
    one.refresh(NOW)
    names = {AI: (148, 149, 142, 147, 619), BI: (93,)}
    assert one.database.value(AI, 148)[:2] == (400, 0)
    assert {one.database.value(kind, at)[1] & Flags.ONLINE for kind, of in names.items() for at in of} == {0}
    assert one.database.value(AI, 147)[0] == 1_250_000  # the measured power, still sent
    for always in (36, 69):
        assert one.database.value(BI, always)[1] & Flags.ONLINE
    assert await operate("BO17", ON) is CommandStatus.SUCCESS
    assert one.database.value(AI, 148)[:2] == (400, Flags.ONLINE)  # at once
    one.refresh(NOW + 1)
    assert one.database.value(AI, 147)[1] == Flags.ONLINE
    assert await operate("BO17", OFF) is CommandStatus.SUCCESS
    assert one.database.value(AI, 148)[:2] == (400, 0)


async def test_a_start_and_a_stop_are_told_until_they_are_done(operate, house, seen):
    """BI12 starting up, BI13 stopping, BI14 started, BI15 stopped: what becomes of it, at once and no longer."""

    def told():
        return [one.database.value(BI, index)[0] for index in (12, 13, 14, 15)]

    assert await operate("AO11", AnalogOutput(0, 1), points="der") is CommandStatus.SUCCESS
    one = operate.station
    one.refresh(NOW)
    assert told() == [0, 0, 1, 0]
    assert await operate("BO2", ON) is CommandStatus.SUCCESS
    assert told() == [0, 1, 1, 0]
    house.states["fleet"] = replace(seen, state=OperatingState.OFF)
    one.refresh(NOW + 1)
    assert told() == [0, 0, 0, 1]
    assert await operate("BO1", ON) is CommandStatus.SUCCESS
    assert told() == [1, 0, 0, 1]
    house.states["fleet"] = seen
    one.refresh(NOW + 2)
    assert told() == [0, 0, 1, 0]
    house.states.clear()
    one.refresh(NOW + 3)
    assert one.database.value(BI, 15)[1] == Flags.COMM_LOST


async def test_masters_that_discard_what_is_not_online_can_have_it_online(operate):
    quality = QualityPolicy(disabled_offline=False)
    assert await operate("AO87", AnalogOutput(400, 1), points="der", quality=quality) is CommandStatus.SUCCESS
    operate.station.refresh(NOW)
    assert operate.station.database.value(AI, 148)[:2] == (400, Flags.ONLINE)
