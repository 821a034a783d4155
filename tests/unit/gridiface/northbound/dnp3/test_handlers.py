"""Commands judged and carried out on ports: statuses, controls, order, faults of the store."""

from dataclasses import replace

import pytest

from gridiface.domain.controls import ControlMode, Outcome, OutcomeKind, Verdict
from gridiface.errors import StoreUnavailable
from gridiface.northbound.dnp3.commissions import CommandLost
from gridiface.northbound.dnp3.settings import MasterEntry
from gridiface.protocols.dnp3.controls import (
    AnalogOutput,
    CommandMode,
    CommandRequest,
    CommandStatus,
    ControlRelayOutputBlock,
)
from gridiface.protocols.dnp3.handler import RestartKind
from gridiface.protocols.dnp3.points import PointType

NOW = 1.7e9
ON, OFF, PULSE = ControlRelayOutputBlock(3), ControlRelayOutputBlock(4), ControlRelayOutputBlock(1)


@pytest.fixture
def operate(station):
    """A function: operate a named output of one station and carry out what follows; the status."""
    kept = {}

    async def run(name, command, *, master=1, now=NOW, carry=True, **settings):
        one = kept.setdefault("station", None) or station(**settings)
        kept["station"] = run.station = one
        entry = one.settings.points.by_name[name]
        request = CommandRequest(
            one.database.find(entry.type, entry.index), command, CommandMode.DIRECT_OPERATE, master
        )
        status = one.handler.operate(request, now)
        for commission in one.handler.take() if carry else []:
            one.handler.follow(await one.handler.carry_out(commission, now))
        return status

    return run


def only(house):
    (control,) = house.live.values()
    return control


async def test_select_changes_nothing(station, house):
    one = station()
    point = one.database.find(PointType.ANALOG_OUTPUT, 0)
    request = CommandRequest(point, AnalogOutput(1.0), CommandMode.SELECT, 1)
    assert one.handler.select(request, NOW) is CommandStatus.SUCCESS
    assert one.handler.take() == []
    assert not house.live


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


async def test_without_a_hold_time_a_repeated_value_is_nothing_new(operate, house):
    await operate("MW set-point", AnalogOutput(2.0))
    assert await operate("MW set-point", AnalogOutput(2.0), now=NOW + 4) is CommandStatus.SUCCESS
    assert len(house.live) == 1


async def test_after_its_end_the_same_value_is_a_new_control(operate, house):
    await operate("MW set-point", AnalogOutput(2.0))
    name = only(house).id
    operate.station.on_outcome(Outcome(control_id=name, kind=OutcomeKind.SUPERSEDED, at=NOW))
    await operate("MW set-point", AnalogOutput(2.0), now=NOW + 4)
    assert len(house.live) == 2


async def test_a_devices_part_that_ends_is_not_the_end(operate, house):
    await operate("MW set-point", AnalogOutput(2.0))
    outcome = Outcome(control_id=only(house).id, kind=OutcomeKind.COMPLETED, at=NOW, device_id="b1")
    operate.station.on_outcome(outcome)
    assert operate.station.handler.outputs.runs("MW set-point")


async def test_masters_may_be_kept_from_a_point(operate, station_settings):
    masters = [MasterEntry(name="iso", address=1), MasterEntry(name="eye", address=2, may_control=False)]
    status = await operate("breaker", OFF, master=2, masters=masters)
    assert status is CommandStatus.NOT_AUTHORIZED


async def test_a_point_names_who_may_command_it(operate, station_settings):
    points = [
        replace(entry, masters=("dso",)) if entry.name == "breaker" else entry for entry in station_settings().points
    ]
    assert await operate("breaker", OFF, points=points) is CommandStatus.NOT_AUTHORIZED


async def test_blocks_of_one_output_and_of_all(operate):
    await operate("heartbeat", AnalogOutput(1.0))
    operate.station.apply(operate.station.tags.with_block("breaker", "tag 4711"))
    assert await operate("breaker", OFF) is CommandStatus.BLOCKED
    assert await operate("heartbeat", AnalogOutput(2.0)) is CommandStatus.SUCCESS
    operate.station.apply(operate.station.tags.with_block("", "maintenance"))
    assert await operate("heartbeat", AnalogOutput(3.0)) is CommandStatus.BLOCKED


async def test_the_breaker_becomes_connect(operate, house):
    assert await operate("breaker", ControlRelayOutputBlock(0x81)) is CommandStatus.SUCCESS
    assert only(house).values[ControlMode.CONNECT].value == 0
    assert await operate("breaker", ControlRelayOutputBlock(0)) is CommandStatus.NOT_SUPPORTED


