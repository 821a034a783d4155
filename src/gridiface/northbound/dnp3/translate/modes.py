"""Which modes act: enabling outputs that are on, and none of the same family with a higher priority is. Pure.

Modes of one family name the same quantity, so one of them acts: the one of the smallest priority number; of equal
numbers all do, and the engine decides. Those that wait stay enabled and take over when what outranks them is off
(IEEE 1815.2: each mode has a priority; that the smaller number counts more is as the profile has it for schedules).
"""

from __future__ import annotations

from collections.abc import Callable

from gridiface.northbound.dnp3.pointmap.meanings import Action
from gridiface.northbound.dnp3.pointmap.points import PointEntry, PointMap

Value = Callable[[str], float]
"""The wire value of an output by its name."""


class Modes:
    """The enabling outputs of one point map and what depends on them."""

    def __init__(self, points: PointMap) -> None:
        self._modes = {entry.name: entry for entry in points.outputs() if entry.action is Action.ENABLE}
        self._depending: dict[str, list[PointEntry]] = {}
        for entry in points.outputs():
            if entry.enabled_by:
                self._depending.setdefault(entry.enabled_by, []).append(entry)
        self._families: dict[str, list[PointEntry]] = {}
        for entry in self._modes.values():
            if entry.family:
                self._families.setdefault(entry.family, []).append(entry)
        self._priorities = {entry.priority_from for entry in self._modes.values()} - {""}

    def depending(self, name: str) -> list[PointEntry]:
        """The outputs that a mode lets act."""
        return self._depending.get(name, [])

    def ranks(self, name: str) -> bool:
        """Whether an output switches a mode or holds the priority of one."""
        return name in self._modes or name in self._priorities

    def acts(self, name: str, value: Value) -> bool:
        """Whether a mode acts; without a name: yes."""
        if not name:
            return True
        if not value(name):
            return False
        mode = self._modes[name]
        own = self._priority(mode, value)
        return not any(
            value(other.name) and self._priority(other, value) < own for other in self._families.get(mode.family, ())
        )

    def changed(self, before: Value, after: Value) -> tuple[list[str], list[str]]:
        """The modes that begin to act and those that cease to, when outputs change their values."""
        begin, cease = [], []
        for name in self._modes:
            was, is_now = self.acts(name, before), self.acts(name, after)
            if is_now and not was:
                begin.append(name)
            elif was and not is_now:
                cease.append(name)
        return begin, cease

    @staticmethod
    def _priority(mode: PointEntry, value: Value) -> float:
        return value(mode.priority_from) if mode.priority_from else 0.0
