"""Report requests and data on the wire."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridiface.errors import RemoteProtocolError
from gridiface.protocols.openadr.payloads.report import OadrReport
from gridiface.protocols.openadr.payloads.stream import (
    DATA_QUALITIES,
    Interval,
    Intervals,
    OadrPayloadResourceStatus,
    OadrReportPayload,
    PayloadFloat,
)
from gridiface.protocols.openadr.reports import (
    ReportKind,
    ReportRequest,
    ReportValue,
    default_start,
    intervals_of,
    metadata_request,
    request_from_wire,
    request_to_wire,
    values_of,
)


def request(**fields):
    return ReportRequest(**{"id": "r", "specifier": "s", "rids": ("a",), **fields})


def test_41_the_kind_is_told_by_the_fields():
    assert metadata_request("m").kind is ReportKind.METADATA
    assert request().kind is ReportKind.ONE_SHOT
    assert request(back=60).kind is ReportKind.PERIODIC
    assert request(history=True).kind is ReportKind.HISTORY


def test_41_r324_what_must_begin_at_some_time_begins_where_it_can():
    assert default_start("TELEMETRY_USAGE", 60, 0, 1000.0) is None
    assert default_start("TELEMETRY_USAGE", 60, 10, 1000.0) == 1000.0
    assert default_start("HISTORY_USAGE", 60, 0, 1000.0) == 940.0
    assert default_start("HISTORY_USAGE", 2000, 0, 1000.0) == 0.0
    assert default_start("HISTORY_GREENBUTTON", None, 0, 1000.0) == 0.0


def test_a_request_without_duration_never_ends():
    assert request(start=5.0).end == math.inf
    assert request(start=5.0, duration=10).end == 15.0
    assert request().end == math.inf


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.none() | st.integers(0, 10**9), st.integers(0, 10**6))
def test_requests_read_back_the_same(granularity, back, start, duration):
    made = request(
        granularity=granularity,
        back=back,
        start=None if start is None else float(start),
        duration=0 if start is None else duration,
    )
    assert request_from_wire(request_to_wire(made)) == made


def test_negative_times_are_refused():
    wire = request_to_wire(request(back=10))
    wire.reportSpecifier.granularity = -1
    with pytest.raises(RemoteProtocolError) as refused:
        request_from_wire(wire)
    assert refused.value.answer == 454


def report(values, **fields):
    made = Intervals(interval=intervals_of(values))
    return OadrReport(intervals=made, reportRequestID="r", reportSpecifierID="s", createdDateTime=0.0, **fields)


VALUES = st.builds(
    ReportValue,
    rid=st.sampled_from("abc"),
    start=st.integers(0, 50).map(float),
    duration=st.none() | st.integers(1, 5),
    value=st.integers(-9, 9).map(float),
    quality=st.none() | st.sampled_from(DATA_QUALITIES),
    confidence=st.none() | st.integers(0, 100),
    accuracy=st.none() | st.just(0.5),
)


@given(st.lists(VALUES, min_size=1, max_size=12), st.booleans())
def test_values_read_back_oldest_first(values, one_each):
    back = values_of(
        OadrReport(
            intervals=Intervals(interval=intervals_of(values, one_point_each=one_each)),
            reportRequestID="r",
            reportSpecifierID="s",
            createdDateTime=0.0,
        )
    )
    assert [v.start for v in back] == sorted(v.start for v in values)
    assert sorted(map(repr, back)) == sorted(map(repr, values))


def test_status_and_feed_read_back():
    status = ReportValue(
        rid="s", start=1.0, status=OadrPayloadResourceStatus(oadrOnline=True, oadrManualOverride=False)
    )
    feed = ReportValue(rid="", start=2.0, feed=b"<x/>")
    assert values_of(report([status, feed])) == [status, feed]


@pytest.mark.parametrize("where", ["interval", "report"])
def test_a_value_that_ends_before_it_begins_is_refused(where):
    made = OadrReport(
        dtstart=0.0,
        duration=-60 if where == "report" else None,
        reportRequestID="r",
        reportSpecifierID="s",
        createdDateTime=0.0,
        intervals=Intervals(interval=intervals_of([ReportValue(rid="a", start=0.0, duration=60, value=1.0)])),
    )
    (row,) = made.intervals.interval
    row.duration, row.dtstart = (None, None) if where == "report" else (-60, 0.0)
    with pytest.raises(RemoteProtocolError) as refused:
        values_of(made)
    assert refused.value.answer == 454


def test_a_report_without_intervals_has_no_values():
    made = report([ReportValue(rid="a", start=1.0, value=1.0)])
    made.intervals = None
    assert values_of(made) == []


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    ("said", "quality"),
    [
        (None, "Quality Bad - Non Specific"),
        ("Quality Good - Non Specific", "Quality Bad - Non Specific"),
        ("Quality Bad - Sensor Failure", "Quality Bad - Sensor Failure"),
        ("No Quality - No Value", "No Quality - No Value"),
    ],
)
def test_what_is_no_number_is_no_value_of_bad_quality(value, said, quality):
    payload = OadrReportPayload(rID="a", payloadBase=PayloadFloat(value=value), accuracy=math.nan, oadrDataQuality=said)
    row = Interval(dtstart=5.0, streamPayloadBase=[payload])
    report = OadrReport(
        intervals=Intervals(interval=[row]), reportRequestID="r", reportSpecifierID="s", createdDateTime=5.0
    )
    (found,) = values_of(report)
    assert (found.value, found.quality, found.accuracy) == (None, quality, None)
