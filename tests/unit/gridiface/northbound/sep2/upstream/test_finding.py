"""Servers that answer on the local network, and those whose record is of no use."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from gridiface.northbound import multicast
from gridiface.northbound.sep2.upstream.finding import find_servers
from gridiface.protocols.dnssd.browser import Found


async def test_records_of_no_use_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    good = {"txtvers": "1", "dcap": "/dcap", "https": "8443", "level": "-S1"}
    address = (ipaddress.ip_address("192.0.2.1"),)
    asked: list[Any] = []

    async def search(make: Any, groups: Any, names: Any, wait_s: float) -> list[Found]:
        asked.append((make(3).query()[:2], [group.port for group in groups], names, wait_s))
        return [Found("A", "h", 1, address, good), Found("B", "h", 1, address, good | {"txtvers": "9"})]

    monkeypatch.setattr(multicast, "search", search)
    monkeypatch.setattr(multicast, "interfaces", lambda: ["eth0"])
    assert [one.authority for one in await find_servers("mdns", [], "derp", wait_s=0.5, port=7)] == ["192.0.2.1:8443"]
    assert asked == [(b"\0\3", [7, 7], ["eth0"], 0.5)]
