"""Order of checks, visibility, negotiation: the server without sockets."""

from __future__ import annotations

from typing import Any

import pytest


async def walk(kit: Any, by: str) -> dict[str, int]:
    """Follow every link and list from /dcap."""
    seen: dict[str, int] = {}
    todo = ["/dcap"]
    while todo:
        path = todo.pop()
        if path in seen:
            continue
        reply = await kit.send("GET", path + "?l=1000", by=by)
        seen[path] = reply.status
        from lxml import etree

        if reply.status == 200:
            for element in etree.fromstring(reply.body).iter():
                if element.tag.endswith("Link") or element.get("href"):
                    todo.append(element.get("href"))
    return seen


async def test_smoke(kit: Any) -> None:
    for by in ("utility", "inv-1", "inv-2", "aggregator", "stranger"):
        seen = await walk(kit, by)
        print(by, len(seen), {p: s for p, s in seen.items() if s != 200})
        for p in sorted(seen):
            print("   ", p)
    print((await kit.send("GET", "/edev?l=10")).body.decode())
    print((await kit.send("GET", kit.edev("fleet") + "/der/1/dercap")).body.decode())
    print((await kit.send("GET", kit.edev("fleet") + "/der/1/ders")).body.decode())
    r = await kit.send("POST", kit.program("fleet") + "/derc", kit.control())
    print(r)
    print((await kit.send("GET", kit.program("fleet") + "/derc?l=10")).body.decode())
    kit.at(60)
    print((await kit.send("GET", kit.program("fleet") + "/actderc?l=10")).body.decode())
    assert r.status == 201
