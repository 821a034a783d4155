"""Commands into controls, and the engine's answers into status codes. Pure.

Owns which control code means on and which off, the mode and value of each action, what values a mode can have, the
control that a command becomes ("from now, until changed or until its hold time"), and the status code of each verdict
(IEEE 1815 table 11-10). Who may command what, and what was commanded before, is commanding/handlers.py's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gridiface.domain.clock import Instant, Interval
from gridiface.domain.controls import (
    ENTER_SERVICE_MODES,
    ENTER_SERVICE_WINDOWS,
    Acceptance,
    Control,
    ControlMode,
    ModeValue,
    Source,
    Target,
    Verdict,
)
from gridiface.domain.curves import CurveKind
from gridiface.domain.quantities import PercentBase
from gridiface.northbound.dnp3.pointmap.meanings import Action
from gridiface.northbound.dnp3.pointmap.points import PointEntry
from gridiface.protocols.dnp3.controls import (
    Command,
    CommandStatus,
    ControlRelayOutputBlock,
    OperationType,
    TripCloseCode,
)

PROTOCOL = "dnp3"
POINT = "point"
"""Name of the control's `extra` that holds the output's name."""

_MODES: Mapping[Action, ControlMode] = {
    Action.SET_W: ControlMode.SET_W,
    Action.SET_W_PERCENT: ControlMode.SET_W_PERCENT,
    Action.DELTA_W: ControlMode.DELTA_W,
    Action.MAX_W_PERCENT: ControlMode.MAX_W_PERCENT,
    Action.EXPORT_LIMIT: ControlMode.EXPORT_LIMIT,
    Action.IMPORT_LIMIT: ControlMode.IMPORT_LIMIT,
    Action.GENERATION_LIMIT: ControlMode.GENERATION_LIMIT,
    Action.LOAD_LIMIT: ControlMode.LOAD_LIMIT,
    Action.REGULATION: ControlMode.REGULATION,
    Action.RAISE: ControlMode.REGULATION,
    Action.LOWER: ControlMode.REGULATION,
    Action.SET_VAR: ControlMode.SET_VAR,
    Action.SET_VAR_PERCENT: ControlMode.SET_VAR_PERCENT,
    Action.POWER_FACTOR_INJECT: ControlMode.POWER_FACTOR_INJECT,
    Action.POWER_FACTOR_ABSORB: ControlMode.POWER_FACTOR_ABSORB,
    Action.CONNECT: ControlMode.CONNECT,
    Action.ENERGIZE: ControlMode.ENERGIZE,
    **{Action(mode.value): mode for mode in ENTER_SERVICE_MODES},
    Action.CURVE: ControlMode.CURVE,
    Action.DROOP: ControlMode.FREQUENCY_DROOP,
}

_BASES: Mapping[Action, PercentBase] = {
    Action.MAX_W_PERCENT: PercentBase.MAX_W,
    Action.SET_VAR_PERCENT: PercentBase.MAX_VAR,
}

#: What is told as feasible is the same quantity as what was commanded: a power, or a change around one.
_IN_WATTS = frozenset({Action.SET_W, Action.REGULATION, Action.RAISE, Action.LOWER})

_LONGEST_S = 42_949_672.0

#: Lowest and highest value of a mode; beyond it the command is OUT_OF_RANGE before the engine is asked.
_RANGES: Mapping[Action, tuple[float, float]] = {
    Action.SET_W_PERCENT: (-100.0, 100.0),
    Action.MAX_W_PERCENT: (0.0, 100.0),
    Action.EXPORT_LIMIT: (0.0, math.inf),
    Action.IMPORT_LIMIT: (0.0, math.inf),
    Action.GENERATION_LIMIT: (0.0, math.inf),
    Action.LOAD_LIMIT: (0.0, math.inf),
    Action.SET_VAR_PERCENT: (-100.0, 100.0),
    Action.POWER_FACTOR_INJECT: (-1.0, 1.0),
    Action.POWER_FACTOR_ABSORB: (-1.0, 1.0),
    Action.ENTER_V_HIGH: (0.0, 200.0),
    Action.ENTER_V_LOW: (0.0, 200.0),
    Action.ENTER_HZ_HIGH: (0.0, 100.0),
    Action.ENTER_HZ_LOW: (0.0, 100.0),
    Action.ENTER_DELAY: (0.0, _LONGEST_S),
    Action.ENTER_RANDOM_DELAY: (0.0, _LONGEST_S),
    Action.ENTER_RAMP: (0.0, _LONGEST_S),
}

#: The other bound of each window for entering service: (whether this one is the upper, the other).
_OTHER_BOUND: Mapping[Action, tuple[bool, Action]] = {
    bound: (upper, Action(other.value))
    for low, high in ENTER_SERVICE_WINDOWS
    for bound, upper, other in ((Action(low.value), False, high), (Action(high.value), True, low))
}

_POWER_FACTORS = frozenset({Action.POWER_FACTOR_INJECT, Action.POWER_FACTOR_ABSORB})

_STATUS: Mapping[Verdict, CommandStatus] = {
    Verdict.ACCEPTED: CommandStatus.SUCCESS,
    Verdict.PARTIAL: CommandStatus.SUCCESS,
    Verdict.SUPERSEDED: CommandStatus.AUTOMATION_INHIBIT,
    Verdict.UNSUPPORTED: CommandStatus.NOT_SUPPORTED,
    Verdict.INVALID: CommandStatus.FORMAT_ERROR,
    Verdict.LATE: CommandStatus.TIMEOUT,
    Verdict.BLOCKED: CommandStatus.BLOCKED,
    Verdict.NOT_ALLOWED: CommandStatus.NOT_AUTHORIZED,
}


def state_of(block: ControlRelayOutputBlock) -> bool | None:
    """On or off for a control code; None where the code says neither (NUL without trip or close).

    A trip or close code decides (0x41 close, 0x81 trip), else the operation: LATCH_ON and PULSE_ON are on, LATCH_OFF
    and PULSE_OFF are off.
    """
    if block.trip_close is TripCloseCode.CLOSE:
        return True
    if block.trip_close is TripCloseCode.TRIP:
        return False
    if block.operation in {OperationType.LATCH_ON, OperationType.PULSE_ON}:
        return True
    if block.operation in {OperationType.LATCH_OFF, OperationType.PULSE_OFF}:
        return False
    return None


def wire_value(entry: PointEntry, command: Command) -> float | None:
    """The number or state that a command carries, in wire units; None: its code means nothing to this point."""
    if not isinstance(command, ControlRelayOutputBlock):
        return command.value
    state = state_of(command)
    if state is None or (entry.on_only and not state):
        return None
    return float(state)


def pulses(command: Command) -> int:
    """How many pulses a command asks for."""
    return command.count if isinstance(command, ControlRelayOutputBlock) else 1


def in_range(entry: PointEntry, value: float) -> bool:
    """Whether the engine's mode knows such a value (SI, after sign)."""
    if not math.isfinite(value):
        return False
    low, high = _RANGES.get(entry.action, (-math.inf, math.inf))
    return low <= value <= high and not (entry.action in _POWER_FACTORS and value == 0)


