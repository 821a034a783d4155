"""What a story comes to: samples, tracking error, explanations, settlement. Figures only; nothing happens here."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from gridiface.aggregation.settlement.calendar import Calendar
from gridiface.aggregation.settlement.rows import SettlementEvent, SettlementRow, settle, totals
from gridiface.aggregation.settlement.series import MeterSeries
from gridiface.domain.clock import Instant
from gridiface.domain.controls import Acceptance, Decision, Outcome
from gridiface.simulation.fleet.make import Plan
from gridiface.simulation.fleet.physics import SimulatedFleet

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

#: The way to the target counts as the event's ramp: tracking is judged from here on, s after the start.
RAMP_S = 60.0
_SLOT_S = 900.0
#: Days of meter data before the day, for like-days baselines.
_DAYS_BEFORE = 16
#: What stands beside the totals of settlement rows when they add up, Wh.
_CENT_WH = 1e-3


@dataclass(frozen=True, slots=True)
class Sample:
    """One moment, W. `jumped`: how much more the feeder gives as devices died or came back on it since the last one."""

    at: Instant
    asked: float | None
    feasible: float | None
    delivered: float
    feeder: float
    online: int
    kinds: tuple[float, float, float, float]
    jumped: float = 0.0


@dataclass(slots=True)
class Record:
    """Everything that is kept of a day."""

    fleet: SimulatedFleet
    plan: Plan
    event: tuple[Instant, Instant]
    limited: str
    limit: tuple[tuple[Instant, Instant], float] | None = None
    samples: list[Sample] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    answers: list[Acceptance] = field(default_factory=list)
    setpoints: int = 0
    _energy: dict[int, FloatArray] = field(default_factory=dict)
    _seconds: dict[int, float] = field(default_factory=dict)
    _rows: dict[str, IntArray] = field(default_factory=dict)
    _before: tuple[FloatArray, BoolArray] | None = None

    def rows_of(self, feeder: str) -> IntArray:
        """The places of a feeder's devices in the fleet."""
        if feeder not in self._rows:
            inside = [group for group in self.plan.groups if feeder in (group.id, group.parent)]
            names = [name for group in inside for name in group.members]
            self._rows[feeder] = np.array(sorted(self.fleet.place[name] for name in names), dtype=np.int64)
        return self._rows[feeder]

    def sample(self, now: Instant, seconds: float, asked: float | None) -> None:
        """Note the moment at the end of a step; the fleet's energy goes into its quarter hour."""
        fleet = self.fleet
        slot = int((now - 1e-6) // _SLOT_S)
        self._energy[slot] = self._energy.get(slot, np.zeros(len(fleet.ids))) + fleet.w * seconds
        self._seconds[slot] = self._seconds.get(slot, 0.0) + seconds
        feasible = None if asked is None else self._feasible(asked, now)
        stored = np.isfinite(fleet.wh) & ~fleet.car
        kinds = tuple(float(fleet.w[mask].sum()) for mask in (stored, fleet.sun, fleet.car, fleet.load))
        self.samples.append(
            Sample(
                now,
                asked,
                feasible,
                float(fleet.w.sum()),
                float(fleet.w[self.rows_of(self.limited)].sum()),
                int((~fleet.dead & ~fleet.away).sum()),
                (kinds[0], kinds[1], kinds[2], kinds[3]),
                self._jumped(),
            )
        )

    def _jumped(self) -> float:
        """What those of the limited feeder give more than at the moment before who died since, or came back, W."""
        fleet, rows = self.fleet, self.rows_of(self.limited)
        before, self._before = self._before, (fleet.w[rows], fleet.dead[rows])
        if before is None:
            return 0.0
        more = np.maximum(fleet.w[rows] - before[0], 0.0)
        return float(more[fleet.dead[rows] != before[1]].sum())

    def _feasible(self, asked: float, now: Instant) -> float:
        """The nearest to what is asked that the devices as they really are could do under the limit, W."""
        low, high = self.fleet.able(now)
        mine = self.rows_of(self.limited)
        rest = np.setdiff1d(np.arange(low.size), mine)
        most = float(high[mine].sum())
        if self.limit is not None and self.limit[0][0] <= now < self.limit[0][1]:
            most = min(most, max(self.limit[1], float(low[mine].sum())))
        return min(max(asked, float(low.sum())), most + float(high[rest].sum()))

    # Figures.

    def tracking(self) -> dict[str, float]:
        """Mean distance between delivered and feasible over mean feasible, in percent; and the largest."""
        judged = [s for s in self.samples if s.feasible is not None and s.at >= self.event[0] + RAMP_S]
        if not judged:
            return {"error_pct": 100.0, "worst_pct": 100.0, "samples": 0}
        off = np.array([abs(s.delivered - (s.feasible or 0.0)) for s in judged])
        size = float(np.mean([abs(s.feasible or 0.0) for s in judged]))
        return {
            "error_pct": round(100 * float(off.mean()) / size, 3),
            "worst_pct": round(100 * float(off.max()) / size, 3),
            "samples": len(judged),
        }

    def limit_kept(self) -> dict[str, float]:
        """How far the limited feeder was above its limit at most, W, and how far nothing explains that jumped.

        Once its ramp was over. What a device took that dies, or gives that comes back and has forgotten what it was
        told, is there at once, and is seen when it is read: until the next step the feeder is above its limit by so
        much at most, see docs/decisions/0011.
        """
        if self.limit is None:
            return {"limit_w": 0.0, "most_w": 0.0, "above_w": 0.0, "jumped_w": 0.0, "unexplained_w": 0.0}
        (start, end), watts = self.limit
        seen = [s for s in self.samples if start + 10 < s.at < end]
        most = max(seen, key=lambda s: s.feeder, default=None)
        unexplained = max((s.feeder - s.jumped - watts for s in seen), default=0.0)
        return {
            "limit_w": watts,
            "most_w": round(0.0 if most is None else most.feeder, 1),
            "above_w": round(0.0 if most is None else max(0.0, most.feeder - watts), 1),
            "jumped_w": round(0.0 if most is None else most.jumped, 1),
            "unexplained_w": round(max(0.0, unexplained), 1),
        }

    def window_kept(self, liars: tuple[str, ...]) -> dict[str, float]:
        """The states of charge of honest storage at the end, and how many left their window, 0..1."""
        fleet = self.fleet
        told_truth = np.isfinite(fleet.wh) & ~fleet.car & ~np.isin(np.array(fleet.ids), liars)
        soc = fleet.soc[told_truth]
        off = (soc < fleet.soc_min[told_truth] - 0.005) | (soc > fleet.soc_max[told_truth] + 0.005)
        return {"least": round(float(soc.min()), 3), "most": round(float(soc.max()), 3), "outside": int(off.sum())}

    def explained(self, broken: set[str], liars: tuple[str, ...]) -> dict[str, Any]:
        """Whether every answer, failure, lie and limit has an entry that says why."""
        by_target: dict[str, set[str]] = {}
        for one in self.decisions:
            by_target.setdefault(one.target.id, set()).add(one.verdict)
        lost = {name for name in broken if by_target.get(name, set()) & {"lost", "failing", "unavailable"}}
        doubted = {name for name in liars if "in doubt" in by_target.get(name, set())}
        limited = [d for d in self.decisions if d.verdict == "limited" and d.source.protocol == "sep2"]
        answered = {d.control_id for d in self.decisions if d.control_id}
        return {
            "decisions": len(self.decisions),
            "without_reason": sum(not one.reason for one in self.decisions),
            "unanswered": sum(answer.control_id not in answered for answer in self.answers),
            "failures": len(broken),
            "failures_explained": len(lost),
            "liars": len(liars),
            "liars_found": len(doubted),
            "limits_named": len(limited),
        }

    def settlement(self) -> tuple[tuple[SettlementRow, ...], dict[str, Any]]:
        """The event settled over all devices, and whether the rows sum up.

        Storage is measured against the minutes before, everybody else against ten like days.
        """
        series = self._meters()
        fleet = self.fleet
        methods = {
            name: "meter-before-after"
            for name, stored, car in zip(fleet.ids, np.isfinite(fleet.wh), fleet.car, strict=True)
            if stored and not car
        }
        event = SettlementEvent(
            id="evening-peak", start=self.event[0], end=self.event[1], methods=methods, interval_s=_SLOT_S
        )
        rows = settle(event, series, calendar=Calendar(tz=UTC))
        whole = totals(rows, "event")[0]
        sums = {by: sum(t.delivered_wh for t in totals(rows, by)) for by in ("resource", "interval")}
        slots = range(int(self.event[0] // _SLOT_S), int(self.event[1] // _SLOT_S))
        metered = sum(float(self._energy[at].sum()) / self._seconds[at] * _SLOT_S / 3600.0 for at in slots)
        gaps = [abs(whole.delivered_wh - total) for total in sums.values()]
        gaps.append(abs(whole.delivered_wh - (whole.metered_wh - whole.baseline_wh)))
        settled = [row for row in rows if row.metered_w is not None]
        gaps.append(abs(sum((row.metered_w or 0.0) * row.hours for row in settled) - metered))
        return rows, {
            "rows": len(rows),
            "resources": len(fleet.ids),
            "settled": whole.settled,
            "metered_mwh": round(whole.metered_wh / 1e6, 6),
            "baseline_mwh": round(whole.baseline_wh / 1e6, 6),
            "delivered_mwh": round(whole.delivered_wh / 1e6, 6),
            "largest_gap_wh": max(gaps),
            "sums_up": max(gaps) <= _CENT_WH * max(1.0, abs(metered) * 1e-6),
            "quality": whole.quality.value,
        }

    def _meters(self) -> list[MeterSeries]:
        """Quarter-hour meter data of every device: days before as each would live by itself, then the day itself."""
        fleet = self.fleet
        midnight = datetime.fromtimestamp(self.event[0], UTC).replace(hour=0, minute=0, second=0).timestamp()
        per_day = round(86_400 / _SLOT_S)
        random = np.random.default_rng(3)
        daily = np.array([fleet.natural(midnight + (at + 0.5) * _SLOT_S) for at in range(per_day)])
        daily[:, fleet.car] = 0.0
        before = [daily * random.uniform(0.9, 1.1, len(fleet.ids)) for _ in range(_DAYS_BEFORE)]
        today = daily.copy()
        first = int(midnight // _SLOT_S)
        for slot, energy in self._energy.items():
            if 0 <= slot - first < per_day:
                today[slot - first] = energy / self._seconds[slot]
        values = np.concatenate([*before, today])
        start = midnight - _DAYS_BEFORE * 86_400.0
        good = np.zeros(values.shape[0], dtype=np.uint8)
        return [MeterSeries(name, start, _SLOT_S, values[:, at].copy(), good) for at, name in enumerate(fleet.ids)]
