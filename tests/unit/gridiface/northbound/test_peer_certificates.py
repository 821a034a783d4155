"""The ends of peers' certificates: told once a day, gone when a new one is shown."""

from __future__ import annotations

import logging
import time

import pytest

from gridiface.northbound.peer_certificates import EXPIRING_S, SAID_EVERY_S, PeerCertificates, end_of
from gridiface.pki.faults import FaultBench
from gridiface.pki.folder import TestPki

NOW = float(int(time.time()))
DAY = 86_400.0


@pytest.fixture(scope="module")
def bench() -> FaultBench:
    return FaultBench(TestPki.create(depth=4, now=NOW), now=NOW)


def test_r516_an_end_within_thirty_days_is_told_once_a_day(bench: FaultBench, caplog: pytest.LogCaptureFixture) -> None:
    peers, der = PeerCertificates(), bench.device(not_after=bench.day(40)).der
    with caplog.at_level(logging.WARNING, "gridiface.openadr"):
        peers.seen("VEN A", der, NOW)
        assert (peers.ending(NOW), caplog.messages) == ({}, [])
        later = end_of(der) - EXPIRING_S
        for wait in (0.0, 60.0, SAID_EVERY_S):
            peers.seen("VEN A", der, later + wait)
    assert len(caplog.messages) == 2
    assert "VEN A" in caplog.messages[0]
    assert "VEN A" in peers.ending(later)


def test_r516_an_end_that_has_come_stays_told_until_another_certificate_is_shown(bench: FaultBench) -> None:
    peers = PeerCertificates()
    peers.seen("VEN A", bench.device(not_after=bench.day(1)).der, NOW)
    after = NOW + 2 * DAY
    assert not peers.ending(after)
    assert "it ends" in peers.ended(after)["VEN A"]
    peers.seen("VEN A", bench.device(not_after=bench.day(400)).der, after)
    assert not peers.ended(after)


def test_who_shows_none_or_left_is_not_told_of(bench: FaultBench) -> None:
    peers = PeerCertificates()
    peers.seen("VEN A", b"", NOW)
    peers.seen("VEN B", bench.device(not_after=bench.day(1)).der, NOW)
    peers.forget("VEN B")
    assert not peers.ending(NOW)


def test_what_is_no_certificate_has_ended() -> None:
    assert end_of(b"noise") == 0.0
