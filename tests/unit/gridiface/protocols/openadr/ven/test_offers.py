"""What a VEN offers, and requests that go beyond it; as a conversation in test_reporting.py."""

from __future__ import annotations

import pytest

from gridiface.protocols.openadr.answers import Refusal
from gridiface.protocols.openadr.reports import ReportRequest
from gridiface.protocols.openadr.ven import DataPoint, ReportOffer
from gridiface.protocols.openadr.ven.offers import check_amount, metadata_of

POINTS = (
    DataPoint(rid="a", min_period=10, max_period=60, on_change=True),
    DataPoint(rid="b", min_period=20, max_period=90),
)
OFFER = ReportOffer(specifier="usage", name="TELEMETRY_USAGE", points=POINTS, duration=80)


def periodic(**fields):
    base = {"id": "r", "specifier": "usage", "rids": ("a", "b"), "granularity": 20, "back": 60, "start": 0.0}
    return ReportRequest(**{**base, **fields})


def test_65_r312_no_rate_is_slower_than_what_is_kept():
    made = metadata_of(OFFER, 5.0)
    rates = [point.oadrSamplingRate for point in made.oadrReportDescription]
    assert [(r.oadrMinPeriod, r.oadrMaxPeriod, r.oadrOnChange) for r in rates] == [(10, 60, True), (20, 80, False)]
    assert (made.duration, made.reportRequestID, made.createdDateTime) == (80, "0", 5.0)


@pytest.mark.parametrize("fields", [{}, {"granularity": 60}, {"back": 80}, {"duration": 10**6}])
def test_66_what_every_point_offers_can_be_had(fields):
    check_amount(periodic(**fields), OFFER, POINTS, 1.0)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"granularity": 19}, "below"),
        ({"granularity": 61, "back": 70}, "above the sampling rate"),
        ({"granularity": 61}, "above the reportBackDuration"),
        ({"granularity": 0}, "on change"),
        ({"back": 81}, "80 s of data"),
        ({"duration": 1}, "over"),
    ],
)
def test_66_r300_r317_r340_what_one_point_does_not_offer_cannot(fields, why):
    with pytest.raises(Refusal, match=why) as refused:
        check_amount(periodic(**fields), OFFER, POINTS, 1.0)
    assert refused.value.answer == 454


def test_66_history_is_asked_for_in_the_past():
    history = ReportOffer(specifier="h", name="HISTORY_USAGE", points=POINTS, duration=80)
    asked = {"history": True, "granularity": 0, "back": 0}
    check_amount(periodic(**asked, start=10.0, duration=80), history, POINTS, 10.0)
    with pytest.raises(Refusal, match="past"):
        check_amount(periodic(**asked, start=11.0), history, POINTS, 10.0)
    with pytest.raises(Refusal, match="80 s of data"):
        check_amount(periodic(**asked, duration=81), history, POINTS, 10.0)
