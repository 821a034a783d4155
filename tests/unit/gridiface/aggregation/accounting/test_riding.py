"""Whose part of a total is whose, against figures worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from gridiface.aggregation.accounting.device_lines import ACKNOWLEDGED, ALLOCATED, DELIVERED, held_of
from gridiface.aggregation.accounting.riding import Moved, Rides, Split, of_part, of_signal, without_signal
from gridiface.aggregation.accounting.scoring import Sample
from gridiface.aggregation.state.columns import Columns
from gridiface.domain.fleet import Device, Nameplate
from gridiface.domain.telemetry import Quality

ROWS = np.arange(3, dtype=np.int64)


@pytest.fixture
def columns() -> Columns:
    """100 kW set-point and +10 kW of regulation over ratings of 60, 40 and 20 kW; the third did not acknowledge."""
    columns = Columns()
    for name, rating in (("a", 60e3), ("b", 40e3), ("c", 20e3)):
        columns.put(Device(id=name, nameplate=Nameplate(max_w=rating)))
    columns.told_w[:] = [55e3, 36e3, 19e3]
    columns.acknowledged[:] = [True, True, False]
    columns.w[:] = [55e3, 34e3, 19e3]
    columns.lost[:] = False
    return columns


def total(columns: Columns) -> Sample:
    told, delivered = float(columns.told_w.sum()), float(columns.w.sum())
    return Sample(told, told, told, float(columns.told_w[:2].sum()), delivered, Quality.GOOD, ROWS)


RIDES = Rides.of(110e3, 10e3, -math.inf, math.inf, 10e3)


def test_signal_and_set_point_sum_up_to_the_total_each_with_its_own_request(columns: Columns) -> None:
    signal = of_signal(total(columns), RIDES, Split.of(total(columns), RIDES, columns, ROWS))
    base = without_signal(total(columns), RIDES, Split.of(total(columns), RIDES, columns, ROWS))
    # 108 kW of 110 kW: the signal moved the total by 8 kW, the set-point's 100 kW are there.
    assert (signal.requested_w, signal.accepted_w, signal.allocated_w) == (10e3, 10e3, 10e3)
    assert (base.requested_w, base.accepted_w, base.allocated_w) == (100e3, 100e3, 100e3)
    assert (signal.delivered_w, base.delivered_w) == (8e3, 100e3)
    # 100 kVA of 120 acknowledged: 5/6 of the signal; the rest of the 91 kW is the set-point's.
    assert signal.acknowledged_w == pytest.approx(10e3 * 100 / 120)
    assert base.acknowledged_w == pytest.approx(91e3 - 10e3 * 100 / 120)


def test_devices_lines_sum_up_to_both(columns: Columns) -> None:
    signal = of_signal(total(columns), RIDES, Split.of(total(columns), RIDES, columns, ROWS))
    base = without_signal(total(columns), RIDES, Split.of(total(columns), RIDES, columns, ROWS))
    assert signal.held is not None
    assert base.held is not None
    assert signal.held[ALLOCATED].tolist() == pytest.approx([5e3, 10e3 / 3, 10e3 / 6])
    assert signal.held[ACKNOWLEDGED].tolist() == pytest.approx([5e3, 10e3 / 3, 0.0])
    # b lacks 2 kW.
    assert signal.held[DELIVERED].tolist() == pytest.approx([5e3, 10e3 / 3 - 2e3, 10e3 / 6])
    for one in (signal, base):
        assert one.held is not None
        assert one.held.sum(axis=1).tolist() == pytest.approx([one.allocated_w, one.acknowledged_w, one.delivered_w])
    assert signal.held + base.held == pytest.approx(held_of(columns, ROWS))


def test_the_part_of_who_is_not_heard_is_with_those_who_are(columns: Columns) -> None:
    columns.lost[2] = True
    whole = replace(total(columns), delivered_w=89e3)
    split = Split.of(whole, RIDES, columns, ROWS)
    signal, base = of_signal(whole, RIDES, split), without_signal(whole, RIDES, split)
    # 89 kW of 110: the signal is counted with -10 kW, as much as it can have moved, the set-point with 99.
    assert (signal.delivered_w, base.delivered_w) == (-10e3, 99e3)
    for one in (signal, base):
        assert one.held is not None
        assert math.isnan(one.held[DELIVERED][2])
        assert float(np.nansum(one.held[DELIVERED])) == pytest.approx(one.delivered_w)
    # A meter sees more than the devices: what is beside them is nobody's.
    metered = replace(whole, delivered_w=95e3)
    lines = Split.of(metered, RIDES, columns, ROWS).signals
    assert lines is not None
    assert float(np.nansum(lines[DELIVERED])) != pytest.approx(RIDES.response_w(95e3))


@pytest.mark.parametrize(
    ("delivered", "signal", "base"),
    [
        (55e3, -10e3, 65e3),  # half of the fleet fails: no more is the signal's than it moved
        (125e3, 10e3, 115e3),
        (95e3, -5e3, 100e3),
        (110e3, 10e3, 100e3),
    ],
)
def test_what_is_missing_beyond_what_the_signal_moved_is_the_set_points(
    columns: Columns, delivered: float, signal: float, base: float
) -> None:
    columns.w[:] = [delivered - 53e3, 34e3, 19e3]
    of_the_signal = of_signal(total(columns), RIDES, Split.of(total(columns), RIDES, columns, ROWS))
    of_the_base = without_signal(total(columns), RIDES, Split.of(total(columns), RIDES, columns, ROWS))
    assert of_the_signal.delivered_w == pytest.approx(signal)
    assert of_the_base.delivered_w == pytest.approx(base)
    for one in (of_the_signal, of_the_base):
        assert one.held is not None
        assert one.held[DELIVERED].sum() == pytest.approx(one.delivered_w)


def test_a_signal_that_went_back_still_counts_for_what_lags_behind(columns: Columns) -> None:
    rides = Rides.of(100e3, 0.0, -math.inf, math.inf, 10e3)
    assert rides.response_w(104e3) == pytest.approx(4e3)
    # Nobody else asks: all of it is the signal's.
    assert Rides.of(100e3, 0.0, -math.inf, math.inf, math.inf).response_w(180e3) == pytest.approx(80e3)


def test_limits_take_from_the_signal_first() -> None:
    rides = Rides.of(110e3, 10e3, -50e3, 104e3, 10e3)
    assert (rides.base_given_w, rides.given_w) == (100e3, 4e3)
    rides = Rides.of(110e3, 10e3, -50e3, 90e3, 10e3)
    assert (rides.base_w, rides.base_given_w, rides.given_w) == (100e3, 90e3, 0.0)


def test_what_is_not_known_stays_unknown(columns: Columns) -> None:
    columns.told_w[1], columns.lost[0] = np.nan, True
    sample = Sample(None, None, None, None, None, Quality.BAD, ROWS)
    for one in (
        of_signal(sample, RIDES, Split.of(sample, RIDES, columns, ROWS)),
        without_signal(sample, RIDES, Split.of(sample, RIDES, columns, ROWS)),
    ):
        assert (one.allocated_w, one.acknowledged_w, one.delivered_w) == (None, None, None)
        assert one.held is not None
        assert np.isnan(one.held[ALLOCATED]).tolist() == [False, True, False]
        assert np.isnan(one.held[DELIVERED]).tolist() == [True, False, False]


def test_programs_with_reserved_parts_share_what_the_total_differs_by(columns: Columns) -> None:
    # 70 kW and 30 kW of two halves, 110 kW told, 108 kW measured.
    parts = [of_part(total(columns), given, 0.5, 100e3, columns) for given in (70e3, 30e3)]
    assert [one.allocated_w for one in parts] == [75e3, 35e3]
    assert [one.delivered_w for one in parts] == [74e3, 34e3]
    for one in parts:
        assert one.held is not None
        assert one.held.sum(axis=1)[[ALLOCATED, DELIVERED]].tolist() == pytest.approx(
            [one.allocated_w, one.delivered_w]
        )
    assert parts[0].held + parts[1].held == pytest.approx(held_of(columns, ROWS))  # type: ignore[operator]


def test_the_largest_signal_of_five_minutes() -> None:
    moved = Moved()
    assert [moved.by("t", watts, at) for at, watts in ((0.0, 3.0), (4.0, -9.0), (8.0, 1.0), (12.0, 2.0))] == [
        3,
        9,
        9,
        9,
    ]
    assert moved.by("t", 0.5, 304.0) == 9
    assert moved.by("t", 0.5, 304.5) == 2
    assert moved.by("other", 0.5, 304.5) == 0.5
