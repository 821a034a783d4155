"""VENs of the load: what they send, and what they take for an answer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gridiface.errors import GridifaceError
from gridiface.protocols.openadr.exchange import HttpMessage, HttpServer
from gridiface.protocols.openadr.payloads.event import OadrCreatedEvent, OadrPoll
from gridiface.protocols.openadr.vtn import Peer, Ven, Vtn, VtnConfig
from gridiface.simulation.load.openadr import Answers, Vens


def test_a_sample_without_what_is_looked_for_is_said() -> None:
    Answers(1, 1.0, [b"HTTP/1.1 200 OK\r\n\r\n<oadrResponse/>"]).check(b"oadrResponse")
    with pytest.raises(GridifaceError):
        Answers(1, 1.0, [b"HTTP/1.1 503 no\r\n\r\n"]).check(b"oadrResponse")


async def test_each_ven_polls_and_opts_in() -> None:
    http, core = HttpServer("vtn"), Vtn(VtnConfig(vtn_id="V"), iter(map(str, range(1000))).__next__)
    core.put_vens([Ven(venID=name, registrationID="R") for name in ("A", "B", "C")])
    seen: list[type] = []

    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        while True:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                return
            lines = head.decode().split("\r\n")
            fields = dict(line.split(": ", 1) for line in lines[1:] if line)
            body = await reader.readexactly(int(fields["Content-Length"]))
            inbound = http.receive(HttpMessage(0, fields, body, "POST", lines[0].split()[1]), 0.0)
            seen.append(type(inbound.payload))
            reply: Any = core.handle(inbound.payload, Peer(), 0.0, service=inbound.service).reply
            answer = http.reply(inbound, reply, 0.0)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer.body) + answer.body)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with Vens(server.sockets[0].getsockname()[1], ["A", "B", "C"], 2) as vens:
        await vens.poll_once()
        assert seen == [OadrPoll] * 3
        for name in ("A", "B", "C"):
            core.distribute([name])
        with pytest.raises(GridifaceError):
            await vens.poll_once()
    server.close()
    for writer in writers:
        writer.close()
        await writer.wait_closed()
    assert OadrCreatedEvent not in seen
