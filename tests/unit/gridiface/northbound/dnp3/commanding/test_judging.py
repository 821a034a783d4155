"""What commands lead to: who may, armed values, modes and their priorities, what is kept and released."""

from dataclasses import replace

import pytest

from gridiface.domain.controls import ControlMode, Outcome, OutcomeKind, ServiceClass, Verdict
from gridiface.domain.fleet import Capability
from gridiface.northbound.dnp3.pointmap.meanings import Action
from gridiface.northbound.dnp3.pointmap.points import PointEntry
from gridiface.northbound.dnp3.profiles import profile
from gridiface.northbound.dnp3.settings import MasterEntry
from gridiface.protocols.dnp3.controls import (
    AnalogOutput,
    CommandMode,
    CommandRequest,
    CommandStatus,
    ControlRelayOutputBlock,
)
from gridiface.protocols.dnp3.points import PointType

NOW = 1.7e9
ON, OFF, PULSE = ControlRelayOutputBlock(3), ControlRelayOutputBlock(4), ControlRelayOutputBlock(1)


def only(house):
    (control,) = house.live.values()
    return control


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


async def test_a_tag_keeps_an_output_from_acting_by_its_mode_or_a_parameter_of_it(operate, house):
    assert await operate("AO87", AnalogOutput(600, 1), points="der") is CommandStatus.SUCCESS
    untagged = operate.station.tags
    operate.station.apply(untagged.with_block("AO87", "tag 4711"))
    assert await operate("BO17", ON) is CommandStatus.BLOCKED
    assert not house.live
    assert not operate.station.handler.outputs.is_on("BO17")
    operate.station.apply(untagged)
    assert await operate("BO17", ON) is CommandStatus.SUCCESS
    assert only(house).values[ControlMode.MAX_W_PERCENT].value == pytest.approx(60)
    operate.station.apply(untagged.with_block("AO87", "tag 4711"))
    assert await operate("AO84", AnalogOutput(30, 1)) is CommandStatus.SUCCESS  # for later: nothing acts anew with it
    assert await operate("BO17", OFF) is CommandStatus.SUCCESS  # to let go is no command of the tagged output
    assert not house.live


async def test_a_tag_keeps_an_output_from_turning_round_with_its_sign(operate, house):
    assert await operate("AO210", AnalogOutput(95, 1), points="der") is CommandStatus.SUCCESS
    assert await operate("BO28", ON) is CommandStatus.SUCCESS
    operate.station.apply(operate.station.tags.with_block("AO210", "tag 4711"))
    before = dict(house.live)
    assert await operate("BO10", ON) is CommandStatus.BLOCKED
    assert house.live == before


async def test_the_breaker_becomes_connect(operate, house):
    assert await operate("breaker", ControlRelayOutputBlock(0x81)) is CommandStatus.SUCCESS
    assert only(house).values[ControlMode.CONNECT].value == 0
    assert await operate("breaker", ControlRelayOutputBlock(0)) is CommandStatus.NOT_SUPPORTED


async def test_pulses_that_come_before_the_store_answers_all_count(operate, house):
    await operate("raise", PULSE, carry=False)
    await operate("raise", PULSE, carry=False)
    await operate("raise", PULSE)
    assert [control.values[ControlMode.REGULATION].value for control in house.live.values()] == [1e5, 2e5, 3e5]


def held(operate, name):
    found = operate.station.handler.outputs.held[name]
    return found.value, found.shown


@pytest.mark.parametrize(("name", "wire"), [("MW set-point", 9.0), ("regulation", 9.0), ("regulation", -9.0)])
async def test_what_can_be_done_in_part_is_taken_and_its_read_back_shows_the_part(operate, house, name, wire):
    house.verdict, house.feasible_w = Verdict.PARTIAL, 3e6 if wire > 0 else -3e6
    assert await operate(name, AnalogOutput(wire)) is CommandStatus.SUCCESS
    assert held(operate, name) == (wire, 3.0 if wire > 0 else -3.0)


