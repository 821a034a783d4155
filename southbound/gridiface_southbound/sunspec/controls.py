"""From a Setpoint to the forms that carry it out on one SunSpec device. Pure: blocks in, plan out.

For each quantity the first function that the device really implements is taken, the 7xx model first, so a device
with 703 but without 704 is driven by 703 and 123 together. Owned here: that choice, clamping to ratings, revert
times, what is skipped and why, and what a read-back proves. Not owned: registers (functions, reactive) and sending
(driver).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import acos, tan

from gridiface.domain.clock import Instant
from gridiface.domain.controls import ENTER_SERVICE_MODES, ControlMode, Setpoint
from gridiface.domain.fleet import Capability
from gridiface.drivers.api import Ack, DeviceBusy
from gridiface_southbound.sunspec.config import SunSpecConfig
from gridiface_southbound.sunspec.entering import EnterService703
from gridiface_southbound.sunspec.functions import (
    Blocks,
    Ceiling123,
    Ceiling704,
    Effect,
    Function,
    Power124,
    Power704,
    Ratings,
)
from gridiface_southbound.sunspec.models import Block
from gridiface_southbound.sunspec.reactive import (
    Connect123,
    Connect703,
    PowerFactor123,
    PowerFactor704,
    Var123,
    Var704,
)
from gridiface_southbound.sunspec.sheet import Filled, PointValues
from gridiface_southbound.sunspec.supervision import Operate715

#: The models whose blocks hold controls.
CONTROL_MODELS = (703, 704, 123, 124, 715)

#: The function behind each mode that a command can let go of.
_LET_GO = {
    ControlMode.SET_W: "active_power",
    ControlMode.MAX_W_PERCENT: "ceiling",
    ControlMode.SET_VAR: "reactive_power",
    ControlMode.CONNECT: "connect",
    ControlMode.ENERGIZE: "connect",
    ControlMode.POWER_FACTOR_INJECT: "power_factor_inject",
    ControlMode.POWER_FACTOR_ABSORB: "power_factor_absorb",
}

_PF_MODES = {
    ControlMode.POWER_FACTOR_INJECT: "power_factor_inject",
    ControlMode.POWER_FACTOR_ABSORB: "power_factor_absorb",
}


#: Modes that are carried out beside the functions here: settings (entering), curves and droop (adopting). They stand
#: while only the power changes.
BESIDE = ENTER_SERVICE_MODES | {ControlMode.CURVE, ControlMode.FREQUENCY_DROOP}


def functions_of(modes: Iterable[ControlMode]) -> set[str]:
    """The functions by which these modes are carried out."""
    return {_LET_GO[mode] for mode in modes if mode in _LET_GO}


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlOptions:
    """How one device reads its registers, where devices differ."""

    percent: bool = False
    storage_direct: bool = False
    pf_sign: int = 1

    @classmethod
    def of(cls, config: SunSpecConfig, *, single: bool) -> ControlOptions:
        """As configured; `single`: the device takes one register at a time."""
        return cls(
            # Two single-register writes of one 32-bit value are not one step: percent fits into one register.
            percent=config.set_point == "percent" or single,
            storage_direct=config.storage_form == "direct",
            pf_sign=1 if config.power_factor_sign == "over_excited" else -1,
        )


@dataclass(slots=True)
class Plan:
    """What will be written, by function, and what will not."""

    effects: dict[str, Effect] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    #: Modes that are handed on and of which nothing is done.
    undone: set[str] = field(default_factory=set)
    #: The models that are written, in order.
    models: list[int] = field(default_factory=list)
    #: Settings for entering service that are written, and those that get back what the device held before.
    entering: frozenset[ControlMode] = frozenset()
    restored: frozenset[ControlMode] = frozenset()

    def add(self, name: str, effect: Effect) -> None:
        """Put one function's form on the plan."""
        self.effects[name] = effect
        model_id = effect.form.sheet.model.id
        if model_id not in self.models:
            self.models.append(model_id)

    def held(self, function: str) -> float | None:
        """What the device will hold of one function, None where the plan does not set it."""
        effect = self.effects.get(function)
        return None if effect is None else effect.value

    @property
    def revert_s(self) -> float | None:
        """The first of the device's timers to run out, None where none runs."""
        return min((e.revert_s for e in self.effects.values() if e.revert_s is not None), default=None)

    def acknowledge(self, after: Mapping[int, Block], *, device_id: str, at: Instant) -> Ack:
        """What was done, by the models as they were read back.

        Raises:
            DeviceBusy: the read-back shows something else than what was written.
        """
        forms = [effect.form for effect in self.effects.values()]
        written: Mapping[str, float] = PointValues(forms)
        shown, revert_s = written, self.revert_s
        odd = [form for form in forms if not form.shown(after[form.sheet.model.id])]
        if odd:
            _require_same(odd, after, device_id)
            # Only timers differ: a device that keeps another time than it was told counts with its own.
            shown = {
                label: value
                for form in forms
                for label, name in form.sheet.labels.items()
                if (value := after[form.sheet.model.id].value(name)) is not None
            }
            kept = [shown[label] for label in written if label.endswith("RvrtTms") and shown.get(label)]
            revert_s = min(kept, default=None)
        return Ack(
            device_id=device_id,
            at=at,
            written=written,
            read_back=shown,
            active_power_w=self.held("active_power"),
            ceiling_w=self.held("ceiling"),
            reactive_power_var=self.held("reactive_power"),
            revert_s=revert_s,
            notes=tuple(self.notes),
            skipped=tuple(self.skipped),
            undone=frozenset(self.undone),
        )


