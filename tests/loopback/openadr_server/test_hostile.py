"""R11 on the OpenADR listener: spoilt payloads and attack documents are refused in the 400 class; an A-profile VEN."""

from __future__ import annotations

import os
import random
import socket
import time
from pathlib import Path

import aiohttp
import pytest

from gridiface.errors import RemoteProtocolError
from gridiface.northbound.openadr.settings import VenEntry
from gridiface.protocols.openadr.events import Event, Signal
from gridiface.protocols.openadr.exchange import HttpMessage, HttpServer
from gridiface.protocols.openadr.vtn import Peer, Vtn, VtnConfig

VECTORS = sorted((Path(__file__).parents[2] / "vectors" / "openadr").glob("*/*.xml"))
#: Spoilt payloads in all; more by GRIDIFACE_FUZZ.
COUNT = int(os.environ.get("GRIDIFACE_FUZZ", "10000"))
MEDIA = {"Content-Type": "application/xml"}
SERVICES = ("EiEvent", "EiReport", "EiRegisterParty", "EiOpt", "OadrPoll")
PIECES = (b"", b"<", b"&", b"\x00", b"\xff", b"-1", b"9" * 400, b"NaN", b"]]>", b"<!--", b"PT1.5S", b"2.0a", b"&#0;")


def spoilt(body: bytes, chance: random.Random) -> bytes:
    made = bytearray(body)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(made) or 1)
        match chance.randrange(4):
            case 0:
                made[at : at + chance.randint(0, 40)] = chance.choice(PIECES)
            case 1:
                made[at : at + 1] = bytes([chance.randrange(256)])
            case 2:
                end = min(len(made), at + chance.randint(1, 300))
                made[at:at] = made[at:end]
            case _:
                # A whole value goes, or another one comes.
                begin = made.find(b">", at)
                end = made.find(b"<", begin)
                if 0 <= begin < end:
                    made[begin + 1 : end] = chance.choice(PIECES)
    return bytes(made)


def test_spoilt_payloads_raise_nothing_but_400_class_answers():
    server, chance = HttpServer("vtn"), random.Random(11)
    vtn = Vtn(VtnConfig(vtn_id="VTN", open_registration=True), iter(map(str, range(10**9))).__next__)
    bodies = [path.read_bytes() for path in VECTORS]
    assert len(bodies) >= 25
    served = refused = 0
    answered: dict[int, bytes] = {}
    for number in range(COUNT):
        path = f"/OpenADR2/Simple/2.0b/{chance.choice(SERVICES)}"
        if number % 9 == 0:
            path = "/OpenADR2/Simple/EiEvent"
        message = HttpMessage(0, MEDIA, spoilt(chance.choice(bodies), chance), "POST", path)
        begin = time.thread_time()
        try:
            inbound = server.receive(message, 1.8e9)
            result = vtn.handle(inbound.payload, Peer(profile=inbound.profile), 1.8e9, service=inbound.service)
            assert server.reply(inbound, result.reply, 1.8e9).status == 200
            served += 1
        except RemoteProtocolError as problem:
            answered.setdefault(problem.answer, message.body)
            refused += 1
        assert time.thread_time() - begin < 1.0, message.body
    assert all(400 <= status < 500 for status in answered), answered
    assert served > COUNT // 1000
    assert refused > COUNT // 2


