import numpy as np
import pytest

from gridiface.aggregation.envelope.limits import Bound, Limits, envelope, intersect
from gridiface.aggregation.envelope.residual import Beside
from gridiface.aggregation.state.columns import Columns
from gridiface.domain.controls import ControlMode, Source
from gridiface.domain.fleet import Capability, Device, DeviceKind, Nameplate, Settings

ABLE = frozenset({Capability.SET_W, Capability.LIMIT_W})


def columns_of(**values):
    settings = values.pop("settings", Settings())
    kind = values.pop("kind", DeviceKind.BATTERY)
    plate = Nameplate(**({"max_w": 5_000.0, "max_charge_w": 4_000.0, "capabilities": ABLE} | values))
    columns = Columns()
    columns.put(Device(id="d", nameplate=plate, settings=settings, kind=kind))
    return columns


def bounds(columns, now=0.0, horizon_s=5.0, hold_time_s=300.0):
    columns.touched[:] = True
    return envelope(columns, now, horizon_s=horizon_s, hold_time_s=hold_time_s)


def test_rating_and_settings():
    found = bounds(columns_of(settings=Settings(max_w=3_000.0, max_charge_w=1_000.0)))
    assert (found.lo[0], found.hi[0]) == (-1_000.0, 3_000.0)


def test_energy_bounds_what_can_be_held():
    columns = columns_of(energy_wh=1_000.0, settings=Settings(soc_min=0.1, soc_max=0.9))
    columns.soc[0] = 0.2
    found = bounds(columns, hold_time_s=360.0)
    assert found.hi[0] == pytest.approx(1_000.0)
    columns.soc[0] = 0.85
    assert bounds(columns, hold_time_s=360.0).lo[0] == pytest.approx(-500.0)
    columns.soc_variance[0] = 0.01**2
    assert bounds(columns, hold_time_s=360.0).lo[0] == pytest.approx(-300.0)  # doubt narrows
    columns.soc[0] = 0.05
    assert bounds(columns).hi[0] == 0.0


def test_the_ramp_bounds_what_is_near_and_a_limit_wins_over_it():
    columns = columns_of(settings=Settings(ramp_w_per_s=100.0))
    columns.told_w[0], columns.from_w[0], columns.from_at[0] = 2_000.0, 0.0, 0.0
    found = bounds(columns, now=5.0)
    assert found.position[0] == 500.0
    assert (found.near_lo[0], found.near_hi[0]) == (0.0, 1_000.0)
    columns.export_w[0] = 300.0
    assert bounds(columns, now=20.0).near_hi[0] == 300.0
    assert bounds(columns, now=20.0).near_lo[0] == 300.0


def test_sun_bounds_generation_and_a_curtailed_plant_can_rise_again():
    columns = columns_of(kind=DeviceKind.PV, max_charge_w=0.0)
    columns.w[0] = columns.natural_w[0] = 2_000.0
    assert bounds(columns).hi[0] == 2_000.0
    assert bounds(columns).base[0] == 2_000.0
    columns.w[0] = 500.0
    assert bounds(columns).hi[0] == 2_000.0
    columns.up_w[0] = 4_000.0
    assert bounds(columns).hi[0] == 4_500.0


def test_a_load_can_stop_but_not_take_more_than_it_wants():
    columns = columns_of(kind=DeviceKind.LOAD, max_charge_w=0.0)
    columns.w[0] = columns.natural_w[0] = -1_500.0
    found = bounds(columns)
    assert (found.lo[0], found.hi[0], found.base[0]) == (-1_500.0, 0.0, -1_500.0)


@pytest.mark.parametrize("column", ["blocked", "down", "lost"])
def test_who_cannot_be_asked_is_held_at_what_is_measured(column):
    columns = columns_of()
    columns.w[0], columns.received[0] = 700.0, 10.0
    assert bounds(columns).free[0]
    getattr(columns, column)[0] = True
    found = bounds(columns)
    assert not found.free[0]
    assert found.held[0] == (0.0 if column == "lost" else 700.0)


def test_doubt_about_the_charge_derates():
    columns = columns_of()
    columns.soc_doubt[0] = True
    assert bounds(columns).hi[0] == 2_500.0


def test_untouched_rows_keep_their_bounds():
    columns = columns_of()
    first = bounds(columns)
    columns.export_w[0] = 1.0  # not marked
    assert envelope(columns, 0.0, horizon_s=5.0, hold_time_s=300.0).hi[0] == first.hi[0] == 5_000.0
    assert np.all(~columns.touched)


def test_limits_intersect_whatever_the_order_and_keep_their_source():
    def bound(watts, name, mode=ControlMode.EXPORT_LIMIT):
        return Bound(watts, mode, Source(protocol=name), name)

    several = [bound(5.0, "b"), bound(3.0, "c"), bound(3.0, "a"), bound(4.0, "d", ControlMode.MAX_W_PERCENT)]
    for order in (several, several[::-1]):
        found = intersect(order)
        assert found.export.control_id == "a"
        assert found.generation.watts == 4.0
        assert found.high.watts == 3.0
        assert found.low is None
    assert not intersect([]).any


def test_what_lies_beside_the_members_counts_by_its_direction():
    def bound(watts, mode):
        return Bound(watts, mode, Source(protocol="utility"), "c")

    limits = Limits(
        export=bound(1_000.0, ControlMode.EXPORT_LIMIT),
        generation=bound(5_000.0, ControlMode.GENERATION_LIMIT),
        draw=bound(2_000.0, ControlMode.IMPORT_LIMIT),
        load=bound(6_000.0, ControlMode.LOAD_LIMIT),
    )
    # (beside, what the members' net may be): a load beside lets them export more and is part of the load
    for beside, around in ((0.0, (-2_000.0, 1_000.0)), (-3_000.0, (1_000.0, 4_000.0)), (2_500.0, (-4_500.0, -1_500.0))):
        assert limits.members(Beside.steady(beside)) == around
    assert limits.members(Beside.steady(-4_500.0)) == (2_500.0, 5_000.0)
    assert Limits().members(Beside.steady(700.0)) == (-np.inf, np.inf)
    # Each limit counts with what is worst for it of what meters saw last.
    assert limits.members(Beside(0.0, high=600.0, low=-1_500.0)) == (-500.0, 400.0)
    assert limits.reached(np.array([500.0]), Beside(0.0, high=600.0, low=0.0)) is limits.export
    assert limits.reached(np.array([-500.0]), Beside(0.0, high=0.0, low=-1_500.0)) is limits.draw
    for powers, beside, reached in (
        ([4_000.0, 0.0], -3_000.0, limits.export),
        ([5_000.0, -2_000.0], -3_000.0, limits.generation),
        ([0.0, 0.0], -2_000.0, limits.draw),
        ([4_500.0, -3_000.0], -3_000.0, limits.load),
        ([500.0, 0.0], 0.0, None),
    ):
        assert limits.reached(np.array(powers), Beside.steady(beside)) is reached
