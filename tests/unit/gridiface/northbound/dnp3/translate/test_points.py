"""Snapshots and ratings as points: values, flags by quality, times."""

from dataclasses import replace

import pytest

from gridiface.domain.quantities import Phase
from gridiface.domain.telemetry import OperatingState, Quality
from gridiface.northbound.dnp3.pointmap.meanings import Measure
from gridiface.northbound.dnp3.pointmap.points import PointEntry
from gridiface.northbound.dnp3.settings import QualityPolicy, StaleFlags
from gridiface.northbound.dnp3.translate.points import (
    OF_STATION,
    TargetView,
    flags_of,
    sample,
)
from gridiface.northbound.dnp3.translate.ratings import ratings_of
from gridiface.protocols.dnp3.objects import Flags
from gridiface.protocols.dnp3.points import PointType

POLICY = QualityPolicy()


def shown(measure, view, *, argument="x", **more):
    entry = PointEntry(type=PointType.ANALOG_INPUT, index=0, name="p", measure=measure, argument=argument, **more)
    return sample(entry, view, POLICY)


@pytest.mark.parametrize(
    ("measure", "value"),
    [
        (Measure.W, 1.25e6),
        (Measure.VAR, -2e5),
        (Measure.VA, (1.25e6**2 + 2e5**2) ** 0.5),
        (Measure.SOC, 0.6),
        (Measure.AVAILABLE_UP_W, 3e6),
        (Measure.HIGHEST_W, 4.25e6),
        (Measure.LOWEST_W, -3.75e6),
        (Measure.CONNECTED, 1),
        (Measure.RUNNING, 1),
        (Measure.OFF_AVAILABLE, 0),
        (Measure.OFF_UNAVAILABLE, 0),
        (Measure.LOCAL_CONTROL, 0),
        (Measure.ALARM, 0),
        (Measure.TELEMETRY_OK, 1),
        (Measure.COMM_LOST, 0),
        (Measure.POWER_FACTOR, 1.25e6 / (1.25e6**2 + 2e5**2) ** 0.5),
    ],
)
def test_a_good_value_is_online_with_its_source_time(seen, measure, value):
    found = shown(measure, TargetView(snapshot=seen))
    assert found.value == pytest.approx(value)
    assert found.flags == Flags.ONLINE
    assert found.time_ms in {None, round(seen.source_time * 1000)}


def test_scale_and_sign_of_the_point_are_kept(seen):
    assert shown(Measure.W, TargetView(snapshot=seen), scale=1e6, sign=-1).value == -1.25


@pytest.mark.parametrize(
    ("quality", "flags"),
    [
        (Quality.GOOD, Flags.ONLINE),
        (Quality.STALE, Flags.ONLINE | Flags.LOCAL_FORCED),
        (Quality.ESTIMATED, Flags.ONLINE | Flags.COMM_LOST),
        (Quality.SUBSTITUTED, Flags.ONLINE | Flags.LOCAL_FORCED),
        (Quality.BAD, Flags.COMM_LOST),
    ],
)
def test_quality_becomes_flags(seen, quality, flags):
    assert flags_of(quality, POLICY) == flags
    assert shown(Measure.W, TargetView(snapshot=replace(seen, quality=quality))).flags == flags


@pytest.mark.parametrize(
    ("form", "flags"),
    [
        (StaleFlags.ONLINE, Flags.ONLINE),
        (StaleFlags.RESTART, Flags.ONLINE | Flags.RESTART),
        (StaleFlags.COMM_LOST, Flags.ONLINE | Flags.COMM_LOST),
    ],
)
def test_the_flags_of_stale_values_are_configured(form, flags):
    assert flags_of(Quality.STALE, QualityPolicy(stale=form)) == flags


def test_a_lost_source_keeps_its_last_number(seen):
    for view in (TargetView(), TargetView(snapshot=replace(seen, quality=Quality.BAD))):
        found = shown(Measure.W, view)
        assert (found.value, found.flags) == (None, Flags.COMM_LOST)
        assert shown(Measure.COMM_LOST, view).value == 1
        assert shown(Measure.TELEMETRY_OK, view).value == 0


def test_what_was_never_known_is_not_online(seen):
    for measure in (Measure.HZ, Measure.VOLTS_LL, Measure.RATED_W):
        found = shown(measure, TargetView(snapshot=seen))
        assert (found.value, found.flags) == (None, Flags.RESTART)


def test_frequency_and_voltage_come_from_the_grid_view(seen):
    grid = replace(seen, hz=50.02, volts={Phase.AN: 230.0, Phase.BN: 231.0, Phase.CN: 232.0})
    view = TargetView(snapshot=seen, grid=grid)
    assert shown(Measure.HZ, view).value == 50.02
    assert shown(Measure.VOLTS, view).value == 231
    assert shown(Measure.VOLTS_B, view).value == 231
    assert shown(Measure.VOLTS_LL, view).value == pytest.approx(231 * 3**0.5)
    angled = replace(grid, angles={Phase.AN: 0.0, Phase.CN: 239.95})
    assert shown(Measure.ANGLE_C, TargetView(snapshot=seen, grid=angled), scale=0.1).value == pytest.approx(2399.5)
    assert shown(Measure.ANGLE_B, TargetView(snapshot=seen, grid=angled)).flags == Flags.RESTART
    view = TargetView(grid=replace(grid, volts={Phase.AB: 400.0, Phase.BC: 402.0}))
    assert shown(Measure.VOLTS_LL, view).value == 401


