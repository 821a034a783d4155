"""The benchmarks do the work they name, at sizes that take no time."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from gridiface.cli.bench import aggregator, allocate, codec, control_step, fleet, sep2
from gridiface.cli.bench.app import app

RUN = CliRunner()


def test_allocate_measures_each_size_and_strategy() -> None:
    found = allocate.measure(3, (100, 1000))
    assert set(found["figures"]) == {"100", "1000"}
    assert set(found["figures"]["100"]) == {"water-filling", "merit-order", "phase balance"}
    assert found["figures"]["100"]["water-filling"]["milliseconds"]["min"] > 0


def test_control_step_measures_the_numbers_and_the_product() -> None:
    found = control_step.measure(20, (60,), groups=4)
    figures = found["figures"]["60"]
    assert set(figures) == {"numbers", "product", "ahead"}
    ahead = figures.pop("ahead")
    assert ahead["slices"] > 2
    assert ahead["slice_cpu_milliseconds"]["max"] <= 3 * ahead["look_cpu_milliseconds"]
    for part in figures.values():
        assert 0 < part["p50_ms"] <= part["p99_ms"] <= part["milliseconds"]["max"]
        assert 0 < part["set_points_per_step"] <= 60
    assert figures["product"]["memory_bytes_per_device"] > 100


def test_control_step_measures_controls_of_single_devices_where_it_is_asked_to() -> None:
    found = control_step.measure(20, (60,), groups=4, controls=40)
    assert found["work"]["controls"] == 40
    figures = found["figures"]["60"]["singles"]
    assert figures["controls"] == 40
    assert len(figures) == 9
    assert all(value["max"] > 0 for name, value in figures.items() if isinstance(value, dict)), figures


def test_an_aggregator_s_fleet_goes_through_its_whole_day() -> None:
    found = aggregator.measure((3,))["figures"]["3"]
    assert set(found) == {"connect", "five minutes", "received", "started", "ended"}
    assert found["five minutes"]["seconds_of_the_clock"] == 300
    assert all(part["cpu_milliseconds_per_device"] > 0 for part in found.values())


def test_verbs_print_json_or_lines() -> None:
    result = RUN.invoke(app, ["allocate", "--runs", "3", "--sizes", "100", "--json"])
    assert json.loads(result.stdout)["work"] == {"runs": 3, "sizes": [100]}
    assert "water-filling" in RUN.invoke(app, ["allocate", "--runs", "3", "--sizes", "100"]).stdout


def test_rivals_are_compared_pair_by_pair_by_processor_time() -> None:
    one = {"per_second": 10.0, "p50_ms": 1.0, "p99_ms": 2.0, "cpu_us": 40.0}
    found = sep2._figures([(one, {**one, "cpu_us": 20.0}), (one, {**one, "cpu_us": 30.0})])
    assert found["times_nginx"] == {"min": 0.5, "median": 0.625, "max": 0.75}
    assert found["cpu_us"]["median"] == 40.0
    assert "nginx" not in sep2._figures([(one, None)])


def test_a_fleet_s_counts_are_added_and_the_worst_time_counts() -> None:
    one = {"exchanges": 3, "failures": {"a": 1}, "p50_ms": 1.0, "p99_ms": 5.0, "max_ms": 6.0}
    found = fleet._merged([one, {"exchanges": 0, "failures": {"a": 1, "b": 2}}, {**one, "p99_ms": 4.0}])
    assert found["failures"] == {"a": 3, "b": 2}
    assert (found["exchanges"], found["failed"], found["p99_ms"]) == (6, 5, 5.0)


def test_codec_measures_both_ways_of_both_protocols() -> None:
    found = codec.measure(1)["figures"]
    assert found["DERControlList"]["bytes"] > 30_000
    assert all(value["min"] > 0 for part in found.values() for name, value in part.items() if name != "bytes")
