"""The shape of a benchmark's answer."""

from __future__ import annotations

import json
import os

import pytest

from gridiface.simulation.load import figures


def test_percentile_is_the_nearest_rank() -> None:
    values = [float(n) for n in range(1, 101)]
    assert figures.percentile(values, 0.5) == 50.0
    assert figures.percentile(values, 0.99) == 99.0
    assert figures.percentile([7.0], 0.99) == 7.0


def test_spread_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one run"):
        figures.spread([])


def test_report_names_machine_versions_and_work() -> None:
    found = json.loads(json.dumps(figures.report("x", {"n": 1}, {"s": figures.spread([1.0, 3.0])})))
    assert set(found) == {"bench", "work", "figures", "machine", "versions"}
    assert found["figures"]["s"] == {"min": 1.0, "median": 2.0, "max": 3.0}
    assert found["versions"]["gridiface"]


def test_processor_time_of_a_process_goes_up_only() -> None:
    before = figures.cpu_s(os.getpid())
    sum(range(300_000))
    assert figures.cpu_s(os.getpid()) >= before > 0
    assert figures.cpu_s(2**30) == 0
