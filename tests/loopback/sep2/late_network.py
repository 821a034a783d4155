"""In a network namespace of its own: a server whose network comes later, and goes and comes again.

Prints one JSON line after each step: who is found, with its addresses; or {"unable": true}.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
from types import SimpleNamespace
from typing import Any, cast

from gridiface.northbound import multicast
from gridiface.northbound.sep2 import announcing
from gridiface.northbound.sep2.announcing import Announcing
from gridiface.northbound.sep2.served.state import State
from gridiface.northbound.sep2.settings import DiscoverySettings
from gridiface.protocols.dnssd.browser import Browser
from gridiface.protocols.sep2 import discovery

#: Each step and the addresses that are told after it, by name of the interface.
STEPS: tuple[tuple[tuple[str, ...], dict[str, list[str]]], ...] = (
    (("link add wire0 type veth peer name wire1",), {}),
    (
        ("addr add 10.97.0.1/24 dev wire0", "link set wire0 up", "link set wire1 up"),
        {"wire0": ["10.97.0.1"]},
    ),
    (("-6 addr add fd97::1/64 dev wire0 nodad",), {"wire0": ["10.97.0.1", "fd97::1"]}),
    (("addr del 10.97.0.1/24 dev wire0", "addr add 10.97.0.7/24 dev wire0"), {"wire0": ["10.97.0.7", "fd97::1"]}),
    (
        (
            "link del wire0", "link add wire0 type veth peer name wire1", "addr add 10.97.0.9/24 dev wire0",
            "link set wire0 up", "link set wire1 up",
        ),
        {"wire0": ["10.97.0.9"]},
    ),
)  # fmt: skip


async def told() -> dict[str, list[str]]:
    groups = multicast.groups_of("mdns")[:1]
    found = await multicast.search(
        lambda number: Browser(discovery.DOMAINS["mdns"], discovery.SERVICE, id=number), groups, ["wire0"], 0.5
    )
    return {"wire0": [str(address) for address in found[0].addresses]} if found else {}


async def main() -> None:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=False, capture_output=True)
    announcing.LOOK_S = 0.1
    state: Any = SimpleNamespace(
        settings=SimpleNamespace(csip_aus=None), tree=SimpleNamespace(get=lambda _path: None), end_devices={}
    )
    made = Announcing(DiscoverySettings(transports=("mdns",), name="Late"), cast("State", state))
    await made.start([("0.0.0.0", 8443), ("::", 8443)], 0)
    for commands, wanted in STEPS:
        for line in commands:
            if subprocess.run(["ip", *line.split()], capture_output=True, check=False).returncode:
                print(json.dumps({"unable": True}))
                return
        seen: dict[str, list[str]] = {}
        for _ in range(40):
            seen = await told()
            if seen == wanted:
                break
        print(json.dumps({"wanted": wanted, "told": seen}))
    await made.stop()


asyncio.run(main())
