"""Notices of the VTN's core in the log."""

from __future__ import annotations

import logging

import pytest

from gridiface.northbound.openadr.noting import say
from gridiface.protocols.openadr.vtn.notices import (
    EventStatusChanged,
    Notice,
    Undelivered,
    VenCancelled,
    VenRegistered,
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
