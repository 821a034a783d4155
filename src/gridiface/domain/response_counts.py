"""Response times counted by their size, where they are too many to be kept one by one. Pure.

A regulation signal every few seconds to thousands of devices: of each device and quarter of an hour their number, sum
and longest are kept exactly, and how many were of which size. Sizes are steps of 30 %, so that a median or percentile
of them is right to 15 %.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

#: Up to so long is one size, s; each next one ends a step later; so many sizes there are (to 28 s), the last is open.
_LEAST_S, _STEP, _SIZES = 0.001, 1.3, 40


@dataclass(slots=True)
class ResponseCounts:
    """Response times of one device, or of several.

    Attributes:
        count, total_s, max_s: how many, their sum and the longest, s.
        sizes: how many of each size; those without any are left out.
    """

    count: int = 0
    total_s: float = 0.0
    max_s: float = 0.0
    sizes: dict[int, int] = field(default_factory=dict)

    def add(self, seconds: float) -> None:
        """Count one, s >= 0."""
        size = _size(seconds)
        self.count += 1
        self.total_s += seconds
        self.max_s = max(self.max_s, seconds)
        self.sizes[size] = self.sizes.get(size, 0) + 1

    def merge(self, other: ResponseCounts) -> None:
        """Count those of another, too."""
        self.count += other.count
        self.total_s += other.total_s
        self.max_s = max(self.max_s, other.max_s)
        for size, count in other.sizes.items():
            self.sizes[size] = self.sizes.get(size, 0) + count

    def values(self) -> Iterable[tuple[float, int]]:
        """The middle of each size, none beyond the longest, and how many are of it; the shortest first."""
        for size in sorted(self.sizes):
            middle = _LEAST_S * _STEP ** (size - 0.5) if size else _LEAST_S / 2
            yield min(middle, self.max_s), self.sizes[size]

    @property
    def text(self) -> str:
        """As it is kept: `of_text` reads it."""
        sizes = ",".join(f"{size}:{count}" for size, count in sorted(self.sizes.items()))
        return f"{self.total_s:.6g} {self.max_s:.6g} {sizes}"

    @classmethod
    def of_text(cls, text: str) -> ResponseCounts:
        """What was kept.

        Raises:
            ValueError: it is damaged.
        """
        total, longest, sizes = text.split(" ")
        counts = {int(size): int(count) for size, _, count in (one.partition(":") for one in sizes.split(",") if one)}
        if not all(0 <= size < _SIZES and count > 0 for size, count in counts.items()):
            raise ValueError("no such size of a response time")
        return cls(sum(counts.values()), float(total), float(longest), counts)


def _size(seconds: float) -> int:
    if seconds <= _LEAST_S:
        return 0
    return min(math.ceil(math.log(seconds / _LEAST_S, _STEP)), _SIZES - 1)
