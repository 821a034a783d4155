"""What the 2030.5 server makes of a request's target; connections are under ../test_http_connection.py."""

from __future__ import annotations

from gridiface.northbound.http1 import Head
from gridiface.northbound.sep2.wire.http_server import Sep2Http
from gridiface.protocols.sep2.exchange import Reply, changed


async def write(head: Head, body: bytes, lfdi: str, address: str) -> Reply:
    return changed()


def test_a_target_keeps_its_spelling_and_has_one_path() -> None:
    heads = Sep2Http(lambda *_: None, write, most_octets=16).heads
    head = heads.get(b"GET https://x/%66ile/1/content?a=b HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (head.target, head.path) == ("https://x/%66ile/1/content?a=b", "/file/1/content")
    assert heads.get(b"GET /%6 HTTP/1.1\r\n\r\n").path == ""