def _require_same(forms: Sequence[Filled], after: Mapping[int, Block], device_id: str) -> None:
    for form in forms:
        block = after[form.sheet.model.id]
        for point in form.differing(block):
            seen, sent = block.value(point), form.value(point)
            raise DeviceBusy(f"{block.model.id} {point} reads {seen} after {sent:g} was written", device_id=device_id)


def fall_back_s(command: Setpoint, revert_s: float | None, now: Instant) -> float | None:
    """The timer for a command: the configured one, but not beyond the command's own end. Whole seconds, at least 1."""
    if command.valid_until is None or math.isinf(command.valid_until):
        return revert_s
    left = max(1.0, float(math.ceil(command.valid_until - now)))
    return left if revert_s is None else min(revert_s, left)


class Controls:
    """The control functions of one device, found in its blocks."""

    def __init__(
        self,
        blocks: Blocks,
        ratings: Ratings,
        options: ControlOptions,
        before: Mapping[ControlMode, float] | None = None,
    ) -> None:
        self.ratings = ratings
        self.entering = EnterService703.find(blocks)
        #: What the device held of settings that were written, before they were.
        self.before = {} if before is None else before
        ceiling = Ceiling704.find(blocks, ratings) or Ceiling123.find(blocks, ratings)
        power = Power704.find(blocks, ratings, prefer_percent=options.percent) or Power124.find(
            blocks, ratings, direct=options.storage_direct
        )
        inject = PowerFactor704.find(blocks, "PFWInj") or PowerFactor123.find(blocks, options.pf_sign)
        functions: dict[str, Function | None] = {
            "active_power": power,
            "ceiling": ceiling,
            "reactive_power": Var704.find(blocks, ratings) or Var123.find(blocks, ratings),
            "power_factor_inject": inject,
            "power_factor_absorb": PowerFactor704.find(blocks, "PFWAbs"),
            "connect": Connect703.find(blocks) or Connect123.find(blocks) or Operate715.find(blocks),
        }
        self.functions = {name: function for name, function in functions.items() if function is not None}

    @property
    def capabilities(self) -> frozenset[Capability]:
        """The domain's word for what was found."""
        words = {
            "active_power": (Capability.SET_W,),
            "ceiling": (Capability.LIMIT_W,),
            "reactive_power": (Capability.SET_VAR,),
            "power_factor_inject": (Capability.POWER_FACTOR,),
            "connect": (Capability.CONNECT, Capability.ENERGIZE),
        }
        found = frozenset(word for name, found in words.items() if name in self.functions for word in found)
        return found if self.entering is None else found | {Capability.ENTER_SERVICE}

    def plan(self, command: Setpoint, *, revert_s: float | None, now: Instant) -> Plan:
        """The forms for a command that is not a release."""
        plan = Plan()
        timer = fall_back_s(command, revert_s, now)
        for name, value in self._wanted(command, plan):
            function = self.functions.get(name)
            if function is None:
                plan.skipped.append(f"{name}: the device has no model for it")
                continue
            plan.add(name, function.set(value, revert_s=timer, ramp_s=command.ramp_s))
        if len(plan.effects) > 1 or "active_power" not in plan.effects:
            self._exclude(plan)
        self._let_go(plan, command)
        wanted = {mode: one.value for mode, one in command.passed.items() if mode in ENTER_SERVICE_MODES}
        if wanted or not command.let_go.isdisjoint(self.before):
            self._enter(plan, wanted, (frozenset(self.before) & command.let_go) - wanted.keys())
        return plan

    def _enter(self, plan: Plan, wanted: Mapping[ControlMode, float], restored: frozenset[ControlMode]) -> None:
        """Settings for entering service: as told, or again as they were; what the device holds already is not written.

        It is all the same where nothing else is asked: what is not written cannot be acknowledged.
        """
        entering = self.entering
        missing = sorted(wanted.keys() - (frozenset() if entering is None else entering.modes))
        plan.skipped += [f"{mode}: the device has no such setting" for mode in missing]
        if entering is None:
            return
        values = {mode: self.before[mode] for mode in restored} | dict(wanted)
        values = {mode: value for mode, value in values.items() if mode in entering.modes}
        for mode, there in sorted(entering.beyond(values).items()):
            plan.skipped.append(f"{mode}: {values.pop(mode):g} does not fit its register, which ends at {there:g}")
        for mode in sorted(entering.emptied(values)):
            plan.skipped.append(f"{mode}: {values.pop(mode):g} leaves nothing of the window for entering service")
        if not values:
            return
        effect = entering.set(values)
        if plan.effects and entering.holds(effect):
            return
        plan.add("enter_service", effect)
        plan.entering = frozenset(values.keys() - restored)
        plan.restored = restored & values.keys()

    def _let_go(self, plan: Plan, command: Setpoint) -> None:
        """Switch off what is over; after the rest, so that a limit stands before the power under it is let go of."""
        for mode in sorted(command.let_go):
            name = _LET_GO.get(mode)
            if name == "active_power" and name not in self.functions:
                name = "ceiling"  # by which it was carried out
            if name is not None and name in self.functions and name not in plan.effects:
                plan.add(name, self.functions[name].release())

    def release(self, touched: frozenset[str]) -> Plan:
        """The forms that switch off the power set-point and whatever else was `touched`."""
        plan = Plan()
        first = "active_power" if "active_power" in self.functions else "ceiling"
        for name, function in self.functions.items():
            if name in touched or name == first:
                plan.add(name, function.release())
        if self.before:
            self._enter(plan, {}, frozenset(self.before))
        return plan

    def _wanted(self, command: Setpoint, plan: Plan) -> Iterator[tuple[str, float]]:
        ceiling = command.ceiling_w
        if command.active_power_w is not None:
            watts = self._clamp(command.active_power_w, plan)
            if "active_power" in self.functions or "ceiling" not in self.functions or watts < 0:
                yield "active_power", watts
            else:
                # A device without set-point, a PV inverter mostly: what it may at most generate is the closest.
                plan.notes.append("active_power carried out as a ceiling: the device has no power set-point")
                ceiling = watts if ceiling is None else min(watts, ceiling)
        if ceiling is not None:
            yield "ceiling", ceiling
        yield from self._reactive(command, plan)
        wishes = [wish for wish in (command.connect, command.energize) if wish is not None]
        if wishes:
            yield "connect", float(all(wishes))
        others = (mode for mode in command.passed if mode not in _PF_MODES and mode not in BESIDE)
        plan.skipped += [f"{mode}: not written by this driver" for mode in others]

    def _reactive(self, command: Setpoint, plan: Plan) -> Iterator[tuple[str, float]]:
        """Reactive power and power factors; of both together what gives the least var, as IEEE 2030.5 wants it."""
        var = command.reactive_power_var
        wanted = {} if var is None else {"reactive_power": var}
        factors = {
            name: max(-1.0, min(1.0, command.passed[mode].value))
            for mode, name in _PF_MODES.items()
            if mode in command.passed
        }
        rivals = {name: factor for name, factor in factors.items() if name in self.functions}
        if var is not None and rivals and "reactive_power" in self.functions:
            given = self._least_var(rivals, command.active_power_w)
            loser = wanted if given is not None and given < abs(var) else factors
            plan.skipped += [f"{name}: what is asked beside it gives less var" for name in loser]
            plan.undone |= {str(mode) for mode, name in _PF_MODES.items() if name in loser}
            loser.clear()
        yield from wanted.items()
        yield from factors.items()

    def _least_var(self, factors: Mapping[str, float], watts: float | None) -> float | None:
        """What power factors give at a power, or at the greatest; None: none of them is for its direction."""
        greatest = {
            "power_factor_inject": self.ratings.max_discharge_w or self.ratings.max_w,
            "power_factor_absorb": self.ratings.max_charge_w or self.ratings.max_w,
        }
        if watts is not None:
            greatest = {"power_factor_inject" if watts >= 0 else "power_factor_absorb": abs(watts)}
        given = [greatest[name] * tan(acos(abs(factor))) for name, factor in factors.items() if name in greatest]
        return min(given, default=None)

    def _clamp(self, watts: float, plan: Plan) -> float:
        high = self.ratings.max_discharge_w or self.ratings.max_w
        held = max(-self.ratings.max_charge_w, min(high, watts))
        if held != watts:
            plan.notes.append(f"active_power held to {held:g} W: {watts:g} W is beyond the device's rating")
        return held

    def _exclude(self, plan: Plan) -> None:
        """Reactive power and power factor exclude each other (IEEE 1547-2018, 5.3): the new one ends the other."""
        if "reactive_power" in plan.effects:
            for name in _PF_MODES.values():
                if name in self.functions and name not in plan.effects:
                    plan.add(name, self.functions[name].release())
        elif "reactive_power" in self.functions and any(name in plan.effects for name in _PF_MODES.values()):
            plan.add("reactive_power", self.functions["reactive_power"].release())
