"""Who left what its events are for: a device answers what it was asked while it was there, also after it moved.

A response may wait in a device, or be the last of an event that its move ended (6, 7). Owns who left which program or
publication and when; whom a new event reaches is topology.py's and publications.py's. Source of the duty: IEEE 2030.5,
response function set: the server takes the responses of those that an event was for.
"""

from __future__ import annotations

from collections.abc import Iterable

from gridiface.domain.changes import Change
from gridiface.domain.clock import Instant
from gridiface.northbound.sep2.served import documents
from gridiface.northbound.sep2.served.documents import Record
from gridiface.northbound.sep2.served.state_records import EventRecord


class Leavers:
    """The end devices that left, by the path of the ResponseList of what they left.

    Args:
        kept_s: how long an event may be answered after somebody left it, s.
    """

    def __init__(self, kept_s: float) -> None:
        self._kept_s = kept_s
        #: Second of leaving by number of the end device, by path of a ResponseList.
        self._left: dict[str, dict[int, int]] = {}

    def note(self, responses: str, numbers: Iterable[int], now: Instant) -> list[Change]:
        """These end devices left; what must be stored of it."""
        coming = dict.fromkeys(numbers, int(now))
        if not coming:
            return []
        before = self._left.get(responses, {}).items()
        kept = {number: at for number, at in before if at >= now - self._kept_s} | coming
        self._left[responses] = kept
        head = {"left": {str(number): at for number, at in kept.items()}}
        return [documents.put(documents.LEFT, responses, None, head)]

    def load(self, record: Record) -> None:
        """What was stored by an earlier process."""
        self._left[record.key] = {int(number): int(at) for number, at in record.head["left"].items()}

    def forget(self, responses: str) -> None:
        """What they left is gone itself."""
        self._left.pop(responses, None)

    def all(self) -> list[str]:
        """Every ResponseList whose events somebody left."""
        return list(self._left)

    def of(self, responses: str) -> Iterable[int]:
        """The numbers of the end devices that left."""
        return self._left.get(responses, {}).keys()

    def had(self, responses: str, number: int, event: EventRecord) -> bool:
        """Whether an end device was there while an event was shown."""
        left = self._left.get(responses, {}).get(number)
        return left is not None and left >= (event.received or event.item.obj.creationTime)
