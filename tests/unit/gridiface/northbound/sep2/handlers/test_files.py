"""Files: who finds which, and their octets in whole and in part."""

from __future__ import annotations

import re
from typing import Any

import pytest

from gridiface.errors import RemoteProtocolError
from gridiface.northbound.sep2.served.nodes import Viewer
from gridiface.northbound.sep2.settings import LimitSettings

OCTETS = bytes(range(256)) * 4


async def a_file(kit: Any) -> str:
    await kit.post("/file", kit.bodies.file())
    await kit.core.files.store(kit.core.state.tree.item("/file/1"), OCTETS, kit.NOW)
    found = await kit.get("/file/1", by="inv-1")
    assert (found.fileURI, found.size) == ("/file/1/content", 1024)
    return str(found.fileURI)


@pytest.mark.parametrize(
    ("wanted", "status", "first", "last"),
    [
        (None, 200, 0, 1023),
        ("bytes=0-99", 206, 0, 99),
        ("bytes=1000-", 206, 1000, 1023),
        ("bytes=-24", 206, 1000, 1023),
        ("bytes=1000-5000", 206, 1000, 1023),
        ("bytes=9-3", 200, 0, 1023),
        ("bytes=0-1,5-6", 200, 0, 1023),
        ("lines=1-2", 200, 0, 1023),
        ("bytes=-", 200, 0, 1023),
    ],
)
async def test_octets_in_whole_and_in_part(kit: Any, wanted: str | None, status: int, first: int, last: int) -> None:
    uri = await a_file(kit)
    path = kit.core.requests.file_at(uri, kit.lfdi["inv-1"])
    reply = await kit.core.files.read(path, wanted, None)
    assert (reply.status, reply.body) == (status, OCTETS[first : last + 1])
    assert reply.headers["Content-Length"] == str(len(reply.body))
    assert reply.headers.get("Content-Range") == (f"bytes {first}-{last}/1024" if status == 206 else None)


async def test_a_part_costs_what_a_part_costs(kit: Any) -> None:
    """What a file is, is worked out once; after that a range reads its own octets and no file beside it."""
    await a_file(kit)
    for wanted in ("bytes=0-9", "bytes=500-599", "bytes=-24"):
        assert (await kit.core.files.read("/file/1", wanted, None)).status == 206
    read = [(0, None), (0, 10), (500, 100), (1000, 24)]
    assert kit.ledger.read == read
    head = await kit.core.files.describe("/file/1")
    assert (head.status, head.headers["Content-Length"], head.body, kit.ledger.read) == (200, "1024", b"", read)


async def test_octets_are_asked_for_as_everything_is(kit: Any) -> None:
    """400 without Host, 404 for what is not there, 503 while the store does not answer, headers alone for HEAD."""
    uri, host = await a_file(kit), {"host": "here"}

    async def ask(method: str, path: str, headers: dict[str, str]) -> Any:
        return await kit.core.requests.octets(method, path, headers, kit.lfdi["inv-1"], kit.NOW, "192.0.2.1")

    assert (await ask("GET", uri, {})).status == 400
    assert (await ask("GET", "/file/9/content", host)).status == 404
    head, whole = await ask("HEAD", uri, host | {"range": "bytes=0-1"}), await ask("GET", uri, host)
    assert (head.status, head.headers, head.body, whole.body) == (200, whole.headers, b"", OCTETS)
    kit.ledger.down = True
    reply = await ask("GET", uri, host)
    assert (reply.status, "Retry-After" in reply.headers) == (503, True)


async def test_new_octets_have_a_new_tag_and_size(kit: Any) -> None:
    await a_file(kit)
    before = (await kit.core.files.read("/file/1", None, None)).headers["ETag"]
    await kit.core.files.store(kit.core.state.tree.item("/file/1"), b"other", kit.NOW)
    reply = await kit.core.files.read("/file/1", "bytes=1-", before)
    assert (reply.status, reply.body) == (200, b"other")
    assert reply.headers["ETag"] != before
    reply = await kit.core.files.read("/file/1", "bytes=1-", reply.headers["ETag"])
    assert (reply.status, reply.body, reply.headers["Content-Range"]) == (206, b"ther", "bytes 1-4/5")


@pytest.mark.parametrize("wanted", ["bytes=1024-", "bytes=9999-99999", "bytes=-0"])
async def test_a_part_that_is_not_there_is_416(kit: Any, wanted: str) -> None:
    await a_file(kit)
    reply = await kit.core.files.read("/file/1", wanted, None)
    assert (reply.status, reply.headers["Content-Range"]) == (416, "bytes */1024")


