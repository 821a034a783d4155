"""The fleet as the engine holds it: devices, groups, and the answers to those who look at it. Decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from gridiface.aggregation.allocate import IntArray
from gridiface.aggregation.allocate.problem import BoolArray
from gridiface.aggregation.deciding.acceptance import Subject
from gridiface.aggregation.deciding.arbitration import lane_of
from gridiface.aggregation.envelope.limits import Envelope
from gridiface.aggregation.envelope.rollup import Total, combined, measured, measured_of_one, roll_up
from gridiface.aggregation.listening.intake import Intake
from gridiface.aggregation.state.columns import Columns
from gridiface.aggregation.state.grouping import GroupTree
from gridiface.domain.clock import Instant
from gridiface.domain.controls import FAST, Control, Setpoint, Target, TargetKind
from gridiface.domain.fleet import Capability, Device, Group
from gridiface.domain.telemetry import Quality, Snapshot

#: Qualities by the number that a column holds; -1, no data, finds the last.
_QUALITIES: tuple[Quality | None, ...] = (*Quality, None)
#: Those that count as online; those of which nothing that was told is counted.
_TRUSTED = np.array([quality in {Quality.GOOD, Quality.ESTIMATED} for quality in _QUALITIES])
_STALE = np.array([quality in {Quality.BAD, Quality.STALE} for quality in _QUALITIES])


class Fleet:
    """Devices by row, groups as a tree, and what is cached for both. `FleetView` is built on it."""

    def __init__(self, columns: Columns, intake: Intake) -> None:
        self.columns = columns
        self.tree = GroupTree()
        self._intake = intake
        self._rows: dict[str, IntArray] = {}
        self._counted: dict[str, IntArray] = {}
        self._abilities: dict[Target, dict[frozenset[Capability], tuple[str, ...]]] = {}
        self._metered: dict[str, tuple[str, ...]] = {}
        self._unmetered: dict[str, IntArray] = {}
        self._meters: dict[str, tuple[str, ...]] | None = None
        self._devices: tuple[Device, ...] | None = None
        #: Counts up when devices or groups change.
        self.edition = 0

    @property
    def stale_after_s(self) -> float:
        """Telemetry of devices that are polled more often is stale after so long, s."""
        return self._intake.stale_after_s

    def renew(self, groups: Iterable[Group] | None = None) -> None:
        """The devices or the groups changed: forget what was cached.

        Raises:
            ConfigError: see `GroupTree`.
        """
        if groups is not None:
            self.tree = GroupTree(groups)
        self.edition += 1
        self._rows.clear()
        self._counted.clear()
        self._abilities.clear()
        self._metered.clear()
        self._unmetered.clear()
        self._meters = self._devices = None

    def join(self, device_id: str, groups: Iterable[str]) -> None:
        """Put a device into groups, beside who is in them; unknown ones are left out.

        Raises:
            ConfigError: see `GroupTree`; nothing was changed.
        """
        known = [group_id for group_id in groups if group_id in self.tree.groups]
        if len(known) != 1 or not self.tree.join(device_id, known[0]):
            self.tree = GroupTree(
                replace(group, members=(*group.members, device_id)) if group.id in known else group
                for group in self.tree.groups.values()
            )

    def rows(self, group_id: str) -> IntArray:
        """The rows of a group's devices, ascending."""
        found = self._rows.get(group_id)
        if found is None:
            found = self._rows[group_id] = self.columns.rows(self.tree.members(group_id))
        return found

    def rows_of(self, target: Target) -> IntArray:
        """The rows a target speaks of."""
        if target.kind is TargetKind.GROUP:
            return self.rows(target.id)
        row = self.columns.row.get(target.id)
        return np.array([] if row is None else [row], dtype=np.int64)

    def counted(self, target: Target) -> IntArray | None:
        """The rows of the members whose power makes up a group's total: no meters; none for a single device.

        The same array as long as they are the same.
        """
        if target.kind is not TargetKind.GROUP:
            return None
        found = self._counted.get(target.id)
        if found is None:
            rows = self.rows(target.id)
            found = self._counted[target.id] = rows[self.columns.counts[rows]]
        return found

    def reported(self, target: Target) -> IntArray:
        """The rows of the members whose part in a control we tell: those that do not do so themselves, no meters."""
        c, rows = self.columns, self.rows_of(target)
        return rows[~c.answers[rows] & c.counts[rows]]

    def concerned(self, control: Control) -> tuple[str, ...]:
        """Those of a control's target, by id, to whom its steps are told one by one; none in fast services."""
        if control.service_class in FAST or control.is_test:
            return ()
        return tuple(sorted(self.columns.ids[self.reported(control.target)].tolist()))

    def ours(self, device_id: str) -> bool:
        """Whether we tell a device's part: it does not do so itself, as far as is known."""
        row = self.columns.row.get(device_id)
        return row is None or not self.columns.answers[row]

    def exists(self, target: Target) -> bool:
        """Whether there is such a device or group."""
        return target.id in (self.tree.groups if target.kind is TargetKind.GROUP else self.columns.row)

    def subject(self, target: Target) -> Subject:
        """What the acceptance needs to know of a target."""
        abilities = self._abilities.get(target)
        rows = self.rows_of(target)
        if abilities is None:
            by_ability: dict[frozenset[Capability], list[str]] = {}
            enabled = rows[self.columns.enabled[rows]]
            for row in (enabled if enabled.size else rows).tolist():
                device = self.columns.devices[row]
                by_ability.setdefault(device.nameplate.capabilities, []).append(device.id)
            abilities = self._abilities[target] = {able: tuple(ids) for able, ids in by_ability.items()}
        return Subject(self.exists(target), abilities, self.barred(target), self.lane)

    def shares(self, target: Target) -> Mapping[str, float]:
        """The parts of a target's power that are reserved to programs."""
        if target.kind is TargetKind.GROUP:
            group = self.tree.groups.get(target.id)
            return {} if group is None else group.shares
        row = self.columns.row.get(target.id)
        return {} if row is None else self.columns.devices[row].shares

    def lane(self, control: Control) -> str:
        """Which of these parts a control rules; empty: what is not reserved."""
        return lane_of(control, self.shares(control.target))

    def barred(self, target: Target) -> str:
        """Why nobody of a target may be controlled now; empty where somebody may, and for an empty group."""
        c, rows = self.columns, self.rows_of(target)
        if not rows.size:
            return ""
        barred = c.blocked[rows] | ~c.enabled[rows]
        local = ~c.usable[rows] & np.array([self._local(row) for row in rows.tolist()] if rows.size == 1 else False)
        if not bool((barred | local).all()):
            return ""
        if bool(c.blocked[rows].any()):
            return "blocked by the operator"
        return "in local control" if bool(local.any()) else "not enabled"

    def _local(self, row: int) -> bool:
        snapshot = self._intake.newest.get(self.columns.ids[row])
        return snapshot is not None and snapshot.local_control

    def device(self, device_id: str) -> Device | None:
        """See `ports.FleetView`."""
        row = self.columns.row.get(device_id)
        return None if row is None else self.columns.devices[row]

    def devices(self) -> Sequence[Device]:
        """See `ports.FleetView`."""
        if self._devices is None:
            self._devices = tuple(sorted(self.columns.devices, key=lambda device: device.id))
        return self._devices

    def groups(self) -> Sequence[Group]:
        """See `ports.FleetView`."""
        return tuple(self.tree.groups[group_id] for group_id in sorted(self.tree.groups))

    def members(self, group_id: str) -> Sequence[str]:
        """See `ports.FleetView`: those that are here."""
        return tuple(device_id for device_id in self.tree.members(group_id) if device_id in self.columns.row)

    def setpoint(self, device_id: str) -> Setpoint | None:
        """See `ports.FleetView`."""
        row = self.columns.row.get(device_id)
        if row is None or int(self.columns.batch[row]) < 0:
            return None
        return self.columns.batches[int(self.columns.batch[row])][int(self.columns.batch_at[row])]

    def qualities(self, now: Instant) -> Mapping[str, Quality | None]:
        """See `ports.FleetSurvey`."""
        return self._named(slice(None), now)

    def silent(self, now: Instant) -> Mapping[str, Quality | None]:
        """See `ports.FleetSurvey`."""
        return self._named(np.flatnonzero(~_TRUSTED[self._intake.qualities(now)]), now)

    def _named(self, rows: IntArray | slice, now: Instant) -> Mapping[str, Quality | None]:
        """The qualities of some rows by device."""
        codes = self._intake.qualities(now)[rows].tolist()
        return dict(zip(self.columns.ids[rows].tolist(), map(_QUALITIES.__getitem__, codes), strict=True))

    def counts(self, now: Instant) -> Mapping[Quality | None, int]:
        """See `ports.FleetSurvey`."""
        many = np.bincount(self._intake.qualities(now) + 1, minlength=len(_QUALITIES)).tolist()
        return dict(zip((None, *Quality), many, strict=True))

    def trusted(self, now: Instant) -> tuple[BoolArray, BoolArray]:
        """Per row: whether the newest data are good or estimated; whether they are bad or stale."""
        codes = self._intake.qualities(now)
        return _TRUSTED[codes], _STALE[codes]

    def meter(self, group_id: str) -> int | None:
        """The row of the device that measures a group's total, where there is one."""
        group = self.tree.groups.get(group_id)
        return None if group is None or group.meter is None else self.columns.row.get(group.meter)

    def meters(self) -> Mapping[str, Sequence[str]]:
        """The devices that measure groups, with the groups that each measures, by id."""
        if self._meters is None:
            found: dict[str, tuple[str, ...]] = {}
            for group in self.groups():
                if group.meter is not None:
                    found[group.meter] = (*found.get(group.meter, ()), group.id)
            self._meters = found
        return self._meters

    def metered(self, group_id: str) -> tuple[str, ...]:
        """The groups whose meters make up a group's total: itself, else the outermost ones inside it, by id."""
        found = self._metered.get(group_id)
        if found is None:
            inside = self.tree.children.get(group_id, ())
            own = self.meter(group_id) is not None
            found = (group_id,) if own else tuple(each for child in sorted(inside) for each in self.metered(child))
            self._metered[group_id] = found
        return found

    def total(self, target: Target, residual_w: Callable[[str], float], now: Instant) -> Total:
        """The measured total of a target; `residual_w` of a group as `Metering.last`."""
        c, stale_after_s = self.columns, self.stale_after_s
        if target.kind is TargetKind.DEVICE and (row := c.row.get(target.id)) is not None:
            return measured_of_one(c, row, now, stale_after_s)
        metered = self.metered(target.id) if target.kind is TargetKind.GROUP else ()
        if not metered:
            return measured(c, self.rows_of(target), None, 0.0, now, stale_after_s)
        parts = [
            measured(c, self.rows(each), self.meter(each), residual_w(each), now, stale_after_s) for each in metered
        ]
        if (rest := self._rest(target.id, metered)).size:
            parts.append(measured(c, rest, None, 0.0, now, stale_after_s))
        return combined(parts)

    def _rest(self, group_id: str, metered: Sequence[str]) -> IntArray:
        """The rows of a group that none of those meters measures."""
        found = self._unmetered.get(group_id)
        if found is None:
            behind = np.concatenate([self.rows(each) for each in metered])
            found = self._unmetered[group_id] = np.setdiff1d(self.rows(group_id), behind)
        return found

    def current(self, device_id: str, now: Instant) -> Snapshot | None:
        """A device's newest state; see `ports.FleetView`."""
        return self._intake.current(device_id, now)

    def snapshot(
        self,
        target: Target,
        bounds: Callable[[], Envelope],
        residual_w: Callable[[str], float],
        limits_w: tuple[float, float],
        now: Instant,
    ) -> Snapshot | None:
        """A group as one; see `ports.FleetView`."""
        if target.id not in self.tree.groups:
            return None
        total = self.total(target, residual_w, now)
        return roll_up(target.id, self.columns, self.rows(target.id), bounds(), total, limits_w)
