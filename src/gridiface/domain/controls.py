"""Controls that come in, set-points that go out, and the engine's answer to each. Pure values.

A Control is what somebody asks of a device or of a group's total; a Setpoint is what one device is told; an
Acceptance is what the asker is told, at once. None of them knows a wire protocol.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any

from gridiface.domain.clock import Instant, Interval, latest_end
from gridiface.domain.values import often_made


class ControlMode(StrEnum):
    """What a control asks for. The value's unit and sign stand behind the name; see `ModeValue`."""

    CONNECT = "connect"  # bool: galvanic connection
    ENERGIZE = "energize"  # bool: may give or take power
    SET_W = "set_w"  # W, + delivered
    SET_W_PERCENT = "set_w_percent"  # %, - of max charge, + of max discharge or generation
    DELTA_W = "delta_w"  # W, change against the baseline, + = more delivered
    LOAD_LEVEL = "load_level"  # protocol's level already mapped to a fraction 0..1 of what can be shed
    MAX_W_PERCENT = "max_w_percent"  # %, generation ceiling, of max W
    EXPORT_LIMIT = "export_limit"  # W >= 0 at the connection point
    IMPORT_LIMIT = "import_limit"  # W >= 0 at the connection point
    GENERATION_LIMIT = "generation_limit"  # W >= 0
    LOAD_LIMIT = "load_limit"  # W >= 0
    ENERGY_TARGET = "energy_target"  # Wh, + = discharged
    REGULATION = "regulation"  # W, signed delta around the winning set-point
    SET_VAR = "set_var"  # var, + injected
    SET_VAR_PERCENT = "set_var_percent"  # %, base named
    POWER_FACTOR_INJECT = "power_factor_inject"  # -1..1, sign = excitation: + over-excited
    POWER_FACTOR_ABSORB = "power_factor_absorb"
    CURVE = "curve"
    FREQUENCY_DROOP = "frequency_droop"
    ENTER_V_HIGH = "enter_v_high"  # %, of nominal voltage: returns to service at most there
    ENTER_V_LOW = "enter_v_low"  # %, of nominal voltage: and at least there
    ENTER_HZ_HIGH = "enter_hz_high"  # Hz
    ENTER_HZ_LOW = "enter_hz_low"  # Hz
    ENTER_DELAY = "enter_delay_s"  # s for which voltage and frequency must have been inside the window
    ENTER_RANDOM_DELAY = "enter_random_s"  # s, most that chance adds to it
    ENTER_RAMP = "enter_ramp_s"  # s, from nothing to full power after entering service
    PRICE = "price"  # currency per kWh
    BID = "bid"  # of a market: currency per unit, W or Wh (VA, VAh, var, varh), as `base` and `payload` say
    MESSAGE = "message"  # text to people


#: Modes that bound the result instead of naming it: they intersect, they never supersede each other.
LIMIT_MODES = frozenset(
    {
        ControlMode.MAX_W_PERCENT,
        ControlMode.EXPORT_LIMIT,
        ControlMode.IMPORT_LIMIT,
        ControlMode.GENERATION_LIMIT,
        ControlMode.LOAD_LIMIT,
    }
)

#: When a device may return to service (IEEE 1547-2018, 4.10): settings that it keeps. Named like their fields of
#: `domain.fleet.Settings`; each is a setting of its own.
ENTER_SERVICE_MODES = frozenset(
    {
        ControlMode.ENTER_V_HIGH,
        ControlMode.ENTER_V_LOW,
        ControlMode.ENTER_HZ_HIGH,
        ControlMode.ENTER_HZ_LOW,
        ControlMode.ENTER_DELAY,
        ControlMode.ENTER_RANDOM_DELAY,
        ControlMode.ENTER_RAMP,
    }
)

#: The lower and the upper bound of each window: the lower must lie below the upper.
ENTER_SERVICE_WINDOWS = (
    (ControlMode.ENTER_V_LOW, ControlMode.ENTER_V_HIGH),
    (ControlMode.ENTER_HZ_LOW, ControlMode.ENTER_HZ_HIGH),
)

#: Modes that are handed on to each member that supports them, not allocated.
PASS_THROUGH_MODES = frozenset(
    {
        ControlMode.CONNECT,
        ControlMode.ENERGIZE,
        ControlMode.POWER_FACTOR_INJECT,
        ControlMode.POWER_FACTOR_ABSORB,
        ControlMode.CURVE,
        ControlMode.FREQUENCY_DROOP,
        *ENTER_SERVICE_MODES,
    }
)


#: Modes that inform and are not carried out: they are recorded and published, and displace nothing.
INFORMING_MODES = frozenset({ControlMode.PRICE, ControlMode.BID, ControlMode.MESSAGE})