def test_off_and_faulty_are_told_apart(seen):
    for state, alarms, expected in (
        (OperatingState.OFF, frozenset(), (1, 0)),
        (OperatingState.STANDBY, frozenset({"soc_in_doubt"}), (0, 1)),
        (OperatingState.FAULT, frozenset(), (0, 1)),
    ):
        view = TargetView(snapshot=replace(seen, state=state, alarms=alarms))
        assert (shown(Measure.OFF_AVAILABLE, view).value, shown(Measure.OFF_UNAVAILABLE, view).value) == expected


def test_ratings_are_online_without_telemetry(battery):
    view = TargetView(ratings=ratings_of([battery]))
    assert shown(Measure.RATED_W, view) == shown(Measure.RATED_DISCHARGE_W, view)
    assert shown(Measure.RAMP_PERCENT_PER_S, view).value == pytest.approx(2)
    assert shown(Measure.SUPPORTS, view, argument="set_w").value == 1
    assert shown(Measure.SUPPORTS, view, argument="schedule").value == 0
    assert shown(Measure.INVERTERS, view).value == 1


def test_returning_to_service_is_known_once_a_member_tells_it(battery):
    told = replace(battery, settings=replace(battery.settings, enter_hz_low=59.5, enter_delay_s=300.0))
    view = TargetView(ratings=ratings_of([told]))
    assert shown(Measure.ENTER_HZ_LOW, view, scale=0.001).value == 59_500
    assert shown(Measure.ENTER_DELAY, view).value == 300
    assert shown(Measure.ENTER_RAMP, view).flags == Flags.RESTART


@pytest.mark.parametrize("measure", [item for item in Measure if item not in OF_STATION])
def test_every_measure_of_a_target_can_be_shown(seen, battery, measure):
    more = {"argument": "w threshold"} if measure in {Measure.ABOVE, Measure.BELOW} else {}
    found = shown(measure, TargetView(snapshot=seen, ratings=ratings_of([battery])), **more)
    assert found.flags in {Flags.ONLINE, Flags.RESTART}


def test_single_phases_come_from_the_meter_alone(seen):
    three = {Phase.A: 1.0, Phase.B: -2.0, Phase.C: 3.0}
    meter = replace(seen, phase_w=three, phase_var={Phase.B: 5.0}, amps={Phase.C: 9.5})
    view = TargetView(snapshot=seen, grid=meter, meter=meter)
    assert [shown(Measure(f"w_{phase}"), view).value for phase in "abc"] == [1.0, -2.0, 3.0]
    assert [shown(Measure(f"var_{phase}"), view).value for phase in "abc"] == [None, 5.0, None]
    assert [shown(Measure(f"amps_{phase}"), view).flags for phase in "abc"] == [
        Flags.RESTART, Flags.RESTART, Flags.ONLINE
    ]  # fmt: skip
    assert shown(Measure.W_A, TargetView(snapshot=seen, grid=meter)).flags == Flags.RESTART  # a member is not the group


def test_what_is_left_of_reactive_power_and_charging(seen, battery):
    view = TargetView(snapshot=replace(seen, w=3e6), ratings=replace(ratings_of([battery]), set_var=9e6, set_va=5e6))
    assert shown(Measure.AVAILABLE_VAR, view).value == pytest.approx(4e6)
    view = TargetView(snapshot=seen, ratings=replace(ratings_of([battery]), set_var_neg=1e3))
    assert shown(Measure.AVAILABLE_VAR_NEG, view).value == 1e3
    assert shown(Measure.CHARGE_W, TargetView(snapshot=replace(seen, w=1e6, available_down_w=4e6))).value == -3e6
    assert shown(Measure.CHARGE_W, TargetView(snapshot=replace(seen, w=1e6, available_down_w=0.5e6))).value == 0


def test_that_a_protection_started_shows_only_where_somebody_tells_it(seen, battery):
    argument = "AC_OVER_VOLT_STARTED"
    teller = replace(battery, nameplate=replace(battery.nameplate, alarms=frozenset({argument})))
    unraised = TargetView(snapshot=seen, ratings=ratings_of([battery, teller]))
    assert (shown(Measure.TOLD_ALARM, unraised, argument=argument).value, unraised.ratings.alarms) == (0, {argument})
    raised = replace(unraised, snapshot=replace(seen, alarms=frozenset({argument})))
    assert shown(Measure.TOLD_ALARM, raised, argument=argument).value == 1
    assert shown(Measure.TOLD_ALARM, raised, argument="AC_OVER_VOLT_BLOCKED").flags == Flags.RESTART
    silent = TargetView(snapshot=seen, ratings=ratings_of([battery]))
    assert shown(Measure.TOLD_ALARM, silent, argument=argument).flags == Flags.RESTART


def test_a_protection_operated_where_its_alarm_is_raised(seen):
    view = TargetView(snapshot=replace(seen, alarms=frozenset({"AC_OVER_VOLT"})))
    assert shown(Measure.ALARMED, view, argument="OVER_FREQUENCY AC_OVER_VOLT").value == 1
    assert shown(Measure.ALARMED, view, argument="AC_UNDER_VOLT").value == 0