async def test_if_range_with_another_tag_means_the_whole(kit: Any) -> None:
    await a_file(kit)
    tag = (await kit.core.files.read("/file/1", None, None)).headers["ETag"]
    assert (await kit.core.files.read("/file/1", "bytes=0-1", tag)).status == 206
    assert (await kit.core.files.read("/file/1", "bytes=0-1", '"other"')).status == 200


async def test_only_who_reads_the_file_reads_its_octets(kit: Any) -> None:
    uri = await a_file(kit)
    for by, seen in (("inv-1", True), ("utility", True), ("stranger", False), ("", False)):
        assert (kit.core.requests.file_at(uri, kit.lfdi.get(by, by)) is not None) == seen
    assert [(await kit.send(method, uri, by="stranger")).status for method in ("GET", "HEAD", "PUT")] == [403, 403, 403]
    assert (await kit.send("GET", "/file/9/content", by="stranger")).status == 404
    assert kit.core.files.wanted("/file/9/content", Viewer("", sees_all=True)) is None
    assert (await kit.core.files.read("/file/9", None, None)).status == 404


async def test_octets_leave_with_their_file_and_large_ones_are_refused(make_kit: Any) -> None:
    kit = await make_kit(limits=LimitSettings(file_bytes=2000))
    await a_file(kit)
    item = kit.core.state.tree.item("/file/1")
    with pytest.raises(RemoteProtocolError):
        await kit.core.files.store(item, b"x" * 2001, kit.NOW)
    other = await kit.restarted()
    assert (await other.core.files.read("/file/1", None, None)).body == OCTETS
    assert (await other.send("DELETE", "/file/1")).status == 204
    assert (await other.core.files.read("/file/1", None, None)).status == 404


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("l=9", 2),
        ("mfModel=M1&l=9", 1),
        ("mfModel=M2&mfID=40732&l=9", 1),
        ("mfModel=M3&l=9", 0),
        ("type=0000&l=9", 2),
        ("type=0001&l=9", 0),
        ("type=00&l=9", 2),
        ("type=0&l=9", 2),
        ("type=1&l=9", 0),
        ("type=none&l=9", 0),
        ("mfSerNum=S9&l=9", 2),
        ("mfModel=M1&l=0", 0),
        ("other=1&l=9", 2),
    ],
)
async def test_the_list_takes_attributes_of_a_device(kit: Any, query: str, count: int) -> None:
    await kit.post("/file", kit.bodies.file())
    await kit.post("/file", kit.bodies.file().replace("M1", "M2"))
    found = await kit.get(f"/file?{query}", by="inv-1")
    assert (found.results, len(found.members)) == (count, count)


@pytest.mark.parametrize("uri", ["ftp://a/b", "fw.bin", "javascript:1"])
async def test_a_file_leads_to_this_server_or_the_web(kit: Any, uri: str) -> None:
    assert (await kit.send("POST", "/file", kit.bodies.file(uri=uri))).status == 400


async def test_a_device_tells_how_it_gets_on(sets: Any) -> None:
    path = f"{sets.edev('inv-1')}/fs"
    linked = sets.bodies.FILE_STATUS.replace("<loadPercent>", '<FileLink href="/file/1"/><loadPercent>')
    assert (await sets.send("PUT", path, linked, by="inv-1")).status == 204
    assert (await sets.get(path)).FileLink.href == "/file/1"
    assert (await sets.send("PUT", path, linked.replace("/file/1", "/file/77"), by="inv-1")).status == 400
    assert (await sets.send("DELETE", "/file/1")).status == 204
    assert (await sets.get(path)).FileLink is None


@pytest.mark.parametrize(
    ("element", "value"), [("status", 9), ("status", 255), ("loadPercent", 101), ("status", 8), ("loadPercent", 100)]
)
async def test_a_status_is_one_of_the_standards_and_a_percentage_is_one(sets: Any, element: str, value: int) -> None:
    path = f"{sets.edev('inv-1')}/fs"
    body = re.sub(rf"<{element}>\d+<", f"<{element}>{value}<", sets.bodies.FILE_STATUS)
    assert f"<{element}>{value}<" in body
    reply = await sets.send("PUT", path, body, by="inv-1")
    assert reply.status == (204 if value in {8, 100} else 400)
