"""What a command asks of the functions with curves of one device, and what came of it: values, and no procedure.

Not owned: how it is carried out (adopting).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from gridiface.drivers.api import Ack
from gridiface_southbound.sunspec.curve_values import Asked


@dataclass(slots=True)
class Task:
    """What a command asks of the functions with curves: what each has to hold, which are put back as they were."""

    asked: dict[int, Asked] = field(default_factory=dict)
    restored: list[int] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    undone: set[str] = field(default_factory=set)

    def cannot(self, kind: str, why: str) -> None:
        """Nothing of this can be carried out: a mode by its name, or `curve:` and a curve's name."""
        self.skipped.append(f"{kind.removeprefix('curve:')}: {why}")
        self.undone.add(kind)


@dataclass(slots=True)
class Done:
    """What became of a task. `touched`: whether anything was written."""

    written: dict[str, float] = field(default_factory=dict)
    read_back: dict[str, float] = field(default_factory=dict)
    revert_s: float | None = None
    notes: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    undone: set[str] = field(default_factory=set)
    touched: bool = False


def with_curves(ack: Ack, done: Done) -> Ack:
    """What one write did, with what it did to curves."""
    timers = [timer for timer in (ack.revert_s, done.revert_s) if timer is not None]
    return replace(
        ack,
        written={**ack.written, **done.written} if done.written else ack.written,
        read_back={**ack.read_back, **done.read_back} if done.read_back else ack.read_back,
        revert_s=min(timers, default=None),
        notes=(*ack.notes, *done.notes),
        skipped=(*ack.skipped, *done.skipped),
        undone=ack.undone | done.undone,
    )
