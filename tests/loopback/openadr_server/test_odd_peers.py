"""Peers whose HTTP is odd and legal, or odd and harmless: what our listeners and clients make of it, octet by octet."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from gridiface.northbound.openadr.settings import VenEntry
from gridiface.northbound.openadr.wire.client import PayloadClient
from gridiface.protocols.openadr.answers import ok
from gridiface.protocols.openadr.exchange import HttpClient
from gridiface.protocols.openadr.payloads.envelope import decode_payload, encode_payload
from gridiface.protocols.openadr.payloads.event import OadrPoll, OadrResponse
from gridiface.protocols.openadr.payloads.registration import OadrQueryRegistration

LIMIT_S = 60.0
QUERY = encode_payload(OadrQueryRegistration(requestID="q"))
PATH = "/OpenADR2/Simple/2.0b/EiRegisterParty"


@contextlib.asynccontextmanager
async def connected(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def answer_of(reader):
    """Status, headers and body of the next answer."""
    async with asyncio.timeout(LIMIT_S):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        return int(head[0].split()[1]), headers, await reader.readexactly(int(headers.get("content-length", "0")))


def head_of(*headers, path=PATH, version="1.1"):
    return "\r\n".join([f"POST {path} HTTP/{version}", "Host: vtn", *headers, "", ""]).encode()


@pytest.fixture
async def vtn(make_house):
    house = make_house(batteries=False)
    made = house.vtn(vens=(VenEntry(ven_id="VEN-A"),))
    await house.run(made)
    return made


LENGTH = f"Content-Length: {len(QUERY)}"
XML = "Content-Type: application/xml"


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ((XML, LENGTH), QUERY),
        (("content-type: APPLICATION/XML; charset=UTF-8", LENGTH), QUERY),
        (('Content-Type: application/xml;charset="utf-8"', LENGTH, "Accept: text/html, image/gif, *; q=.2"), QUERY),
        ((XML, "Transfer-Encoding: chunked"), b"%x\r\n%s\r\n0\r\n\r\n" % (len(QUERY), QUERY)),
        (
            (XML, "Transfer-Encoding: chunked"),
            b"".join(b"1\r\n%c\r\n" % octet for octet in QUERY) + b"0\r\n\r\n",
        ),
        ((XML, LENGTH, "SOAPAction: x", "User-Agent: ", "X-Very-Odd: %00"), QUERY),
        ((XML, f"Content-Length: {len(QUERY) + 3}"), b"\xef\xbb\xbf" + QUERY),
    ],
)
async def test_03_what_is_harmless_is_served(vtn, headers, body):
    async with connected(vtn.port) as (reader, writer):
        for _ in range(2):  # on a connection that is kept
            writer.write(head_of(*headers) + body)
            status, told, document = await answer_of(reader)
            assert status == 200
            assert "transfer-encoding" not in told
            assert decode_payload(document)[0].vtnID == "VTN-1"


async def test_who_asks_before_it_sends_is_told_to_go_on(vtn):
    """As C libraries do with bodies above a size; some wait a second for it, some for ever."""
    async with connected(vtn.port) as (reader, writer):
        writer.write(head_of(XML, LENGTH, "Expect: 100-continue"))
        assert (await answer_of(reader))[0] == 100
        writer.write(QUERY)
        assert (await answer_of(reader))[0] == 200
        # What is too large is not asked for.
        writer.write(head_of(XML, "Content-Length: 99999999", "EXPECT: 100-Continue"))
        assert (await answer_of(reader))[0] == 413


async def test_a_client_of_http_1_0_gets_its_answer_and_an_end(vtn):
    async with connected(vtn.port) as (reader, writer):
        writer.write(head_of(XML, LENGTH, "Expect: 100-continue", version="1.0") + QUERY)
        assert (await answer_of(reader))[0] == 200
        async with asyncio.timeout(LIMIT_S):
            assert await reader.read() == b""


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (head_of(XML, LENGTH) + QUERY, 200),
        (head_of(XML, LENGTH, path="/nothing") + QUERY, 404),
        (b"GET / HTTP/1.1\r\nHost: vtn\r\n\r\n", 501),
        (b"no HTTP at all\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: vtn\r\nContent-Length: many\r\n\r\n", 400),
    ],
)
async def test_no_answer_tells_what_we_are_made_of(vtn, sent, status):
    async with connected(vtn.port) as (reader, writer):
        writer.write(sent)
        found, headers, _ = await answer_of(reader)
    assert (found, headers["server"]) == (status, "gridiface")
    assert not any("ython" in value or "aiohttp" in value for value in headers.values())


class Peer:
    """A VTN of a few lines: `script` gives what each connection does with its requests, in turn."""

    def __init__(self, script):
        self.script, self.requests = list(script), []

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/vtn/"
        return self

    async def __aexit__(self, *_):
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader, writer):
        try:
            for answer in self.script.pop(0):
                async with asyncio.timeout(LIMIT_S):
                    head = await reader.readuntil(b"\r\n\r\n")
                    length = int(head.lower().split(b"content-length:")[1].split()[0])
                    body = await reader.readexactly(length)
                self.requests.append((head, body))
                writer.write(answer)
                await writer.drain()
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


@contextlib.asynccontextmanager
async def client(**more):
    made = PayloadClient(HttpClient(**more), timeout_s=LIMIT_S)
    try:
        yield made
    finally:
        await made.close()


def told(body, *headers, status="200 OK"):
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", ""]).encode() + body


EMPTY = OadrResponse(eiResponse=ok(""), venID="v")
ANSWER = encode_payload(EMPTY)
POLL = OadrPoll(venID="v")


@pytest.mark.parametrize(
    ("answer", "payload"),
    [
        (told(ANSWER), EMPTY),
        (told(ANSWER, "Content-Type: text/xml;charset=utf8"), EMPTY),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(ANSWER), ANSWER), EMPTY),
        (b"HTTP/1.0 200 OK\r\n\r\n" + ANSWER, EMPTY),  # its end is the connection's
        (b"HTTP/1.1 100 Continue\r\n\r\n" + told(ANSWER), EMPTY),
        (told(b""), None),
        (told(b"", status="202 Accepted"), None),
        (b"HTTP/1.1 204 No Content\r\n\r\n", None),
        (told(ANSWER.replace(b">200<", b">299<"), "Server: x"), OadrResponse(eiResponse=ok(""), venID="v")),
    ],
)
async def test_answers_that_are_odd_are_read(answer, payload):
    async with Peer([[answer]]) as peer, client() as ven:
        found = await ven.post(peer.url, "OadrPoll", POLL, 0.0)
        if found is not None and found.eiResponse.responseCode == "299":
            found.eiResponse.responseCode = "200"
        assert found == payload
    head, body = peer.requests[0]
    assert head.startswith(b"POST /vtn/OpenADR2/Simple/2.0b/OadrPoll HTTP/1.1")
    assert b"ython" not in head
    assert decode_payload(body)[0] == POLL


async def test_a_connection_that_ends_just_when_it_is_used_again_costs_no_back_off():
    """A server that ends what it kept: the request is made once more, on a connection of its own."""
    async with Peer([[told(ANSWER), b""], [told(ANSWER)]]) as peer, client() as ven:
        assert await ven.post(peer.url, "OadrPoll", POLL, 0.0) == EMPTY
        assert await ven.post(peer.url, "OadrPoll", POLL, 0.0) == EMPTY
    assert len(peer.requests) == 3