class ServiceClass(StrEnum):
    """How fast a control must be carried out; each has its own period, deadline and attempts."""

    FAST_FREQUENCY = "fast_frequency"
    REGULATION = "regulation"
    DISPATCH = "dispatch"
    DEMAND_RESPONSE = "demand_response"


#: A new value every few seconds: the part of each device in it is not told one by one, and its account goes on from one
#: control to the next.
FAST = frozenset({ServiceClass.FAST_FREQUENCY, ServiceClass.REGULATION})


@dataclass(frozen=True, slots=True)
class ClassTiming:
    """Period of the control loop, time allowed for the acknowledgement, attempts within it. Seconds."""

    period_s: float
    acknowledge_s: float
    attempts: int


#: The service classes of the field (model.md): one time-out does not fit all.
CLASS_TIMING: Mapping[ServiceClass, ClassTiming] = {
    ServiceClass.FAST_FREQUENCY: ClassTiming(0.25, 0.2, 1),
    ServiceClass.REGULATION: ClassTiming(4.0, 2.0, 2),
    ServiceClass.DISPATCH: ClassTiming(5.0, 5.0, 3),
    ServiceClass.DEMAND_RESPONSE: ClassTiming(60.0, 120.0, 5),
}


class TargetKind(StrEnum):
    """A control speaks of one device or of a group's total."""

    DEVICE = "device"
    GROUP = "group"


@dataclass(frozen=True, slots=True)
class Target:
    """Whom a control concerns."""

    kind: TargetKind
    id: str


@often_made
class Source:
    """Where a control came from. `authority`: larger wins; translators map primacy and priority into it."""

    protocol: str
    program: str = ""
    identity: str = ""
    authority: float = 0.0


#: The reason of a cancellation by which our own side leaves what a peer asks for begins with these words. Also the
#: verdict on a device whose customer takes no part in what it was told; OPTED_IN is that on one which does again.
OPTED_OUT, OPTED_IN = "opted out", "opted in"


@dataclass(frozen=True, slots=True)
class ModeValue:
    """The value of one mode: a number in the mode's unit, a boolean as 0 or 1, or a payload (curve, text).

    `base` names the 100 % of a percentage. `payload` is handed through unread.
    """

    value: float
    base: str = ""
    payload: Any = None


class ControlState(StrEnum):
    """Where a control is in its life. Terminal: COMPLETED, CANCELLED, SUPERSEDED, REFUSED."""

    SCHEDULED = "scheduled"
    ACTIVE = "active"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"
    REFUSED = "refused"


#: The life cycle as a table: a missing pair IS the error.
CONTROL_TRANSITIONS: Mapping[ControlState, frozenset[ControlState]] = {
    ControlState.SCHEDULED: frozenset(
        {ControlState.ACTIVE, ControlState.CANCELLED, ControlState.SUPERSEDED, ControlState.REFUSED}
    ),
    ControlState.ACTIVE: frozenset({ControlState.COMPLETED, ControlState.CANCELLED, ControlState.SUPERSEDED}),
    ControlState.COMPLETED: frozenset(),
    ControlState.CANCELLED: frozenset(),
    ControlState.SUPERSEDED: frozenset(),
    ControlState.REFUSED: frozenset(),
}


@often_made
class Control:
    """One request to a device or to the total of a group.

    `id` is unique over all sources (the adapter prefixes it where its protocol's ids are not). `interval` is as
    sent; `effective` after randomisation, None = as sent. A default control (`is_default`) has an open interval
    and rules only while no other control of its target does. `ramp_s` is the time to reach the value, None = the
    target's own ramp. A control with `is_test` is answered like any other and moves nothing. `extra` holds what its
    adapter wants to find again, by names of its protocol; it is kept with the control and decides nothing.
    """

    id: str
    source: Source
    target: Target
    values: Mapping[ControlMode, ModeValue]
    interval: Interval
    created: Instant
    service_class: ServiceClass = ServiceClass.DISPATCH
    randomize_start_s: float = 0.0
    randomize_duration_s: float = 0.0
    effective: Interval | None = None
    ramp_s: float | None = None
    is_default: bool = False
    is_test: bool = False
    response_required: bool = False
    state: ControlState = ControlState.SCHEDULED
    description: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def span(self) -> Interval:
        """When it really runs: the effective interval where one was drawn, else as sent."""
        return self.interval if self.effective is None else self.effective

    @property
    def latest(self) -> Instant:
        """The instant after which it runs nowhere."""
        return latest_end(self.interval, self.randomize_start_s, self.randomize_duration_s)


class Verdict(StrEnum):
    """The engine's answer to a control; each protocol's translator has its own words for it."""

    ACCEPTED = "accepted"
    PARTIAL = "partial"  # will run, with a known shortfall or members left out
    SUPERSEDED = "superseded"  # a higher authority rules for its whole span
    UNSUPPORTED = "unsupported"  # unknown mode or unit
    INVALID = "invalid"  # interval, target or value
    LATE = "late"  # its end has passed
    BLOCKED = "blocked"  # operator's block, opt-out, local mode
    NOT_ALLOWED = "not_allowed"


