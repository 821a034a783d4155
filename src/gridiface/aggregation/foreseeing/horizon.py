"""The envelope over the coming hours: what a target can be counted on for, span by span. Asked for, never kept.

Each span stands for itself: who asks for a power in it alone, from its start to its end, gets it, whatever of the
totals between the bounds that is, as far as nothing changes that is not known now. Spans end where a grid of time does,
and where controls, local schedules, days, departures and absences begin or end.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from zoneinfo import ZoneInfo

import numpy as np

from gridiface.aggregation.allocate.problem import FloatArray, IntArray
from gridiface.aggregation.config import EngineConfig
from gridiface.aggregation.deciding.arbitration import is_information
from gridiface.aggregation.deciding.lifecycle import ControlBook
from gridiface.aggregation.deciding.schedules import Schedules
from gridiface.aggregation.envelope.doubt import unsure
from gridiface.aggregation.envelope.limits import lasting_envelope
from gridiface.aggregation.foreseeing.expected import CAUSES, FREE, Bounds, Expected
from gridiface.aggregation.foreseeing.foresight import Ahead, Foresight
from gridiface.aggregation.foreseeing.horizon_rules import Rule, Rules
from gridiface.aggregation.listening.fleet import Fleet
from gridiface.aggregation.listening.metering import Metering
from gridiface.aggregation.splitting.nested import reachable
from gridiface.aggregation.state.columns import Columns
from gridiface.domain.clock import Instant
from gridiface.domain.controls import Target, TargetKind
from gridiface.domain.envelope import Cause, EnvelopeSpan, FleetChanged, Held, Sure
from gridiface.domain.local_time import day_of

#: Spans are no shorter than this, s.
_LEAST_S = 1.0


class Horizon:
    """Makes such series of one fleet.

    Args:
        columns, book, fleet, schedules, metering: the fleet, its controls, groups, local schedule, and meters.
        foresight: what will be told.
        config: settings.
    """

    def __init__(
        self,
        columns: Columns,
        book: ControlBook,
        fleet: Fleet,
        schedules: Schedules,
        metering: Metering,
        foresight: Foresight,
        config: EngineConfig,
    ) -> None:
        self._c, self._book, self._fleet, self._config = columns, book, fleet, config
        self._schedules, self._metering, self._foresight = schedules, metering, foresight
        self._zone = ZoneInfo(config.timezone)

    def spans(self, target: Target, times: Sequence[Instant], now: Instant) -> Iterator[EnvelopeSpan]:
        """The series over [times[0], times[-1]); each step is a few milliseconds' work in a fleet of ten thousand.

        Args:
            target: a device or a group that is there.
            times: where spans end at least, rising; the first is not before `now`.
            now: when.

        Raises:
            FleetChanged: devices came or went meanwhile.
        """
        version, rows = self._c.version, self._members(target)
        expected = self._expected(rows, now)
        beside_w, beside_var = self._metering.known(target), self._metering.known_var(target)
        rules = Rules(self._c, self._fleet.tree, self._metering, target, rows, self._doubt(now))
        ruled = self._edges(now, times[-1])
        cuts = {now, *times, *(edge for edge in self._others(rows, now, times[-1])), *ruled}
        ends = frozenset(self._day_ends(now, times[-1]))
        rule: Rule | None = None
        for start, end in itertools.pairwise(_spaced(sorted(cuts | ends))):
            if self._c.version != version:
                raise FleetChanged("devices came or went")
            if rule is None or any(start - _LEAST_S < edge <= start for edge in ruled):
                ahead = self._ahead(start)
                if rule is not None:
                    expected.told(ahead.solution.watts[rows], start)
                rule = rules.of(ahead)
            if start >= times[0]:
                bounds = expected.bounds(start, end, rule)
                yield _span(start, end, expected, bounds, rule, (beside_w, beside_var))
            expected.advance(start, end, rule, day_over=end in ends)

    def sure(self, device_ids: Sequence[str], until: Instant, now: Instant) -> Iterator[Sure]:
        """The most that each can be counted on for, who is asked for it from now on and holds it until then.

        For now, and for each instant before the end at which a control, a window of the local schedule or an absence
        begins or ends, or a vehicle departs: the least of all counts. Each by itself, with the charge that it has now.
        Who has a set-point, alone or in a group, goes on with that.

        Args:
            device_ids: whose; who is not in the fleet, or does not count there, is left out.
            until: the end.
            now: when.

        Raises:
            FleetChanged: devices came or went meanwhile.
        """
        c, version = self._c, self._c.version
        known = [c.row[name] for name in device_ids if name in c.row]
        rows = np.array([row for row in known if c.counts[row]], dtype=np.int64)
        names = [c.ids[row] for row in rows.tolist()]
        expected = self._expected(rows, now)
        rules = Rules(c, self._fleet.tree, self._metering, None, rows, self._doubt(now))
        cuts = {now, *self._edges(now, until), *self._others(rows, now, until)}
        for start in _spaced(sorted(cuts)):
            if c.version != version:
                raise FleetChanged("devices came or went")
            ahead = self._ahead(start)
            bounds = expected.bounds(start, until, rules.of(ahead))
            most, causes = bounds.hi.tolist(), bounds.up.tolist()
            held = {name: CAUSES[cause] for name, cause in zip(names, causes, strict=True) if cause != FREE}
            yield Sure(dict(zip(names, most, strict=True)), held, dict(rules.caps(ahead)))

    def _ahead(self, at: Instant) -> Ahead:
        return self._foresight.at(at, lambda group: self._metering.known(Target(TargetKind.GROUP, group)))

    def _expected(self, rows: IntArray, now: Instant) -> Expected:
        away = [[(one.start, one.end) for one in self._c.devices[row].away] for row in rows.tolist()]
        return Expected(self._c, rows, away, self._config, now)

    def _members(self, target: Target) -> IntArray:
        rows = self._fleet.rows_of(target)
        return rows[self._c.counts[rows]]

    def _doubt(self, now: Instant) -> tuple[FloatArray, FloatArray]:
        """How much more than they are counted with those may give, and take, who are not heard, W; per row."""
        config = self._config
        ups, downs = unsure(self._c, replace(lasting_envelope(self._c, config.hold_time_s, config.soc_derate), at=now))
        nothing = np.zeros(self._c.count)
        return nothing if ups is None else ups, nothing if downs is None else downs

    def _edges(self, now: Instant, last: Instant) -> list[Instant]:
        """When it changes who rules: controls and windows of the local schedule begin and end."""
        found: set[Instant] = set()
        for entry in self._book.ahead():
            if not is_information(entry.control):
                found |= {edge for edge in (entry.control.span.start, entry.control.span.end) if now < edge < last}
        at: Instant | None = now
        while at is not None and at < last:
            following = self._schedules.ahead(at).next_edge
            at = following if following is not None and following > at else None
            if at is not None and at < last:
                found.add(at)
        return sorted(found)

    def _others(self, rows: IntArray, now: Instant, last: Instant) -> set[Instant]:
        """Departures, and what is told of absences."""
        leave = self._c.leave_at[rows]
        found = {float(at) for at in leave[np.isfinite(leave)].tolist()}
        found |= {edge for row in rows.tolist() for one in self._c.devices[row].away for edge in (one.start, one.end)}
        return {edge for edge in found if now < edge < last}

    def _day_ends(self, now: Instant, last: Instant) -> Iterator[Instant]:
        end = day_of(now, self._zone).end
        while end < last:
            yield end
            end = day_of(end, self._zone).end


def _spaced(edges: Sequence[Instant]) -> list[Instant]:
    """The edges without those that follow another one at once."""
    kept = list(edges[:1])
    kept += [edge for before, edge in itertools.pairwise(edges) if edge - before >= _LEAST_S]
    return kept


def _span(
    start: Instant, end: Instant, expected: Expected, bounds: Bounds, rule: Rule, beside: tuple[float, float]
) -> EnvelopeSpan:
    (beside_w, beside_var), lo, hi = beside, bounds.lo, bounds.hi
    least, most = float(lo.sum()), float(hi.sum())
    # A limit that departures are in the way of is kept all the same: they give way.
    low = max(reachable(rule.nest, lo, np.maximum(lo, bounds.loose))[0], rule.outer[0])
    high = min(max(reachable(rule.nest, np.minimum(lo, hi), hi)[1], _lowest(rule, bounds)), rule.outer[1])
    up, down = expected.lost(bounds)
    sure = low <= high + 1e-6
    sides, whole = ((one or (None, None)) for one in expected.vars(start, end, rule, beside_var))
    up_wh, down_wh = expected.energies()
    bound_by = {Cause.ENERGY, Cause.DAY}
    return EnvelopeSpan(
        start=start,
        end=end,
        min_w=low + beside_w if sure else None,
        max_w=max(high, low) + beside_w if sure else None,
        min_var=sides[0],
        max_var=sides[1],
        sure_min_var=whole[0],
        sure_max_var=whole[1],
        planned_w=float(rule.will.sum()) + beside_w,
        beside_w=beside_w + expected.held_w(),
        energy_up=any(cause in bound_by for cause, _, _ in up),
        energy_down=any(cause in bound_by for cause, _, _ in down),
        up_wh=up_wh,
        down_wh=down_wh,
        reach_up_s=expected.reach(hi, rule.will),
        reach_down_s=expected.reach(lo, rule.will),
        held_up=_held(up, most - high, high, rule, hi.size),
        held_down=_held(down, low - least, low, rule, lo.size),
    )


def _lowest(rule: Rule, bounds: Bounds) -> float:
    """The least total that limits leave where they are passed by what must be charged, W; else minus infinity."""
    with_floors = reachable(rule.nest, np.minimum(bounds.lo, bounds.hi), bounds.hi)
    without = reachable(rule.nest, np.minimum(bounds.lo, bounds.hi), bounds.loose)
    return without[0] if with_floors[1] < without[0] else -np.inf


def _held(
    devices: Sequence[tuple[Cause, float, int]], cut_w: float, at_w: float, rule: Rule, count: int
) -> tuple[Held, ...]:
    """What holds a bound back: what limits take of the total first, with the name of the one that is met."""
    found = [Held(cause, watts, number) for cause, watts, number in devices]
    if cut_w > 0.5:
        met = next((bound for bound, left in rule.limits if abs(left - at_w) <= 1.0), None)
        name, source = ("", "") if met is None else (met.control_id, met.source.protocol)
        found.insert(0, Held(Cause.LIMIT, cut_w, count, name, source))
    return tuple(found)