async def test_pulses_that_come_before_the_store_answers_all_count(operate, house):
    await operate("raise", PULSE, carry=False)
    await operate("raise", PULSE, carry=False)
    await operate("raise", PULSE)
    assert [control.values[ControlMode.REGULATION].value for control in house.live.values()] == [1e5, 2e5, 3e5]


async def test_der_limit_acts_when_its_mode_is_enabled(operate, house):
    assert await operate("AO87", AnalogOutput(600, 1), points="der") is CommandStatus.SUCCESS
    assert not house.live
    assert await operate("BO17", ON) is CommandStatus.SUCCESS
    assert only(house).values[ControlMode.MAX_W_PERCENT].value == pytest.approx(60)
    assert await operate("BO17", OFF) is CommandStatus.SUCCESS
    assert not house.live
    assert operate.station.handler.outputs.held["AO87"].value == 600  # the value stays
    assert await operate("BO17", ON) is CommandStatus.SUCCESS
    assert only(house).values[ControlMode.MAX_W_PERCENT].value == pytest.approx(60)


async def test_der_power_factor_takes_its_sign_from_the_excitation(operate, house):
    await operate("BO28", ON, points="der")
    await operate("BO10", ON)
    await operate("AO210", AnalogOutput(95, 1))
    assert only(house).values[ControlMode.POWER_FACTOR_INJECT].value == pytest.approx(-0.95)


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


async def test_der_points_without_meaning_are_not_supported(operate):
    assert await operate("AO57", AnalogOutput(1, 1), points="der") is CommandStatus.NOT_SUPPORTED
    assert await operate("BO2", OFF) is CommandStatus.NOT_SUPPORTED


async def test_enabling_what_the_engine_refuses_does_not_enable(operate, house):
    await operate("AO87", AnalogOutput(600, 1), points="der")
    house.verdict = Verdict.SUPERSEDED
    assert await operate("BO17", ON) is CommandStatus.AUTOMATION_INHIBIT
    assert not operate.station.handler.outputs.is_on("BO17")


async def test_release_ends_what_this_master_has_in_force(operate, house):
    await operate("MW set-point", AnalogOutput(2.0))
    await operate("export limit", AnalogOutput(2.0))
    assert await operate("release all", ON) is CommandStatus.SUCCESS
    assert not house.live
    assert len(house.cancelled) == 2


async def test_a_store_that_fails_blocks_commands_for_a_while(operate, house):
    house.broken = True
    with pytest.raises(StoreUnavailable):
        await operate("MW set-point", AnalogOutput(2.0))
    assert operate.station.handler.in_trouble
    assert operate.station.handler.outputs.held["MW set-point"].value == 0
    house.broken = False
    assert await operate("MW set-point", AnalogOutput(2.0), now=NOW + 1) is CommandStatus.PROCESSING_LIMITED
    assert await operate("MW set-point", AnalogOutput(2.0), now=NOW + 6) is CommandStatus.SUCCESS
    assert not operate.station.handler.in_trouble


async def test_a_control_refused_after_its_preview_is_lost(operate, house):
    await operate("MW set-point", AnalogOutput(1.0))
    handler = operate.station.handler
    point = operate.station.database.find(PointType.ANALOG_OUTPUT, 0)
    handler.operate(CommandRequest(point, AnalogOutput(2.0), CommandMode.OPERATE, 1), NOW + 1)
    house.verdict = Verdict.BLOCKED
    (commission,) = handler.take()
    with pytest.raises(CommandLost):
        await handler.carry_out(commission, NOW + 1)
    assert handler.outputs.held["MW set-point"].value == 1.0
    assert handler.outputs.wanted("MW set-point", "iso") == 1e6


async def test_local_mode_of_the_target_explains_a_block(operate, house, seen):
    house.verdict = Verdict.BLOCKED
    house.states["fleet"] = replace(seen, local_control=True)
    assert await operate("MW set-point", AnalogOutput(1.0)) is CommandStatus.LOCAL


def test_restart_and_deadbands_are_for_those_who_may_control(station):
    masters = [MasterEntry(name="iso", address=1), MasterEntry(name="eye", address=2, may_control=False)]
    handler = station(masters=masters, restart_s=2.0).handler
    assert handler.restart(RestartKind.COLD, 1, NOW) == 2.0
    assert handler.restart(RestartKind.WARM, 2, NOW) is None
    assert handler.may_change_deadband(0, 1.0, 1, NOW)
    assert not handler.may_change_deadband(0, 1.0, 2, NOW)
