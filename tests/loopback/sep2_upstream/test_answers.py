"""Answers of a server that are odd or broken on the way: what can be read is read, what cannot changes nothing.

The server is written by hand on a TLS socket, so that it may cut, chunk and miscount.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gridiface.pki.contexts import KeyPair, server_context
from gridiface.pki.folder import TestPki, write_credential
from gridiface.protocols.sep2.polling import Backoff

NS = 'xmlns="urn:ieee:std:2030.5:ns"'
Answer = Callable[[str], bytes]


class Odd:
    """Answers every path by `answers` (path -> octets to send, "" to keep quiet) or else as a small good server."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.then_close: set[str] = set()
        self.asked: list[str] = []
        self.members = 0
        self.zone = (0, 0)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                target = head.split(" ")[1]
                path = target.partition("?")[0]
                self.asked.append(target)
                answer = self.answers.get(path)
                writer.write(whole(self.good(target)) if answer is None else answer(target))
                await writer.drain()
                if path in self.then_close:
                    break
        except (OSError, asyncio.IncompleteReadError, ssl.SSLError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    def good(self, target: str) -> str:
        path, _, query = target.partition("?")
        if path == "/dcap":
            return (
                f'<DeviceCapability {NS} href="/dcap" pollRate="1"><TimeLink href="/tm"/>'
                f'<EndDeviceListLink all="{self.members}" href="/edev"/></DeviceCapability>'
            )
        if path == "/tm":
            offset, dst = self.zone
            now = int(time.time())
            return (
                f'<Time {NS} href="/tm" pollRate="1"><currentTime>{now}</currentTime>'
                f"<dstEndTime>{now + dst}</dstEndTime><dstOffset>{dst}</dstOffset>"
                f"<dstStartTime>{now - dst}</dstStartTime>"
                f"<localTime>{now + offset + dst}</localTime><quality>7</quality><tzOffset>{offset}</tzOffset></Time>"
            )
        return self.devices(path, dict(part.partition("=")[::2] for part in query.split("&") if part))

    def devices(self, path: str, query: dict[str, str]) -> str:
        start, count = int(query.get("s", "0")), min(int(query.get("l", "1")), 100)
        shown = range(start, min(start + count, self.members))
        members = "".join(
            f'<EndDevice href="/edev/{number}"><lFDI>{number:040X}</lFDI><sFDI>{number}</sFDI>'
            "<changedTime>1</changedTime></EndDevice>"
            for number in shown
        )
        return (
            f'<EndDeviceList {NS} href="{path}" all="{self.members}" results="{len(shown)}" pollRate="1">{members}'
            "</EndDeviceList>"
        )


def whole(body: str, status: str = "200 OK", *, length: int | None = None, **more: str) -> bytes:
    """An answer with its length, or with a wrong one; `more` header fields, "_" for "-"."""
    octets = body.encode()
    fields = {"Content-Type": "application/sep+xml", "Content-Length": str(len(octets) if length is None else length)}
    fields |= {name.replace("_", "-"): value for name, value in more.items()}
    return f"HTTP/1.1 {status}\r\n".encode() + head(fields) + octets


def head(fields: dict[str, str]) -> bytes:
    return "".join(f"{name}: {value}\r\n" for name, value in fields.items()).encode() + b"\r\n"


def chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    fields = {"Content-Type": "application/sep+xml", "Transfer-Encoding": "chunked"}
    return b"HTTP/1.1 200 OK\r\n" + head(fields) + b"".join(b"%x;a=b\r\n%s\r\n" % (len(c), c) for c in chunks) + end


def moved(status: str, to: str) -> Answer:
    return lambda _target: whole("", status, Location=to)


@asynccontextmanager
async def served(odd: Odd, folder: Path, port: int = 0, name: str = "server") -> AsyncIterator[int]:
    """The server on a port, with a certificate by its name; its connections end with it."""
    pair = KeyPair(folder / f"{name}.pem", folder / f"{name}.key")
    context = server_context("strict", key_pairs=[pair], roots=[folder / "serca.pem"])
    tasks: set[asyncio.Task[None]] = set()
    ended = False

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if ended:  # its handshake was under way when the server ended
            writer.close()
            return
        tasks.add(task)
        await odd.serve(reader, writer)
        tasks.discard(task)

    server = await asyncio.start_server(one, "127.0.0.1", port, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        ended = True
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def count(house: Any) -> int:
    """Members of the list of end devices as the client knows it; -1 while it knows none."""
    found = [n.value for n in house.session.client.tree.nodes.values() if type(n.value).__name__ == "EndDeviceList"]
    return len(found[0].members) if found else -1


READABLE: dict[str, Callable[[bytes], bytes]] = {
    "in chunks with extensions": lambda body: chunked(body[:7], body[7:]),
    "an octet a chunk": lambda body: chunked(*(body[i : i + 1] for i in range(len(body)))),
    "chunks with a trailer": lambda body: chunked(body, end=b"0\r\nX-Sum: 1\r\n\r\n"),
    "up to the end of the connection": lambda body: b"HTTP/1.0 200 OK\r\n\r\n" + body,
    "after interim answers": lambda body: b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + whole(body.decode()),
    "names of fields in any case": lambda body: b"HTTP/1.1 200 \r\ncONTENT-lENGTH:%d\r\n\r\n" % len(body) + body,
    "of another content type": lambda body: whole(body.decode(), Content_Type="text/xml; charset=utf-8"),
}


async def test_what_can_be_read_is_read(make_scene: Callable[..., Any], eventually: Callable[..., Any]) -> None:
    scene, odd = make_scene(1), Odd()
    async with served(odd, scene.folder) as scene.port:
        house = await scene.connect(timeout_s=2.0)
        for number, (name, form) in enumerate(READABLE.items(), start=1):
            odd.members = number
            odd.answers["/edev"] = lambda target, form=form: form(odd.good(target).encode())
            odd.then_close = {"/edev"} if "end of the connection" in name else set()
            await eventually(lambda number=number: count(house) == number, name, 30)
        assert not house.session.condition.bad_replies


BROKEN: dict[str, Callable[[bytes], bytes]] = {
    "cut before its length": lambda body: whole(body[:-20].decode(), length=len(body)),
    "cut within a chunk": lambda body: chunked(end=b"%x\r\n" % len(body) + body[:-20]),
    "cut before the last chunk": lambda body: chunked(body, end=b""),
    "a chunk without a size": lambda body: chunked(end=b"zz\r\n" + body),
    "a length that is no number": lambda body: b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n" + body,
    "two lengths": lambda body: b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n" + head({"Content-Length": "9"}) + body,
    "a length that ends too soon": lambda body: whole(body.decode(), length=len(body) - 20),
    "a status that is none": lambda body: b"HTTP/1.1 OK\r\n" + head({"Content-Length": str(len(body))}) + body,
    "a head without an end": lambda _body: b"HTTP/1.1 200 OK\r\nContent-Type: application/sep+xml\r\n",
    "206 that nobody asked for": lambda body: whole(body.decode(), "206 Partial Content"),
    "304 that nobody asked for": lambda _body: b"HTTP/1.1 304 Not Modified\r\n\r\n",
}


async def test_what_is_broken_changes_nothing_and_is_asked_for_again(
    make_scene: Callable[..., Any], eventually: Callable[..., Any]
) -> None:
    scene, odd = make_scene(1), Odd()
    odd.members = 3
    async with served(odd, scene.folder) as scene.port:
        house = await scene.connect(timeout_s=1.0)
        house.session.client.tree.backoff = Backoff(0.1, 0.2)
        condition = house.session.condition
        await eventually(lambda: count(house) == 3, "it was read", 30)
        for name, form in BROKEN.items():
            odd.then_close, before = {"/edev"}, condition.failures + condition.bad_replies
            odd.members = 2
            odd.answers["/edev"] = lambda target, form=form: form(odd.good(target).encode())
            await eventually(lambda b=before: condition.failures + condition.bad_replies > b, f"{name} is seen", 30)
            assert count(house) == 3, name
            odd.members, odd.then_close = 3, set()
            del odd.answers["/edev"]
            asked = len(odd.asked)
            await eventually(lambda a=asked: any(t.startswith("/edev") for t in odd.asked[a:]), f"again: {name}", 30)


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
async def test_a_ring_of_redirects_is_left_and_what_it_hides_is_found_afterwards(
    make_scene: Callable[..., Any], eventually: Callable[..., Any], status: str
) -> None:
    scene, odd = make_scene(1), Odd()
    odd.members = 2
    odd.answers = {"/edev": moved(status, "/a"), "/a": moved(status, "/b"), "/b": moved(status, "/edev")}
    async with served(odd, scene.folder) as scene.port:
        house = await scene.connect(timeout_s=2.0)
        house.session.client.tree.backoff = Backoff(0.2, 0.5)
        await eventually(lambda: odd.asked.count("/tm") >= 3, "the rest goes on", 30)
        rounds = sum(target.startswith(("/edev", "/a", "/b")) for target in odd.asked)
        assert rounds <= 10 * odd.asked.count("/tm"), "no storm"
        odd.answers = {}
        await eventually(lambda: count(house) == 2, "it is found", 30)


async def test_a_list_of_ten_thousand_is_read_page_by_page(
    make_scene: Callable[..., Any], eventually: Callable[..., Any]
) -> None:
    scene, odd = make_scene(1), Odd()
    odd.members = 10_000
    async with served(odd, scene.folder) as scene.port:
        house = await scene.connect(timeout_s=5.0)
        await eventually(lambda: count(house) == 10_000, "all were read", 120)
        pages = [target for target in odd.asked if target.startswith("/edev?")]
        assert pages[:100] == [f"/edev?s={start}&l=255" for start in range(0, 10_000, 100)]


async def test_the_servers_zone_and_daylight_saving_move_no_clock(
    make_scene: Callable[..., Any], eventually: Callable[..., Any]
) -> None:
    scene, odd = make_scene(1), Odd()
    async with served(odd, scene.folder) as scene.port:
        house = await scene.connect(timeout_s=2.0)
        client = house.session.client
        await eventually(lambda: client.clock_offset is not None, "the time is known", 30)
        for odd.zone in ((3600, 3600), (34_200, 0), (-18_000, 3600), (50_400, 0)):
            asked = odd.asked.count("/tm")
            await eventually(lambda asked=asked: odd.asked.count("/tm") >= asked + 2, "read again", 30)
            assert abs(client.clock_offset) < 3


async def test_a_certificate_that_changes_is_judged_anew(
    make_scene: Callable[..., Any], eventually: Callable[..., Any]
) -> None:
    scene, odd = make_scene(1), Odd()
    now = time.time()
    renewed = scene.pki.issue("server", "renewed", now=now, hosts=["127.0.0.1"])
    write_credential(scene.folder, "renewed", renewed)
    foreign = TestPki.create(depth=3, now=now).issue("server", "foreign", now=now, hosts=["127.0.0.1"])
    write_credential(scene.folder, "foreign", foreign)
    async with served(odd, scene.folder) as scene.port:
        house = await scene.connect(timeout_s=2.0)
        await eventually(lambda: count(house) == 0, "it was read", 30)
    odd.members, odd.asked = 1, []
    async with served(odd, scene.folder, scene.port, "renewed"):
        await eventually(lambda: count(house) == 1, "the renewed one is taken", 30)
    odd.members, odd.asked = 2, []
    async with served(odd, scene.folder, scene.port, "foreign"):
        before = house.session.condition.failures
        await eventually(lambda: house.session.condition.failures > before + 1, "the foreign one is refused", 30)
        assert (odd.asked, count(house)) == ([], 1)
    async with served(odd, scene.folder, scene.port):
        await eventually(lambda: count(house) == 2, "the first one is taken again", 30)
