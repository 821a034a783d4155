"""The listener: where it listens, and what it mounts."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import Any

import pytest

from gridiface.errors import ConfigError
from gridiface.operator.areas.catalogue import AREAS
from gridiface.operator.server import OperatorServer


async def test_areas_of_other_parts_are_served_and_described_only_where_they_are(house: Any) -> None:
    described = (await house.ask("GET", "/api/v1/openapi.json"))[1]["paths"]
    mounted = {route.path for area in house.pages.areas for route in area.routes()}
    assert set(described) == mounted
    for path in {route.path for kind in AREAS for route in kind.routes()} - mounted:
        assert (await house.ask("GET", path.replace("{id}", "a")))[0] == 404


@pytest.mark.parametrize("path", ["/api/v1/openapi.json", "/metrics", "/nothing/here"])
async def test_no_answer_tells_what_the_server_is_made_of(house: Any, path: str) -> None:
    headers = (await house.ask("GET", path))[2]
    assert headers["Server"] == "gridiface"
    assert not any("aiohttp" in value or "Python" in value for value in headers.values())


async def test_taken_port_is_named(house: Any) -> None:
    second = OperatorServer(house.desk, host="127.0.0.1", port=house.pages.port)
    with pytest.raises(ConfigError, match=rf"127\.0\.0\.1 port {house.pages.port} \(operator\.listen\)"):
        await second.start()


def test_reading_is_open_on_loopback_only(house: Any) -> None:
    assert OperatorServer(house.desk, host="127.0.0.1", port=0).rules.open_reads
    assert not OperatorServer(house.desk, host="0.0.0.0", port=0).rules.open_reads


async def test_titles_of_problems_are_those_of_the_standard_on_every_python(house: Any) -> None:
    for body, title in ((b'{"target": 1}', "Unprocessable Content"), (b"x" * 20_000, "Content Too Large")):
        headers = {"Content-Type": "application/json"}
        _, said, _ = await house.ask("POST", "/api/v1/controls", scope="control", data=body, headers=headers)
        assert said["title"] == title


@pytest.mark.parametrize(
    ("shown", "back"),
    [
        ("http://127.0.0.1:8080/devices/a?minutes=15", "/devices/a%3Fminutes%3D15"),
        ("http://127.0.0.1:8080/controls/a%2Fb", "/controls/a%252Fb"),
        ("http://[", "/"),
        ("", "/"),
    ],
)
async def test_a_part_of_a_page_whose_reader_signed_out_sends_the_page_to_sign_in(
    house: Any, shown: str, back: str
) -> None:
    asked = {"HX-Request": "true", "HX-Current-URL": shown}
    status, body, headers = await house.ask("GET", "/trace", headers=asked)
    assert (status, body, headers["HX-Redirect"]) == (401, "", f"/login?next={back}")
    status, _, headers = await house.ask("GET", "/trace?q=edev", allow_redirects=False)
    assert (status, headers["Location"]) == (303, "/login?next=/trace%3Fq%3Dedev")


#: Octets that are no HTTP, and how they are answered; all but the first have a body that breaks its own rules.
NO_HTTP = [
    (b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n", b" 400 "),
    (b"GET /api/v1/devices?q=\xd9\xa3 HTTP/1.1\r\nHost: a\r\n\r\n", b" 400 "),
    (b"GET / /b HTTP/1.1\r\nHost: localhost\r\n\r\n", b" 400 "),
    (b"B@D / HTTP/1.1\r\nHost: localhost\r\n\r\n", b" 400 "),
    (b"GET / HTTP/1.1\r\n\r\n", b" 400 "),
    (b"GET /?q=" + 9_000 * b"x" + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", b" 414 "),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + 9_000 * b"x" + b"\r\n\r\n", b" 431 "),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: \x00\r\n\r\n", b" 400 "),
    (b"%s\r\nContent-Length: nine\r\n\r\n", b" 400 "),
    (b"%s\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b" 400 "),
    (b"%s\r\nContent-Encoding: gzip\r\nContent-Length: 8\r\n\r\nno gzip!", b" 415 "),
]


@pytest.mark.parametrize(("octets", "answer"), NO_HTTP)
async def test_what_is_no_http_is_answered_and_logged_in_a_line(
    house: Any, told: list[dict[str, Any]], octets: bytes, answer: bytes
) -> None:
    """Anybody can send such without end: no traceback, no more than a line each."""
    post = b"POST /api/v1/controls HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    post += f"Authorization: Bearer {house.tokens['control']}".encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", house.pages.port)
    writer.write(octets.replace(b"%s", post))
    async with asyncio.timeout(60):
        said = await reader.readline()
        rest = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert answer in said
    problem = json.loads(rest.partition(b"\r\n\r\n")[2])
    assert (b"application/problem+json" in rest, problem["status"], "fix" in problem) == (True, int(answer), True)
    assert [one for one in told if one["level"] in {"ERROR", "CRITICAL"} or "Traceback" in str(one)] == []


@pytest.mark.parametrize("coding", ["gzip", "br", "GZIP", "x-unknown"])
async def test_compressed_bodies_are_refused_unread(house: Any, coding: str) -> None:
    body = gzip.compress(b"{}")
    headers = {"Content-Encoding": coding, "Content-Type": "application/json"}
    status, said, answered = await house.ask("POST", "/api/v1/controls", scope="control", data=body, headers=headers)
    assert (status, said["fix"], answered["Accept-Encoding"]) == (415, "send it as it is", "identity")
