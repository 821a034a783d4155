"""In a network namespace of its own: announces a server on an interface that does multicast, and looks for it there.

Prints one JSON line per kind of multicast DNS and address family, or {"unable": true}. Then both kinds are announced at
once, and somebody at the other end of the wire asks each group, from another port each time: one line for each.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys

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


#: Questions to each group from afar. Each must be answered.
ASKED = 8
FAR = ("link set wire1 up", "addr add 10.97.0.2/24 dev wire1", "-6 addr add fd97::2/64 dev wire1 nodad")


async def ask_from_afar() -> None:
    """At the other end of the wire, which this process has in a namespace of its own."""
    sys.stdin.readline()
    for line in FAR:
        subprocess.run(["ip", *line.split()], check=True)
    await asyncio.sleep(1.0)
    for transport in ("mdns", "xmdns"):
        for group in multicast.groups_of(transport):
            answered = 0
            for _ in range(ASKED):
                found = await multicast.search(
                    lambda number, where=transport: Browser(discovery.DOMAINS[where], discovery.SERVICE, id=number),
                    [group], ["wire1"], 0.4,
                )  # fmt: skip
                answered += bool(found)
            print(json.dumps({"transport": transport, "group": f"IPv{group.address.version}", "answered": answered}))


async def both_from_afar() -> None:
    announcers = [await announced(transport) for transport in ("xmdns", "mdns")]
    far = await asyncio.create_subprocess_exec(
        "unshare", "-n", sys.executable, __file__, "far", stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    await asyncio.sleep(2.0)  # the names are theirs
    for _ in range(50):  # until it has a namespace of its own, which takes the wire's end
        moved = subprocess.run(["ip", "link", "set", "wire1", "netns", str(far.pid)], capture_output=True, check=False)
        still = subprocess.run(["ip", "link", "show", "wire1"], capture_output=True, check=False)
        if moved.returncode == 0 and still.returncode != 0:
            break
        await asyncio.sleep(0.1)
    said, _ = await far.communicate(b"go\n")
    print(said.decode(), end="")
    for announcer in announcers:
        await announcer.stop()


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
    await both_from_afar()


asyncio.run(ask_from_afar() if "far" in sys.argv else main())
