"""Notices of the VTN's core in the log."""

from __future__ import annotations

import logging

import pytest

from gridiface.northbound.openadr.vtn.noting import Troubles, say
from gridiface.protocols.openadr.vtn.notices import (
    CertificateDropped,
    EventAnswered,
    EventStatusChanged,
    Notice,
    ReportReceived,
    ReportsPending,
    Undelivered,
    VenCancelled,
    VenRegistered,
    WishUnmet,
)


@pytest.mark.parametrize(
    ("notice", "level", "words"),
    [
        (VenRegistered(venID="A", registrationID="R", again=False), logging.INFO, "VEN A registered"),
        (VenRegistered(venID="A", registrationID="R", again=True), logging.INFO, "VEN A registered again"),
        (VenCancelled(venID="A", by="ven"), logging.WARNING, "VEN A is not registered any more, by ven"),
        (
            Undelivered(venID="A", kind="events", attempts=3),
            logging.WARNING,
            "VEN A never answered events",
        ),
        (
            ReportsPending(venID="A", ids=(), refused="461 no"),
            logging.WARNING,
            "VEN A refused a report request: 461 no",
        ),
        (
            WishUnmet(venID="A", name="TELEMETRY_USAGE", reason="b is not sampled so often"),
            logging.WARNING,
            "VEN A: TELEMETRY_USAGE cannot be requested: b is not sampled so often",
        ),
        (
            EventAnswered(
                venID="A", eventID="E", modification=1, opt="optOut", code=300, description="no way", cancelled=True
            ),
            logging.WARNING,
            "VEN A cannot end event E: 300 no way",
        ),
        (ReportsPending(venID="A", ids=("R",)), logging.DEBUG, "ReportsPending"),
        (EventStatusChanged(eventID="E", status="active"), logging.DEBUG, "active"),
    ],
)
def test_each_notice_has_its_words_and_level(
    notice: Notice, level: int, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "gridiface.openadr"):
        say(notice)
    (record,) = caplog.records
    assert record.levelno == level
    assert words in record.getMessage()


def test_the_last_trouble_of_a_ven_is_kept_until_it_registers_anew() -> None:
    troubles = Troubles()
    troubles.note(ReportsPending(venID="A", ids=()), 0.0)
    assert troubles.of("A") == ""
    troubles.note(ReportsPending(venID="A", ids=(), refused="461 no"), 0.0)
    assert troubles.of("A") == "a report request: 461 no"
    troubles.note(Undelivered(venID="A", kind="events", attempts=3), 0.0)
    troubles.note(VenRegistered(venID="A", registrationID="R", again=True), 0.0)
    assert (troubles.of("A"), troubles.of("B")) == ("never answered events", "")
    troubles.note(WishUnmet(venID="A", name="X", reason="why"), 0.0)
    assert troubles.of("A") == "X cannot be requested: why"
    troubles.note(VenCancelled(venID="A", by="ven"), 0.0)
    assert troubles.of("A") == ""


def test_nothing_is_kept_of_a_ven_that_was_removed() -> None:
    troubles = Troubles()
    troubles.note(Undelivered(venID="A", kind="events", attempts=3), 0.0)
    troubles.note(CertificateDropped(venID="A"), 0.0)
    assert troubles.of("A") == ""


def received(created: float) -> ReportReceived:
    return ReportReceived(
        venID="A",
        reportRequestID="R",
        reportSpecifierID="s",
        name="TELEMETRY_USAGE",
        created=created,
        values=(),
        missing=(),
        final=False,
    )


def test_r114_a_clock_that_is_ahead_is_a_trouble_until_it_is_not(caplog: pytest.LogCaptureFixture) -> None:
    troubles = Troubles()
    troubles.note(received(90.0), 1000.0)  # It may have waited.
    assert troubles.of("A") == ""
    for ahead in (7200.0, 7201.0):
        troubles.note(received(1000.0 + ahead), 1000.0)
        assert troubles.of("A") == "its clock is 2 h ahead of ours"
    assert len(caplog.records) == 1
    troubles.note(Undelivered(venID="A", kind="events", attempts=3), 1000.0)
    assert troubles.of("A") == "its clock is 2 h ahead of ours; never answered events"
    troubles.note(received(1001.0), 1000.0)
    assert troubles.of("A") == "never answered events"
