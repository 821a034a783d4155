"""The columns: rows that come, move and go, and what a device's ratings and settings make of its row."""

import numpy as np
import pytest
from tests.unit.gridiface.aggregation.conftest import T0, battery

from gridiface.aggregation.state.column_table import COLUMNS, UNLIMITED
from gridiface.aggregation.state.columns import Columns, charge_of, is_slow, slowness
from gridiface.domain.controls import ServiceClass
from gridiface.domain.fleet import Capability, Constraints, Device, DeviceKind, DriverTraits, Nameplate, Settings
from gridiface.errors import LocalProtocolError


def row_of(device):
    columns = Columns()
    return columns, columns.put(device)


def test_a_removed_row_is_taken_by_the_last_one_with_all_that_it_holds():
    columns = Columns()
    for name in ("a", "b", "c"):
        columns.put(battery(name))
    columns.w[:] = 1.0, 2.0, 3.0
    version = columns.version
    assert columns.drop("a")
    assert not columns.drop("a")
    assert columns.version == version + 1
    assert columns.row == {"c": 0, "b": 1}
    assert [device.id for device in columns.devices] == ["c", "b"] == columns.ids.tolist()
    assert columns.w.tolist() == [3.0, 2.0]
    assert columns.rows(["b", "gone", "c"]).tolist() == [0, 1]


def test_a_row_that_was_freed_comes_back_with_nothing_of_the_one_before():
    columns = Columns()
    columns.put(battery("a"))
    columns.w[0], columns.told[0], columns.quarantined[0] = 9.0, True, True
    columns.drop("a")
    row = columns.put(battery("b"))
    assert np.isnan(columns.w[row])
    assert not columns.told[row]
    assert not columns.quarantined[row]


def test_more_devices_than_there_was_room_for_keep_what_was_known():
    columns = Columns()
    for number in range(40):
        columns.put(battery(f"d{number}", watts=1000.0 + number))
        columns.w[number] = number
    assert columns.w.tolist() == list(range(40))
    assert columns.export_w.tolist() == [1000.0 + number for number in range(40)]
    assert all(getattr(columns, name).size == 40 for name in COLUMNS)


def test_new_settings_of_a_device_leave_its_state_alone():
    columns, row = row_of(battery("a", watts=5000.0))
    columns.w[row], columns.soc[row], version = 700.0, 0.4, columns.version
    assert columns.put(battery("a", watts=5000.0, settings=Settings(max_w=3000.0, ramp_w_per_s=50.0))) == row
    assert (columns.set_max_w[row], columns.export_w[row], columns.ramp_w_per_s[row]) == (3000.0, 3000.0, 50.0)
    assert (columns.w[row], columns.soc[row], columns.version) == (700.0, 0.4, version)
    assert columns.touched[row]


def test_no_ramp_set_is_no_ramp():
    columns, row = row_of(battery("a", settings=Settings(ramp_w_per_s=0.0)))
    assert columns.ramp_w_per_s[row] == UNLIMITED


def test_a_load_takes_its_rating_and_gives_nothing():
    plate = Nameplate(max_w=2000.0, max_charge_w=0.0, capabilities=frozenset({Capability.SET_W}))
    columns, row = row_of(Device(id="heater", kind=DeviceKind.LOAD, nameplate=plate))
    assert (columns.export_w[row], columns.import_w[row]) == (0.0, 2000.0)


def test_a_meter_counts_for_nothing_and_is_told_nothing():
    plate = Nameplate(max_w=1.0, capabilities=frozenset({Capability.SET_W}))
    columns, row = row_of(Device(id="meter", kind=DeviceKind.METER, nameplate=plate))
    assert not columns.counts[row]
    assert not columns.can_set_w[row]


def test_a_cap_in_cycles_is_twice_the_energy_and_the_smaller_cap_counts():
    columns, row = row_of(battery("a", watts=5000.0, constraints=Constraints(daily_cycles=0.5)))
    assert columns.day_cap_wh[row] == 10_000.0
    columns.put(battery("a", watts=5000.0, constraints=Constraints(daily_cycles=0.5, daily_wh=4000.0)))
    assert columns.day_cap_wh[row] == 4000.0


def test_equal_curves_and_levels_are_kept_once():
    columns = Columns()
    curve, modes = ((0.0, 5000.0), (0.9, 1000.0)), (0.0, 2000.0)
    for name in ("a", "b"):
        columns.put(battery(name, constraints=Constraints(charge_w_by_soc=curve, modes_w=modes)))
    assert len(columns.curves) == len(columns.levels) == 1
    assert columns.curve.tolist() == columns.modes.tolist() == [0, 0]
    assert columns.stepped


def test_phases_that_are_not_named_share_alike():
    columns = Columns()
    columns.put(battery("a"))
    assert not columns.phased
    columns.put(battery("b", phases="B"))
    assert columns.phased
    shares = np.array([columns.phase_a, columns.phase_b, columns.phase_c])
    assert shares[:, 0].tolist() == pytest.approx([1 / 3] * 3)
    assert shares[:, 1].tolist() == [0.0, 1.0, 0.0]


@pytest.mark.parametrize(
    ("traits", "fast", "regulation"),
    [
        (DriverTraits(), False, False),
        (DriverTraits(polls=True), True, True),
        (DriverTraits(answers_itself=True), True, False),
        (DriverTraits(latency_s=0.5), True, False),
        (DriverTraits(min_period_s=5.0), True, True),
    ],
)
def test_who_is_too_slow_for_which_fast_service(traits, fast, regulation):
    assert is_slow(traits, ServiceClass.FAST_FREQUENCY) is fast
    assert is_slow(traits, ServiceClass.REGULATION) is regulation
    assert slowness(traits) == fast + regulation


def test_a_clock_that_was_set_moves_every_instant_that_is_kept():
    columns, row = row_of(battery("a"))
    columns.received[row], columns.told_at[row], columns.since[row] = T0, T0 + 1, T0 + 2
    columns.waits_since[row], columns.opted_at[row], columns.back_at[row] = T0, T0 + 1, np.inf
    columns.w[row] = 5.0
    columns.shift_time(-3600.0)
    assert (columns.received[row], columns.told_at[row], columns.since[row]) == (T0 - 3600, T0 - 3599, T0 - 3598)
    assert (columns.waits_since[row], columns.opted_at[row], columns.back_at[row]) == (T0 - 3600, T0 - 3599, np.inf)
    assert columns.w[row] == 5.0


def test_the_part_of_a_slice_is_a_view_and_of_rows_a_copy():
    columns = Columns()
    for name in ("a", "b", "c"):
        columns.put(battery(name))
    view, copy = columns.part(slice(0, 2), ("w",)), columns.part(np.array([0, 2]), ("w",))
    view.w[0] = 7.0
    copy.w[1] = 9.0
    assert columns.w[0] == 7.0
    assert np.isnan(columns.w[2])


def test_columns_with_devices_cannot_be_filled():
    columns, _ = row_of(battery("a"))
    with pytest.raises(LocalProtocolError):
        columns.fill(10)


def test_charge_is_a_fraction_of_the_window_that_the_owner_gives():
    columns, row = row_of(battery("a", settings=Settings(soc_min=0.2, soc_max=0.8)))
    columns.soc[row] = 0.35
    assert charge_of(columns, np.array([row])).tolist() == pytest.approx([0.25])
    columns.soc[row] = np.nan
    assert np.isnan(charge_of(columns, np.array([row]))).all()
