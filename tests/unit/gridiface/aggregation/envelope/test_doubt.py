"""What limits have to count with of devices that are not heard."""

import numpy as np
import pytest
from tests.unit.gridiface.aggregation.conftest import battery

from gridiface.aggregation.config import EngineConfig
from gridiface.aggregation.envelope import doubt
from gridiface.aggregation.listening.plausibility import Plausibility
from gridiface.aggregation.state.columns import Columns
from gridiface.aggregation.state.log import DecisionLog
from gridiface.domain.fleet import DeviceKind, DriverTraits

ROW = np.array([0])


@pytest.fixture
def columns():
    """A battery of 5 kW that has held 2 kW for long, by its own word until 1000 s, and is not heard since 100 s."""
    made = Columns()
    made.put(battery("a", traits=DriverTraits(revert_timer_s=60.0)))
    made.seen[0], made.received[0], made.w[0], made.lost[0] = 5, 100.0, 2_000.0, True
    made.told[0], made.told_at[0], made.acknowledged[0] = True, 0.0, True
    made.last_w[0], made.last_until[0], made.holds[0] = 2_000.0, 1_000.0, 1
    return made


def between(columns, now):
    up, down = doubt.range_of(columns, ROW, now)
    return float(down[0]), float(up[0])


def tell(columns, now, watts, ceiling=np.nan):
    doubt.keep(columns, ROW)
    doubt.told(columns, ROW, np.array([watts]), np.array([ceiling]))
    columns.last_w[0], columns.last_ceiling_w[0], columns.told_at[0] = watts, ceiling, now
    columns.acknowledged[0] = False


def test_who_is_silent_keeps_what_it_acknowledged_and_may_do_anything_once_that_is_over(columns):
    assert between(columns, 110.0) == (0.0, 2_000.0)
    assert between(columns, 1_000.0) == (-5_000.0, 5_000.0)


def test_who_failed_and_was_read_a_moment_ago_does_by_itself_what_it_did_then(columns):
    columns.lost[0], columns.down[0], columns.down_at[0] = False, True, 110.0
    columns.acknowledged[0], columns.w[0] = False, -300.0
    tell(columns, 110.0, 1_500.0)
    assert between(columns, 111.0) == (-300.0, 1_500.0)


def test_what_is_not_acknowledged_may_have_been_taken_or_not(columns):
    tell(columns, 110.0, -1_000.0)
    assert between(columns, 200.0) == (-1_000.0, 2_000.0)
    tell(columns, 120.0, 4_000.0)
    assert between(columns, 200.0) == (-1_000.0, 4_000.0)
    columns.acknowledged[0], columns.last_until[0] = True, 1_000.0
    assert between(columns, 200.0) == (0.0, 4_000.0)


def test_a_release_and_a_ceiling_that_are_on_their_way_open_what_they_leave_open(columns):
    tell(columns, 110.0, np.nan, 1_000.0)
    assert between(columns, 200.0) == (-5_000.0, 2_000.0)
    columns.acknowledged[0], columns.last_until[0] = True, 1_000.0
    assert between(columns, 200.0) == (-5_000.0, 1_000.0)
    tell(columns, 210.0, np.nan)
    assert between(columns, 300.0) == (-5_000.0, 5_000.0)


def test_who_was_seen_elsewhere_than_it_acknowledged_does_not_hold_that(columns):
    columns.w[0] = 3_000.0
    assert between(columns, 110.0) == (-5_000.0, 5_000.0)


def test_who_is_on_its_ramp_counts_with_where_it_was(columns):
    columns.ramp_w_per_s[0] = 10.0
    tell(columns, 100.0, 0.0)
    columns.acknowledged[0], columns.last_until[0] = True, 1_000.0
    assert between(columns, 110.0) == (0.0, 2_000.0)
    assert between(columns, 400.0) == (0.0, 0.0)


