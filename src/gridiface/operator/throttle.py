"""Failed tries per address: after some, the address has to wait. Sans I/O; `now` is monotonic seconds."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict

#: Failed tries that are free, seconds after which one is forgiven, addresses that are remembered.
FREE, FORGIVEN_S, REMEMBERED = 10, 6.0, 10_000


class Throttle:
    """A leaky bucket per address; IPv6 addresses count by their /64, which one host can choose from freely."""

    def __init__(self) -> None:
        self._until: OrderedDict[str, float] = OrderedDict()

    def wait_s(self, address: str, now: float) -> float:
        """How long this address has to wait before its next try, s; 0: it may try."""
        owed = self._until.get(_network(address), now) - now
        return max(0.0, owed - (FREE - 1) * FORGIVEN_S)

    def failed(self, address: str, now: float) -> None:
        """Count a failed try."""
        network = _network(address)
        self._until[network] = max(self._until.get(network, now), now) + FORGIVEN_S
        self._until.move_to_end(network)
        while len(self._until) > REMEMBERED:
            self._until.popitem(last=False)


def _network(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