def empties_window(entry: PointEntry, value: float, bound_of: Callable[[Action], float | None]) -> bool:
    """Whether a bound of a window for entering service would leave nothing of it.

    Args:
        entry, value: the output and its SI value.
        bound_of: the other bound, by its action, as far as it is known.
    """
    if entry.action not in _OTHER_BOUND:
        return False
    upper, action = _OTHER_BOUND[entry.action]
    other = bound_of(action)
    return other is not None and (value <= other if upper else value >= other)


def values_of(entry: PointEntry, value: float, payload: Any = None) -> dict[ControlMode, ModeValue]:
    """The mode and value of a control for an SI value; of a curve its number, its kind and its points.

    Raises:
        KeyError: the action is no control.
    """
    if entry.action is Action.CURVE:
        return {ControlMode.CURVE: ModeValue(value, CurveKind[entry.argument.upper()].mode, payload)}
    if entry.action is Action.DROOP:
        return {ControlMode.FREQUENCY_DROOP: ModeValue(value, payload=payload)}
    base: str = _BASES.get(entry.action, "")
    if entry.action is Action.SET_W_PERCENT:
        base = entry.argument
    return {_MODES[entry.action]: ModeValue(value, base=str(base))}


def ramp_s(
    entry: PointEntry,
    value: float,
    *,
    now_w: Callable[[], float | None],
    ramp_w_per_s: float,
    ramp_time_s: float = 0.0,
) -> float | None:
    """How long the way to a set-point takes: so long, or at a ramp from the power now; None: the target's own ramp."""
    if ramp_time_s > 0:
        return ramp_time_s
    if ramp_w_per_s <= 0 or entry.action is not Action.SET_W or (here := now_w()) is None:
        return None
    return abs(value - here) / ramp_w_per_s


