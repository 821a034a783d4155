"""The numbers of new resources: reserved in blocks, durable, never given twice."""

from __future__ import annotations

from gridiface.domain.changes import Change
from gridiface.northbound.sep2.served import documents

#: Numbers are reserved in blocks, so that not every new resource writes the counter too.
_BLOCKS = {"edev": 1, "derp": 1, "mup": 1, "dc": 1}


_BLOCK = 256


class Counters:
    """Numbers of new resources, never given twice, also over a restart."""

    def __init__(self) -> None:
        self._next: dict[str, int] = {}
        self._reserved: dict[str, int] = {}

    def load(self, name: str, reserved: int) -> None:
        """Numbers below `reserved` may have been given."""
        self._next[name] = self._reserved[name] = reserved

    def saw(self, name: str, number: int) -> None:
        """This number is taken."""
        self._next[name] = max(self._next.get(name, 1), number + 1)

    def take(self, name: str, count: int = 1) -> tuple[int, list[Change]]:
        """`count` numbers in a row: the first of them, and what must be stored together with their use."""
        first = self._next.get(name, 1)
        self._next[name] = first + count
        if first + count <= self._reserved.get(name, 0):
            return first, []
        block = _BLOCKS.get(name.partition("/")[0], _BLOCK)
        self._reserved[name] = first + count - 1 + block
        return first, [documents.put(documents.COUNTERS, name, None, {"reserved": self._reserved[name]})]