@pytest.mark.parametrize("name", ["MW set-point", "regulation", "raise"])
async def test_where_it_is_so_configured_a_part_is_out_of_range_at_select_and_at_operate(operate, house, name):
    house.verdict, house.feasible_w = Verdict.PARTIAL, 3e6
    command = PULSE if name == "raise" else AnalogOutput(9.0)
    assert await operate(name, command, out_of_range_above_ratings=True) is CommandStatus.OUT_OF_RANGE
    entry = operate.station.settings.points.by_name[name]
    point = operate.station.database.find(entry.type, entry.index)
    request = CommandRequest(point, command, CommandMode.SELECT, 1)
    assert operate.station.handler.select(request, NOW) is CommandStatus.OUT_OF_RANGE
    assert not house.live
    assert held(operate, "regulation") == (0.0, 0.0)


async def test_pulses_beyond_what_can_be_done_are_not_to_be_taken_back_one_by_one(operate, house):
    await operate("raise", PULSE)
    house.verdict, house.feasible_w = Verdict.PARTIAL, 1.5e5
    for _ in range(5):
        assert await operate("raise", PULSE) is CommandStatus.SUCCESS
        assert held(operate, "regulation")[1] == pytest.approx(0.15)
    house.verdict, house.feasible_w = Verdict.ACCEPTED, 0.5e5
    assert await operate("lower", PULSE) is CommandStatus.SUCCESS
    assert list(house.live.values())[-1].values[ControlMode.REGULATION].value == pytest.approx(0.5e5)


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


async def test_der_points_without_meaning_are_not_supported(operate):
    served = profile("der")
    assert "AO32" not in {entry.name for entry in served}
    none = PointEntry(type=PointType.ANALOG_OUTPUT, index=32, name="AO32", action=Action.NONE)
    assert await operate("AO32", AnalogOutput(1, 1), points=[*served, none]) is CommandStatus.NOT_SUPPORTED
    assert await operate("BO2", OFF) is CommandStatus.NOT_SUPPORTED


async def test_a_mode_that_no_member_can_carry_out_is_not_enabled(operate, house, battery):
    plate = replace(battery.nameplate, capabilities=frozenset({Capability.SET_W}))
    house.known["b1"] = replace(battery, nameplate=plate)
    assert await operate("BO26", ON, points="der") is CommandStatus.NOT_SUPPORTED  # freq-watt curve
    assert operate.station.handler.outputs.held["BO26"].value == 0
    assert await operate("BO26", OFF) is CommandStatus.SUCCESS
    assert await operate("BO17", ON) is CommandStatus.SUCCESS  # a limit can be kept by set-points
    house.known.clear()  # members may still come
    assert await operate("BO26", ON) is CommandStatus.SUCCESS


async def test_a_start_and_a_stop_need_their_permissions(operate, house):
    assert await operate("BO4", OFF, points="der") is CommandStatus.SUCCESS
    assert await operate("BO2", ON) is CommandStatus.BLOCKED
    assert house.live == {}
    assert await operate("BO4", ON) is CommandStatus.SUCCESS
    assert await operate("BO2", ON) is CommandStatus.SUCCESS
    assert await operate("BO3", OFF) is CommandStatus.SUCCESS
    assert await operate("BO1", ON) is CommandStatus.BLOCKED
    assert await operate("BO3", ON) is CommandStatus.SUCCESS
    assert await operate("BO1", ON) is CommandStatus.SUCCESS


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


async def test_an_output_that_takes_one_value_refuses_others(operate):
    assert await operate("AO4", AnalogOutput(1, 1), points="der") is CommandStatus.SUCCESS  # sign convention
    assert await operate("AO4", AnalogOutput(2, 1)) is CommandStatus.OUT_OF_RANGE
    assert operate.station.handler.outputs.held["AO4"].value == 1


async def test_der_limit_downwards_in_percent_only_forbids_consumption(operate, house):
    await operate("BO17", ON, points="der")
    assert await operate("AO88", AnalogOutput(0, 1)) is CommandStatus.SUCCESS
    assert only(house).values[ControlMode.IMPORT_LIMIT].value == 0
    assert await operate("AO88", AnalogOutput(500, 1)) is CommandStatus.OUT_OF_RANGE


