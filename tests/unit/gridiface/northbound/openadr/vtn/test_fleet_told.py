"""What a VEN's words on the event that tells it something mean."""

from __future__ import annotations

import math

import pytest

from gridiface.domain.controls import DeliveryOutcome, OutcomeKind
from gridiface.northbound.openadr.vtn.fleet_told import Told, answer_of, end_of, ends
from gridiface.protocols.openadr.vtn.notices import EventAnswered

NOW = 1_800_000_000.0
TOLD = Told(device_id="d", controls=["C"], watts=-500.0, until=NOW + 60, issued=NOW)


def answered(opt: str, code: int = 200, description: str = "") -> EventAnswered:
    return EventAnswered(
        venID="A", eventID="E", modification=0, opt=opt, code=code, description=description, cancelled=False
    )


@pytest.mark.parametrize(
    ("description", "reason"),
    [("", "the VEN opted out (200)"), ("OK", "the VEN opted out (200)"), ("too hot", "too hot")],
)
def test_an_opt_out_is_its_customers_choice_and_no_failed_delivery(description: str, reason: str) -> None:
    news = answer_of(TOLD, answered("optOut", 200, description), NOW)
    assert not news.deliveries
    assert [one.kind for one in news.outcomes] == [OutcomeKind.RECEIVED, OutcomeKind.REFUSED]
    assert news.outcomes[-1].reason == f"blocked: {reason}"


def test_what_a_ven_cannot_carry_out_is_a_failed_delivery() -> None:
    news = answer_of(TOLD, answered("optOut", 460, "no such signal"), NOW)
    assert [(one.outcome, one.detail) for one in news.deliveries] == [(DeliveryOutcome.REJECTED, "no such signal")]
    assert news.outcomes[-1].reason == "no such signal"


def test_an_opt_in_is_an_acknowledgement() -> None:
    news = answer_of(TOLD, answered("optIn"), NOW)
    assert [one.outcome for one in news.deliveries] == [DeliveryOutcome.ACKNOWLEDGED]
    assert [one.kind for one in news.outcomes] == [OutcomeKind.RECEIVED, OutcomeKind.STARTED]


def test_ends() -> None:
    assert ends(TOLD) == NOW + 60
    assert ends(Told(device_id="d", controls=[], watts=None, until=None, issued=NOW)) == math.inf
    assert end_of(answered("optIn")) == ""
    assert "cannot end" in end_of(answered("optOut", 200))
