"""What is not believed, and who is left out for it: physics, the device's own history, the group's meter.

A quarantined device is released and asked for nothing; for limits it counts with the most it may be doing. Its end is
the operator's decision (or plausible telemetry for long enough, where so configured). Works on whole columns.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from gridiface.aggregation.allocate import BoolArray, FloatArray, IntArray
from gridiface.aggregation.config import EngineConfig
from gridiface.aggregation.deciding.plan import Node
from gridiface.aggregation.envelope import twin
from gridiface.aggregation.envelope.rollup import speaks
from gridiface.aggregation.listening import health, standing
from gridiface.aggregation.state.column_table import NAN
from gridiface.aggregation.state.columns import Columns
from gridiface.aggregation.state.log import DecisionLog, device_target
from gridiface.domain.clock import Instant

#: "auto": plausible for so many times `quarantine_after_s` ends a quarantine.
AUTO_TIMES = 10.0

#: A meter and its members must have been read within so many seconds of each other to be compared.
SAME_TIME_S = 2.0


class Plausibility:
    """Judges telemetry once a step."""

    def __init__(self, columns: Columns, config: EngineConfig, log: DecisionLog) -> None:
        self._c, self._config, self._log = columns, config, log
        self._metered: dict[str, tuple[float, float]] = {}

    def check(self, nodes: Iterable[Node], now: Instant) -> bool:
        """Quarantine who has to be, leave out who does not follow; whether anybody was."""
        changed = self._physics(now)
        changed |= self._following(now)
        if self._config.meter_check_rel > 0:
            for node in nodes:
                if node.meter is not None:
                    changed |= self._meter(node, now)
        return changed

    def shift_time(self, seconds: float) -> None:
        """The clock was set."""
        self._metered = {name: (watts, at + seconds) for name, (watts, at) in self._metered.items()}

    def release(self, row: int, now: Instant, reason: str) -> bool:
        """End a quarantine; False where there is none."""
        c = self._c
        if not bool(c.quarantined[row]):
            return False
        c.quarantined[row], c.odd_since[row], c.metered_w[row] = False, NAN, NAN
        c.touched[row] = True
        if bool(c.lost[row]):
            c.natural_w[row] = NAN  # what was not believed does not tell that it sleeps; it is learned anew
        self._log.add(now, device_target(c.ids[row]), "telemetry", "released", reason)
        return True

    def quarantine(self, row: int, now: Instant, reason: str, value: float | None = None) -> bool:
        """Leave a device out until it is released; False where it is left out already."""
        return health.quarantine(self._c, row, now, reason, self._log, value=value)

    def _physics(self, now: Instant) -> bool:
        """Power beyond the rating (`odd`, judged as it comes in) that does not end."""
        c = self._c
        if not c.odd.any() and not c.quarantined.any():
            return False
        fresh = c.odd & np.isnan(c.odd_since)
        c.odd_since[fresh] = now
        over = ~c.odd & ~c.quarantined & np.isfinite(c.odd_since)
        c.odd_since[over] = NAN
        wait = self._config.quarantine_after_s
        changed = False
        for row in np.flatnonzero(c.odd & ~c.quarantined & (now - c.odd_since >= wait)).tolist():
            changed |= self.quarantine(row, now, f"its power has been beyond its rating for {wait:g} s")
        if self._config.quarantine_release == "auto":
            c.odd_since[c.quarantined & c.odd] = now
            well = c.quarantined & ~c.odd & (now - c.odd_since >= AUTO_TIMES * wait)
            for row in np.flatnonzero(well).tolist():
                changed |= self.release(row, now, f"plausible for {AUTO_TIMES * wait:g} s")
        return changed

    def _following(self, now: Instant) -> bool:
        """Devices that acknowledge and do something else: their share goes to the others.

        Who did so before is on trial until it has come half of a way that it was told. Sun and people are not judged:
        that they do less is no contradiction. Whether somebody is counted on, or not any more.
        """
        c, config = self._c, self._config
        # Who is let go of is cleared, also where it was the last one: else it would be found with its next command.
        watched = c.acknowledged | np.isfinite(c.stray_since) | np.isfinite(c.still_w)
        if config.follow_after_s <= 0 or not watched.any():
            return False
        lag, rating = c.latency_s + config.response_s, np.maximum(c.export_w, c.import_w)
        able = ~(c.natural | c.down | c.lost | c.quarantined | c.odd) & (c.modes < 0)
        judged = able & c.acknowledged & (c.received > c.from_at)
        tried, target, most = judged & c.trial & c.unmoved, c.told_w, config.follow_rel * rating
        if tried.any():
            target, most = np.where(tried, c.last_w, target), np.where(tried, 0.5 * np.abs(c.last_w - c.from_w), most)
        lack = twin.lack_of(c.w, c.from_w, target, c.ramp_w_per_s, lag, c.received - c.from_at)
        moved = tried & health.has_moved(c.from_w, c.last_w, c.w, rating)
        stray, away = judged & ~moved & (np.abs(lack) > most), np.abs(target - c.w) > most  # NaN: neither
        due = c.from_at + lag + np.abs(target - c.from_w) / c.ramp_w_per_s
        self._suspect(stray, judged & away & ~moved, due, now)
        # Being told anew clears nobody: who is told something every few seconds would never be found.
        follows = ~(c.trial & c.unmoved) & ~stray & (~away | (np.abs(c.w - c.stray_w) > most))
        c.stray_since[~able | moved | follows] = NAN
        self._counted_again(np.flatnonzero(moved), now)
        still = standing.look(c, able, judged & ~tried, due, now, config.follow_after_s)
        gone = np.flatnonzero(now - c.stray_since >= config.follow_after_s)
        for row in still.tolist():
            low, high, since = c.still_low[row], c.still_high[row], now - c.still_since[row]
            said = f"it has stood at {c.w[row]:.0f} W for {since:.0f} s while it acknowledged {low:.0f} to {high:.0f} W"
            self._follows_not(row, said, float(lack[row]), now, counted=True)
        for row in np.setdiff1d(gone, still, assume_unique=True).tolist():
            reason = f"it acknowledged {target[row]:.0f} W and has not followed for {config.follow_after_s:g} s"
            self._follows_not(row, reason, float(lack[row]), now, counted=not tried[row])
        return bool(gone.size or still.size or moved.any())

    def _follows_not(self, row: int, reason: str, missing_w: float, now: Instant, *, counted: bool) -> None:
        """Leave a device out until it is tried; `counted`: its share of a total was counted on."""
        c, config = self._c, self._config
        wait = max(config.return_after_s, config.follow_after_s)
        health.fail(c, row, now, wait_s=wait, longest_s=max(wait, config.return_after_max_s))
        device = device_target(c.ids[row])
        self._log.add(now, device, "availability", "failing", reason, value=missing_w)
        if counted:
            self._log.add(now, device, "allocation", "re-allocated", "its share goes to the others", value=missing_w)
        c.told_w[row], c.told_order[row], c.stray_since[row], c.unmoved[row] = NAN, -1, NAN, True

    def _suspect(self, stray: BoolArray, away: BoolArray, due: FloatArray, now: Instant) -> None:
        """Since when devices do not follow: from now on, or from when they should be where they were told.

        Args:
            stray: who is off the way there.
            away: who is not there, whether or not it should be by now.
            due: when each should be there, s.
            now: when.
        """
        c = self._c
        fresh = (stray | away) & np.isnan(c.stray_since)
        c.stray_w[fresh] = c.w[fresh]
        c.stray_since[fresh] = np.maximum(due[fresh], now)
        c.stray_since[stray] = np.minimum(c.stray_since[stray], now)

    def _counted_again(self, rows: IntArray, now: Instant) -> None:
        """These did not follow before, and were seen to move as they were told."""
        c = self._c
        c.trial[rows] = c.unmoved[rows] = False
        for row in rows.tolist():
            reason = "it moved as it was told: it is counted on again"
            self._log.add(now, device_target(c.ids[row]), "availability", "trusted", reason, value=float(c.w[row]))

    def _meter(self, node: Node, now: Instant) -> bool:
        """A step that one member reports and its group's meter does not see: that member lies.

        Only a step that a single member explains is judged; drifts and steps of the load beside the members are not.
        """
        c, meter = self._c, node.meter
        assert meter is not None
        before = self._metered.get(node.id)
        at = float(c.received[meter])
        rows = node.rows[c.counts[node.rows] & np.isfinite(c.w[node.rows]) & ~c.lost[node.rows]]
        if not rows.size or not speaks(c, meter) or (before and at <= before[1]):
            return False
        if bool((np.abs(c.received[rows] - at) > SAME_TIME_S).any()):
            return False
        steps = c.w[rows] - c.metered_w[rows]
        known = bool(np.isfinite(steps).all())
        c.metered_w[node.rows] = NAN  # who is not heard has no step to compare when it is back: the meter saw it before
        c.metered_w[rows] = c.w[rows]
        self._metered[node.id] = (float(c.w[meter]), at)
        if before is None or not known:
            return False
        unseen = float(steps.sum()) - (float(c.w[meter]) - before[0])
        liar = self._who(rows, steps, unseen)
        if liar is None:
            return False
        seen = "it reported a step that the meter of its group did not see"
        return self.quarantine(int(rows[liar]), now, seen, value=float(steps[liar]))

    def _who(self, rows: IntArray, steps: FloatArray, unseen: float) -> int | None:
        """The place of the one member whose step is what the meter did not see."""
        c = self._c
        rated = np.maximum(c.export_w[rows], c.import_w[rows])
        # Who moves as it was told may be on its ramp while the meter lags behind: only steps nobody asked for count.
        left, before = np.abs(c.told_w[rows] - c.w[rows]), np.abs(c.told_w[rows] - (c.w[rows] - steps))
        told = (left <= 0.05 * rated + 1.0) | (left < before)  # NaN, told nothing: neither
        big = np.abs(steps) > np.maximum(self._config.meter_check_rel * rated, 100.0)
        fits = big & ~told & ~c.quarantined[rows] & (np.abs(steps - unseen) <= 0.1 * np.abs(steps))
        places = np.flatnonzero(fits)
        return int(places[0]) if places.size == 1 else None