async def test_der_agc_target_is_a_set_point_of_the_regulation_class(operate, house):
    await operate("AO146", AnalogOutput(-200_000, 1), points="der")
    assert not house.live
    assert await operate("BO23", ON) is CommandStatus.SUCCESS
    assert only(house).values[ControlMode.SET_W].value == -200_000
    assert only(house).service_class is ServiceClass.REGULATION


def targets(house):
    return sorted(name for control in house.live.values() for name in [control.extra["point"]])


async def test_of_two_modes_of_a_family_the_smaller_priority_number_acts_and_the_other_waits(operate, house):
    for name, value in (("AO199", 5), ("AO206", 2), ("AO203", 300), ("AO210", 95)):
        assert await operate(name, AnalogOutput(value, 1), points="der") is CommandStatus.SUCCESS
    assert await operate("BO27", ON) is CommandStatus.SUCCESS
    assert targets(house) == ["AO203"]
    assert await operate("BO28", ON) is CommandStatus.SUCCESS  # power factor outranks constant vars
    assert targets(house) == ["AO210"]
    assert await operate("AO203", AnalogOutput(400, 1)) is CommandStatus.SUCCESS  # kept for later
    assert targets(house) == ["AO210"]
    assert await operate("BO28", OFF) is CommandStatus.SUCCESS
    assert targets(house) == ["AO203"]
    assert only(house).values[ControlMode.SET_VAR_PERCENT].value == pytest.approx(40)
    await operate("BO28", ON)
    assert await operate("AO199", AnalogOutput(1, 1)) is CommandStatus.SUCCESS  # a new priority counts at once
    assert targets(house) == ["AO203"]
    outputs = operate.station.handler.outputs
    assert (outputs.is_on("BO27"), outputs.is_on("BO28")) == (True, True)


async def test_of_equal_priorities_the_engine_decides(operate, house):
    for name, value in (("AO203", 300), ("AO210", 95)):
        await operate(name, AnalogOutput(value, 1), points="der")
    await operate("BO27", ON)
    await operate("BO28", ON)
    assert targets(house) == ["AO203", "AO210"]


async def test_a_mode_that_waits_takes_over_when_the_others_time_is_over(operate, house):
    for name, value in (("AO89", 1), ("AO92", 60), ("AO93", 500), ("AO142", 2), ("AO146", 1000)):
        await operate(name, AnalogOutput(value, 1), points="der")
    await operate("BO23", ON)
    await operate("BO18", ON)
    assert targets(house) == ["AO93"]
    station = operate.station
    station.on_outcome(Outcome(control_id=only(house).id, kind=OutcomeKind.COMPLETED, at=NOW + 60))
    house.live.clear()
    for commission in station.handler.take():
        station.handler.follow(await station.handler.carry_out(commission, NOW + 60))
    assert targets(house) == ["AO146"]
    assert not station.handler.outputs.is_on("BO18")


async def test_a_mode_that_cannot_take_over_does_not_hinder_the_switch(operate, house):
    for name, value in (("AO199", 5), ("AO206", 2), ("AO203", 300), ("AO210", 95)):
        await operate(name, AnalogOutput(value, 1), points="der")
    await operate("BO27", ON)
    await operate("BO28", ON)
    house.verdict = Verdict.SUPERSEDED
    assert await operate("BO28", OFF) is CommandStatus.SUCCESS
    assert not operate.station.handler.outputs.is_on("BO28")
    assert targets(house) == []


async def test_der_return_to_service_becomes_a_control_of_its_own_for_each_setting(operate, house):
    for name, raw, mode, value in (
        ("AO6", 10_500, ControlMode.ENTER_V_HIGH, 105.0),
        ("AO7", 9_170, ControlMode.ENTER_V_LOW, 91.7),
        ("AO8", 60_100, ControlMode.ENTER_HZ_HIGH, 60.1),
        ("AO9", 59_500, ControlMode.ENTER_HZ_LOW, 59.5),
        ("AO10", 300, ControlMode.ENTER_DELAY, 300.0),
        ("AO11", 20, ControlMode.ENTER_RANDOM_DELAY, 20.0),
        ("AO12", 60, ControlMode.ENTER_RAMP, 60.0),
    ):
        assert await operate(name, AnalogOutput(raw, 1), points="der") is CommandStatus.SUCCESS
        asked = max(house.live.values(), key=lambda one: one.id.rpartition(":")[2])
        assert asked.values == {mode: asked.values[mode]}
        assert asked.values[mode].value == pytest.approx(value)
        assert asked.interval.duration is None
    assert len(house.live) == 7
    await operate("AO10", AnalogOutput(60, 1))
    assert len({control.source.program for control in house.live.values()}) == 7  # the later replaces the earlier


