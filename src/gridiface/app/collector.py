"""The garbage collector once a server has started."""

from __future__ import annotations

import gc


def calm() -> None:
    """What was loaded at the start stays: walking it again for each few hundred new objects costs a fleet's writes.

    The few thousand objects that are garbage already stay too: looking for them among all others would cost a start
    more than they are worth.
    """
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
