"""Refusals are told with who and why, and a flood of them is told as a number."""

from __future__ import annotations

import logging

from gridiface.northbound.sep2.wire.refusals import RefusalLog


def test_a_refusal_names_who_asked_for_what_and_why(caplog):
    caplog.set_level(logging.INFO, "gridiface.sep2")
    RefusalLog().note("POST", "/mup", 400, "mRID is missing", lfdi="AB" * 20, peer="192.0.2.1:5", now=1.0)
    (line,) = caplog.messages
    assert line == f"refused 'POST' '/mup' with 400: mRID is missing; lfdi={'AB' * 20} peer=192.0.2.1:5"


def test_what_the_peer_wrote_cannot_forge_a_line(caplog):
    caplog.set_level(logging.INFO, "gridiface.sep2")
    RefusalLog().note("GET", "/a\n2026 INFO all is well", 404, "no such resource", now=1.0)
    assert "\n" not in caplog.messages[0]


def test_a_flood_is_counted_and_told_when_its_second_is_over(caplog):
    caplog.set_level(logging.INFO, "gridiface.sep2")
    log = RefusalLog(most_per_s=2)
    for _ in range(5):
        log.note("GET", "/x", 404, "no such resource", now=7.2)
    assert len(caplog.messages) == 2
    log.note("GET", "/x", 404, "no such resource", now=8.0)
    assert caplog.messages[2] == "3 more requests were refused within a second"
    assert len(caplog.messages) == 4