async def test_der_return_to_service_that_no_member_can_be_told_is_not_supported(operate, house):
    house.verdict = Verdict.UNSUPPORTED
    assert await operate("AO10", AnalogOutput(300, 1), points="der") is CommandStatus.NOT_SUPPORTED
    assert operate.station.handler.outputs.held["AO10"].value == 0
    # the time window is ours, too: a start command is put off by chance within it
    assert await operate("AO11", AnalogOutput(300, 1)) is CommandStatus.SUCCESS
    assert operate.station.handler.outputs.held["AO11"].value == 300
    assert not house.live


async def test_a_bound_that_leaves_nothing_of_the_window_is_out_of_range(operate, house, battery):
    house.known["b1"] = replace(battery, settings=replace(battery.settings, enter_hz_high=60.1, enter_hz_low=59.5))
    assert await operate("AO9", AnalogOutput(60_100, 1), points="der") is CommandStatus.OUT_OF_RANGE
    assert await operate("AO8", AnalogOutput(60_400, 1)) is CommandStatus.SUCCESS
    assert await operate("AO9", AnalogOutput(60_100, 1)) is CommandStatus.SUCCESS  # what was asked before counts
    assert await operate("AO8", AnalogOutput(60_100, 1)) is CommandStatus.OUT_OF_RANGE


async def test_der_limits_of_the_droop_that_limit_nothing_are_taken_and_others_are_not(operate, house):
    rated = 2_147_483_647  # mW: less than the 5 MW that the target is rated, the most that the point can say
    assert await operate("AO483", AnalogOutput(rated, 1), points="der") is CommandStatus.SUCCESS
    assert await operate("AO483", AnalogOutput(rated - 1, 1)) is CommandStatus.OUT_OF_RANGE
    assert await operate("AO482", AnalogOutput(0, 1)) is CommandStatus.SUCCESS
    assert await operate("AO482", AnalogOutput(1, 1)) is CommandStatus.OUT_OF_RANGE
    assert await operate("AO14", AnalogOutput(0, 1)) is CommandStatus.SUCCESS
    assert await operate("AO14", AnalogOutput(5, 1)) is CommandStatus.OUT_OF_RANGE


@pytest.mark.parametrize(
    ("able", "output", "limit", "named"),
    [
        (Capability.FREQUENCY_DROOP_LEAST, "AO482", 1_000_000_000, {"minW": 2_000}),
        (Capability.FREQUENCY_DROOP_MOST, "AO483", 2_000_000_000, {"maxW": 4_000}),
    ],
)
async def test_der_limits_of_the_droop_go_with_it_where_a_member_can_be_told(
    operate, house, battery, able, output, limit, named
):
    plate = replace(battery.nameplate, capabilities=frozenset({Capability.FREQUENCY_DROOP, able}))
    house.known["b1"] = replace(battery, nameplate=plate)

    def newest():
        return max(house.live.values(), key=lambda one: one.id).values[ControlMode.FREQUENCY_DROOP].payload

    assert await operate("BO16", ON, points="der") is CommandStatus.SUCCESS
    assert newest().keys().isdisjoint(named)
    assert await operate(output, AnalogOutput(limit, 1)) is CommandStatus.SUCCESS  # acts at once
    assert newest().items() >= named.items()
    house.known["b1"] = battery  # nobody any more: what limits nothing is taken, and then nothing is named
    assert await operate(output, AnalogOutput(limit - 1, 1)) is CommandStatus.OUT_OF_RANGE
    none = {"AO482": 0, "AO483": 2_147_483_647}[output]
    assert await operate(output, AnalogOutput(none, 1)) is CommandStatus.SUCCESS
    assert newest().keys().isdisjoint(named)
