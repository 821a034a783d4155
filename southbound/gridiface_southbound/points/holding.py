"""What a device was told, and whether it is time to see that it still holds it. Pure: `now` is monotonic seconds.

A device that restarts between two readings, or that somebody sets at its panel, answers as before: only its controls
show it. Owned here: which points must still show what, and for how long. Not owned: reading them (driver).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from gridiface_southbound.points.commands import CommandPlan
from gridiface_southbound.points.image import Write
from gridiface_southbound.points.meanings import Meaning
from gridiface_southbound.points.table import Point

P = TypeVar("P", bound=Point)

#: Seconds between two looks at what has no timer of the device's own: what has one is told again before it ends.
LOOK_S = 60.0

#: The part of a device's timer in which it surely holds what it was told.
_SURE = 0.9


@dataclass(slots=True)
class _Held(Generic[P]):
    """The points of one control, each with what it must hold and the point that shows it; until the timer's end."""

    shown: dict[str, tuple[Write[P], P]]
    until: float


class Holding(Generic[P]):
    """The controls of one device that stand."""

    def __init__(self) -> None:
        self._held: dict[Meaning, _Held[P]] = {}
        self._connects = 0
        self._due = math.inf
        self._doubted = False

    def clear(self) -> None:
        """Nothing is known of what it holds."""
        self._held.clear()

    def begin(self, controls: Iterable[Meaning]) -> None:
        """These are being told: until they are shown, nobody knows what the device holds of them."""
        for meaning in controls:
            self._held.pop(meaning, None)

    def told(self, plan: CommandPlan[P], shown: Mapping[str, tuple[Write[P], P]], *, now: float, connects: int) -> None:
        """A plan was carried out and `shown`: of each control its own point and those written before it.

        What comes after it, such as a register that takes it over, may show something else soon.
        """
        for held in self._held.values():
            for name in shown:
                held.shown.pop(name, None)
        until = math.inf if plan.revert_s is None else now + _SURE * plan.revert_s
        for meaning in plan.held:
            kept = {name: shown[name] for name in plan.stand(meaning) if name in shown}
            if kept:
                self._held[meaning] = _Held(kept, until)
        self.seen(now=now, connects=connects)

    def doubt(self) -> None:
        """The device did not answer: it may be restarting."""
        self._doubted = True

    def seen(self, *, now: float, connects: int) -> None:
        """It was just seen to hold everything."""
        self._connects, self._due, self._doubted = connects, now + LOOK_S, False

    def to_be_seen(self, *, now: float, connects: int) -> dict[str, tuple[Write[P], P]]:
        """What must be shown now; empty where there is nothing to look at, or no reason to look yet."""
        self._held = {meaning: held for meaning, held in self._held.items() if now < held.until}
        if self._doubted or connects != self._connects:
            due = list(self._held.values())
        elif now >= self._due:
            due = [held for held in self._held.values() if math.isinf(held.until)]
        else:
            due = []
        return {name: pair for held in due for name, pair in held.shown.items()}
