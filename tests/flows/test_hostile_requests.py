"""Requests that must be refused: each with its exact status and an Error body, and nothing is changed by any."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from lxml import etree

from gridiface.protocols.sep2.resources import (
    ActivePower,
    DateTimeInterval,
    DERControl,
    DERControlBase,
    EventStatus,
    LogEvent,
)
from gridiface.protocols.xmlwire import encode
from gridiface.simulation.world import WorldPlan

pytestmark = [
    pytest.mark.processes,
    pytest.mark.xdist_group("hostile"),
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(120),
]

NS = "{urn:ieee:std:2030.5:ns}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(site_class: Any) -> AsyncIterator[Any]:
    async with site_class(WorldPlan(batteries=2, inverters=2, page_port=0, limits={"body_bytes": 65_536})) as made:
        await made.start()
        await made.fleet_is_up()
        # The inverters end here: what is in the server must stand still while requests are refused.
        for inverter in made.inverters:
            await inverter.stop()
        made.utility_wire, made.device_wire = made.wire("utility"), made.wire("inverter1")
        made.own, made.program = await own_paths(made.device_wire)
        made.other, _ = await own_paths(made.wire("inverter2"))
        yield made


async def own_paths(wire: Any) -> tuple[str, str]:
    """A device's EndDevice and its own program."""
    listed = etree.fromstring((await wire.ask("GET", "/edev?l=9")).body)
    assert listed.get("results") == "1"
    own = listed[0].get("href")
    programs = etree.fromstring((await wire.ask("GET", f"{own}/fsa/1/derp?l=9")).body)
    return own, programs[0].get("href")


def control() -> DERControl:
    now = int(time.time())
    return DERControl(
        mRID=secrets.token_hex(12).upper() + "0000B4F3",
        responseRequired=0x03,
        creationTime=now,
        eventStatus=EventStatus(currentStatus=0, dateTime=now, potentiallySuperseded=False),
        interval=DateTimeInterval(duration=60, start=now + 86_400),
        derControlBase=DERControlBase(opModTargetW=ActivePower(multiplier=0, value=100)),
    )


def log_event() -> LogEvent:
    return LogEvent(
        createdDateTime=int(time.time()), functionSet=11, logEventCode=1, logEventID=7, logEventPEN=40732, profileID=2
    )


LIVE = frozenset(f"{NS}{name}" for name in ("Time", "DERStatus", "DERAvailability", "Reading"))


async def walk(wire: Any) -> dict[str, bytes]:
    """Every resource that links and lists lead to, by path; what changes by itself with time is left out."""
    found: dict[str, bytes] = {}
    waiting = ["/dcap"]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        answer = await wire.ask("GET", f"{path}?l=255")
        assert answer.status in {200, 404}, (path, answer)
        if answer.status == 404:  # a link may lead to what nobody has written yet
            found[path] = b""
            continue
        root = etree.fromstring(answer.body)
        found[path] = b"" if root.tag in LIVE else answer.body
        waiting += [each.get("href") for each in root.iter() if each.get("href", "").startswith("/")]
    return found


# --- XML that attacks -------------------------------------------------------------------------------------------------

_BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">' + "".join(
    f'<!ENTITY {name} "{("&" + before + ";") * 10}">' for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
_OPEN = f'<LogEvent xmlns="{NS[1:-1]}">'


def attacks() -> dict[str, bytes]:
    """Twelve documents, each an attempt at a different weakness of XML parsers; around a LogEvent that would pass."""
    good = encode(log_event()).decode()
    inner = good[good.index("<LogEvent") :]
    head = '<?xml version="1.0"?>'
    deep = "<a>" * 5_000 + "</a>" * 5_000
    many = " ".join(f'a{number}="1"' for number in range(5_000))
    return {
        "billion laughs": f"{head}{_BOMB}]>{inner.replace('<logEventID>7', '<logEventID>&i;')}".encode(),
        "quadratic blow-up": (
            f'{head}<!DOCTYPE x [<!ENTITY a "{"9" * 20_000}">]>'
            + inner.replace("<logEventID>7", "<logEventID>" + "&a;" * 1_000)
        ).encode(),
        "external entity": (
            f'{head}<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
            + inner.replace("<logEventID>7", "<logEventID>&a;")
        ).encode(),
        "external DTD": f'{head}<!DOCTYPE LogEvent SYSTEM "http://127.0.0.1:9/x.dtd">{inner}'.encode(),
        "parameter entity": (f'{head}<!DOCTYPE x [<!ENTITY % a SYSTEM "http://127.0.0.1:9/x"> %a;]>{inner}').encode(),
        "bare DOCTYPE": f"{head}<!DOCTYPE LogEvent>{inner}".encode(),
        "XInclude": (
            f'{head}<LogEvent xmlns="{NS[1:-1]}"><xi:include xmlns:xi="http://www.w3.org/2001/XInclude"'
            ' href="file:///etc/passwd" parse="text"/></LogEvent>'
        ).encode(),
        "stylesheet": f'{head}<?xml-stylesheet type="text/xsl" href="http://127.0.0.1:9/x.xsl"?>{_OPEN}'.encode(),
        "depth": f"{head}{_OPEN}{deep}</LogEvent>".encode(),
        "attributes": f"{head}<LogEvent xmlns='{NS[1:-1]}' {many}".encode(),
        "schema location": (
            f'{head}<LogEvent xmlns="{NS[1:-1]}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
            ' xsi:type="DERControl" xsi:schemaLocation="urn:x http://127.0.0.1:9/x.xsd"/>'
        ).encode(),
        "UTF-16 without saying so": inner.encode("utf-16"),
    }


