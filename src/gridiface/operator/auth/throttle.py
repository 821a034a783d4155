"""Bounds on failed tries by address and by user, and on requests by caller. Sans I/O; `now` is monotonic seconds."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict

#: Failed tries that are free, seconds after which one is forgiven, names that are remembered.
FREE, FORGIVEN_S, REMEMBERED = 10, 6.0, 10_000


class Throttle:
    """A leaky bucket of failed tries per name: an address (see `network`) or a user.

    Args:
        free: failed tries in a row that cost nothing.
        forgiven_s: after so long one is forgiven.
    """

    def __init__(self, free: int = FREE, forgiven_s: float = FORGIVEN_S) -> None:
        self._free = free
        self._forgiven_s = forgiven_s
        self._until: OrderedDict[str, float] = OrderedDict()

    def wait_s(self, name: str, now: float) -> float:
        """How long this name has to wait before its next try, s; 0: it may try."""
        owed = self._until.get(network(name), now) - now
        return max(0.0, owed - (self._free - 1) * self._forgiven_s)

    def failed(self, name: str, now: float) -> None:
        """Count a failed try."""
        key = network(name)
        self._until[key] = max(self._until.get(key, now), now) + self._forgiven_s
        self._until.move_to_end(key)
        while len(self._until) > REMEMBERED:
            self._until.popitem(last=False)

    def succeeded(self, name: str) -> None:
        """Forgive a name all its failed tries."""
        self._until.pop(network(name), None)


class Rates:
    """A token bucket of requests per caller: nobody takes the server from the others.

    Args:
        per_s: requests per second in the long run.
        burst: requests at once.
    """

    def __init__(self, per_s: float, burst: int) -> None:
        self._per_s = per_s
        self._burst = burst
        self._until: OrderedDict[str, float] = OrderedDict()

    def take(self, name: str, now: float) -> float:
        """Count a request; 0: it may pass, else the seconds after which the next may."""
        key = network(name)
        # The bucket as the time at which it is full again.
        full_at = max(self._until.get(key, now), now) + 1 / self._per_s
        wait = full_at - now - self._burst / self._per_s
        if wait > 0:
            return wait
        self._until[key] = full_at
        self._until.move_to_end(key)
        while len(self._until) > REMEMBERED:
            self._until.popitem(last=False)
        return 0.0


def network(address: str) -> str:
    """What an address counts as: IPv6 by its /64, which one host can choose from freely; other names as they are."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