@pytest.mark.parametrize(("at_once", "until"), [(True, 110.0), (False, 140.0)])
def test_what_is_not_renewed_lasts_as_long_as_the_devices_own_timer_leaves_it_at_least(columns, at_once, until):
    doubt.keep(columns, ROW)
    columns.acknowledged[0] = False
    doubt.falls_back(columns, 0, 110.0, at_once=at_once)
    assert between(columns, until - 0.1) == (0.0, 2_000.0)
    assert between(columns, until) == (-5_000.0, 5_000.0)


def test_a_later_reading_settles_what_was_not_acknowledged(columns):
    tell(columns, 110.0, 5_000.0)
    columns.received[0] = 111.0
    doubt.seen(columns, ROW, 0.4)
    assert between(columns, 120.0) == (0.0, 5_000.0)
    columns.received[0] = 113.0
    doubt.seen(columns, ROW, 0.4)
    assert between(columns, 120.0) == (0.0, 2_000.0)


def test_who_says_that_it_did_not_take_it_keeps_what_it_had(columns):
    tell(columns, 110.0, 5_000.0)
    doubt.declined(columns, 0)
    assert between(columns, 120.0) == (0.0, 2_000.0)


def test_who_never_spoke_nor_answered_counts_with_what_it_was_told_alone(columns):
    columns.seen[0], columns.w[0], columns.holds[0], columns.acknowledged[0] = 0, np.nan, 0, False
    columns.last_w[0] = 3_000.0
    assert between(columns, 110.0) == (0.0, 3_000.0)


def test_who_had_begun_a_control_before_a_restart_may_do_anything_until_it_is_heard_or_takes_something_new(columns):
    columns.seen[0], columns.w[0], columns.lost[0] = 0, np.nan, False
    columns.received[0], columns.told_at[0], columns.acknowledged[0] = -np.inf, -np.inf, False
    columns.last_w[0] = np.nan
    assert not doubt.unheard(columns)[0]
    doubt.resumed(columns, ROW)
    assert doubt.unheard(columns)[0]
    assert between(columns, 110.0) == (-5_000.0, 5_000.0)
    tell(columns, 110.0, 1_000.0)
    assert between(columns, 111.0) == (-5_000.0, 5_000.0)  # it may have taken it or not
    columns.acknowledged[0] = True
    assert not doubt.unheard(columns)[0]
    columns.acknowledged[0], columns.answers[0] = False, True
    assert not doubt.unheard(columns)[0]


def test_a_reading_after_a_restart_tells_what_it_does(columns):
    doubt.resumed(columns, ROW)
    columns.received[0], columns.told_at[0], columns.lost[0] = 200.0, -np.inf, False
    doubt.seen(columns, ROW, 0.0)
    assert not doubt.unheard(columns)[0]
    assert np.isneginf(columns.may_up[0])


@pytest.fixture
def roof():
    """A roof of 5 kW that nobody held and that was heard last at 100 s, when it gave nothing."""
    made = Columns()
    made.put(battery("r", kind=DeviceKind.PV))
    made.seen[0], made.received[0], made.lost[0] = 5, 100.0, True
    made.w[0], made.natural_w[0] = 0.0, 0.0
    return made


def test_a_roof_that_fell_silent_in_the_dark_is_asleep_for_a_night_and_no_longer(roof):
    assert between(roof, 100.0 + doubt.SLEEPS_S - 1.0)[1] == 0.0
    assert between(roof, 100.0 + doubt.SLEEPS_S)[1] == 5_000.0


@pytest.mark.parametrize(
    ("column", "value"),
    [("natural_w", 3_000.0), ("natural_w", np.nan), ("w", 60.0), ("quarantined", True), ("natural", False)],
    ids=["held at nothing", "never seen by itself", "gave something", "not believed", "no roof"],
)
def test_who_may_have_been_held_or_gave_something_is_not_asleep(roof, column, value):
    getattr(roof, column)[0] = value
    assert between(roof, 200.0)[1] == 5_000.0