@pytest.mark.parametrize("name", sorted(attacks()))
async def test_attacks_by_xml_are_answered_with_400(site: Any, name: str) -> None:
    before = await walk(site.utility_wire)
    answer = await site.device_wire.ask("POST", f"{site.own}/lel", attacks()[name])
    assert (answer.status, answer.reason) in {(400, 0), (400, 1)}
    assert await walk(site.utility_wire) == before


# --- bodies, headers and methods --------------------------------------------------------------------------------------


def bodies() -> dict[str, tuple[bytes, int, int]]:
    """name -> (body of a DERControl, status, reasonCode)."""
    good = encode(control()).decode()
    return {
        "nothing": (b"", 400, 0),
        "no XML": (b"hello", 400, 0),
        "cut off": (good[:-20].encode(), 400, 0),
        "two roots": ((good + good[good.index("<DER") :]).encode(), 400, 0),
        "not UTF-8": (good.replace("<mRID>", "<mRID>\udcff").encode("utf-8", "surrogateescape"), 400, 0),
        "zero byte": (good.replace("<mRID>", "<mRID>\0").encode(), 400, 0),
        "another namespace": (good.replace(NS[1:-1], "urn:example:another").encode(), 400, 0),
        "another resource": (encode(log_event()), 400, 0),
        "a missing element": (cut(good, "creationTime"), 400, 0),
        "order": (swapped(good, "duration", "start"), 400, 0),
        "a word for a number": (good.replace("<duration>60<", "<duration>soon<").encode(), 400, 1),
        "out of range": (good.replace("<duration>60<", "<duration>-1<").encode(), 400, 1),
        "an mRID of nothing": (replaced(good, "mRID", "0" * 32), 400, 1),
        "a status of the server": (good.replace("<currentStatus>0<", "<currentStatus>4<").encode(), 400, 1),
        "too large": (good.encode() + b" " * 65_536, 413, 2),
    }


def cut(text: str, name: str) -> bytes:
    start, end = text.index(f"<{name}>"), text.index(f"</{name}>") + len(name) + 3
    return (text[:start] + text[end:]).encode()


def replaced(text: str, name: str, value: str) -> bytes:
    start, end = text.index(f"<{name}>") + len(name) + 2, text.index(f"</{name}>")
    return (text[:start] + value + text[end:]).encode()


def swapped(text: str, first: str, second: str) -> bytes:
    a, b, c = text.index(f"<{first}>"), text.index(f"<{second}>"), text.index(f"</{second}>") + len(second) + 3
    return (text[:a] + text[b:c] + text[a:b] + text[c:]).encode()


@pytest.mark.parametrize("name", sorted(bodies()))
async def test_bodies_that_are_not_a_control_change_nothing(site: Any, name: str) -> None:
    body, status, reason = bodies()[name]
    before = await walk(site.utility_wire)
    answer = await site.utility_wire.ask("POST", f"{site.program}/derc", body)
    assert (answer.status, answer.reason) == (status, reason)
    assert answer.headers["content-type"] == "application/sep+xml"
    assert await walk(site.utility_wire) == before


CASES: dict[str, tuple[str, str, dict[str, str | None], int]] = {
    "no Host": ("GET", "/dcap", {"Host": None}, 400),
    "unknown path": ("GET", "/nowhere", {}, 404),
    "unknown instance": ("GET", "/edev/99999", {}, 404),
    "path with dots": ("GET", "/dcap/../edev/99999", {}, 404),
    "unknown method": ("FOO", "/dcap", {}, 501),
    "method of HTTP that is not ours": ("PATCH", "/dcap", {}, 501),
    "TRACE": ("TRACE", "/dcap", {}, 501),
    "negative limit": ("GET", "/edev?l=-1", {}, 400),
    "limit that is no number": ("GET", "/edev?l=many", {}, 400),
    "start that is no number": ("GET", "/edev?s=x", {}, 400),
    "EXI only": ("GET", "/dcap", {"Accept": "application/sep-exi"}, 406),
    "HTML only": ("GET", "/dcap", {"Accept": "text/html"}, 406),
    "ruled out": ("GET", "/dcap", {"Accept": "application/sep+xml;q=0, */*"}, 406),
    "another level": ("GET", "/dcap", {"Accept": "application/sep+xml; level=-S2"}, 406),
    "endless target": ("GET", "/dcap?" + "x" * 4_000, {}, 414),
}


