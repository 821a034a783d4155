"""Writes: order per target, repetition, redirects, bounds."""

from __future__ import annotations

from random import Random

import pytest

from gridiface.protocols.sep2.exchange import Reply
from gridiface.protocols.sep2.outbox import Outbox, Written


def box(**settings: int) -> Outbox:
    return Outbox(Random(1), **settings)  # type: ignore[arg-type]


def test_a_write_is_sent_until_it_is_answered() -> None:
    outbox = box()
    number, dropped = outbox.add("POST", "/mup", b"<a/>", 5)
    assert dropped == []
    (write,) = outbox.due(5)
    request = outbox.request(write, {"host": "h"})
    assert (request.method, request.target, request.headers["content-type"], request.body) == (
        "POST", "/mup", "application/sep+xml", b"<a/>",
    )  # fmt: skip
    assert outbox.due(5) == []
    assert outbox.next_due() is None
    assert outbox.answer(write, None, 6) is None
    assert outbox.due(6) == []
    again = outbox.next_due()
    assert again is not None
    (write,) = outbox.due(again)
    outbox.request(write, {})
    outcome = outbox.answer(write, Reply(201, {"Location": "/mup/3"}), again)
    assert outcome == Written(number, "POST", "/mup", 201, "/mup/3")
    assert outcome.accepted
    assert len(outbox) == 0


@pytest.mark.parametrize(
    ("status", "final"),
    [(400, True), (404, True), (501, True), (204, True), (500, False), (503, False), (429, False), (408, False)],
)
def test_which_answers_are_final(status: int, final: bool) -> None:
    outbox = box()
    outbox.add("PUT", "/x", b"<a/>", 0)
    (write,) = outbox.due(0)
    outbox.request(write, {})
    outcome = outbox.answer(write, Reply(status), 0, retry_after=30)
    assert (outcome is not None) is final
    if outcome is None:
        assert outbox.next_due() == 30
    else:
        assert outcome.accepted is (status == 204)


@pytest.mark.parametrize(
    ("media", "body", "final"),
    [
        ("text/html; charset=utf-8", b"<html/>", False),
        ("Text/HTML", b"<html/>", False),
        ("text/html", b"", True),
        ("application/sep+xml", b"<a/>", True),
        (None, b"OK", True),
    ],
)
def test_the_page_of_a_proxy_is_no_answer(media: str | None, body: bytes, final: bool) -> None:
    outbox = box()
    outbox.add("POST", "/mup", b"<a/>", 0)
    (write,) = outbox.due(0)
    outbox.request(write, {})
    headers = {} if media is None else {"content-type": media}
    assert (outbox.answer(write, Reply(200, headers, body), 0) is not None) is final
    assert len(outbox) == (0 if final else 1)


def test_after_an_outage_what_was_left_unanswered_is_sent_soon() -> None:
    outbox = box()
    for target in ("/a", "/b", "/c"):
        outbox.add("POST", target, b"<a/>", 0)
    for _ in range(9):
        for write in outbox.due(5_000):
            if write.target != "/c":
                outbox.request(write, {})
                assert outbox.answer(write, None, 5_000) is None
        for write in list(outbox._writes.values()):  # the back-off is over each time
            if write.target != "/c":
                outbox._again(write, 5_000)
    (first,) = [write for write in outbox.due(5_000) if write.target == "/a"]
    outbox.request(first, {})
    assert outbox.answer(first, None, 5_000) is None
    (flying,) = [write for write in outbox.due(5_000) if write.target == "/b"]
    outbox.request(flying, {})
    assert first.next_at > 5_100
    outbox.answers_again(5_001)
    assert 5_001 <= first.next_at <= 5_003
    assert outbox.due(5_003) == [next(one for one in outbox.due(5_003) if one.target == "/c"), first], "none twice"
    outbox.answers_again(5_001)
    assert first.next_at <= 5_003


def test_writes_to_one_target_keep_their_order() -> None:
    outbox = box()
    for n in range(3):
        outbox.add("POST", "/a", b"%d" % n, 0)
    outbox.add("DELETE", "/b", b"", 0)
    first, other = outbox.due(0)
    assert (first.body, other.target) == (b"0", "/b")
    assert "content-type" not in outbox.request(other, {}).headers
    outbox.request(first, {})
    assert outbox.due(0) == []
    outbox.answer(first, Reply(201), 0)
    assert [w.body for w in outbox.due(0)] == [b"1"]


def test_a_write_follows_redirects_but_not_for_ever() -> None:
    outbox = box(longest_chain=2)
    outbox.add("POST", "/a", b"x", 0)
    outcome = None
    targets = []
    for n in range(3):
        (write,) = outbox.due(0)
        targets.append(outbox.request(write, {}).target)
        outcome = outbox.answer(write, Reply(301, {"location": f"/a{n}"}), 0)
    assert targets == ["/a", "/a0", "/a1"]
    assert outcome is not None
    assert outcome.status == 301


@pytest.mark.parametrize("headers", [{}, {"Location": "https://other/a"}, {"Location": "//other/a"}])
def test_a_redirect_to_nowhere_or_elsewhere_is_final(headers: dict[str, str]) -> None:
    outbox = box()
    outbox.add("POST", "/a", b"x", 0)
    (write,) = outbox.due(0)
    assert outbox.answer(write, Reply(302, headers), 0) is not None


def test_attempts_and_capacity_are_bounded() -> None:
    outbox = box(attempts=2, capacity=2)
    outbox.add("PUT", "/a", b"x", 0)
    (write,) = outbox.due(0)
    for _ in range(2):
        outbox.request(write, {})
        outcome = outbox.answer(write, None, 0)
    assert outcome == Written(1, "PUT", "/a", 0, None)
    outbox.add("PUT", "/a", b"2", 0)
    outbox.add("PUT", "/b", b"3", 0)
    (flying, _) = outbox.due(0)
    outbox.request(flying, {})
    _, dropped = outbox.add("PUT", "/c", b"4", 0)
    assert [(w.target, w.status) for w in dropped] == [("/b", 0)]