def rated_s(goal_w: float, here_w: float, rate: Callable[[str], float], discharge_w: float, charge_w: float) -> float:
    """How long the way from a power to another takes at ramp rates, s.

    Args:
        goal_w, here_w: + delivered.
        rate: % of the rating by second, by name: `discharge_up` as more is delivered, `discharge_down` as less is,
            `charge_up` and `charge_down` of what is taken; 0: that part of the way takes no time.
        discharge_w, charge_w: the ratings.
    """

    def part(name: str, here: float, goal: float, rating: float) -> float:
        speed = rate(f"{name}_up" if goal > here else f"{name}_down") / 100.0 * rating
        return abs(goal - here) / speed if speed > 0 else 0.0

    delivered = part("discharge", max(0.0, here_w), max(0.0, goal_w), discharge_w)
    return delivered + part("charge", max(0.0, -here_w), max(0.0, -goal_w), charge_w)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Whose command it is: station and master by name, and the authority of the association."""

    station: str
    master: str
    authority: float

    def program(self, slot: str) -> str:
        """Controls of one program replace each other: those of one master to one slot."""
        return f"{self.station}/{self.master}/{slot}"


def control_of(
    entry: PointEntry,
    value: float,
    sender: Sender,
    target: Target,
    now: Instant,
    *,
    number: int,
    hold_s: float | None = None,
    ramp: float | None = None,
    window_s: float = 0.0,
    payload: Any = None,
) -> Control:
    """The control that a command becomes.

    Args:
        entry: the output.
        value: SI, after sign.
        sender: whose command.
        target: whom it concerns.
        now: when it came; the control starts then.
        number: larger for each later command, also after a restart: part of the id, so that ids are unique and order
            as the commands came.
        hold_s: how long; None or 0: until changed.
        ramp: time to reach the value, s.
        window_s: it starts at random within so many seconds.
        payload: of a curve.
    """
    program = sender.program(entry.own_slot)
    return Control(
        id=f"{PROTOCOL}:{program}:{number:016d}",
        source=Source(protocol=PROTOCOL, program=program, identity=sender.master, authority=sender.authority),
        target=target,
        values=values_of(entry, value, payload),
        interval=Interval(now, hold_s or None),
        created=now,
        service_class=entry.service_class,
        randomize_start_s=window_s,
        ramp_s=ramp,
        description=f"{entry.type.value} {entry.index}, {entry.name}",
        extra={POINT: entry.name},
    )


def status_of(acceptance: Acceptance, *, local: bool = False, strict: bool = False) -> CommandStatus:
    """The status code of the engine's answer.

    Args:
        acceptance: the answer.
        local: the target is in local mode, which explains a block.
        strict: what can only be carried out in part is OUT_OF_RANGE.
    """
    if acceptance.verdict is Verdict.BLOCKED and local:
        return CommandStatus.LOCAL
    if acceptance.verdict is Verdict.PARTIAL and strict and not acceptance.left_out:
        return CommandStatus.OUT_OF_RANGE
    return _STATUS[acceptance.verdict]


def feasible_of(action: Action, si: float, acceptance: Acceptance) -> float | None:
    """What can be done of a commanded value, in its own quantity (SI); None: all of it, or nobody can tell.

    Args:
        action: of the output: a power, a change around one, a percentage of the ratings or a change of the baseline.
        si: the commanded value.
        acceptance: the engine's answer.
    """
    feasible, requested = acceptance.feasible_w, acceptance.requested_w
    if feasible is None or action in _IN_WATTS:
        return feasible if action in _IN_WATTS else None
    if requested is None:
        return None
    if action is Action.DELTA_W:
        return si + feasible - requested
    if action is Action.SET_W_PERCENT and requested:
        # The rating of its own direction is meant: of what would be the other one nothing can be done.
        return si * max(0.0, feasible / requested)
    return None
