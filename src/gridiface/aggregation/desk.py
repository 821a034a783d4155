"""What is done to the engine while it runs: block, rank, release from quarantine, choose a strategy, local schedule.

Each takes effect with the next tick, which kicks nobody off: the fleet moves on its ramps, and only what changes is
sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gridiface.aggregation.allocate import strategy
from gridiface.aggregation.config import EngineConfig
from gridiface.aggregation.deciding.lifecycle import ControlBook
from gridiface.aggregation.deciding.schedules import Schedules
from gridiface.aggregation.envelope.estimation import believe
from gridiface.aggregation.listening.fleet import Fleet
from gridiface.aggregation.listening.plausibility import Plausibility
from gridiface.aggregation.loops import Loops
from gridiface.aggregation.running import Running
from gridiface.aggregation.state.columns import Columns
from gridiface.aggregation.state.log import CONFIGURATION, DecisionLog, device_target, group_target
from gridiface.domain.clock import Instant
from gridiface.domain.schedule import LocalSchedule
from gridiface.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskParts:
    """What the desk works on; all of one engine."""

    columns: Columns
    fleet: Fleet
    book: ControlBook
    running: Running
    schedules: Schedules
    plausibility: Plausibility
    config: EngineConfig
    log: DecisionLog


class Desk:
    """The operator's place at one engine.

    Args:
        parts: of the engine, which acts are noted in.
        at: told the time of each act, first.
        changed: told that the fleet is another one now.
    """

    def __init__(self, parts: DeskParts, *, at: Callable[[Instant], None], changed: Callable[[], None]) -> None:
        self._c, self._fleet, self._running = parts.columns, parts.fleet, parts.running
        self._schedules, self._plausibility = parts.schedules, parts.plausibility
        self._config, self._log, self._book = parts.config, parts.log, parts.book
        self._at, self._fleet_changed = at, changed

    def block(self, device_id: str, blocked: bool, now: Instant) -> None:
        """Operator's block: a blocked device is released and left out until it is unblocked."""
        self._at(now)
        row = self._c.row.get(device_id)
        if row is not None and bool(self._c.blocked[row]) != blocked:
            self._c.blocked[row] = blocked
            self._c.touched[row] = True
            self._log.add(
                now, device_target(device_id), "block", "blocked" if blocked else "unblocked", "by the operator"
            )
            self._fleet_changed()

    def rank(self, control_id: str, authority: float, now: Instant) -> bool:
        """Give a control that runs or is to run, or a default, another authority: who rules is decided anew at once.

        What another control has displaced for good stays so. False where it is unknown, over, or has it already.
        """
        self._at(now)
        before = self._book.rank(control_id, authority, now)
        if before is None:
            return False
        entry = self._book.get(control_id)
        assert entry is not None
        reason = f"its program's authority is {authority:g} now, it was {before:g}"
        self._log.about(now, entry.control, "ranked", reason, value=authority)
        self._fleet_changed()
        return True

    def believe(self, device_id: str, now: Instant, *, reason: str = "by the operator") -> bool:
        """Believe a device again that is quarantined, or whose state of charge is in doubt; False where neither is."""
        self._at(now)
        row = self._c.row.get(device_id)
        if row is None:
            return False
        released, trusted = self._plausibility.release(row, now, reason), believe(self._c, row)
        if trusted:
            self._log.add(now, device_target(device_id), "soc", "trusted", reason)
        if not (released or trusted):
            return False
        self._fleet_changed()
        return True

    def quarantine(self, device_id: str, now: Instant, *, reason: str = "by the operator") -> bool:
        """Leave a device out as not to be believed; False where it is unknown or is left out already."""
        self._at(now)
        row = self._c.row.get(device_id)
        if row is None or not self._plausibility.quarantine(row, now, reason):
            return False
        self._fleet_changed()
        return True

    def quarantined(self) -> tuple[str, ...]:
        """The devices in quarantine, by id."""
        return tuple(sorted(self._c.ids[self._c.quarantined].tolist()))

    def in_doubt(self) -> tuple[str, ...]:
        """The devices whose reported state of charge is in doubt, by id."""
        return tuple(sorted(self._c.ids[self._c.soc_doubt].tolist()))

    def without_power(self) -> tuple[str, ...]:
        """Devices that answer and tell no power, though they did before, by id."""
        return tuple(sorted(self._c.ids[self._c.blind].tolist()))

    def distrust(self, device_id: str) -> str:
        """What of a device is not believed: "quarantined", "charge in doubt", or nothing."""
        row = self._c.row.get(device_id)
        if row is None:
            return ""
        return "quarantined" if self._c.quarantined[row] else "charge in doubt" if self._c.soc_doubt[row] else ""

    def strategy_of(self, group_id: str) -> str | None:
        """The name of the strategy that splits a group's total; None for an unknown group."""
        group = self._fleet.tree.groups.get(group_id)
        return None if group is None else self._running.planner.strategy_of(group, self._config)

    def is_chosen(self, group_id: str) -> bool:
        """Whether a group's strategy was chosen while running."""
        return group_id in self._running.planner.chosen

    def choose_strategy(self, group_id: str, name: str | None, now: Instant) -> None:
        """Split a group's total by another strategy from the next tick on; None: as configured again.

        Raises:
            ConfigError: no such group, or nobody offers the strategy; nothing was changed.
        """
        if group_id not in self._fleet.tree.groups:
            raise ConfigError(f"there is no group {group_id!r}")
        if name is not None:
            strategy(name)
        self._at(now)
        chosen = self._running.planner.chosen
        before = self.strategy_of(group_id)
        if name is None:
            chosen.pop(group_id, None)
        else:
            chosen[group_id] = name
        after = self.strategy_of(group_id)
        if after != before:
            reason = f"{after} instead of {before}"
            self._log.add(now, group_target(group_id), "strategy", "chosen", reason, source=CONFIGURATION)
            self._fleet_changed()

    @property
    def loops(self) -> Loops:
        """What closed loops hold, to be kept over a restart."""
        return self._running.loops

    def set_schedules(self, schedules: Iterable[LocalSchedule], now: Instant) -> None:
        """Replace the local schedule."""
        self._at(now)
        self._schedules.replace(schedules)
        self._fleet_changed()
