"""What the fleet is asked, told and doing, as plain data for the page, the terminal and scripts.

Owns the shape of that data (`Status.at`), and a bounded record of outcomes by control. Decides nothing. All powers
in W, + delivered to the grid.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from gridiface.domain.clock import Instant
from gridiface.domain.controls import (
    INFORMING_MODES,
    Control,
    ControlState,
    Delivery,
    Outcome,
    OutcomeKind,
    Target,
    TargetKind,
)
from gridiface.domain.fleet import Device, Group
from gridiface.domain.ports import FleetSurvey, PerformanceView
from gridiface.domain.telemetry import GroupTotal, Quality
from gridiface.domain.timeline import TERMINAL, state_at
from gridiface.naming import ordered
from gridiface.operator.rows.reasons import FAILED, why_left_out, why_off, why_silent
from gridiface.operator.rows.rows import (
    ControlRow,
    DeliveryRow,
    DeviceRow,
    GroupRow,
    OutcomeRow,
    StatusAnswer,
)

#: Controls whose outcomes are kept, and the newest outcomes shown in one answer.
_CONTROLS_KEPT = 1_000
_OUTCOMES_SHOWN = 200

#: How old the look at all devices may be, s.
_SURVEY_S = 0.9

#: Qualities of a device whose data can be trusted.
_TRUSTED = (Quality.GOOD, Quality.ESTIMATED)

_Look = TypeVar("_Look")

#: A device (None: the control as a whole) and what it did.
Step = tuple[str | None, OutcomeKind]


class Steps:
    """The steps of one control: each once, and how many devices took which; the control as a whole is not counted."""

    __slots__ = ("_seen", "counts")

    def __init__(self) -> None:
        self._seen: set[Step] = set()
        self.counts: dict[OutcomeKind, int] = {}

    def add(self, outcome: Outcome) -> bool:
        """Take one in; False where it was there."""
        step = (outcome.device_id, outcome.kind)
        if step in self._seen:
            return False
        self._seen.add(step)
        if outcome.device_id is not None:
            self.counts[outcome.kind] = self.counts.get(outcome.kind, 0) + 1
        return True


@dataclass(slots=True)
class Status:
    """The live state of one server for people; `at` is cheap enough to be asked every second."""

    site: str
    fleet: FleetSurvey
    performance: PerformanceView
    controls: Callable[[], Sequence[Control]]
    counters: Callable[[], Mapping[str, int]] = dict
    is_blocked: Callable[[str], bool] = lambda _: False
    #: Those that are.
    blocked: Callable[[], Collection[str]] = tuple
    #: "quarantined" or "charge in doubt": what of a device the engine does not believe; empty: it believes it.
    distrust: Callable[[str], str] = lambda _: ""
    _deliveries: dict[str, Delivery] = field(default_factory=dict)
    _outcomes: OrderedDict[str, Steps] = field(default_factory=OrderedDict)
    _newest: deque[Outcome] = field(default_factory=lambda: deque(maxlen=4 * _OUTCOMES_SHOWN))
    _losses: dict[str, str] = field(default_factory=dict)
    _failing: set[str] = field(default_factory=set)
    _looks: dict[str, tuple[Instant, Any]] = field(default_factory=dict)

    def on_outcome(self, outcome: Outcome) -> None:
        """Take one durable step of a control in."""
        steps = self._outcomes.setdefault(outcome.control_id, Steps())
        if steps.add(outcome):
            self._newest.append(outcome)
        self._outcomes.move_to_end(outcome.control_id)
        while len(self._outcomes) > _CONTROLS_KEPT:
            self._outcomes.popitem(last=False)

    def on_deliveries(self, deliveries: Iterable[Delivery]) -> None:
        """Take what became of set-points in; the newest per device is shown."""
        for delivery in deliveries:
            self._deliveries[delivery.device_id] = delivery
            if delivery.outcome.value in FAILED:
                self._failing.add(delivery.device_id)
            else:
                self._failing.discard(delivery.device_id)

    def on_lost(self, device_id: str, reason: str) -> None:
        """Remember why a device could not be read; told as long as it is silent."""
        self._losses[device_id] = reason

    def loss(self, device_id: str) -> str:
        """Why a device could last not be read; empty: it always could."""
        return self._losses.get(device_id, "")

    def why(self, row: DeviceRow, *, following: bool = True) -> str:
        """Why a device does not do what it is asked, for people; empty: nothing speaks against it.

        Args:
            row: what is known of it.
            following: whether it should deliver what it was told by now.
        """
        shown = self.fleet.snapshot(Target(TargetKind.DEVICE, row["id"]))
        silent, distrust = why_silent(row, self.loss(row["id"]), shown), self.distrust(row["id"])
        if silent or not following:
            return silent or why_left_out(distrust, "")
        off = why_off(row, shown)
        return why_left_out(distrust, off) or off

    def at(self, now: Instant) -> StatusAnswer:
        """Everything the overview shows, JSON-able; see docs/operator/overview.md for each field."""
        controls = [control for control in self.controls() if not control.is_default]
        return {
            "site": self.site,
            "now": now,
            "devices": self.device_counts(now),
            "groups": self.group_rows(now),
            "controls": [self.control_row(control, now) for control in _running_first(controls, now)[:50]],
            "outcomes": self.newest_outcomes(),
            "counters": dict(self.counters()),
        }

    def responses(self, control_id: str) -> dict[str, int]:
        """How many devices took each step; the control as a whole is not counted."""
        steps = self._outcomes.get(control_id)
        counts = {} if steps is None else steps.counts
        return {kind.name.lower(): counts.get(kind, 0) for kind in OutcomeKind}

    def qualities(self, now: Instant) -> Mapping[str, Quality | None]:
        """The quality of each device's newest data, None without any; looked at anew when it is a second old.

        It makes an entry for each device of a large fleet: who needs only some, or how many, asks for those.
        """
        return self._looked("qualities", self.fleet.qualities, now)

    def counts(self, now: Instant) -> Mapping[Quality | None, int]:
        """How many devices have newest data of each quality, None: no data; as old as `qualities`."""
        return self._looked("counts", self.fleet.counts, now)

    def totals(self, now: Instant) -> Mapping[str, GroupTotal]:
        """Each group as one, by id; as old as `qualities`."""
        return self._looked("totals", lambda: {total.group_id: total for total in self.fleet.totals()}, now)

    def requests(self, now: Instant) -> Mapping[str, float]:
        """What running controls ask of each group by the engine's account, W; of several the highest authority's."""
        return self._looked("requests", lambda: self._asked(now), now)

    def troubled(self, now: Instant) -> list[str]:
        """The devices of which something cannot be expected: silent, failing, blocked; by id."""
        marked = [name for name in {*self.blocked(), *self._failing} if self.fleet.device(name) is not None]
        return ordered({*self._looked("silent", self.fleet.silent, now), *marked})

    def _looked(self, what: str, look: Callable[[], _Look], now: Instant) -> _Look:
        """What a look at the whole fleet shows: all readers share one, each kind is looked at when it is asked for."""
        at, found = self._looks.get(what, (float("-inf"), None))
        if not abs(now - at) < _SURVEY_S:
            found = look()
            self._looks[what] = now, found
        return cast("_Look", found)

    def _asked(self, now: Instant) -> dict[str, float]:
        found: dict[str, float] = {}
        running = self.performance.running()
        controls = [c for c in self.controls() if c.id in running and not c.is_default]
        for control in sorted(controls, key=lambda control: control.source.authority):
            newest = running[control.id]
            if newest.requested_w is not None and state_at(control, now) is ControlState.ACTIVE:
                found[newest.target_id] = newest.requested_w
        return found

    def device_counts(self, now: Instant, names: Collection[str] | None = None) -> dict[str, int]:
        """How many devices there are, all or of these, and how many of them tell data that can be trusted."""
        if names is None:
            counts = self.counts(now)
        else:
            qualities = self.qualities(now)
            counts = Counter(qualities[name] for name in names if name in qualities)
        return {"total": sum(counts.values()), "online": sum(counts.get(quality, 0) for quality in _TRUSTED)}

    def device_row(self, device: Device) -> DeviceRow:
        """What a device was told last and what it does."""
        snapshot = self.fleet.snapshot(Target(TargetKind.DEVICE, device.id))
        setpoint = self.fleet.setpoint(device.id)
        return {
            "id": device.id,
            "name": device.name,
            "kind": device.kind.value,
            "driver": device.driver,
            "setpoint_W": None if setpoint is None else setpoint.active_power_w,
            "delivered_W": None if snapshot is None else snapshot.w,
            "soc": None if snapshot is None else snapshot.soc,
            "quality": None if snapshot is None else snapshot.quality.value,
            "state": None if snapshot is None else snapshot.state.value,
            "delivery": delivery_row(self._deliveries.get(device.id)),
            "blocked": self.is_blocked(device.id),
        }

    def group_rows(self, now: Instant) -> list[GroupRow]:
        """All groups, by id: asked, told, done."""
        return [self.group_row(group, now) for group in self.fleet.groups()]

    def group_row(self, group: Group, now: Instant) -> GroupRow:
        """One group: asked, told, done."""
        total = self.totals(now).get(group.id) or GroupTotal(group_id=group.id, devices=0, online=0)
        return {
            "id": group.id,
            "name": group.name,
            "parent": group.parent,
            "devices": total.devices,
            "requested_W": self.requests(now).get(group.id),
            "allocated_W": total.allocated_w,
            "delivered_W": total.delivered_w,
            "soc": total.soc,
        }

    def control_row(self, control: Control, now: Instant) -> ControlRow:
        """One control, for people."""
        end = control.span.end
        return {
            "id": control.id,
            "description": control.description,
            "source": control.source.protocol,
            "target": control.target.id,
            "values": {mode.value: value.value for mode, value in control.values.items()},
            "start": control.span.start,
            "end": None if end == float("inf") else end,
            "state": state_at(control, now).value,
            "over": state_at(control, now) in TERMINAL,
            "responses": self.responses(control.id),
        }

    def has_run(self, control: Control) -> bool:
        """Whether a control was carried out by some device, or is accounted for: by this server or the one before."""
        if control.is_default or control.is_test or INFORMING_MODES.issuperset(control.values):
            return False
        started = self.responses(control.id)[OutcomeKind.STARTED.name.lower()] > 0
        return started or self.performance.latest(control.id) is not None

    def newest_outcomes(self) -> list[OutcomeRow]:
        """The newest steps of all controls, the newest first; bounded."""
        kept = [outcome for outcome in reversed(self._newest) if outcome.control_id in self._outcomes]
        newest = sorted(kept, key=lambda outcome: -outcome.at)[:_OUTCOMES_SHOWN]
        return [outcome_row(outcome) for outcome in newest]


def outcome_row(outcome: Outcome) -> OutcomeRow:
    """One step of a control, for people."""
    return {
        "control": outcome.control_id,
        "device": outcome.device_id,
        "step": outcome.kind.name.lower(),
        "at": outcome.at,
        "reason": outcome.reason,
    }


def delivery_row(delivery: Delivery | None) -> DeliveryRow | None:
    """What became of a set-point, for people."""
    if delivery is None:
        return None
    return {
        "outcome": delivery.outcome.value,
        "at": delivery.at,
        "attempts": delivery.attempts,
        "detail": delivery.detail,
        "controls": list(delivery.setpoint.control_ids),
    }


def newest_first(controls: Iterable[Control]) -> list[Control]:
    """The latest start first, then by id."""
    return sorted(controls, key=lambda control: (-control.span.start, control.id))


def _running_first(controls: Iterable[Control], now: Instant) -> list[Control]:
    """Running controls, then the others with the latest start first: a long schedule hides nothing that runs."""
    return sorted(newest_first(controls), key=lambda control: state_at(control, now) is not ControlState.ACTIVE)
