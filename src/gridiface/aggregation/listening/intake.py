"""Telemetry into the columns: what a snapshot changes, and what is not believed.

Owns the newest snapshot of each device. A value that the device's ratings make impossible is left out and said.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from gridiface.aggregation.allocate import BoolArray, FloatArray, IntArray
from gridiface.aggregation.config import EngineConfig
from gridiface.aggregation.envelope.doubt import seen as seen_to_follow
from gridiface.aggregation.envelope.estimation import LONGEST_STEP_S, correct, count_coulombs, told
from gridiface.aggregation.envelope.limits import known_or_zero
from gridiface.aggregation.listening import health
from gridiface.aggregation.state.columns import Columns
from gridiface.aggregation.state.log import DecisionLog, device_target
from gridiface.domain.clock import Instant
from gridiface.domain.telemetry import OperatingState, Quality, Snapshot

#: How far beyond its rating a device's measured power may be before it is not believed.
PLAUSIBLE = 1.5
PLAUSIBLE_W = 100.0

#: A ceiling binds a device that delivers more than this part of it.
BINDING = 0.98

#: A roof or a load that is still off what it was told so long after it should be there, s, and by more than this beside
#: that part, W, is not held by it.
_SETTLED_S, _SHORT_W = 2.0, 20.0

#: What an inverter that gives nothing may draw for itself, part of its rating.
_OWN = 0.002

#: A device that is not counted on (blocked, opted out, failing) whose power moves by this part of its rating leaves
#: something for others to do.
_LET_GO = 0.01

#: Messages of a device that tells by itself, so close to each other, s, are one.
_BURST_S = 0.5

#: States in which a device cannot be asked for power.
IDLE_STATES = frozenset({OperatingState.OFF, OperatingState.FAULT, OperatingState.SHUTTING_DOWN})


#: Qualities as the columns hold them.
_CODES = {quality: code for code, quality in enumerate(Quality)}


class Intake:
    """Takes snapshots in."""

    def __init__(self, columns: Columns, config: EngineConfig, log: DecisionLog) -> None:
        self._c, self._config, self._log = columns, config, log
        self.stale_after_s = config.stale_after_s
        self.newest: dict[str, Snapshot] = {}
        #: By device: the snapshot and what else `current` was made of, and what it is.
        self._shown: dict[str, tuple[Snapshot, tuple[Quality, bool, float | None], Snapshot]] = {}
        #: Whether what devices do by themselves can be learned (not between a restart and the first step).
        self.learning = True

    def observe(self, snapshots: Sequence[Snapshot], now: Instant) -> bool:
        """Take the snapshots in, in their order where one device has several. Whether availability changed.

        The first ones of all devices are taken in together, then the second ones, and so on.
        """
        rounds: list[dict[int, Snapshot]] = []
        taken: dict[int, int] = {}
        for snapshot in snapshots:
            row = self._c.row.get(snapshot.device_id)
            if row is None:
                continue
            at = taken.get(row, 0)
            if at == len(rounds):
                rounds.append({})
            rounds[at][row] = snapshot
            taken[row] = at + 1
        changed = False
        for batch in rounds:
            changed |= self._take(batch, now)
        return changed

    def forget(self, device_id: str) -> None:
        """The device has left the fleet."""
        self.newest.pop(device_id, None)
        self._shown.pop(device_id, None)

    def current(self, device_id: str, now: Instant) -> Snapshot | None:
        """The newest snapshot with the quality it has by now and the estimated state of charge.

        It is the same object as long as nothing about it changes: who looks often need not look closely.
        """
        snapshot, row = self.newest.get(device_id), self._c.row.get(device_id)
        if snapshot is None or row is None:
            return None
        c = self._c
        age = now - float(c.received[row])
        old = bool(c.lost[row]) or age > max(self._config.stale_after_s, 2.0 * float(c.period_s[row]))
        quality = Quality.STALE if old and snapshot.quality is Quality.GOOD else snapshot.quality
        doubt, estimate = bool(c.soc_doubt[row]), float(told(c, row))
        soc = snapshot.soc if math.isnan(estimate) else estimate
        made_of = (quality, doubt, soc)
        shown = self._shown.get(device_id)
        if shown is None or shown[0] is not snapshot or shown[1] != made_of:
            alarms = snapshot.alarms | {"soc_in_doubt"} if doubt else snapshot.alarms
            alarms = alarms | {"power_unknown"} if bool(c.blind[row]) else alarms
            made = replace(snapshot, quality=quality, alarms=alarms, soc=soc)
            shown = self._shown[device_id] = (snapshot, made_of, made)
        return shown[2]

    def qualities(self, now: Instant) -> npt.NDArray[np.int8]:
        """The quality that each device's newest snapshot has by now, per row: which of `Quality`, -1 without one."""
        c = self._c
        age = now - c.received
        old = c.lost | (age > np.maximum(self._config.stale_after_s, 2.0 * c.period_s))
        return np.where(old & (c.quality == _CODES[Quality.GOOD]), _CODES[Quality.STALE], c.quality).astype(np.int8)

    def _take(self, batch: dict[int, Snapshot], now: Instant) -> bool:
        """One snapshot each of some devices."""
        changed = False
        self._c.quality[list(batch)] = [_CODES[snapshot.quality] for snapshot in batch.values()]
        for row, snapshot in batch.items():
            self.newest[snapshot.device_id] = snapshot
            if snapshot.quality is Quality.BAD:
                changed |= self._unreadable(row, now)
        readable = {row: snapshot for row, snapshot in batch.items() if snapshot.quality is not Quality.BAD}
        if not readable:
            return changed
        rows, taken = np.array(list(readable), dtype=np.int64), list(readable.values())
        count_coulombs(self._c, now, rows)
        self._c.blind[rows] = blind = self._tells_no_power(rows, taken)
        changed |= self._availability(rows, taken, now)
        changed |= self._values(rows, taken, now)
        # What tells no power is no sign of life of it: it gets stale, and is lost, as of who is silent.
        received = np.array([snapshot.received for snapshot in taken])
        self._pace(rows[~blind], received[~blind])
        self._of_before(rows, taken, now)
        charged = [(row, snapshot.soc) for row, snapshot in readable.items() if snapshot.soc is not None]
        if charged:
            reported = np.clip(np.array([soc for _, soc in charged]), 0.0, 1.0)
            self._charge(np.array([row for row, _ in charged]), reported, now)
        self._c.touched[rows] = True
        return changed

    def _of_before(self, rows: IntArray, taken: list[Snapshot], now: Instant) -> None:
        """A mean over a span that began before a device opted out does not tell what it does since: it is not heard."""
        c = self._c
        if not c.opted_out[rows].any():
            return
        began = np.array([snapshot.source_time - snapshot.duration_s for snapshot in taken])
        before = rows[c.opted_out[rows] & (now < c.back_at[rows]) & (began < c.opted_at[rows])]
        c.down_at[before] = np.maximum(c.received[before], now)

    def _tells_no_power(self, rows: IntArray, taken: list[Snapshot]) -> BoolArray:
        """Who is asked for its state, answers, and tells no power any more, where it did before.

        Who tells by itself tells one thing at a time. Who is off, or not connected, by its own word gives nothing.
        """
        c = self._c
        none = ~np.isfinite(_known([snapshot.w for snapshot in taken]))
        none &= np.isfinite(c.w[rows]) & (c.asked_s[rows] > 0.0)
        if none.any():
            off = none & np.array([one.connected is False or one.state is OperatingState.OFF for one in taken])
            c.w[rows[off]] = 0.0
            none &= ~off
        return none

    def why_lost(self, row: int, now: Instant) -> str:
        """Why a device counts as lost whose power was not read for too long."""
        since = now - float(self._c.received[row])
        return (
            f"it answers, and has told no power for {since:.1f} s"
            if self._c.blind[row]
            else f"silent for {since:.1f} s"
        )

    def _availability(self, rows: IntArray, taken: list[Snapshot], now: Instant) -> bool:
        c = self._c
        usable = np.array([is_usable(snapshot) for snapshot in taken])
        news = usable != c.usable[rows]
        for at in np.flatnonzero(news).tolist():
            verdict = "returned" if usable[at] else "unavailable"
            reason = "connected and running" if usable[at] else _why_not(taken[at])
            self._log.add(now, device_target(taken[at].device_id), "availability", verdict, reason)
        blind = c.blind[rows]
        heard_again = ~blind & (c.lost[rows] | (c.down[rows] & (c.received[rows] <= c.down_at[rows])))
        local = np.array([snapshot.local_control for snapshot in taken])
        changed = bool(news.any() or heard_again.any() or (local != c.local[rows]).any())
        c.usable[rows], c.lost[rows], c.local[rows] = usable, c.lost[rows] & blind, local
        c.parted[rows] = [snapshot.connected is False for snapshot in taken]
        c.hails[rows[heard_again]], c.hail_at[rows[heard_again]] = 0, now
        # A vehicle that returns may have driven far, or be another one; of who was long silent nothing was counted.
        c.soc[rows[(news & c.leaves[rows]) | (now - c.received[rows] > LONGEST_STEP_S)]] = np.nan
        return changed

    def _values(self, rows: IntArray, taken: list[Snapshot], now: Instant) -> bool:
        """Take the numbers over. Whether one that is not counted on is seen to let go: the others follow at once."""
        c = self._c
        watts = _known([snapshot.w for snapshot in taken])
        believed = np.isfinite(watts)
        rated = np.maximum(np.maximum(c.export_w[rows], c.import_w[rows]), c.set_max_w[rows])
        # A device that has registered and told no rating yet (2030.5: DERCapability comes after) is not judged by one.
        beyond = (rated > 0.0) & (np.abs(watts) > PLAUSIBLE * rated + PLAUSIBLE_W)
        odd = believed & c.counts[rows] & beyond
        for at in np.flatnonzero(believed & c.odd[rows] & ~odd).tolist():
            self._log.add(now, device_target(taken[at].device_id), "telemetry", "trusted", "plausible again")
        for at in np.flatnonzero(odd & ~c.odd[rows]).tolist():
            reason = f"{watts[at]:.0f} W is beyond what a device of {rated[at]:.0f} W can do: not used"
            target = device_target(taken[at].device_id)
            self._log.add(now, target, "telemetry", "quarantined", reason, value=float(watts[at]))
        c.odd[rows] = odd | (c.odd[rows] & ~believed)
        good = believed & ~odd
        left_out = good & (c.blocked[rows] | c.down[rows])
        let_go = left_out & (np.abs(watts - known_or_zero(c.w[rows])) > _LET_GO * np.maximum(rated, 1.0))
        c.w[rows[good]] = watts[good]
        self._learn(rows[good], watts[good])
        for column, values in (
            (c.var, _known([snapshot.var for snapshot in taken])),
            (c.available_wh, _known([snapshot.available_wh for snapshot in taken])),
        ):
            column[rows] = np.where(np.isnan(values), column[rows], values)
        c.up_w[rows] = np.maximum(_known([snapshot.available_up_w for snapshot in taken]), 0.0)
        c.down_w[rows] = np.maximum(_known([snapshot.available_down_w for snapshot in taken]), 0.0)
        return bool(let_go.any())

    def _pace(self, rows: IntArray, received: FloatArray) -> None:
        """Learn how often the devices report; an outage does not make one a slow one."""
        c = self._c
        seen, period = c.seen[rows], c.period_s[rows]
        gap = received - c.received[rows]
        longest = np.maximum(self._config.lost_after_s, 3.0 * period)
        gap = np.minimum(gap, longest)
        learned = np.where(seen == 1, gap, 0.7 * period + 0.3 * gap)
        # Who tells by itself puts settings, status and readings one after the other, and then is silent for minutes.
        own = c.answers[rows]
        learned = np.where(own, np.maximum(gap, 0.7 * period + 0.3 * gap), learned)
        # Who is asked at a period, and read besides when it has news, is no quicker for that.
        learned = np.maximum(learned, c.asked_s[rows])
        counts = (seen > 0) & (gap > np.where(own, _BURST_S, 0.0))
        c.period_s[rows] = np.where(counts, learned, period)
        c.seen[rows] = seen + 1
        c.received[rows] = np.maximum(received, c.received[rows])
        seen_to_follow(c, rows, self._config.response_s)

    def _learn(self, rows: IntArray, watts: FloatArray) -> None:
        """What devices do by themselves: seen while nobody holds them, or while what they were told does not bind.

        A roof that stays below its set-point, once it had the time to reach it, gives what the sun gives now. Who was
        lost, or failed, may hold what it was told before, however long it is that nothing new was told. Who is let go
        of and has not moved yet still does what it was told; who stands at its ceiling would do that much at least.
        """
        c = self._c
        if not self.learning:
            return
        told = np.where(c.told[rows], c.last_w[rows], np.nan)
        there = c.received[rows] >= c.from_at[rows] + c.latency_s[rows] + self._config.response_s + _SETTLED_S
        rated = np.maximum(np.maximum(c.export_w[rows], c.import_w[rows]), 1.0)
        still = (
            np.isnan(told) & ~there & (c.told_at[rows] > -np.inf) & (np.abs(watts - c.from_w[rows]) <= _LET_GO * rated)
        )
        there &= c.received[rows] >= c.from_at[rows] + np.abs(told - c.from_w[rows]) / c.ramp_w_per_s[rows]
        # Who is told nothing, or nearly, and gives nothing, or draws what it needs itself, says nothing of the sun.
        nothing = np.maximum(_SHORT_W, _OWN * c.export_w[rows])
        short = c.natural[rows] & there & (watts * np.sign(told) < BINDING * np.abs(told) - nothing)
        capped = watts >= BINDING * c.told_ceiling_w[rows] - nothing
        held = np.isfinite(told) & ~short | capped
        free = ~(c.told[rows] & held) & ~c.down[rows] & ~still
        c.natural_w[rows[free]] = watts[free]
        least = rows[capped & np.isnan(told) & c.told[rows] & ~c.down[rows] & ~still]
        c.natural_w[least] = np.fmax(c.natural_w[least], c.w[least])
        # A roof that is held gives no more than the sun: so much was there at least.
        more = c.natural[rows] & ~free & ~c.down[rows] & ~still & (watts > np.fmax(c.natural_w[rows], 0.0))
        c.natural_w[rows[more]] = watts[more]

    def _unreadable(self, row: int, now: Instant) -> bool:
        self._c.blind[row] = False
        if self._c.lost[row]:
            return False
        self._c.lost[row] = self._c.touched[row] = True
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

    def _charge(self, rows: IntArray, reported: FloatArray, now: Instant) -> None:
        limit = self._config.soc_residual
        doubted, lifted = correct(self._c, rows, reported, now, limit=limit)
        for row in doubted.tolist():
            reason = f"the reported state of charge is more than {limit:.0%} off its own power: derated, recalibrate it"
            self._log.add(
                now, device_target(self._c.ids[row]), "soc", "in doubt", reason, value=float(self._c.soc_reported[row])
            )
        for row in lifted.tolist():
            self._log.add(now, device_target(self._c.ids[row]), "soc", "trusted", "its reports agree with its power")


def is_usable(snapshot: Snapshot) -> bool:
    """Whether the device can be asked for power, by its own word."""
    return snapshot.connected is not False and snapshot.state not in IDLE_STATES and not snapshot.local_control


def _known(values: list[float | None]) -> FloatArray:
    """Numbers, NaN for None."""
    return np.array(values, dtype=np.float64)


def _why_not(snapshot: Snapshot) -> str:
    if snapshot.connected is False:
        return "not connected"
    return "in local control" if snapshot.local_control else f"state {snapshot.state}"
