"""What is measured, in a process of its own on one core, while the load runs in this one on another."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Self

from gridiface.errors import GridifaceError
from gridiface.simulation.load.figures import cpu_s

SERVER_CORE, CLIENT_CORE = 0, 1

#: After a stop the process may finish what it does for so long, s.
_END_S = 10.0


class Beside:
    """A process and a pipe to it; a context manager. `port` is known inside.

    Args:
        serve: runs there; gets its end of the pipe and `args`, and says {"port": ...} when it is ready.
        args: what can be pickled.
        ready_s: how long it may take to be ready.
    """

    def __init__(self, serve: Callable[..., None], *args: Any, ready_s: float) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=serve, args=(other, *args), daemon=True)
        self._ready_s = ready_s
        self.port = 0

    def __enter__(self) -> Self:
        self._process.start()
        self.port = int(self.answer(self._ready_s)["port"])
        self._before = os.sched_getaffinity(0)
        keep_on(CLIENT_CORE)
        return self

    def __exit__(self, *_: object) -> None:
        os.sched_setaffinity(0, self._before)
        with suppress(OSError):
            self._pipe.send({"stop": True})
        self._process.join(_END_S)
        if self._process.is_alive():
            self._process.kill()

    @property
    def cpu_s(self) -> float:
        """Processor time that the process has taken so far, s; 0 where the system does not tell."""
        return cpu_s(self._process.pid or 0)

    def ask(self, what: dict[str, Any]) -> None:
        """One request to the process."""
        self._pipe.send(what)

    def answer(self, seconds: float) -> dict[str, Any]:
        """Its next answer.

        Raises:
            GridifaceError: none came.
        """
        if not self._pipe.poll(seconds):
            raise GridifaceError("the benchmark's server does not answer")
        found: dict[str, Any] = self._pipe.recv()
        return found


def keep_on(core: int) -> None:
    """Stay on one core, where this process may use it."""
    if core in os.sched_getaffinity(0):
        os.sched_setaffinity(0, {core})
