"""What the meters of groups see beside their members: loads and generation that nobody commands.

A group's total is what its metered point shows. Where a group has no meter of its own, the meters of the groups inside
it count, each outermost one; so a control of a whole fleet and one of a feeder speak of the same watts. Each reading of
a meter is set against what its members were read to when it came, not against what they are read to later.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from gridiface.aggregation.allocate.problem import BoolArray, FloatArray, IntArray, span
from gridiface.aggregation.config import EngineConfig
from gridiface.aggregation.envelope.doubt import SETTLES_S
from gridiface.aggregation.envelope.limits import known_or_zero
from gridiface.aggregation.envelope.residual import BEHIND_S, NOTHING, Beside, Members, Residual
from gridiface.aggregation.envelope.rollup import speaks
from gridiface.aggregation.listening.fleet import Fleet
from gridiface.aggregation.listening.health import quarantine
from gridiface.aggregation.listening.metered_vars import MeteredVars
from gridiface.aggregation.listening.sight import Sight
from gridiface.aggregation.state.columns import Columns
from gridiface.aggregation.state.log import DecisionLog, group_target
from gridiface.domain.clock import Instant
from gridiface.domain.controls import Target, TargetKind
from gridiface.domain.telemetry import Snapshot


class Metering:
    """The residuals of all groups with meters; `observe` takes new readings in."""

    def __init__(self, columns: Columns, fleet: Fleet, config: EngineConfig, log: DecisionLog) -> None:
        self._c, self._fleet, self._config, self._log = columns, fleet, config, log
        #: By group and its meter.
        self._residuals: dict[tuple[str, str], Residual] = {}
        self._sights: dict[tuple[str, str], Sight] = {}
        #: Between what values it is followed while it is doubted, W; see `Sight.leash`.
        self._leashes: dict[tuple[str, str], tuple[float, float] | None] = {}
        #: What lay beside the members before their meter ceased to see them, W; until it is read and believed again.
        self._good: dict[tuple[str, str], float] = {}
        #: By group and its meter: the version of the columns at the last look, and the rows of the members then.
        self._rows: dict[tuple[str, str], tuple[int, IntArray]] = {}
        self._vars = MeteredVars(columns, config)

    def observe(self, snapshots: Sequence[Snapshot], now: Instant) -> bool:
        """Take the meters among these in, which are in the columns by now. Whether one is not believed any more."""
        meters, before = self._fleet.meters(), len(self._good)
        if not meters:
            return False
        few = len(snapshots) < len(meters)
        for device_id in {one.device_id for one in snapshots}.intersection(meters) if few else meters:
            if (row := self._c.row.get(device_id)) is not None:
                for group_id in meters[device_id]:
                    self._read((group_id, device_id), row, now)
        return len(self._good) > before

    def beside(self, group_id: str, now: Instant) -> Beside:
        """What lies beside the members of a group at its metered points now; nothing without a meter."""
        found = NOTHING
        for each in self._fleet.metered(group_id):
            found += self._look(each, now)
        return found

    def known(self, target: Target) -> float:
        """The same of any target, smoothed, W, and nothing is changed or said."""
        if target.kind is not TargetKind.GROUP:
            return 0.0
        return sum(self.last(each) for each in self._fleet.metered(target.id))

    def last(self, group_id: str) -> float:
        """What the group's own meter saw beside its members when it was read last, W."""
        residual = self._residuals.get(self._key(group_id))
        return 0.0 if residual is None else residual.watts

    def known_var(self, target: Target) -> float:
        """What is known to lie beside a target's members of reactive power, var, + injected."""
        if target.kind is not TargetKind.GROUP:
            return 0.0
        return sum(self._vars.beside(self._key(each)) for each in self._fleet.metered(target.id))

    def held(self) -> dict[str, tuple[float, float]]:
        """What lies beside the members of each group with a meter of its own that was read, W and var."""
        vars_ = dict(self._vars.held())
        return {name: (one.watts, vars_.get(name, 0.0)) for (name, _), one in self._residuals.items()}

    def carry(self, beside: Mapping[str, tuple[float, float]]) -> None:
        """Count with what was held before a restart until the meters are read, W and var by group."""
        for group_id, (watts, var) in beside.items():
            key = self._key(group_id)
            if not key[1]:
                continue
            if watts:
                self._residuals.setdefault(key, Residual(watts))
                self._good[key] = watts
            if var:
                self._vars.carry(key, var)

    def shift_time(self, seconds: float) -> None:
        """The clock was set: keep the distances."""
        for residual in self._residuals.values():
            residual.shift_time(seconds)
        for sight in self._sights.values():
            sight.forget()
        self._vars.shift_time(seconds)

    def _look(self, group_id: str, now: Instant) -> Beside:
        c, meter = self._c, self._fleet.meter(group_id)
        assert meter is not None  # one of those that `Fleet.metered` names
        alive = speaks(c, meter)
        if self._log.news("meter", group_id, value=alive) and not alive:
            silent = "not to be believed" if c.quarantined[meter] else "silent"
            reason = f"the group's meter is {silent}: the sum of its members stands in"
            self._log.add(now, group_target(group_id), "meter", "lost", reason)
        key = self._key(group_id)
        if c.quarantined[meter]:
            if key in self._good:
                return Beside.steady(self._good[key])
            self._residuals.pop(key, None)  # what it told is no knowledge of what lies beside
            self._vars.drop(key)
        residual = self._residuals.get(key)
        if residual is None:
            return NOTHING
        rows = self._counted(key, residual)
        members = Members(*self._shown(rows))
        residual.compare(members, goes_on=self._goes_on(rows), parts=alive)
        self._explain(residual, rows, members)
        leash, beside = self._leashes.get(key), residual.beside
        if (behind := residual.behind()) is not None:
            beside = replace(beside, behind=self._behind(rows, behind))
        return beside if leash is None else beside.within(*leash)

    def _goes_on(self, rows: IntArray) -> FloatArray:
        """What each was read to last, W; NaN where that is not known, or not believed."""
        c, here = self._c, span(rows)
        return np.where(c.quarantined[here] | c.odd[here], np.nan, c.w[here])

    def _behind(self, rows: IntArray, watts: FloatArray) -> tuple[IntArray, FloatArray]:
        """Of whom the meter shows what it was read to last; what is not believed says nothing of what it shows."""
        c = self._c
        shown = np.flatnonzero((watts != 0.0) & ~(c.quarantined[rows] | c.odd[rows]))
        return rows[shown], watts[shown]

    def _key(self, group_id: str) -> tuple[str, str]:
        group = self._fleet.tree.groups.get(group_id)
        return group_id, "" if group is None or group.meter is None else group.meter

    def _read(self, key: tuple[str, str], meter: int, now: Instant) -> None:
        """The meter of a group may have been read anew."""
        c, read = self._c, float(self._c.received[meter])
        if not speaks(c, meter):
            if c.quarantined[meter] and key in self._good:  # once it is believed again, by what it tells then
                self._residuals[key].read = read
            return
        residual = self._residuals.setdefault(key, Residual())
        if not residual.takes(read):
            return
        rows = self._counted(key, residual)
        if self._unknown(rows):
            return
        watts, heard = self._shown(rows)
        members = Members(watts, heard, self._coming(rows, heard))
        if self._vars.read(key, meter, rows, ~self._away(rows), now):
            reason = "its reactive power does not show what the members do: what lay beside them before counts on"
            self._log.add(now, group_target(key[0]), "meter", "disbelieved", reason, value=self._vars.beside(key))
        self._explain(residual, rows, members)
        metered, beside, others = float(c.w[meter]), residual.watts, residual.others(heard)
        usual_s = max(float(c.period_s[meter]), self._config.stale_after_s)
        filter_s, goes_on = self._config.meter_filter_s, self._goes_on(rows)
        first = math.isinf(residual.read)
        residual.update(metered, members, filter_s=filter_s, read=read, usual_s=usual_s, goes_on=goes_on)
        if self._config.meter_check_rel > 0:
            sight = self._sights.setdefault(key, Sight())
            self._good.pop(key, None)
            if others:
                sight.forget()
            rating_w = float(np.maximum(c.export_w, c.import_w)[span(rows)].sum())
            good = sight.look(
                read,
                metered,
                float(watts.sum()),
                residual.watts if first else beside,
                rating_w=rating_w,
                period_s=float(c.period_s[meter]),
                least_s=2.0 * self._config.meter_filter_s,
                on_the_way=members.coming != (0.0, 0.0),
            )
            self._leashes[key] = sight.leash(read, rating_w)
            if good is not None:
                self._mistrust(key, meter, good, now)

    def _explain(self, residual: Residual, rows: IntArray, members: Members) -> None:
        """What the meter saw of members before they were read to it."""
        if not residual.jumped:
            return
        c, here = self._c, span(rows)
        after, soon = c.received[here] - residual.read, c.period_s[here] + BEHIND_S
        residual.explained(members, (after >= 0.0) & (after <= soon) & (c.told_at[here] <= residual.read))

    def _mistrust(self, key: tuple[str, str], meter: int, good_w: float, now: Instant) -> None:
        """The meter does not see its members: it is quarantined, and what lay beside them before counts on."""
        self._good[key] = good_w
        self._residuals[key] = Residual(good_w, float(self._c.received[meter]))
        reason = "it does not see what the members of its group do: what lay beside them before counts on"
        quarantine(self._c, meter, now, reason, self._log, value=good_w)

    def _counted(self, key: tuple[str, str], residual: Residual) -> IntArray:
        """The rows of a group's members, without meters; who they are is compared while they are the same."""
        rows = self._fleet.counted(group_target(key[0]))
        assert rows is not None
        version, before = self._rows.get(key, (-1, rows))
        if version != self._c.version or rows is not before:
            self._rows[key] = self._c.version, rows
            if version != self._c.version or not np.array_equal(rows, before):
                residual.forget()
                self._vars.forget(key)
        return rows

    def _shown(self, rows: IntArray) -> tuple[FloatArray, BoolArray]:
        """What members give, W, as the solver counts them: as read, who was never read as told; and who is read."""
        c, here, away = self._c, span(rows), self._away(rows)
        watts = c.w[here]
        unknown = np.isnan(watts)
        heard = ~(away | unknown)
        shown = np.where(heard, watts, 0.0)
        if unknown.any():
            np.copyto(shown, known_or_zero(c.told_w[here]), where=unknown & ~(away | c.down[here]))
        return shown, heard

    def _away(self, rows: IntArray) -> BoolArray:
        """Who is not heard, or not believed: what it does lies beside the others."""
        c, here = self._c, span(rows)
        away: BoolArray = c.quarantined[here] | c.lost[here] | (c.down[here] & (c.received[here] <= c.down_at[here]))
        return away

    def _unknown(self, rows: IntArray) -> bool:
        """Whether somebody holds something of before a restart and was neither read nor told since: the meter sees it.

        What it gives would be taken for a load or a generation beside the members, and be asked of it once more.
        """
        c, here = self._c, span(rows)
        unread = (c.seen[here] == 0) & c.told[here]
        return bool((unread & np.isnan(c.told_w[here]) & ~(c.down[here] | c.lost[here] | c.quarantined[here])).any())

    def _coming(self, rows: IntArray, heard: BoolArray) -> tuple[float, float]:
        """How much more members may give by now than they were read to: (least, most), W.

        The meter may see already what their own next readings will show: what they were told since.
        """
        c, here = self._c, span(rows)
        late = c.received[here] <= c.told_at[here] + (c.latency_s[here] + (self._config.response_s + SETTLES_S))
        late &= heard
        if not late.any():
            return 0.0, 0.0
        found = rows[late]
        goal = np.where(np.isnan(c.told_w[found]), c.natural_w[found], c.told_w[found])
        change = known_or_zero(goal - c.w[found])
        return float(np.minimum(change, 0.0).sum()), float(np.maximum(change, 0.0).sum())
