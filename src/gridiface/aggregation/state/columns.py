"""The fleet as numpy columns: one row per device, found by id. Owns the rows; decides nothing.

Every column is an array of exactly `count` elements (a view of a larger one). Rows move when a device is removed
(the last one takes its place), so a row number must not be kept over `add` and `remove`: see `version`. Whoever
writes a column that bounds a device (rating, telemetry, health, block) marks the row in `touched`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gridiface.aggregation.allocate.problem import BoolArray, FloatArray, IntArray
from gridiface.aggregation.state.column_table import (
    COLUMNS,
    CONSUMERS,
    FIRST_PERIOD_ANSWERING_S,
    FIRST_PERIOD_S,
    NAN,
    NATURAL,
    PHASE_SHARES,
    UNLIMITED,
    VEHICLES,
    Curve,
)
from gridiface.domain.controls import CLASS_TIMING, ServiceClass, Setpoint
from gridiface.domain.fleet import Capability, Device, DeviceKind, DriverTraits
from gridiface.errors import LocalProtocolError

#: The services that send a signal every few seconds, the fastest first.
FASTEST_FIRST = (ServiceClass.FAST_FREQUENCY, ServiceClass.REGULATION)


def is_slow(traits: DriverTraits, service: ServiceClass) -> bool:
    """Whether a device can be told, or can answer, too seldom for a service that sends a signal every few seconds.

    One that answers by its own protocol is told by way of a server of its own, which takes longer than 200 ms.
    """
    timing = CLASS_TIMING[service]
    fetches = traits.polls or (traits.answers_itself and service is ServiceClass.FAST_FREQUENCY)
    return fetches or traits.latency_s > timing.acknowledge_s or traits.min_period_s > timing.period_s


def slowness(traits: DriverTraits) -> int:
    """How many of `FASTEST_FIRST` a device is too slow for."""
    return sum(is_slow(traits, service) for service in FASTEST_FIRST)


class Columns:
    """Rows by device id. Attributes are the columns of `COLUMNS`, typed below."""

    export_w: FloatArray
    import_w: FloatArray
    set_max_w: FloatArray
    charge_w: FloatArray
    discharge_w: FloatArray
    max_va: FloatArray
    var_inject: FloatArray
    var_absorb: FloatArray
    energy_wh: FloatArray
    ramp_w_per_s: FloatArray
    soc_min: FloatArray
    soc_max: FloatArray
    step_w: FloatArray
    latency_s: FloatArray
    tier: IntArray
    phase_a: FloatArray
    phase_b: FloatArray
    phase_c: FloatArray
    natural: BoolArray
    counts: BoolArray
    can_set_w: BoolArray
    can_limit_w: BoolArray
    can_set_var: BoolArray
    answers: BoolArray
    slow: npt.NDArray[np.int8]
    leaves: BoolArray
    slots: IntArray
    enabled: BoolArray
    curve: IntArray
    day_cap_wh: FloatArray
    min_w: FloatArray
    min_run_s: FloatArray
    min_stop_s: FloatArray
    modes: IntArray
    dwell_s: FloatArray
    leave_soc: FloatArray
    leave_at: FloatArray
    w: FloatArray
    var: FloatArray
    up_w: FloatArray
    down_w: FloatArray
    available_wh: FloatArray
    natural_w: FloatArray
    received: FloatArray
    period_s: FloatArray
    asked_s: FloatArray
    quality: npt.NDArray[np.int8]
    seen: IntArray
    local: BoolArray
    parted: BoolArray
    usable: BoolArray
    lost: BoolArray
    blind: BoolArray
    odd: BoolArray
    odd_since: FloatArray
    quarantined: BoolArray
    stray_since: FloatArray
    stray_w: FloatArray
    still_w: FloatArray
    still_since: FloatArray
    still_low: FloatArray
    still_high: FloatArray
    metered_w: FloatArray
    day_wh: FloatArray
    counted_at: FloatArray
    soc: FloatArray
    soc_variance: FloatArray
    soc_at: FloatArray
    soc_reported: FloatArray
    soc_doubt: BoolArray
    soc_strikes: IntArray
    soc_half: FloatArray
    soc_offset: FloatArray
    soc_claimed: FloatArray
    soc_moved: FloatArray
    lasts_s: FloatArray
    blocked: BoolArray
    reconnects: BoolArray
    down: BoolArray
    opted_out: BoolArray
    opted_at: FloatArray
    trial: BoolArray
    unmoved: BoolArray
    down_at: FloatArray
    back_at: FloatArray
    relapses: IntArray
    told_w: FloatArray
    margin_w: FloatArray
    whole: BoolArray
    told_ceiling_w: FloatArray
    told_var: FloatArray
    last_w: FloatArray
    last_ceiling_w: FloatArray
    last_until: FloatArray
    told_order: IntArray
    told_at: FloatArray
    renew_at: FloatArray
    told: BoolArray
    holds: IntArray
    cut: BoolArray
    on: BoolArray
    since: FloatArray
    acknowledged: BoolArray
    waits_since: FloatArray
    sure_up: FloatArray
    sure_down: FloatArray
    sure_until: FloatArray
    may_up: FloatArray
    may_down: FloatArray
    hail_at: FloatArray
    hails: IntArray
    lack_w: FloatArray
    from_w: FloatArray
    from_at: FloatArray
    hard_lo: FloatArray
    hard_hi: FloatArray
    base: FloatArray
    weight: FloatArray
    held: FloatArray
    free: BoolArray
    touched: BoolArray
    ids: npt.NDArray[np.object_]
    batch: IntArray
    batch_at: IntArray

    def __init__(self) -> None:
        self.devices: list[Device] = []
        self.row: dict[str, int] = {}
        #: Counts changes of the row numbers.
        self.version = 0
        #: Charge curves and mode levels, each once; devices hold the number.
        self.curves: list[Curve] = []
        self.levels: list[FloatArray] = []
        #: Batches of set-points that some device was told last, by number.
        self.batches: dict[int, Sequence[Setpoint]] = {}
        #: Whether any device has a departure, least times, levels of its own, or single phases: else they are skipped.
        self.departing = self.timed = self.stepped = self.phased = False
        self._store: dict[str, npt.NDArray[np.generic]] = {
            name: np.full(16, fill, dtype=kind) for name, (kind, fill) in COLUMNS.items()
        }
        self._view()

    @property
    def count(self) -> int:
        """How many devices there are."""
        return len(self.devices)

    def put(self, device: Device) -> int:
        """Add the device, or take over its new ratings and settings; telemetry and state stay. Its row."""
        row = self.row.get(device.id)
        if row is None:
            row = self.count
            self.devices.append(device)
            self.row[device.id] = row
            self._make_room()
            for name, (_, fill) in COLUMNS.items():
                self._store[name][row] = fill
            self._view()
            self.version += 1
        self.devices[row] = device
        self.ids[row] = device.id
        self.touched[row] = True
        self._rate(row, device)
        return row

    def fill(self, count: int) -> None:
        """So many unnamed rows at once, for work on the numbers alone; only where there are no devices yet.

        Raises:
            LocalProtocolError: there are devices.
        """
        if self.devices:
            raise LocalProtocolError("columns that hold devices cannot be filled")
        for name, (kind, value) in COLUMNS.items():
            self._store[name] = np.full(count, value, dtype=kind)
            setattr(self, name, self._store[name])

    def drop(self, device_id: str) -> bool:
        """Remove a device; the last row takes its place. False when it is not there."""
        row = self.row.pop(device_id, None)
        if row is None:
            return False
        last = self.count - 1
        if row != last:
            for column in self._store.values():
                column[row] = column[last]
            self.devices[row] = self.devices[last]
            self.row[self.devices[row].id] = row
        self.devices.pop()
        self._view()
        self.version += 1
        return True

    def rows(self, device_ids: tuple[str, ...] | list[str]) -> IntArray:
        """The rows of those of the devices that are here, ascending."""
        found = [row for row in (self.row.get(device_id) for device_id in device_ids) if row is not None]
        return np.array(sorted(found), dtype=np.int64)

    def shift_time(self, seconds: float) -> None:
        """Move every kept instant, so that ages stay what they were when the clock was set."""
        for column in (
            self.received,
            self.soc_at,
            self.down_at,
            self.back_at,
            self.opted_at,
            self.told_at,
            self.waits_since,
            self.from_at,
            self.renew_at,
            self.last_until,
            self.sure_until,
            self.hail_at,
            self.odd_since,
            self.stray_since,
            self.still_since,
            self.counted_at,
            self.since,
        ):
            np.add(column, seconds, out=column)

    def part(self, rows: slice | IntArray, names: tuple[str, ...]) -> Columns:
        """The columns called `names` of some rows, views for a slice, else copies; it knows no devices."""
        part = object.__new__(Columns)
        part.curves, part.levels = self.curves, self.levels
        for name in names:
            setattr(part, name, getattr(self, name)[rows])
        return part

    def _make_room(self) -> None:
        if self.count > self._store["w"].size:
            for name, column in self._store.items():
                self._store[name] = np.concatenate([column, column])

    def _view(self) -> None:
        for name, column in self._store.items():
            setattr(self, name, column[: self.count])

    def _rate(self, row: int, device: Device) -> None:
        """Ratings, settings and traits into the row."""
        plate, settings, traits = device.nameplate, device.settings, device.traits
        export, draw = device.max_export_w, device.max_import_w
        if device.kind in CONSUMERS:
            if plate.max_discharge_w is None and settings.max_discharge_w is None:
                export = 0.0
            if plate.max_charge_w == 0 and settings.max_charge_w is None:
                draw = plate.max_w if settings.max_w is None else min(plate.max_w, settings.max_w)
        self.export_w[row], self.import_w[row] = export, draw
        self.set_max_w[row] = _least(plate.max_w, settings.max_w)
        self.charge_w[row] = draw
        self.discharge_w[row] = export
        self.max_va[row] = _least(UNLIMITED if plate.max_va is None else plate.max_va, settings.max_va)
        inject = _least(plate.max_var or 0.0, settings.max_var)
        self.var_inject[row] = inject
        negative = plate.max_var_neg if plate.max_var_neg is not None else plate.max_var or 0.0
        self.var_absorb[row] = _least(
            abs(negative), None if settings.max_var_neg is None else abs(settings.max_var_neg)
        )
        self.energy_wh[row] = NAN if not plate.energy_wh else plate.energy_wh
        ramp = settings.ramp_w_per_s
        self.ramp_w_per_s[row] = UNLIMITED if ramp is None or ramp <= 0 else ramp
        self.soc_min[row], self.soc_max[row] = settings.soc_min, settings.soc_max
        self.step_w[row], self.latency_s[row] = traits.power_step_w, traits.latency_s
        self.tier[row] = device.tier
        shares = PHASE_SHARES.get(device.phases, (1 / 3, 1 / 3, 1 / 3))
        self.phase_a[row], self.phase_b[row], self.phase_c[row] = shares
        self.phased |= device.phases in PHASE_SHARES
        self.natural[row] = device.kind in NATURAL
        self.counts[row] = device.kind is not DeviceKind.METER
        able = plate.capabilities
        self.can_set_w[row] = Capability.SET_W in able and device.kind is not DeviceKind.METER
        self.can_limit_w[row] = Capability.LIMIT_W in able
        self.can_set_var[row] = Capability.SET_VAR in able
        if not self.seen[row]:
            first = FIRST_PERIOD_ANSWERING_S if traits.answers_itself else FIRST_PERIOD_S
            self.period_s[row] = first if traits.report_period_s is None else traits.report_period_s
        self.asked_s[row] = 0.0 if traits.answers_itself else traits.report_period_s or 0.0
        self.answers[row], self.slots[row] = traits.answers_itself, traits.plan_slots
        self.slow[row] = slowness(traits)
        self.leaves[row] = device.kind in VEHICLES
        if device.enabled and not self.enabled[row] and self.opted_out[row]:  # its opt-out is taken back with that
            self.back_at[row] = self.down_at[row] = -np.inf
        self.enabled[row] = device.enabled
        self._constrain(row, device)

    def _constrain(self, row: int, device: Device) -> None:
        """What its owner allows; `leave_at` is set by who knows the time (`limits.renew_departures`)."""
        rule = device.constraints
        self.curve[row] = -1
        if rule.charge_w_by_soc:
            curve = (
                np.array([soc for soc, _ in rule.charge_w_by_soc]),
                np.array([watts for _, watts in rule.charge_w_by_soc]),
            )
            self.curve[row] = _number(self.curves, curve)
        caps = [np.inf if rule.daily_wh is None else rule.daily_wh]
        if rule.daily_cycles is not None and np.isfinite(self.energy_wh[row]):
            caps.append(2.0 * rule.daily_cycles * float(self.energy_wh[row]))
        self.day_cap_wh[row] = min(caps)
        self.min_w[row] = max(rule.min_w, device.traits.least_power_w)
        self.min_run_s[row], self.min_stop_s[row] = rule.min_run_s, rule.min_stop_s
        self.modes[row], self.dwell_s[row] = -1, 0.0
        if rule.modes_w:
            self.modes[row] = _number(self.levels, np.array(sorted({*rule.modes_w, 0.0})))
            self.dwell_s[row] = device.traits.min_period_s
        self.leave_soc[row] = NAN if rule.departure is None else rule.departure.soc
        self.leave_at[row] = np.inf if rule.departure is None else -np.inf
        self.departing |= rule.departure is not None
        self.timed |= bool(rule.min_run_s or rule.min_stop_s or self.dwell_s[row])
        self.stepped |= bool(rule.modes_w or self.min_w[row] > 0 or self.step_w[row] > 0)


def charge_of(columns: Columns, rows: IntArray | slice) -> FloatArray:
    """The stored energy of each as a fraction of its window, 0..1; NaN where it is not known."""
    c = columns
    with np.errstate(divide="ignore", invalid="ignore"):
        found: FloatArray = (c.soc[rows] - c.soc_min[rows]) / (c.soc_max[rows] - c.soc_min[rows])
    return found


def _number(known: list[Any], new: Any) -> int:
    """The place of an array (or a tuple of arrays) among the known ones; it is added where it is new."""
    for place, old in enumerate(known):
        if np.array_equal(np.asarray(old), np.asarray(new)):
            return place
    known.append(new)
    return len(known) - 1


def _least(rating: float, setting: float | None) -> float:
    return max(0.0, rating if setting is None else min(rating, setting))