def test_who_is_released_from_quarantine_unheard_is_not_asleep(roof):
    """What it said before was not believed; the sun may be up by now."""
    roof.quarantined[0] = True
    assert Plausibility(roof, EngineConfig(), DecisionLog()).release(0, 200.0, "by the operator")
    assert between(roof, 200.0)[1] == 5_000.0


def test_a_roof_that_only_fails_is_not_asleep(roof):
    roof.lost[0], roof.down[0], roof.down_at[0], roof.w[0] = False, True, 110.0, 20.0
    assert between(roof, 200.0)[1] == 20.0


def test_who_acknowledged_that_it_is_let_go_of_holds_nothing_of_before(columns):
    """What it acknowledged last but one is no knowledge any more, though its end is still far."""
    tell(columns, 110.0, np.nan)
    columns.told[0] = False
    doubt.let_go(columns, 0)
    assert between(columns, 120.0) == (-5_000.0, 5_000.0)


def test_who_acknowledged_a_release_is_there_though_it_was_never_heard(columns):
    columns.seen[0], columns.w[0], columns.last_w[0] = 0, np.nan, np.nan
    columns.holds[0], columns.told[0], columns.acknowledged[0] = 0, False, False
    assert between(columns, 120.0) == (0.0, 0.0)
    doubt.let_go(columns, 0)
    assert between(columns, 120.0) == (-5_000.0, 5_000.0)


def test_whose_owner_had_it_when_it_was_heard_last_is_not_taken_to_hold_anything(columns):
    columns.local[0] = True
    assert between(columns, 110.0) == (-5_000.0, 5_000.0)


@pytest.mark.parametrize("column", ["odd", "quarantined"])
def test_a_reading_that_is_not_believed_does_not_settle_what_was_not_acknowledged(columns, column):
    tell(columns, 110.0, 5_000.0)
    columns.received[0], getattr(columns, column)[0] = 200.0, True
    doubt.seen(columns, ROW, 0.4)
    assert between(columns, 201.0)[1] == 5_000.0


@pytest.fixture
def two(roof):
    """Another roof of 5 kW beside it, heard at 200 s in the dark."""
    roof.put(battery("s", kind=DeviceKind.PV))
    roof.energy_wh[1], roof.seen[1], roof.received[1], roof.w[1], roof.natural_w[1] = np.nan, 5, 200.0, 20.0, 20.0
    return roof


def test_roofs_that_are_heard_say_how_much_sun_there_may_be_over_one_that_fell_silent_in_the_dark(two):
    assert between(two, 200.0)[1] == 0.0  # dark there, too
    two.w[1] = two.natural_w[1] = 300.0
    assert between(two, 200.0)[1] == 1_200.0  # it may look another way
    two.w[1] = two.natural_w[1] = 1_500.0
    assert between(two, 200.0)[1] == 5_000.0


@pytest.mark.parametrize("column", ["last_ceiling_w", "last_w"])
def test_a_roof_that_is_held_back_does_not_say_how_much_sun_there_is(two, column):
    two.told[1], getattr(two, column)[1] = True, 100.0
    two.w[1] = two.natural_w[1] = 100.0
    assert between(two, 200.0)[1] == 5_000.0
    getattr(two, column)[1] = 200.0
    assert between(two, 200.0)[1] == 400.0
    getattr(two, column)[1] = two.w[1] = two.natural_w[1] = 0.0
    assert between(two, 200.0)[1] == 0.0  # held at nothing it shows nothing


def test_a_roof_that_fell_silent_while_the_sun_was_seen_over_others_is_not_asleep(two):
    two.lost[1], two.w[1], two.natural_w[1] = True, 1_500.0, 1_500.0
    assert between(two, 300.0)[1] == 5_000.0
    two.received[0] = 200.0 + 2 * 3_600.0
    assert between(two, 8_000.0)[1] == 0.0  # the other fell silent long before the evening
    two.received[1], two.quarantined[1] = 8_000.0, True
    assert between(two, 8_000.0)[1] == 5_000.0  # it may be right
    two.odd[1] = True
    assert between(two, 8_000.0)[1] == 0.0  # what cannot be shows nothing
