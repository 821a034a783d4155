import pytest

from gridiface.domain.performance import PerformanceInterval, PerformanceReport, energy_wh, worst_quality
from gridiface.domain.telemetry import Quality


def interval(start, end, requested, delivered):
    return PerformanceInterval(
        control_id="c",
        target_id="g",
        start=start,
        end=end,
        requested_w=requested,
        accepted_w=requested,
        allocated_w=requested,
        acknowledged_w=requested,
        delivered_w=delivered,
    )


def test_tracking_error():
    assert interval(0, 1, -100.0, -90.0).tracking_error == pytest.approx(0.1)
    assert interval(0, 1, 0.0, 5.0).tracking_error is None
    assert interval(0, 1, None, 5.0).tracking_error is None


def test_means_are_weighted_by_time_and_leave_the_unknown_out():
    report = PerformanceReport(
        control_id="c",
        target_id="g",
        intervals=(interval(0, 10, 100.0, 50.0), interval(10, 40, 100.0, 90.0), interval(40, 50, 100.0, None)),
    )
    assert report.mean("delivered_w") == pytest.approx(80.0)
    assert report.mean("delivered_w", start=10) == pytest.approx(90.0)
    assert report.mean("delivered_w", start=40) is None


def test_energy_by_trapezoids():
    assert energy_wh([(0.0, 0.0), (3600.0, 1000.0)]) == pytest.approx(500.0)
    assert energy_wh([(0.0, 5.0)]) == 0.0


def test_the_worst_quality():
    assert worst_quality([Quality.GOOD, Quality.STALE, Quality.ESTIMATED]) is Quality.STALE
    assert worst_quality([]) is Quality.GOOD


def test_what_was_delivered_weighs_by_the_time_for_which_it_is_known() -> None:
    whole, part, none = (
        PerformanceInterval(
            control_id="c", target_id="a", start=at, end=at + 10.0, requested_w=1.0, accepted_w=None, allocated_w=None,
            acknowledged_w=None, delivered_w=watts, known=known,
        )
        for at, watts, known in ((0.0, 10.0, 1.0), (10.0, 40.0, 0.5), (20.0, None, 0.0))
    )  # fmt: skip
    report = PerformanceReport(control_id="c", target_id="a", intervals=(whole, part, none))
    assert (report.mean("delivered_w"), report.mean("requested_w"), report.known) == (20.0, 1.0, 0.5)
    assert PerformanceReport(control_id="c", target_id="a", intervals=()).known is None


def test_while_another_one_ruled_in_its_place_nothing_counts_as_an_answer_to_what_was_asked() -> None:
    report = PerformanceReport(
        control_id="c",
        target_id="all",
        intervals=(interval(0, 10, 1_000.0, 900.0), interval(10, 30, None, -500.0)),
    )
    assert (report.mean("requested_w"), report.mean("delivered_w")) == (1_000.0, 900.0)
    limits_alone = PerformanceReport(control_id="c", target_id="all", intervals=(interval(10, 30, None, -500.0),))
    assert limits_alone.mean("delivered_w") == -500.0
