"""Folders for worlds: temporary, and taken away later where their process was killed before it could.

Each folder holds a file that its process keeps locked; the system lets go of the lock however the process ends. So a
folder of ours whose file nobody holds is left over.
"""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import tempfile
from pathlib import Path
from typing import IO

_PREFIX = "gridiface-"
_HELD = ".held"


class Scratch:
    """One folder, made on construction; those left over are taken away by the way."""

    def __init__(self, within: Path | None = None) -> None:
        within = within or Path(tempfile.gettempdir())
        sweep(within)
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=within))
        self._held: IO[bytes] | None = (self.path / _HELD).open("wb")
        fcntl.flock(self._held, fcntl.LOCK_EX)

    def remove(self) -> None:
        """Take it away; twice is once."""
        shutil.rmtree(self.path, ignore_errors=True)
        held, self._held = self._held, None
        if held is not None:
            held.close()


def sweep(within: Path) -> list[Path]:
    """Take away the folders in `within` whose process is gone; which they were."""
    gone = []
    for folder in within.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError), (folder / _HELD).open("rb") as held:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
            gone.append(folder)
    return gone
