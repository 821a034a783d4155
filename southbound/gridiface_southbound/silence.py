"""Which devices on one shared line do not answer, and how much of the line's time they may take. `now`: seconds.

On a line that is shared, whoever is asked holds up the others: a device that is away would cost them its time-out at
each poll. So those that are away are *visited*: one of them at a time, and all of them together for a small share of
the line's time. Where nobody on the line answers there is nobody to protect, and everybody is asked as always. Not
owned: the line and its turns (modbus_link, modbus.carriers, dnp3.link), and when somebody wants to ask (the poller).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import TypeVar

from gridiface.errors import DeviceTimeout

_Answer = TypeVar("_Answer")

#: Questions in a row that were not answered, after which a device is away; of one that never answered the first.
AWAY_AFTER = 3

#: The part of the line's time that all visits together may take.
SHARE = 0.1

#: The longest pause between two questions of one visit, and how many it may have.
_PAUSE_S = 1.0
_QUESTIONS = 8

#: Who left a question unanswered is waited for this many times as long as it ever took, at least so many seconds; each
#: so many-th visit waits for the whole time-out: the device may have become slower.
_PATIENCE, _LEAST_S, _WHOLE_EACH = 3.0, 0.25, 4

#: Seconds after its last answer for which a line counts as one that answers.
_ALIVE_S = 300.0


@dataclass(slots=True)
class _Unit:
    unanswered: int = 0
    slowest_s: float = 0.0
    visits: int = 0
    since: float = 0.0

    def patience(self, timeout_s: float) -> float:
        """How long it is waited for after it left a question unanswered, by what it ever took."""
        return min(timeout_s, max(_LEAST_S, _PATIENCE * self.slowest_s)) if self.slowest_s else timeout_s


class Silence:
    """The devices of one line, by whatever tells them apart on it."""

    def __init__(self) -> None:
        self._units: dict[Hashable, _Unit] = {}
        self._answered: tuple[Hashable, float] | None = None
        self._visited: Hashable = None
        self._questions = 0
        self._spent_s = 0.0
        self._until = float("-inf")
        self._free_at = float("-inf")

    def time_for(self, unit: Hashable, timeout_s: float, now: float) -> float:
        """How long the answer to a question may take that has its turn now, seconds.

        Raises:
            DeviceTimeout: it is away, and not asked now.
        """
        known = self._units.get(unit)
        if known is None or not known.unanswered or not self._others_answer(unit, now):
            return timeout_s
        if known.slowest_s and known.unanswered < AWAY_AFTER:
            return known.patience(timeout_s)
        under_way = self._visited is not None and now <= self._until
        if not (under_way and unit == self._visited and self._questions < _QUESTIONS):
            if under_way or now < self._free_at:
                left = f"{known.unanswered} question{'s' * (known.unanswered > 1)}"
                raise DeviceTimeout(
                    f"it left {left} in a row unanswered, and is asked less often than the others on its line"
                )
            self._visited, self._questions, self._spent_s = unit, 0, 0.0
            known.visits += 1
        self._questions += 1
        self._until = now + timeout_s + _PAUSE_S
        return timeout_s if known.visits % _WHOLE_EACH == 0 else known.patience(timeout_s)

    def answered(self, unit: Hashable, took_s: float, now: float) -> None:
        """It answered, after so long."""
        known = self._units.setdefault(unit, _Unit())
        known.unanswered = known.visits = 0
        # What was slow once is forgotten in some hundred answers.
        known.slowest_s = max(0.99 * known.slowest_s, took_s)
        self._answered = unit, now
        if unit == self._visited:
            self._visited = None
            self._until = self._free_at = now

    def unanswered(self, unit: Hashable, took_s: float, now: float) -> None:
        """It did not answer, and that took so long."""
        known = self._units.setdefault(unit, _Unit())
        if not known.unanswered:
            known.since = now - took_s
        known.unanswered += 1
        if unit == self._visited:
            self._spent_s += took_s
            self._until = now + _PAUSE_S
            self._free_at = now + self._spent_s * (1.0 - SHARE) / SHARE

    def line_answers(self, unit: Hashable) -> bool:
        """Whether others on the line have answered since this one fell silent: then it is not the line's fault."""
        known = self._units.get(unit)
        return (
            known is not None
            and known.unanswered > 0
            and self._answered is not None
            and self._answered[0] != unit
            and self._answered[1] > known.since
        )

    def _others_answer(self, unit: Hashable, now: float) -> bool:
        return self._answered is not None and now - self._answered[1] <= _ALIVE_S and self._answered[0] != unit


async def noted(
    silence: Silence | None, unit: Hashable, asking: Awaitable[_Answer], came: Callable[[_Answer], bool]
) -> _Answer:
    """What `asking` brings, with what it says of the unit noted. `came`: whether the answer is the unit's own.

    Raises:
        DeviceError: as `asking` does; a DeviceTimeout is the unit's silence.
    """
    if silence is None:
        return await asking
    clock = asyncio.get_running_loop().time
    began = clock()
    try:
        answer = await asking
    except DeviceTimeout:
        silence.unanswered(unit, clock() - began, clock())
        raise
    (silence.answered if came(answer) else silence.unanswered)(unit, clock() - began, clock())
    return answer
