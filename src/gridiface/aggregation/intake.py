"""Telemetry into the columns: what a snapshot changes, and what is not believed.

Owns the newest snapshot of each device. A value that the device's ratings make impossible is left out and said.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gridiface.aggregation import health
from gridiface.aggregation.columns import NAN, Columns
from gridiface.aggregation.config import EngineConfig
from gridiface.aggregation.estimation import correct, count_coulombs
from gridiface.aggregation.log import DecisionLog, device_target
from gridiface.domain.clock import Instant
from gridiface.domain.telemetry import OperatingState, Quality, Snapshot

#: How far beyond its rating a device's measured power may be before it is not believed.
PLAUSIBLE = 1.5
PLAUSIBLE_W = 100.0

#: A ceiling binds a device that delivers more than this part of it.
BINDING = 0.98

#: States in which a device cannot be asked for power.
IDLE_STATES = frozenset({OperatingState.OFF, OperatingState.FAULT, OperatingState.SHUTTING_DOWN})


class Intake:
    """Takes snapshots in."""

    def __init__(self, columns: Columns, config: EngineConfig, log: DecisionLog) -> None:
        self._c, self._config, self._log = columns, config, log
        self.newest: dict[str, Snapshot] = {}
        #: Whether what devices do by themselves can be learned (not between a restart and the first step).
        self.learning = True

    def observe(self, snapshots: Sequence[Snapshot], now: Instant) -> bool:
        """Take the snapshots in, oldest first where one device has several. Whether availability changed."""
        changed = False
        rows, reports = [], []
        for snapshot in snapshots:
            row = self._c.row.get(snapshot.device_id)
            if row is None:
                continue
            self.newest[snapshot.device_id] = snapshot
            if snapshot.quality is Quality.BAD:
                changed |= self._unreadable(row, now)
                continue
            count_coulombs(self._c, now, np.array([row]))
            changed |= self._take(row, snapshot, now)
            if snapshot.soc is not None:
                rows.append(row)
                reports.append(min(max(snapshot.soc, 0.0), 1.0))
        if rows:
            latest = dict(zip(rows, reports, strict=True))
            self._charge(np.array(list(latest)), np.array(list(latest.values())), now)
        return changed

    def forget(self, device_id: str) -> None:
        """The device has left the fleet."""
        self.newest.pop(device_id, None)

    def current(self, device_id: str, now: Instant) -> Snapshot | None:
        """The newest snapshot with the quality it has by now and the estimated state of charge."""
        snapshot, row = self.newest.get(device_id), self._c.row.get(device_id)
        if snapshot is None or row is None:
            return None
        c = self._c
        age = now - float(c.received[row])
        old = bool(c.lost[row]) or age > max(self._config.stale_after_s, 2.0 * float(c.period_s[row]))
        quality = Quality.STALE if old and snapshot.quality is Quality.GOOD else snapshot.quality
        alarms = snapshot.alarms | {"soc_in_doubt"} if c.soc_doubt[row] else snapshot.alarms
        soc = snapshot.soc if np.isnan(c.soc[row]) else float(c.soc[row])
        return replace(snapshot, quality=quality, alarms=alarms, soc=soc)

    def _take(self, row: int, snapshot: Snapshot, now: Instant) -> bool:
        c = self._c
        usable = snapshot.connected is not False and snapshot.state not in IDLE_STATES and not snapshot.local_control
        changed = usable != bool(c.usable[row]) or bool(c.lost[row])
        if usable != bool(c.usable[row]):
            verdict = "returned" if usable else "unavailable"
            reason = "connected and running" if usable else _why_not(snapshot)
            self._log.add(now, device_target(snapshot.device_id), "availability", verdict, reason)
        c.usable[row], c.lost[row] = usable, False
        if snapshot.w is not None and self._believable(row, snapshot, now):
            c.w[row] = snapshot.w
            self._learn(row, snapshot.w)
        for column, value in ((c.var, snapshot.var), (c.available_wh, snapshot.available_wh)):
            if value is not None:
                column[row] = value
        c.up_w[row] = NAN if snapshot.available_up_w is None else max(0.0, snapshot.available_up_w)
        c.down_w[row] = NAN if snapshot.available_down_w is None else max(0.0, snapshot.available_down_w)
        self._pace(row, snapshot.received)
        return changed

    def _pace(self, row: int, received: Instant) -> None:
        """Learn how often the device reports; an outage does not make it a slow one."""
        c = self._c
        gap = received - float(c.received[row])
        if c.seen[row] and gap > 0:
            longest = max(self._config.lost_after_s, 3.0 * float(c.period_s[row]))
            first = int(c.seen[row]) == 1
            gap = min(gap, longest)
            c.period_s[row] = gap if first else 0.7 * float(c.period_s[row]) + 0.3 * gap
        c.seen[row] += 1
        c.received[row] = max(received, float(c.received[row]))

    def _learn(self, row: int, watts: float) -> None:
        """What the device does by itself: seen while nobody holds it, or while its ceiling does not bind."""
        c = self._c
        ceiling = float(c.told_ceiling_w[row])
        held = bool(c.told[row]) and (not np.isnan(c.told_w[row]) or watts >= BINDING * ceiling)
        if self.learning and not held and not c.down[row]:
            c.natural_w[row] = watts

    def _believable(self, row: int, snapshot: Snapshot, now: Instant) -> bool:
        c = self._c
        if not c.counts[row] or snapshot.w is None:
            return True
        rated = max(float(c.export_w[row]), float(c.import_w[row]), float(c.set_max_w[row]))
        if abs(snapshot.w) <= PLAUSIBLE * rated + PLAUSIBLE_W:
            self._log.forget("plausible", snapshot.device_id)
            return True
        if self._log.news("plausible", snapshot.device_id, value=False):
            reason = f"{snapshot.w:.0f} W is beyond what a device of {rated:.0f} W can do: not used"
            self._log.add(now, device_target(snapshot.device_id), "telemetry", "quarantined", reason, value=snapshot.w)
        return False

    def _unreadable(self, row: int, now: Instant) -> bool:
        if self._c.lost[row]:
            return False
        self._c.lost[row] = True
        self.lose(row, now, "it cannot be read")
        return True

    def lose(self, row: int, now: Instant, reason: str) -> None:
        """Note that a device has fallen silent."""
        config = self._config
        health.fail(self._c, row, now, wait_s=config.return_after_s, longest_s=config.return_after_max_s)
        target, share = device_target(self._c.ids[row]), float(self._c.told_w[row])
        self._log.add(now, target, "availability", "lost", reason)
        if math.isfinite(share) and share != 0.0:
            self._log.add(now, target, "allocation", "re-allocated", "its share goes to the others", value=share)

    def _charge(self, rows: np.ndarray, reported: np.ndarray, now: Instant) -> None:
        limit = self._config.soc_residual
        doubted, lifted = correct(self._c, rows, reported, now, limit=limit)
        for row in doubted.tolist():
            reason = f"the reported state of charge is more than {limit:.0%} off its own power: derated, recalibrate it"
            self._log.add(
                now, device_target(self._c.ids[row]), "soc", "in doubt", reason, value=float(self._c.soc_reported[row])
            )
        for row in lifted.tolist():
            self._log.add(now, device_target(self._c.ids[row]), "soc", "trusted", "its reports agree with its power")


def _why_not(snapshot: Snapshot) -> str:
    if snapshot.connected is False:
        return "not connected"
    return "in local control" if snapshot.local_control else f"state {snapshot.state}"