@pytest.mark.parametrize("name", sorted(CASES))
async def test_requests_without_a_body(site: Any, name: str) -> None:
    method, path, headers, status = CASES[name]
    before = await walk(site.utility_wire)
    wire = site.wire("inverter1")
    answer = await wire.ask(method, path, headers=headers)
    await wire.close()
    assert answer.status == status
    assert answer.reason is not None
    assert await walk(site.utility_wire) == before


@pytest.mark.parametrize(
    "said", ["text/xml", "application/xml", "application/sep-exi", "application/sep+xml; charset=utf-16", None]
)
async def test_another_content_type_is_415(site: Any, said: str | None) -> None:
    before = await walk(site.utility_wire)
    answer = await site.utility_wire.ask("POST", f"{site.program}/derc", control(), headers={"Content-Type": said})
    assert (answer.status, answer.reason) == (415, 0)
    assert await walk(site.utility_wire) == before


MALFORMED = (
    b"GET /dcap\r\n\r\n",
    b"\x16\x03\x01 nonsense\r\n\r\n",
    b"GET /dcap HTTP/1.1\r\nbad header\r\n\r\n",
    b"POST /edev HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
    b"POST /edev HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
)


async def test_malformed_http_is_400_and_the_server_stays(site: Any) -> None:
    for line in MALFORMED:
        wire = site.wire("inverter1")
        answer = await wire.raw(line)
        assert (answer.status, answer.reason) == (400, 0), (line, answer)
        await wire.close()
    assert (await site.device_wire.ask("GET", "/dcap")).status == 200


async def test_a_body_in_chunks_is_capped_as_one_with_a_length(site: Any) -> None:
    before = await walk(site.utility_wire)
    wire = site.wire("utility")
    reader, writer = await wire.streams()
    writer.write(
        f"POST {site.program}/derc HTTP/1.1\r\nHost: x\r\nContent-Type: application/sep+xml\r\n"
        "Transfer-Encoding: chunked\r\n\r\n".encode()
    )
    for _ in range(20):
        writer.write(b"1000\r\n" + b" " * 4_096 + b"\r\n")
    writer.write(b"0\r\n\r\n")
    first = await reader.readline()
    assert first.startswith(b"HTTP/1.1 413 ")
    await wire.close()
    assert await walk(site.utility_wire) == before


async def test_head_answers_with_the_headers_of_get_and_no_body(site: Any) -> None:
    paths = [path for path, body in (await walk(site.device_wire)).items() if body]
    assert len(paths) > 15
    for path in paths:
        got = await site.device_wire.ask("GET", path)
        head = await site.device_wire.ask("HEAD", path)
        assert (head.status, head.body) == (200, b"")
        kept = {"content-type", "content-length"}
        assert {n: v for n, v in head.headers.items() if n in kept} == {
            n: v for n, v in got.headers.items() if n in kept
        }
        assert got.headers["content-type"] == "application/sep+xml"


async def test_405_names_in_allow_what_the_resource_takes(site: Any) -> None:
    wanted = {
        "/dcap": {"GET", "HEAD"},
        "/tm": {"GET", "HEAD"},
        "/edev": {"GET", "HEAD"},
        f"{site.own}/rg": {"GET", "HEAD"},
        f"{site.own}/der/1/dercap": {"GET", "HEAD", "PUT"},
        f"{site.own}/lel": {"GET", "HEAD", "POST"},
        f"{site.program}/derc": {"GET", "HEAD", "POST"},
        f"{site.program}/actderc": {"GET", "HEAD"},
        "/mup": {"GET", "HEAD", "POST"},
    }
    before = await walk(site.utility_wire)
    for path, methods in wanted.items():
        for method in {"PUT", "POST", "DELETE"} - methods:
            answer = await site.device_wire.ask(method, path, control() if method != "DELETE" else None)
            assert (answer.status, answer.reason) == (405, 0), (method, path, answer)
            assert {name.strip() for name in answer.headers["allow"].split(",")} == methods
    assert await walk(site.utility_wire) == before


async def test_another_device_s_resources_are_not_there(site: Any) -> None:
    before = await walk(site.utility_wire)
    for path in (site.other, f"{site.other}/rg", f"{site.other}/der/1/dercap", f"{site.other}/lel"):
        answer = await site.device_wire.ask("GET", path)
        assert (answer.status, answer.reason) == (404, 1)
        assert len(answer.body) < 200
    for method, path, body in (
        ("PUT", f"{site.other}/der/1/dercap", control()),
        ("POST", f"{site.other}/lel", log_event()),
        ("DELETE", site.other, None),
    ):
        answer = await site.device_wire.ask(method, path, body)
        assert answer.status in {403, 404}
    refused = await site.device_wire.ask("POST", f"{site.program}/derc", control())
    assert (refused.status, refused.reason) == (403, 1)
    assert await walk(site.utility_wire) == before


async def test_an_identity_in_a_header_is_not_believed(site: Any) -> None:
    answer = await site.device_wire.ask(
        "GET", site.other, headers={"X-Peer-LFDI": "0" * 40, "X-SSL-Client-Cert": "x", "X-Forwarded-For": "127.0.0.1"}
    )
    assert answer.status == 404
