"""What a device was told, and what of it must be shown now. Pure: `now` is monotonic seconds.

A device that restarts between two readings, or that somebody sets at its panel, answers as before: only its controls
show it. Owned here: which points must still show what, and for how long. Not owned: reading them (driver).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from gridiface_southbound.looking import Looking, sure_until
from gridiface_southbound.points.commands import CommandPlan
from gridiface_southbound.points.image import Write
from gridiface_southbound.points.meanings import Meaning
from gridiface_southbound.points.table import Point

P = TypeVar("P", bound=Point)


@dataclass(slots=True)
class _Held(Generic[P]):
    """The points of one control, each with what it must hold and the point that shows it; until the timer's end."""

    shown: dict[str, tuple[Write[P], P]]
    until: float


class Holding(Looking, Generic[P]):
    """The controls of one device that stand."""

    def __init__(self) -> None:
        super().__init__()
        self._held: dict[Meaning, _Held[P]] = {}

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
        until = sure_until(now, plan.revert_s)
        for meaning in plan.held:
            kept = {name: shown[name] for name in plan.stand(meaning) if name in shown}
            if kept:
                self._held[meaning] = _Held(kept, until)
        self.seen(now=now, connects=connects)

    def to_be_seen(self, *, now: float, connects: int) -> dict[str, tuple[Write[P], P]]:
        """What must be shown now; empty where there is nothing to look at, or no reason to look yet."""
        due = [held for held in self._held.values() if self.is_wanted(held.until, now=now, connects=connects)]
        return {name: pair for held in due for name, pair in held.shown.items()}
