"""A device's points as last read, and what is written to them. Declarations that each carrier fills.

Not owned: how a carrier holds values (its own image), what points mean (telemetry), what commands need (commands).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from gridiface.domain.quantities import Rounding
from gridiface_southbound.points.table import Point, Table

P = TypeVar("P", bound=Point)

#: What a point holds before scaling.
Raw = int | float | str


class Unplannable(ValueError):
    """A point cannot hold what it must hold; the text is for people."""


@dataclass(frozen=True, slots=True)
class Write(Generic[P]):
    """One point to write: what goes out in the carrier's own form, and the value that it really holds."""

    point: P
    data: Any
    value: float


class Image(ABC, Generic[P]):
    """All points of one device, each as last read or not known."""

    table: Table[P]

    @abstractmethod
    def value(self, point: P) -> float | None:
        """The value in the point's unit, None where it is not known."""

    @abstractmethod
    def raw(self, point: P) -> Raw | None:
        """What the point holds before scaling."""

    @abstractmethod
    def word(self, point: P) -> str | None:
        """The word of an enumeration; a bare 0 or 1 is false or true."""

    @abstractmethod
    def alarms(self, point: P) -> tuple[str, ...]:
        """The alarms that a point shows, by name."""

    @abstractmethod
    def range_of(self, point: P) -> tuple[float, float]:
        """The least and the most that can be written, in the point's unit.

        Raises:
            Unplannable: that is not known.
        """

    @abstractmethod
    def encoded(self, point: P, value: float, rounding: Rounding = Rounding.NEAREST) -> Write[P]:
        """The write that makes the point hold `value`, in its unit, as nearly as it can.

        Raises:
            Unplannable: it cannot.
        """

    @abstractmethod
    def named(self, point: P, word: str) -> Write[P]:
        """The write that makes an enumeration show `word`.

        Raises:
            Unplannable: it has no value for that.
        """

    def switch(self, point: P, *, on: bool) -> Write[P]:
        """The write that switches a point on or off; raises as `named`."""
        return self.named(point, "true" if on else "false") if point.state_words else self.encoded(point, float(on))

    def is_steady(self, point: P) -> bool:
        """Whether a value of the point is always written in the same form."""
        return False

    def holds(self, write: Write[P]) -> bool:
        """Whether the point shows exactly what was written."""
        return False