#: Verdicts after which the control will run.
RUNNING_VERDICTS = frozenset({Verdict.ACCEPTED, Verdict.PARTIAL})


@often_made
class Acceptance:
    """What the asker is told at once.

    `feasible_w` is what the target can deliver where a power was asked for (W, + delivered), of a regulation signal how
    much it can change what else is asked; `requested_w` is what was asked for, in the same watts; `left_out` lists
    members that do not support a mode which is passed through.
    """

    control_id: str
    verdict: Verdict
    reason: str = ""
    feasible_w: float | None = None
    left_out: tuple[str, ...] = ()
    requested_w: float | None = None

    @property
    def will_run(self) -> bool:
        """Whether the control was taken."""
        return self.verdict in RUNNING_VERDICTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one device would be told for a control that is only previewed, and what it does now, W, + delivered.

    `w` None: it cannot be asked now (silent, blocked, in local control). `now_w` None: not measured.
    """

    device_id: str
    w: float | None
    now_w: float | None


@often_made
class Setpoint:
    """What one device is told now. None = leave that quantity alone.

    `active_power_w`: + delivered. `ceiling_w`: generation at most this, W >= 0. `valid_until`: after it the device
    may fall back by itself. `starts`: when it begins; None: now (only an
    `Agenda` has others). `control_ids`: the controls it carries out, for acknowledgement and for the record.
    `passed` are modes handed on as they came; the curves in it are all that stand: one that was told before and is not
    among them is over. `release` True: let go, the device returns to its own default.
    `let_go`: what it was told before, or may have been before a restart, and is to be told no more, while the rest
    stands (of a release: beside what the driver itself knows that it has told): SET_W for the active power,
    MAX_W_PERCENT for the ceiling, SET_VAR for the reactive power, and the modes that are handed on. It may name what
    the device does not hold; it never names what this set-point asks for.
    """

    device_id: str
    issued: Instant
    active_power_w: float | None = None
    ceiling_w: float | None = None
    reactive_power_var: float | None = None
    connect: bool | None = None
    energize: bool | None = None
    passed: Mapping[ControlMode, ModeValue] = field(default_factory=dict)
    release: bool = False
    let_go: frozenset[ControlMode] = frozenset()
    valid_until: Instant | None = None
    ramp_s: float | None = None
    control_ids: tuple[str, ...] = ()
    service_class: ServiceClass = ServiceClass.DISPATCH
    starts: Instant | None = None


@often_made
class Agenda:
    """What lies ahead of one device that can hold set-points with a start, in order and not overlapping.

    It takes the place of all that was planned for the device; empty: nothing is planned any more.
    """

    device_id: str
    issued: Instant
    setpoints: tuple[Setpoint, ...] = ()


class DeliveryOutcome(StrEnum):
    """What became of one set-point on its way to a device."""

    ACKNOWLEDGED = "acknowledged"  # written and read back, or the device's own answer
    PUBLISHED = "published"  # the device will fetch it; its answer is still due
    UNCHANGED = "unchanged"  # within the dead-band of what the device already holds: nothing was sent
    TIMEOUT = "timeout"
    REJECTED = "rejected"
    LATE = "late"  # its deadline passed before it could be sent: dropped, not sent late
    BREAKER_OPEN = "breaker_open"


@often_made
class Delivery:
    """The fate of one set-point. Never ACKNOWLEDGED when nothing was written.

    `undone`: what of it the device could not carry out beside what it did: modes by name, a curve as `curve:` and its
    name. `again_s`: of one that was not asked at all, how long it will not be, s; None: not known.
    """

    device_id: str
    outcome: DeliveryOutcome
    at: Instant
    setpoint: Setpoint
    attempts: int = 1
    detail: str = ""
    undone: frozenset[str] = frozenset()
    again_s: float | None = None


class OutcomeKind(IntEnum):
    """What happened to a control, or to one device's part in it."""

    RECEIVED = 1
    STARTED = 2
    COMPLETED = 3
    CANCELLED = 6
    SUPERSEDED = 7
    PARTIAL = 8
    FAILED = 9
    REFUSED = 10


@often_made
class Outcome:
    """One step in the life of a control, told to whoever sent it. `device_id` None: the control as a whole."""

    control_id: str
    kind: OutcomeKind
    at: Instant
    device_id: str | None = None
    reason: str = ""


@often_made
class Decision:
    """One entry of the decision log: which signal, from whom, won or lost, and why."""

    at: Instant
    target: Target
    signal: str
    source: Source
    verdict: str
    reason: str
    control_id: str = ""
    value: float | None = None
