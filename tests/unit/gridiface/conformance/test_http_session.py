"""Requests, kept answers and names, over a wire that answers from a list."""

from __future__ import annotations

import pytest

from gridiface.conformance.http_session import HttpSession
from gridiface.conformance.http_wire import Answer, Wire
from gridiface.conformance.runner import Failed, Inconclusive


class FakeWire(Wire):
    """Answers what it is given, in order."""

    def __init__(self, *answers):
        super().__init__("h.test", 443, None)
        self._answers, self.sent = list(answers), []

    def exchange(self, octets, method):
        self.sent.append(octets)
        return self._answers.pop(0)


def session(*answers):
    return HttpSession(FakeWire(*answers), "application/sep+xml")


def test_a_request_has_what_is_needed_and_what_is_taken_away_is_not_there():
    made = session(Answer(200, {}, b""), Answer(400, {}, b""))
    made.request({"method": "POST", "at": "/a", "body": "<x/>"})
    assert made.wire.sent[0] == (
        b"POST /a HTTP/1.1\r\nHost: h.test:443\r\nAccept: application/sep+xml\r\n"
        b"Content-Type: application/sep+xml\r\nContent-Length: 4\r\n\r\n<x/>"
    )
    made.request({"at": "/a", "headers": {"Host": None, "Accept": "text/html"}, "expect": {"status": 400}})
    assert made.wire.sent[1] == b"GET /a HTTP/1.1\r\nAccept: text/html\r\n\r\n"
    assert made.evidence == ["> POST /a HTTP/1.1", "< 200 0 octets", "> GET /a HTTP/1.1", "< 400 0 octets"]


def test_raw_lines_stand_as_they_are():
    made = session(Answer(501, {}, b""))
    made.raw({"lines": ["FOO / HTTP/1.1", "A: b"], "expect": {"status": 501}})
    assert made.wire.sent == [b"FOO / HTTP/1.1\r\nA: b\r\n\r\n"]


def test_names_are_taken_from_bodies_and_headers():
    made = session(Answer(201, {"location": "/a/1"}, b"<r all='3'><n>5</n></r>"))
    made.request({"at": "/a", "as": "got"})
    made.take({"of": "got", "places": {"all": "./@all", "n": "n"}, "header": {"where": "Location"}})
    assert (made.names["all"], made.names["n"], made.names["where"]) == ("3", "5", "/a/1")
    with pytest.raises(Inconclusive):
        made.take({"of": "got", "places": {"x": "x"}})
    with pytest.raises(Failed, match="no header"):
        made.take({"of": "got", "header": {"x": "X-Y"}})


def test_documents_are_compared_as_a_whole_or_at_places():
    made = session(Answer(200, {}, b"<r a='1'><n>5</n></r>"), Answer(200, {}, b"<r a='2'><n>5</n></r>"))
    for name in "ab":
        made.request({"at": "/", "as": name})
    made.same({"a": "a", "b": "b", "places": ["n"]})
    for step in ({"a": "a", "b": "b"}, {"a": "a", "b": "b", "places": ["./@a"]}):
        with pytest.raises(Failed):
            made.same(step)
    with pytest.raises(Inconclusive):
        made.same({"a": "a", "b": "nowhere"})
