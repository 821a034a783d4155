"""What is remembered of the link to a server, and what the log tells of it: each change once."""

from __future__ import annotations

import math

import pytest

from gridiface.northbound.sep2.upstream.condition import Condition
from gridiface.northbound.sep2.upstream.settings import Met
from gridiface.protocols.sep2.outbox import Written


def test_each_change_of_the_link_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    condition = Condition()
    with caplog.at_level("INFO", "gridiface.sep2.upstream"):
        condition.failed("no answer", 1.0, "utility")
        condition.failed("no answer", 2.0, "utility")
        condition.failed("its certificate was refused", 3.0, "utility")
        assert (condition.up, condition.since, condition.failures) == (False, 1.0, 3)
        assert condition.trouble == "its certificate was refused"
        condition.answered(200, 4.0, "utility")
        condition.answered(404, 5.0, "utility")
    assert (condition.up, condition.since, condition.answered_at, condition.trouble) == (True, 4.0, 5.0, "")
    assert condition.statuses == {200: 1, 404: 1}
    assert [message.partition(": ")[2] for message in caplog.messages] == [
        "no answer",
        "its certificate was refused",
        "the server answers",
    ]


def test_a_server_that_answers_and_cannot_be_read_is_lost() -> None:
    condition = Condition()
    assert condition.lost(0.0) == ""
    assert condition.answered(503, 1.0, "utility") is False
    condition.useless("/dcap", "answered with 503", 4, 1.0)
    condition.useless("/dcap", "answered with 503", 4, 30.0)
    assert condition.lost(30.0) == "", "one resource says nothing of the rest"
    condition.useless("/edev", "answered with 502", 4, 30.0)
    assert condition.lost(30.0) == "it answers, but nothing can be read: answered with 502"
    condition.read(5)
    assert condition.lost(30.0) == ""
    for place in ("/a", "/b", "/c"):
        condition.useless(place, f"{place}: no XML", 5, 40.0)
    assert (condition.lost(49.0), condition.lost(50.0)) == ("", "it answers, but nothing can be read: /c: no XML")
    condition.clock_jumped(3600.0)
    assert (condition.lost(3649.0), bool(condition.lost(3650.0))) == ("", True)
    condition.failed("no answer", 60.0, "utility")
    assert condition.lost(60.0) == "no answer"
    assert condition.answered(200, 61.0, "utility") is True


def test_what_was_wrong_with_an_answer_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    condition = Condition()
    for href in ("/a", "/a", "/b"):
        condition.bad(href, "no XML", 1.0, "utility")
    assert (condition.bad_replies, condition.bad_reply, len(caplog.messages)) == (3, "/b: no XML", 2)


def test_writes_that_were_refused_are_counted() -> None:
    condition = Condition()
    for status in (201, 400, 403):
        condition.write(Written(number=1, method="POST", target="/edev", status=status, location=None), "utility")
    assert condition.refused_writes == 2


def test_what_had_ended_when_the_server_was_met_ends_no_connection() -> None:
    condition = Condition()
    assert (condition.server, condition.ends) == ("", math.inf)
    condition.met(Met("AB", b"", (50.0, 300.0, 200.0)), 100.0)
    assert (condition.server, condition.ends) == ("AB", 200.0)
    condition.met(Met("AB", b"", (50.0,)), 100.0)
    assert condition.ends == math.inf
