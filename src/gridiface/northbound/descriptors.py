"""Spare file descriptors: what the operator and DNP3 get in with when other listeners have taken all the rest.

The kernel counts descriptors by process, not by listener. So some are held open for nothing; a listener that may not
starve asks for one of them when it cannot accept, and they are taken back as soon as there is room again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from typing import Any

_log = logging.getLogger("gridiface.descriptors")

SPARES = 48
_AT_ONCE = 4
_TAKE_BACK_S = 0.5
_ACCEPT_FAILED = "socket.accept() out of system resource"


class Reserve:
    """Descriptors held for those who may not starve. Call `install` once the loop runs, and `close` last.

    Args:
        spares: how many; fewer where the process has no more.
    """

    def __init__(self, spares: int = SPARES) -> None:
        self._wanted = spares
        self._held: list[int] = []
        self._timer: asyncio.TimerHandle | None = None
        self._told = False
        #: How often somebody was helped out.
        self.given = 0

    @property
    def held(self) -> int:
        """How many are held now."""
        return len(self._held)

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
        self.take_back()
        self._timer = loop.call_later(_TAKE_BACK_S, self._tick, loop)

    def _on_trouble(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if context.get("message") == _ACCEPT_FAILED:
            # asyncio tries again within a second
            self.give()
        else:
            loop.default_exception_handler(context)
