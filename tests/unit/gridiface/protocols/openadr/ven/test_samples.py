"""Recorded values."""

from __future__ import annotations

import pytest

from gridiface.protocols.openadr.payloads.stream import QUALITY_BAD, QUALITY_GOOD, OadrPayloadResourceStatus
from gridiface.protocols.openadr.ven import Sample, SampleMemory
from gridiface.protocols.openadr.ven.samples import PREVIOUS_USED, at_least_apart, coarser, value_at, value_of


def test_70_at_least_a_hundred_points_are_kept():
    memory = SampleMemory(most=1)
    for at in range(150):
        memory.record("s", "r", Sample(at=float(at), value=float(at)))
    assert [sample.at for sample in memory.between("s", "r", 0, 1000)] == [float(at) for at in range(50, 150)]


def test_late_and_corrected_samples_find_their_place():
    memory = SampleMemory()
    for at, value in ((1.0, 1.0), (3.0, 3.0), (2.0, 2.0), (3.0, 30.0)):
        memory.record("s", "r", Sample(at=at, value=value))
    assert [(s.at, s.value) for s in memory.between("s", "r", 0, 9)] == [(1.0, 1.0), (2.0, 2.0), (3.0, 30.0)]
    assert memory.at("s", "r", 2.5).value == 2.0
    assert memory.at("s", "r", 0.5) is None
    assert memory.at("other", "r", 9) is None
    assert [s.at for s in memory.between("s", "r", 1.0, 3.0)] == [1.0, 2.0]


def test_67_r317_samples_too_close_to_the_one_before_are_left_out():
    samples = [Sample(at=at, value=at) for at in (0.0, 1.0, 4.0, 7.9, 8.0)]
    assert [sample.at for sample in at_least_apart(samples, 4)] == [0.0, 4.0, 8.0]
    assert at_least_apart([], 4) == []
    assert at_least_apart(samples, 0) == samples


@pytest.mark.parametrize(
    ("age", "granularity", "quality"),
    [(5, 10, "Quality Good - Non Specific"), (15, 10, PREVIOUS_USED), (15, 0, "Quality Good - Non Specific")],
)
def test_67_an_old_value_says_so(age, granularity, quality):
    value = value_at("r", Sample(at=100.0, value=1.0), 100.0 + age, granularity, is_status=False, duration=None)
    assert (value.quality, value.value, value.start) == (quality, 1.0, 100.0 + age)


def test_67_a_bad_value_keeps_its_own_quality():
    bad = Sample(at=0.0, value=1.0, quality="Quality Bad - Comm Failure")
    assert value_at("r", bad, 99.0, 1, is_status=False, duration=5).quality == "Quality Bad - Comm Failure"


def test_r318_a_missing_value_is_a_placeholder():
    value = value_at("r", None, 9.0, 1, is_status=False, duration=None)
    assert (value.value, value.quality) == (0.0, "Quality Bad - Non Specific")
    status = value_at("r", None, 9.0, 1, is_status=True, duration=None)
    assert status.status == OadrPayloadResourceStatus(oadrOnline=False, oadrManualOverride=False)


def test_a_sample_is_reported_as_it_is():
    value = value_of("r", Sample(at=3.0, value=2.0, duration=60))
    assert (value.rid, value.start, value.duration, value.value) == ("r", 3.0, 60, 2.0)


def test_coarser_intervals_are_means_or_sums_with_the_worst_quality():
    rows = [
        Sample(at=float(at), value=float(at), duration=60, quality=QUALITY_BAD if at == 180 else QUALITY_GOOD)
        for at in range(0, 360, 60)
    ]
    means = coarser(rows, 0.0, 120, additive=False)
    assert [(s.at, s.value, s.duration) for s in means] == [(0.0, 30.0, 120), (120.0, 150.0, 120), (240.0, 270.0, 120)]
    assert [s.quality for s in means] == [QUALITY_GOOD, QUALITY_BAD, QUALITY_GOOD]
    assert [s.value for s in coarser(rows, 0.0, 180, additive=True)] == [180.0, 720.0]
    assert coarser(rows, 0.0, 60, additive=True) == rows
    assert coarser(rows, 0.0, 0, additive=True) == rows
    assert coarser([], 0.0, 60, additive=True) == []
