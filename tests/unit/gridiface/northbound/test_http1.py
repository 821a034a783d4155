"""Heads and bodies from bytes; what we take, aiohttp's parser reads the same way."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp.http import HttpRequestParser
from hypothesis import given, settings
from hypothesis import strategies as st

from gridiface.errors import RemoteProtocolError
from gridiface.northbound.http1 import LONGEST_HEAD, Body, Heads, parse_head, too_long

HEAD = b"POST /edev?l=9 HTTP/1.1\r\nHost: x:443\r\nAccept: a\r\nACCEPT: b \r\nContent-Length: 5\r\n\r\n"

REFUSED = (
    b"GET /dcap\r\n\r\n",
    b"GET  /dcap HTTP/1.1\r\n\r\n",
    b"GET /dcap HTTP/2\r\n\r\n",
    b"GET /dcap HTTP/1.1.1\r\n\r\n",
    b"GET /dcap http/1.1\r\n\r\n",
    b"GET /dcap HTTP/1.1 \r\n\r\n",
    b"G\x00T /dcap HTTP/1.1\r\n\r\n",
    b"GET /d\x7fcap HTTP/1.1\r\n\r\n",
    b"GET /d\xc3\xa4 HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
    b"GET / HTTP/1.1\r\n Host: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\rA: b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\x00\r\n\r\n",
    b"GET / HTTP/1.1\r\n: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 5, 5\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: +5\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 0x5\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: \r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 1000000000000000\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
    *(
        b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n"
        for host in (
            b"a b",
            b"a, b",
            b"user@a",
            b"a/b",
            b"a:b",
            b"a:1:2",
            b"[::1",
            b"::1",
            b"\xe4.example",
            b"http://a",
        )
    ),
)


def test_a_head_is_what_it_says() -> None:
    head = parse_head(HEAD)
    assert (head.method, head.target, head.length) == ("POST", "/edev?l=9", 5)
    assert head.headers == {"host": "x:443", "accept": "a, b", "content-length": "5"}
    assert head.keep_alive
    assert not head.old
    assert not head.expects


@pytest.mark.parametrize("raw", REFUSED)
def test_what_two_readers_could_understand_differently_is_refused(raw: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as refused:
        parse_head(raw)
    assert refused.value.answer == 400


def test_a_head_that_is_too_long_says_what_of_it_is() -> None:
    assert len(parse_head(b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 100 + b"\r\n").headers["a"]) == 298
    with pytest.raises(RemoteProtocolError) as refused:
        parse_head(b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 101 + b"\r\n")
    assert refused.value.answer == 431
    assert too_long(b"GET /" + b"a" * LONGEST_HEAD).answer == 414
    assert too_long(b"GET / HTTP/1.1\r\na: " + b"b" * LONGEST_HEAD).answer == 431


@pytest.mark.parametrize(
    "host", ["", "a", "a.example:443", "a_b.example.", "192.0.2.1:", "[2001:db8::1]:8443", "[fe80::1%25eth0]", "a%20b"]
)
def test_a_host_is_what_uris_have(host: str) -> None:
    assert parse_head(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()).headers["host"] == host


@pytest.mark.parametrize("version", ["0.9", "1.2", "2.0", "3.0", "9.9"])
def test_another_version_of_http_is_505(version: str) -> None:
    with pytest.raises(RemoteProtocolError) as refused:
        parse_head(f"GET /dcap HTTP/{version}\r\nHost: x\r\n\r\n".encode())
    assert refused.value.answer == 505


def test_a_target_keeps_its_spelling_and_has_the_path_that_the_application_compares() -> None:
    head = Heads(str.upper).get(b"GET /a?b HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (head.target, head.path) == ("/a?b", "/A?B")


def test_an_unknown_transfer_coding_is_501() -> None:
    with pytest.raises(RemoteProtocolError) as refused:
        parse_head(b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n")
    assert refused.value.answer == 501


@pytest.mark.parametrize(
    ("raw", "keep", "old"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", True, False),
        (b"GET / HTTP/1.1\r\nConnection: Close\r\n\r\n", False, False),
        (b"GET / HTTP/1.1\r\nConnection: x, close\r\n\r\n", False, False),
        (b"GET / HTTP/1.0\r\n\r\n", False, True),
        (b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", True, True),
    ],
)
def test_how_long_a_connection_lives(raw: bytes, keep: bool, old: bool) -> None:
    head = parse_head(raw)
    assert (head.keep_alive, head.old) == (keep, old)


def test_expect_is_for_those_who_can() -> None:
    assert parse_head(b"PUT / HTTP/1.1\r\nExpect: 100-Continue\r\nContent-Length: 3\r\n\r\n").expects
    assert not parse_head(b"PUT / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n").expects


def test_known_heads_are_the_same_and_refusals_are_not_kept() -> None:
    heads = Heads()
    assert heads.get(HEAD) is heads.get(bytes(bytearray(HEAD)))
    assert heads.get(HEAD.replace(b"9", b"8")).target == "/edev?l=8"
    for _ in range(2):
        with pytest.raises(RemoteProtocolError):
            heads.get(REFUSED[0])


NAMES = st.sampled_from(["Accept", "X-a", "connection", "Content-Length", "Transfer-Encoding", "Expect"])
VALUES = st.one_of(
    st.sampled_from(["5", "05", "chunked", "close", "keep-alive", "100-continue", "", " 7 ", "a\tb", "x:1"]),
    st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=8),
)
LINES = st.sampled_from(
    ["GET /a HTTP/1.1", "POST /b?c=d HTTP/1.1", "PUT /x HTTP/1.0", "DELETE /x HTTP/1.1", "HEAD http://h/p HTTP/1.1"]
)


@settings(max_examples=400, deadline=None)
@given(LINES, st.lists(st.tuples(NAMES, VALUES), max_size=4))
def test_what_we_take_aiohttp_reads_the_same_way(line: str, fields: list[tuple[str, str]]) -> None:
    raw = "\r\n".join([line, "Host: h", *(f"{name}:{value}" for name, value in fields), "", ""]).encode("latin-1")
    if raw.find(b"\r\n\r\n") + 4 != len(raw):
        return
    try:
        head = parse_head(raw)
    except RemoteProtocolError:
        return
    theirs = _aiohttp(raw)
    assert theirs.method.upper() == head.method.upper()
    assert theirs.path == head.target
    assert {name.decode().lower() for name, _ in theirs.raw_headers} == set(head.headers)
    assert theirs.chunked == (head.length is None)
    assert theirs.should_close == (not head.keep_alive)


def _aiohttp(raw: bytes) -> Any:
    loop = asyncio.new_event_loop()
    try:
        parser = HttpRequestParser(Silent(loop), loop, 2**16)  # type: ignore[arg-type]  # no connection is needed
        messages, _, _ = parser.feed_data(raw)
        return messages[0][0]
    finally:
        loop.close()


class Silent:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


# --- bodies -----------------------------------------------------------------------------------------------------------

CHUNKED = b"5;a=b\r\nhello\r\n1 \r\n,\r\n00000006\r\n world\r\n0\r\nTrailer: x\r\n\r\nNEXT"


@given(st.lists(st.integers(min_value=0, max_value=len(CHUNKED)), max_size=8))
def test_chunks_however_they_are_cut(cuts: list[int]) -> None:
    body, waiting, at = Body(None, 100), bytearray(), 0
    for cut in [*sorted(cuts), len(CHUNKED)]:
        waiting += CHUNKED[at:cut]
        at = cut
        if not body.done:
            body.take(waiting)
    assert body.done
    assert (body.data, bytes(waiting)) == (b"hello, world", b"NEXT")


def test_a_length_takes_what_is_its() -> None:
    body, waiting = Body(5, 5), bytearray(b"hel")
    body.take(waiting)
    assert not body.done
    waiting += b"loNEXT"
    body.take(waiting)
    assert (body.done, body.data, bytes(waiting)) == (True, b"hello", b"NEXT")


@pytest.mark.parametrize(
    ("length", "sent", "answer"),
    [
        (6, b"", 413),
        (None, b"6\r\n", 413),
        (None, b"3\r\nabc\r\n3\r\n", 413),
        (None, b"FFFFFFFF\r\n", 413),
        (None, b"FFFFFFFFF\r\n", 400),
        (None, b"-1\r\n", 400),
        (None, b"\r\n", 400),
        (None, b"g\r\n", 400),
        (None, b"1\r\nabc\r\n", 400),
        (None, b"0\r\nno field\r\n", 400),
        (None, b"1" * 300, 400),
        (None, b"0\r\n" + b"a: " + b"b" * 200 + b"\r\n" + b"a: b\r\n" * 800, 400),
    ],
)
def test_bodies_that_are_refused(length: int | None, sent: bytes, answer: int) -> None:
    body, waiting = Body(length, 5), bytearray(sent)
    with pytest.raises(RemoteProtocolError) as refused:
        body.take(waiting)
    assert refused.value.answer == answer
