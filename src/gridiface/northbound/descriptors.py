"""Spare file descriptors: what the operator and DNP3 get in with when other listeners have taken all the rest.

The kernel counts descriptors by process, not by listener. So some are held open for nothing; a listener that may not
starve asks for one of them when it cannot accept, and they are taken back as soon as there is room again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
from typing import Any

_log = logging.getLogger("gridiface.descriptors")

_MOST = 48
_SHARE = 16
_AT_ONCE = 4
_TAKE_BACK_S = 0.5
_ACCEPT_FAILED = "socket.accept() out of system resource"


def spares() -> int:
    """How many are worth holding: a small share of what the process may open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST if soft == resource.RLIM_INFINITY else min(_MOST, soft // _SHARE)


class Reserve:
    """Descriptors held for those who may not starve. Call `install` once the loop runs, and `close` last.

    Args:
        wanted: how many; None: `spares()` when it is installed. Fewer where the process has no more.
    """

    def __init__(self, wanted: int | None = None) -> None:
        self._wanted = wanted or 0
        self._measured = wanted is None
        self._held: list[int] = []
        self._timer: asyncio.TimerHandle | None = None
        self._told = False
        #: How often somebody was helped out.
        self.given = 0

    @property
    def held(self) -> int:
        """How many are held now."""
        return len(self._held)

    def lent(self) -> bool:
        """Whether some that were given are not taken back yet."""
        return self.given > 0 and len(self._held) < self._wanted

    def give(self) -> bool:
        """Close a few; True when there were any: accepting may work now."""
        some, self._held[-_AT_ONCE:] = self._held[-_AT_ONCE:], []
        for descriptor in some:
            os.close(descriptor)
        if some:
            self.given += 1
        if not self._told:
            self._told = True
            _log.error("no file descriptor is left; the operator and DNP3 use those kept for them (%d)", self.held)
        return bool(some)

    def take_back(self) -> None:
        """Hold as many as wanted again, as far as there is room."""
        with contextlib.suppress(OSError):
            while len(self._held) < self._wanted:
                self._held.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
            self._told = False

    def install(self, loop: asyncio.AbstractEventLoop) -> None:
        """Fill up now and again and again; help out asyncio's own servers, of which the operator's is the only one."""
        if self._measured:
            self._wanted = spares()
        self.take_back()
        loop.set_exception_handler(self._on_trouble)
        self._timer = loop.call_later(_TAKE_BACK_S, self._tick, loop)

    def close(self) -> None:
        """Give all back."""
        if self._timer is not None:
            self._timer.cancel()
        while self._held:
            os.close(self._held.pop())

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._measured and spares() < self._wanted:
            self._shrink(spares())
        self.take_back()
        self._timer = loop.call_later(_TAKE_BACK_S, self._tick, loop)

    def _shrink(self, wanted: int) -> None:
        """Somebody lowered the limit: hold no more than fits; those that still count are the lowest numbers."""
        self._wanted = wanted
        self._held.sort(reverse=True)
        while len(self._held) > wanted:
            os.close(self._held.pop())

    def _on_trouble(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if context.get("message") == _ACCEPT_FAILED:
            # asyncio tries again within a second
            self.give()
        else:
            loop.default_exception_handler(context)
