"""What is remembered of the link to a server, and what the log tells of it: each change once."""

from __future__ import annotations

import pytest

from gridiface.northbound.sep2.upstream.condition import Condition
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
