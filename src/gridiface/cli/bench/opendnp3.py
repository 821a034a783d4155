"""opendnp3's outstation beside ours, where `GRIDIFACE_OPENDNP3_PYTHON` names a Python that has it."""

from __future__ import annotations

import os
import select
import socket
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Self

from gridiface.cli.bench.beside import SERVER_CORE
from gridiface.errors import GridifaceError

VARIABLE = "GRIDIFACE_OPENDNP3_PYTHON"
_SCRIPT = Path(__file__).with_name("opendnp3_outstation.py")
_READY_S, _END_S = 60.0, 10.0


def python() -> str:
    """The Python that has the binding; empty: there is none."""
    return os.environ.get(VARIABLE, "")


class OpenDnp3:
    """A process on the server's core; a context manager. `port` is known inside.

    Args:
        points: analog inputs, beside one analog output.
    """

    def __init__(self, points: int) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._command = [python(), str(_SCRIPT), str(self.port), str(points), str(SERVER_CORE)]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(  # noqa: S603 - ours and the interpreter that the operator names
            self._command, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        try:
            self._until_ready()
        except GridifaceError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(OSError):
            process.stdin.close()
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()

    def _until_ready(self) -> None:
        """The library prints as well: what it says of itself is passed over (unbuffered: select sees every line)."""
        assert self._process.stdout is not None
        while select.select([self._process.stdout], [], [], _READY_S)[0]:
            line = self._process.stdout.readline()
            if line.strip() == b"ready":
                return
            if not line:
                break
        raise GridifaceError(f"opendnp3 does not start: does {python()} have dnp3-python?")
