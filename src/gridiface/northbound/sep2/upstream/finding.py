"""Looking for IEEE 2030.5 servers on the local network by DNS-SD."""

from __future__ import annotations

from collections.abc import Sequence

from gridiface.northbound import multicast
from gridiface.protocols.dnssd.browser import Browser
from gridiface.protocols.sep2 import discovery


async def find_servers(
    transport: str, interfaces: Sequence[str], subtype: str = "", *, wait_s: float = 3.0, port: int = 5353
) -> list[discovery.FoundServer]:
    """The servers that answer, by name; those whose TXT record says nothing of use are left out.

    Args:
        transport: xmdns or mdns.
        interfaces: where to ask; empty: on every interface but loopback.
        subtype: only servers that offer this; "": all.

    Raises:
        ConfigError: an interface is not there, or none does multicast.
    """

    def browser(number: int) -> Browser:
        return Browser(discovery.DOMAINS[transport], discovery.SERVICE, subtype, id=number)

    names = interfaces or multicast.interfaces()
    found = await multicast.search(browser, multicast.groups_of(transport, port), names, wait_s)
    return [server for one in found if (server := discovery.read_server(one)) is not None]
