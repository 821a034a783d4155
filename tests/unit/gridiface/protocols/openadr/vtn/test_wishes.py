"""What is asked of a VEN, judged by what its metadata offer."""

from __future__ import annotations

import pytest

from gridiface.errors import RefusedControl
from gridiface.protocols.openadr.answers import Refusal
from gridiface.protocols.openadr.payloads.report import OadrReport, OadrReportDescription, OadrSamplingRate
from gridiface.protocols.openadr.reports import ReportRequest
from gridiface.protocols.openadr.vtn import ReportWish
from gridiface.protocols.openadr.vtn.wishes import check_metadata, check_request, request_for

NOW = 1_800_000_000.0


def point(rid="p", fastest=5, slowest=60, **fields):
    rate = OadrSamplingRate(oadrMinPeriod=fastest, oadrMaxPeriod=slowest, oadrOnChange=False)
    base = {"rID": rid, "reportType": "usage", "readingType": "Direct Read", "oadrSamplingRate": rate}
    return OadrReportDescription(**{**base, **fields})


def offer(*points, specifier="s", name="METADATA_TELEMETRY_USAGE", duration=600):
    return OadrReport(
        duration=duration,
        oadrReportDescription=list(points or (point(),)),
        reportRequestID="0",
        reportSpecifierID=specifier,
        reportName=name,
        createdDateTime=NOW,
    )


@pytest.mark.parametrize(
    ("offers", "code"),
    [
        ([offer(), offer()], 454),
        ([offer(point(), point())], 454),
        ([offer(point(oadrSamplingRate=None))], 459),
        ([offer(point(fastest=9, slowest=8))], 454),
        ([offer(point(fastest=-1))], 454),
    ],
)
def test_40_r308_r333_metadata_that_cannot_be_are_refused(offers, code):
    with pytest.raises(Refusal) as refused:
        check_metadata(offers)
    assert refused.value.answer == code


def test_history_needs_no_sampling_rate():
    check_metadata([offer(point(oadrSamplingRate=None), name="METADATA_HISTORY_USAGE"), offer(specifier="t")])


@pytest.mark.parametrize(
    "fields",
    [
        {"specifier": "other"},
        {"rids": ("q",)},
        {"rids": ()},
        {"granularity": 4},
        {"granularity": 61, "back": 61},
        {"granularity": 20, "back": 10},
        {"granularity": 0},
        {"back": 601},
        {"specifier": "METADATA", "rids": ("p",)},
    ],
)
def test_41_r300_r317_r340_what_is_not_offered_is_not_asked_for(fields):
    request = ReportRequest(**{"id": "", "specifier": "s", "rids": ("p",), "granularity": 10, "back": 60, **fields})
    with pytest.raises(RefusedControl):
        check_request(request, [offer()])


def test_the_name_of_what_is_asked_for():
    asked = ReportRequest(id="", specifier="s", rids=("p",), granularity=10, back=60)
    assert check_request(asked, [offer()]) == "TELEMETRY_USAGE"
    assert check_request(ReportRequest(id="", specifier="METADATA", rids=("0",)), []) == "METADATA"


def test_a_wish_is_asked_for_as_fast_as_it_can_be_had():
    wish = ReportWish(name="TELEMETRY_USAGE", granularity=1, back=1)
    made = request_for(wish, offer(point(), point("q", fastest=20)), NOW)
    assert (made.rids, made.granularity, made.back, made.start) == (("p", "q"), 20, 20, NOW)
    slow = request_for(ReportWish(name="TELEMETRY_USAGE", granularity=900, back=9000), offer(), NOW)
    assert (slow.granularity, slow.back) == (60, 600)
    assert request_for(ReportWish(name="TELEMETRY_USAGE", rids=("x",)), offer(), NOW) is None
    history = request_for(ReportWish(name="HISTORY_USAGE"), offer(name="METADATA_HISTORY_USAGE"), NOW)
    assert (history.granularity, history.back, history.start) == (0, 0, NOW - 600)
