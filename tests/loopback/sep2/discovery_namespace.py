"""In a network namespace of its own: announces a server on an interface that does multicast, and looks for it there.

Prints one JSON line per kind of multicast DNS and address family, or {"unable": true}.
"""

from __future__ import annotations

import asyncio
import json
import subprocess

from gridiface.northbound import multicast
from gridiface.protocols.dnssd.browser import Browser
from gridiface.protocols.dnssd.responder import Responder
from gridiface.protocols.dnssd.zone import Zone
from gridiface.protocols.sep2 import discovery

WIRE = (
    "link set lo up",
    "link add wire0 type veth peer name wire1",
    "addr add 10.97.0.1/24 dev wire0",
    "-6 addr add fd97::1/64 dev wire0 nodad",
    "link set wire0 up",
    "link set wire1 up",
)


async def announced(transport: str) -> multicast.Announcer:
    zone = Zone(
        domain=discovery.DOMAINS[transport], host="h", addresses=multicast.own_addresses(["wire0"]), port=8443,
        service=discovery.SERVICE, instances=discovery.instances("S", 8443, ["derp"]),
    )  # fmt: skip
    made = multicast.Announcer(Responder(zone, draw=multicast.draw), multicast.groups_of(transport), "wire0")
    await made.start()
    return made


async def main() -> None:
    for line in WIRE:
        if subprocess.run(["ip", *line.split()], capture_output=True, check=False).returncode:
            print(json.dumps({"unable": True}))
            return
    await asyncio.sleep(1.0)  # the interfaces find their link-local addresses
    for transport in ("mdns", "xmdns"):
        announcer = await announced(transport)
        for group in multicast.groups_of(transport):
            found = []
            for _ in range(20):
                found = await multicast.search(
                    lambda number, where=transport: Browser(discovery.DOMAINS[where], discovery.SERVICE, id=number),
                    [group], ["wire0"], 0.6,
                )  # fmt: skip
                if found:
                    break
            rows = [[one.instance, [str(a) for a in one.addresses], one.text.get("dcap")] for one in found]
            print(json.dumps({"transport": transport, "group": f"IPv{group.address.version}", "found": rows}))
        await announcer.stop()


asyncio.run(main())
