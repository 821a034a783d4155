"""What outputs ask of the engine: ramps, hold times, signs, droop, and its answer as a status."""

from dataclasses import replace

import pytest

from gridiface.domain.controls import ControlMode, Verdict
from gridiface.protocols.dnp3.controls import (
    AnalogOutput,
    CommandStatus,
    ControlRelayOutputBlock,
)

NOW = 1.7e9
ON, OFF, PULSE = ControlRelayOutputBlock(3), ControlRelayOutputBlock(4), ControlRelayOutputBlock(1)


def only(house):
    (control,) = house.live.values()
    return control


async def test_ramp_and_hold_time_come_from_their_outputs(operate, house):
    await operate("set-point ramp", AnalogOutput(6.0))  # MW/min
    await operate("set-point hold time", AnalogOutput(60.0))
    assert await operate("MW set-point", AnalogOutput(2.25)) is CommandStatus.SUCCESS
    control = only(house)
    assert control.ramp_s == pytest.approx(10.0)  # 1 MW at 0.1 MW/s
    assert control.interval.duration == 60


async def test_a_repeated_value_refreshes_a_hold_time(operate, house):
    await operate("set-point hold time", AnalogOutput(60.0))
    await operate("MW set-point", AnalogOutput(2.0))
    await operate("MW set-point", AnalogOutput(2.0), now=NOW + 30)
    assert sorted(control.interval.start for control in house.live.values()) == [NOW, NOW + 30]


async def test_der_power_factor_takes_its_sign_from_the_excitation(operate, house):
    await operate("BO28", ON, points="der")
    await operate("BO10", ON)
    await operate("AO210", AnalogOutput(95, 1))
    assert only(house).values[ControlMode.POWER_FACTOR_INJECT].value == pytest.approx(-0.95)


async def test_der_another_excitation_acts_at_once_while_its_mode_is_on(operate, house):
    await operate("BO28", ON, points="der")
    await operate("AO210", AnalogOutput(95, 1))
    assert await operate("BO10", OFF) is CommandStatus.SUCCESS  # as it is already
    assert len(house.live) == 1
    assert await operate("BO10", ON) is CommandStatus.SUCCESS
    newest = max(house.live.values(), key=lambda one: one.id)
    assert newest.values[ControlMode.POWER_FACTOR_INJECT].value == pytest.approx(-0.95)
    assert operate.station.handler.outputs.held["AO210"].value == 95
    await operate("BO28", OFF)
    assert await operate("BO10", OFF) is CommandStatus.SUCCESS
    await operate("BO28", ON)
    newest = max(house.live.values(), key=lambda one: one.id)
    assert newest.values[ControlMode.POWER_FACTOR_INJECT].value == pytest.approx(0.95)


async def test_der_droop_is_one_control_and_follows_its_parameters(operate, house):
    assert await operate("BO16", ON, points="der") is CommandStatus.SUCCESS
    droop = only(house).values[ControlMode.FREQUENCY_DROOP]
    assert droop.payload == {"dBOF": 36, "dBUF": 36, "kOF": 50, "kUF": 50, "openLoopTms": 500}
    assert await operate("AO64", AnalogOutput(40_000, 1)) is CommandStatus.SUCCESS
    assert await operate("AO62", AnalogOutput(100, 1)) is CommandStatus.SUCCESS
    payload = max(house.live.values(), key=lambda one: one.id).values[ControlMode.FREQUENCY_DROOP].payload
    assert (payload["kOF"], payload["dBOF"]) == (25, 100)
    assert await operate("AO68", AnalogOutput(0, 1)) is CommandStatus.OUT_OF_RANGE  # no droop at all
    assert await operate("BO44", ON) is CommandStatus.OUT_OF_RANGE  # W/Hz, and no nominal frequency is known
    for name, value in (("AO2", 60_000), ("AO480", 2_000_000_000), ("AO481", 2_000_000_000)):
        assert await operate(name, AnalogOutput(value, 1)) is CommandStatus.SUCCESS
    assert await operate("BO44", ON) is CommandStatus.SUCCESS
    assert await operate("BO16", OFF) is CommandStatus.SUCCESS
    assert operate.station.handler.outputs.held["AO62"].value == 100


async def test_local_mode_of_the_target_explains_a_block(operate, house, seen):
    house.verdict = Verdict.BLOCKED
    house.states["fleet"] = replace(seen, local_control=True)
    assert await operate("MW set-point", AnalogOutput(1.0)) is CommandStatus.LOCAL


async def test_the_state_of_the_target_is_summed_up_only_where_it_is_needed(operate, house, monkeypatch):
    asked = []
    found = type(house).snapshot

    def snapshot(self, target):
        asked.append(target.id)
        return found(self, target)

    await operate("set-point ramp", AnalogOutput(0.0))  # the station is made and has looked at its fleet
    monkeypatch.setattr(type(house), "snapshot", snapshot)
    assert await operate("MW set-point", AnalogOutput(2.0)) is CommandStatus.SUCCESS
    assert asked == []  # for a fleet of thousands it costs more than all the rest of a command
    await operate("set-point ramp", AnalogOutput(6.0))
    assert await operate("MW set-point", AnalogOutput(2.25)) is CommandStatus.SUCCESS
    assert asked == ["fleet"]
    house.verdict = Verdict.BLOCKED
    assert await operate("MW set-point", AnalogOutput(2.5)) is CommandStatus.BLOCKED
    assert asked == ["fleet"] * 3


async def test_der_ramp_rates_of_charge_and_discharge_count_while_they_are_used(operate, house):
    """From 1.25 MW now to 90 % of 4.5 MW, at 5 % of 5 MW by second; to -2 MW at 10 % down, then 20 % of 4 MW."""
    await operate("BO18", ON, points="der")
    for name, value in (("AO91", 60), ("AO96", 50), ("AO97", 100), ("AO98", 200)):
        assert await operate(name, AnalogOutput(value, 1)) is CommandStatus.SUCCESS

    def newest():
        return max(house.live.values(), key=lambda one: one.id).ramp_s

    assert await operate("AO93", AnalogOutput(900, 1)) is CommandStatus.SUCCESS
    assert newest() == 60  # the enabling ramp time
    assert await operate("BO38", ON) is CommandStatus.SUCCESS
    assert await operate("AO93", AnalogOutput(901, 1)) is CommandStatus.SUCCESS
    assert newest() == pytest.approx((0.901 * 4.5 - 1.25) / 0.25)
    assert await operate("AO508", AnalogOutput(-2_000_000, 1)) is CommandStatus.SUCCESS
    assert newest() == pytest.approx(1.25 / 0.5 + 2 / 0.8)
    house.states.clear()  # nobody knows from where
    assert await operate("AO508", AnalogOutput(-1_000_000, 1)) is CommandStatus.SUCCESS
    assert newest() == 60
