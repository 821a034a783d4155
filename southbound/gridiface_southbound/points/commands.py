"""From a Setpoint to the points that carry it out, in order. Pure: the table and the device's image in, a plan out.

Owned here: clamping to ratings and to what a point can hold, the order of writes, the device's timer, what is
skipped and why. Not owned: the form in which a carrier writes (its image) and sending (driver).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Generic, TypeVar

from gridiface.domain.clock import Instant
from gridiface.domain.controls import ControlMode, Setpoint
from gridiface.domain.fleet import Nameplate
from gridiface.domain.quantities import Rounding
from gridiface_southbound.points import telemetry
from gridiface_southbound.points.image import Image, Unplannable, Write
from gridiface_southbound.points.meanings import UNITS, Meaning
from gridiface_southbound.points.scaling import from_si, si_factor, to_si
from gridiface_southbound.points.table import Point, Step, WriteRule

P = TypeVar("P", bound=Point)

_NAMES = {
    Meaning.SET_W: "active_power",
    Meaning.LIMIT_W: "ceiling",
    Meaning.SET_VAR: "reactive_power",
    Meaning.CONNECT: "connect",
}


#: The control behind each mode that a command can let go of.
_LET_GO = {
    ControlMode.SET_W: Meaning.SET_W,
    ControlMode.MAX_W_PERCENT: Meaning.LIMIT_W,
    ControlMode.SET_VAR: Meaning.SET_VAR,
    ControlMode.CONNECT: Meaning.CONNECT,
    ControlMode.ENERGIZE: Meaning.CONNECT,
}


@dataclass(slots=True)
class CommandPlan(Generic[P]):
    """What will be written, in order, and what will not."""

    writes: list[Write[P]] = field(default_factory=list)
    held: dict[Meaning, float] = field(default_factory=dict)
    controls: set[Meaning] = field(default_factory=set)
    revert_s: float | None = None
    notes: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    #: By control, the names of its own point and of those that are written before it.
    standing: dict[Meaning, tuple[str, ...]] = field(default_factory=dict)

    def stand(self, meaning: Meaning) -> tuple[str, ...]:
        """The points that hold a control for as long as it stands."""
        return self.standing.get(meaning, ())

    def add(self, write: Write[P], *, once: bool = False) -> None:
        """Append a write; `once`: not if its point holds that already (controls may share an enabling one)."""
        if not (once and self.final().get(write.point.name) == write):
            self.writes.append(write)

    def final(self) -> dict[str, Write[P]]:
        """What each point holds in the end."""
        return {write.point.name: write for write in self.writes}


@dataclass(frozen=True, slots=True)
class _Last(Generic[P]):
    """A plan for a power and nothing else, the place of the power among its writes, the timer that was asked for."""

    plan: CommandPlan[P]
    place: int
    timer: float | None


class Commands(Generic[P]):
    """The controls of one opened device."""

    def __init__(self, image: Image[P], plate: Nameplate) -> None:
        self._image = image
        self._table = image.table
        self._plate = plate
        self._bases = telemetry.bases(plate)
        self._factors: dict[str, Fraction | None] = {}
        self._last: _Last[P] | None = None
        #: Steps whose writes are always the same.
        self._steady: dict[tuple[str, float | str], Write[P]] = {}

    def plan(self, command: Setpoint, *, revert_s: float | None, now: Instant) -> CommandPlan[P]:
        """The writes for a command that is not a release; none where nothing of it can be carried out."""
        timer = _timer(command, revert_s, now)
        alone = _asks_for_power_alone(command)
        again = self._as_before(command.active_power_w, timer) if alone else None
        if again is not None:
            return again
        plan: CommandPlan[P] = CommandPlan()
        for meaning, wanted in self._wanted(command, plan):
            point = self._table.controls.get(meaning)
            if point is None or point.write is None:
                plan.skipped.append(f"{_NAMES[meaning]}: the table has no point for it")
                continue
            part: CommandPlan[P] = CommandPlan()
            try:
                self._carry_out(part, point, point.write, meaning, wanted, timer)
            except Unplannable as error:
                plan.skipped.append(f"{_NAMES[meaning]}: {error}")
                continue
            self._merge(plan, part)
        plan = self._with_let_go(plan, command)
        plan.skipped += [f"{mode}: not written by this driver" for mode in command.passed]
        if command.ramp_s is not None and plan.writes:
            plan.notes.append("ramp left to the device: the table has none")
        if alone:
            self._remember(plan, timer)
        return plan

    def _remember(self, plan: CommandPlan[P], timer: float | None) -> None:
        """Keep a plan of which nothing but the power is new the next time."""
        target = self._table.controls.get(Meaning.SET_W)
        places = [at for at, write in enumerate(plan.writes) if write.point is target]
        others = [write.point for write in plan.writes if write.point is not target]
        plain = plan.held.keys() == {Meaning.SET_W} and not plan.notes and not plan.skipped
        if plain and len(places) == 1 and all(self._image.is_steady(point) for point in others):
            self._last = _Last(plan, places[0], timer)

    def _as_before(self, watts: float | None, timer: float | None) -> CommandPlan[P] | None:
        """The plan for another power; None: it is made from the beginning."""
        last = self._last
        if last is None or watts is None or last.timer != timer:
            return None
        point = last.plan.writes[last.place].point
        factor = self._factor(point)
        low, high = self._image.range_of(point)
        if not -self._plate.max_charge_w <= watts <= self._plate.max_w or factor is None:
            return None
        value = from_si(watts, factor)
        if not low <= value <= high:
            return None
        write = self._image.encoded(point, value)
        writes = last.plan.writes.copy()
        writes[last.place] = write
        return CommandPlan(
            writes,
            held={Meaning.SET_W: to_si(write.value, factor)},
            controls={Meaning.SET_W},
            revert_s=last.plan.revert_s,
            standing=last.plan.standing.copy(),
        )

    def release(self, touched: Iterable[Meaning], modes: Iterable[ControlMode] = ()) -> CommandPlan[P]:
        """The writes that let go of what was `touched` or named, and in any case of the set-point (or ceiling)."""
        first = Meaning.SET_W if Meaning.SET_W in self._table.controls else Meaning.LIMIT_W
        return self._released({first, *touched, *(_LET_GO[mode] for mode in modes if mode in _LET_GO)})

    def _with_let_go(self, plan: CommandPlan[P], command: Setpoint) -> CommandPlan[P]:
        """The plan and, after it, the writes that let go of what is over.

        Where both write the same register (one that lets others act), letting go comes first: what stands is then
        told anew and holds in the end.
        """
        over = {_LET_GO[mode] for mode in command.let_go if mode in _LET_GO}
        if Meaning.SET_W in over and Meaning.SET_W not in self._table.controls:
            over.add(Meaning.LIMIT_W)  # by which it was carried out
        gone = self._released(over - plan.controls)
        if not gone.writes:
            plan.skipped += gone.skipped
            return plan
        shared = gone.final().keys() & plan.final().keys()
        first, then = (gone, plan) if shared else (plan, gone)
        self._merge(first, then)
        first.revert_s = plan.revert_s
        return first

    def _released(self, wanted: Collection[Meaning]) -> CommandPlan[P]:
        plan: CommandPlan[P] = CommandPlan()
        for meaning, point in self._table.controls.items():
            if meaning not in wanted or point.write is None:
                continue
            try:
                for step in point.write.release:
                    plan.add(self._step(step))
            except Unplannable as error:
                plan.skipped.append(f"{_NAMES[meaning]}: {error}")
                continue
            plan.controls.add(meaning)
        return plan

    def _wanted(self, command: Setpoint, plan: CommandPlan[P]) -> Iterator[tuple[Meaning, float]]:
        ceiling = command.ceiling_w
        if command.active_power_w is not None:
            watts = self._clamp(command.active_power_w, plan)
            if Meaning.SET_W in self._table.controls or Meaning.LIMIT_W not in self._table.controls or watts < 0:
                yield Meaning.SET_W, watts
            else:
                # A device without set-point, a PV inverter mostly: what it may at most generate is the closest.
                plan.notes.append("active_power carried out as a ceiling: the device has no power set-point")
                ceiling = watts if ceiling is None else min(watts, ceiling)
        if ceiling is not None:
            yield Meaning.LIMIT_W, max(0.0, ceiling)
        if command.reactive_power_var is not None:
            yield Meaning.SET_VAR, self._clamp_var(command.reactive_power_var, plan)
        wishes = [wish for wish in (command.connect, command.energize) if wish is not None]
        if wishes:
            yield Meaning.CONNECT, float(all(wishes))

    def _clamp(self, watts: float, plan: CommandPlan[P]) -> float:
        held = max(-self._plate.max_charge_w, min(self._plate.max_w, watts))
        if held != watts:
            plan.notes.append(f"active_power held to {held:g} W: {watts:g} W is beyond the device's rating")
        return held

    def _clamp_var(self, var: float, plan: CommandPlan[P]) -> float:
        most = self._plate.max_var
        held = var if most is None else max(-most, min(most, var))
        if held != var:
            plan.notes.append(f"reactive_power held to {held:g} var: {var:g} var is beyond the device's rating")
        return held

    def _carry_out(
        self, plan: CommandPlan[P], point: P, rule: WriteRule, meaning: Meaning, wanted: float, timer: float | None
    ) -> None:
        for step in rule.before:
            plan.add(self._step(step))
        if rule.revert is not None:
            plan.revert_s = self._add_timer(plan, self._table.by_name[rule.revert], timer)
        if meaning is Meaning.CONNECT:
            plan.add(self._image.switch(point, on=bool(wanted)))
            plan.held[meaning] = wanted
        else:
            write, held = self._number(plan, point, meaning, wanted)
            plan.add(write)
            plan.held[meaning] = held
        for step in rule.after:
            plan.add(self._step(step))
        plan.controls.add(meaning)
        plan.standing[meaning] = (point.name, *(step.point for step in rule.before))

    @staticmethod
    def _merge(plan: CommandPlan[P], part: CommandPlan[P]) -> None:
        for write in part.writes:
            plan.add(write, once=True)
        plan.held |= part.held
        plan.controls |= part.controls
        plan.standing |= part.standing
        plan.notes += part.notes
        timers = [t for t in (plan.revert_s, part.revert_s) if t is not None]
        plan.revert_s = min(timers, default=None)

    def _number(self, plan: CommandPlan[P], point: P, meaning: Meaning, wanted: float) -> tuple[Write[P], float]:
        factor = self._factor(point)
        if factor is None:
            raise Unplannable(f"the rating {point.percent_of} that {point.name} is a percentage of is not known")
        value = from_si(wanted, factor)
        low, high = self._image.range_of(point)
        inside = max(low, min(high, value))
        if inside != value:
            held = to_si(inside, factor)
            if meaning is Meaning.LIMIT_W and held > wanted:
                raise Unplannable(f"{point.name} cannot hold a limit as low as {wanted:g} W")
            plan.notes.append(f"{_NAMES[meaning]} held to {held:g}: {wanted:g} is beyond what {point.name} can hold")
        rounding = Rounding.TOWARD_ZERO if meaning is Meaning.LIMIT_W else Rounding.NEAREST
        write = self._image.encoded(point, inside, rounding)
        return write, to_si(write.value, factor)

    def _add_timer(self, plan: CommandPlan[P], point: P, timer: float | None) -> float | None:
        """Write the device's own timer; 0 where none is wanted. Returns the seconds that it will really run."""
        seconds_per_unit = float(UNITS[point.unit][1]) if point.unit in UNITS else 1.0
        low, high = self._image.range_of(point)
        wanted = 0.0 if timer is None else timer / seconds_per_unit
        write = self._image.encoded(point, max(low, min(high, wanted)), Rounding.CEILING)
        plan.add(write)
        return write.value * seconds_per_unit or None

    def _factor(self, point: P) -> Fraction | None:
        if point.name not in self._factors:
            self._factors[point.name] = si_factor(point, self._bases)
        return self._factors[point.name]

    def _step(self, step: Step) -> Write[P]:
        known = self._steady.get((step.point, step.value))
        if known is not None:
            return known
        point = self._table.by_name[step.point]
        if isinstance(step.value, str):
            write = self._image.named(point, step.value)
        else:
            write = self._image.encoded(point, step.value)
        if self._image.is_steady(point):
            self._steady[step.point, step.value] = write
        return write


def _asks_for_power_alone(command: Setpoint) -> bool:
    return (
        command.active_power_w is not None
        and command.ceiling_w is None
        and command.reactive_power_var is None
        and command.connect is None
        and command.energize is None
        and command.ramp_s is None
        and not command.passed
        and not command.let_go
    )


def _timer(command: Setpoint, revert_s: float | None, now: Instant) -> float | None:
    """The timer for a command: the configured one, but not beyond the command's own end. At least 1 s."""
    if command.valid_until is None or math.isinf(command.valid_until):
        return revert_s
    left = max(1.0, float(math.ceil(command.valid_until - now)))
    return left if revert_s is None else min(revert_s, left)