def attacks(port: int, secret: Path) -> dict[str, bytes]:
    """Twelve documents; `port` is a listener that nobody may touch, `secret` a file that nobody may read."""
    url, file = f"http://127.0.0.1:{port}/x".encode(), secret.as_uri().encode()
    laughs = b"".join(b'<!ENTITY l%d "%s">' % (n, b"&l%d;" % (n - 1) * 10) for n in range(1, 10))
    deep = b"<a>" * 100_000
    include = b'<a xmlns:i="http://www.w3.org/2001/XInclude"><i:include href="%s" parse="text"/></a>'
    return {
        "an entity": b'<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>',
        "a billion laughs": b'<!DOCTYPE a [<!ENTITY l0 "x">' + laughs + b"]><a>&l9;</a>",
        "quadratic": b'<!DOCTYPE a [<!ENTITY e "' + b"x" * 10_000 + b'">]><a>' + b"&e;" * 10_000 + b"</a>",
        "a file": b'<!DOCTYPE a [<!ENTITY e SYSTEM "' + file + b'">]><a>&e;</a>',
        "a URL": b'<!DOCTYPE a [<!ENTITY e SYSTEM "' + url + b'">]><a>&e;</a>',
        "a parameter entity": b'<!DOCTYPE a [<!ENTITY % e SYSTEM "' + url + b'"> %e;]><a/>',
        "an external subset": b'<!DOCTYPE a SYSTEM "' + url + b'"><a/>',
        "an inclusion": include % file,
        "a style sheet": b'<?xml-stylesheet href="' + url + b'" type="text/xsl"?><a/>',
        "a schema location": b'<a xmlns:x="http://www.w3.org/2001/XMLSchema-instance" '
        b'x:noNamespaceSchemaLocation="' + url + b'"/>',
        "depth": deep,
        "many attributes": b"<a " + b" ".join(b'a%d="1"' % n for n in range(50_000)) + b"/>",
    }


async def test_the_twelve_attack_documents_get_their_400_class_answer_and_touch_nothing(make_house, tmp_path):
    head = make_house(batteries=False)
    vtn = head.vtn()
    await head.run(vtn)
    secret = tmp_path / "secret"
    secret.write_text("not to be read")
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.settimeout(0.2)
        found = attacks(trap.getsockname()[1], secret)
        assert len(found) == 12
        async with aiohttp.ClientSession() as session:
            for service in SERVICES:
                url = f"http://127.0.0.1:{vtn.port}/OpenADR2/Simple/2.0b/{service}"
                for what, body in found.items():
                    async with session.post(url, data=body, headers=MEDIA) as answer:
                        assert 400 <= answer.status < 500, (what, answer.status)
                        assert "not to be read" not in await answer.text()
        with pytest.raises(TimeoutError):
            trap.accept()


async def test_45_a_ven_of_the_a_profile_is_served_at_its_url(make_house):
    head = make_house(batteries=False)
    vtn = head.vtn(vens=(VenEntry(ven_id="OLD", profile="2.0a"),))
    await head.run(vtn)
    start = float(int(head.clock.now()) + 600)
    signal = Signal(name="SIMPLE", type="level", id="s", durations=(600,), values=(2.0,))
    event = Event(id="E", market_context="http://p.example", dtstart=start, duration=600, signals=(signal,))
    await vtn.do(lambda core, now: core.create_event(event, ["OLD"], now))
    names = 'xmlns="http://openadr.org/oadr-2.0a/2012/07" xmlns:p="http://docs.oasis-open.org/ns/energyinterop/201110/'
    names += 'payloads" xmlns:e="http://docs.oasis-open.org/ns/energyinterop/201110"'
    asked = f"<oadrRequestEvent {names}><p:eiRequestEvent><p:requestID>r</p:requestID><e:venID>OLD</e:venID>"
    asked += "</p:eiRequestEvent></oadrRequestEvent>"
    said = f"<oadrCreatedEvent {names}><p:eiCreatedEvent><e:eiResponse><e:responseCode>200</e:responseCode>"
    said += "<p:requestID/></e:eiResponse><e:eventResponses><e:eventResponse><e:responseCode>200</e:responseCode>"
    said += "<p:requestID>q</p:requestID><e:qualifiedEventID><e:eventID>E</e:eventID><e:modificationNumber>0"
    said += "</e:modificationNumber></e:qualifiedEventID><e:optType>optIn</e:optType></e:eventResponse>"
    said += "</e:eventResponses><e:venID>OLD</e:venID></p:eiCreatedEvent></oadrCreatedEvent>"
    async with aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{vtn.port}/OpenADR2/Simple/EiEvent"
        async with session.post(url, data=asked, headers=MEDIA) as answer:
            text = await answer.text()
            assert answer.status == 200, text
        assert "oadr-2.0a" in text
        assert "schemaVersion" not in text
        assert "oadrSignedObject" not in text
        assert ">E</" in text
        assert "currentValue" in text
        async with session.post(url, data=said, headers=MEDIA) as answer:
            assert answer.status == 200
            assert "200" in await answer.text()
    assert vtn.core.said("OLD", "E", None) == "optIn"
