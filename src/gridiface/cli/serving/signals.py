"""What each signal means to a running server, from before it has started until it has ended.

SIGINT and SIGTERM end it. SIGHUP has it read its configuration again: as often as it comes meanwhile, once more; before
the server runs, as soon as it does. In a terminal SIGHUP is the terminal's end, and the server's. SIGUSR1 and SIGUSR2
mean nothing here, where the system's own answer would be to kill it. Owns no server.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable

_log = logging.getLogger("gridiface")

_ENDING = (signal.SIGINT, signal.SIGTERM)
_MEANINGLESS = (signal.SIGUSR1, signal.SIGUSR2)


class Signals:
    """The signals of one server. Make it inside the event loop, before anything is started.

    Args:
        terminal: whether SIGHUP comes from a terminal that ends.
    """

    def __init__(self, *, terminal: bool) -> None:
        self.stop = asyncio.Event()
        self._again = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in _ENDING:
            loop.add_signal_handler(number, self.stop.set)
        loop.add_signal_handler(signal.SIGHUP, self.stop.set if terminal else self._again.set)
        for number in _MEANINGLESS:
            loop.add_signal_handler(number, _ignore, number)

    async def reread(self, read: Callable[[], Awaitable[None]]) -> None:
        """Have `read` read the configuration whenever that is asked for, one after the other, until cancelled."""
        while True:
            await self._again.wait()
            self._again.clear()
            try:
                await read()
            except Exception:
                _log.exception("the configuration was not read again")


def ignore_early() -> None:
    """Let no SIGHUP end a service that is about to start: it reads its configuration anyhow."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def _ignore(number: signal.Signals) -> None:
    _log.info("%s means nothing here; SIGHUP reads the configuration again", number.name)
