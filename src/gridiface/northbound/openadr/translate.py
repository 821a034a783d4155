"""OpenADR events -> controls, and acceptances -> optIn or optOut. Pure.

SIGN. OpenADR speaks of load: + is consumption in powers, energies and deltas of the signals, and so it is negative in
the domain; a market context may be configured the other way (`Program.generation_positive`). Multipliers and percent
offsets of the baseline keep their sign, as the baseline has its own. Levels mean what the program's tables say.

Owns the OpenADR column of "Controls, northbound -> domain" and of "What we answer" in the translation page. Telemetry
is in translate_reports.py, set-points for VENs below us in translate_fleet.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gridiface.domain.clock import Interval
from gridiface.domain.controls import (
    Acceptance,
    Control,
    ControlMode,
    ModeValue,
    ServiceClass,
    Source,
    Target,
    TargetKind,
    Verdict,
)
from gridiface.domain.quantities import PercentBase
from gridiface.protocols.openadr.answers import Code, Refusal
from gridiface.protocols.openadr.events import Event, Signal
from gridiface.protocols.openadr.payloads import units
from gridiface.protocols.openadr.signals import kind_of
from gridiface.protocols.openadr.times import after
from gridiface.protocols.openadr.ven import Verdict as Word

PROTOCOL = "openadr"
#: Signals that are kept and published but not acted on.
BIDS = frozenset({"BID_PRICE", "BID_LOAD", "BID_ENERGY"})


@dataclass(frozen=True, slots=True)
class Level:
    """What one level of a program means: a fraction (-1..1) of what can be shed, or watts, + = more delivered."""

    fraction: float | None = None
    watts: float | None = None


def fractions(*steps: float) -> dict[int, Level]:
    """Levels 0, 1, 2, ... as fractions of what can be shed."""
    return {number: Level(fraction=step) for number, step in enumerate(steps)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """How one market context is translated.

    Attributes:
        target: whom an event concerns that names no resource or group of ours.
        resources, groups: resourceID, groupID or groupName -> whom it means.
        device_classes: mrid of a signal's device class -> whom it means.
        generation_positive: + is delivered, against the profile's usual + = consumption.
        simple, dispatch, offsets: meaning of the levels of SIMPLE, LOAD_DISPATCH level and LOAD_CONTROL levelOffset.
        switchable: capacity 0 and 1 disconnect and connect, instead of limiting the load.
        rated_load_w: the 1.0 of LOAD_CONTROL capacity, W; None: capacity cannot be limited.
        stored_wh, capacity_wh: the energy now and at most, for CHARGE_STATE set-points and multipliers.
        authority: of the program against other sources; an event's priority orders inside it.
    """

    target: Target
    resources: Mapping[str, Target] = field(default_factory=dict)
    groups: Mapping[str, Target] = field(default_factory=dict)
    device_classes: Mapping[str, Target] = field(default_factory=dict)
    generation_positive: bool = False
    simple: Mapping[int, Level] = field(default_factory=lambda: fractions(0.0, 0.33, 0.66, 1.0))
    dispatch: Mapping[int, Level] = field(default_factory=dict)
    offsets: Mapping[int, Level] = field(default_factory=dict)
    switchable: bool = False
    rated_load_w: float | None = None
    stored_wh: float | None = None
    capacity_wh: float | None = None
    authority: float = 0.0
    service_class: ServiceClass = ServiceClass.DEMAND_RESPONSE


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """An event in the domain's words. `published` are signals that are only passed on (bids)."""

    controls: tuple[Control, ...]
    published: tuple[Signal, ...] = ()


_Value = tuple[ControlMode, ModeValue]
_Reader = Callable[[Signal, float, Program], _Value]


def controls_of(event: Event, program: Program, *, vtn: str, offset: float = 0.0) -> Translation:
    """The controls that an event asks for: one per interval of each signal that is acted on, and target.

    SIMPLE beside a signal that says it better is left out (it is there for simpler receivers).

    Args:
        event: the event as the VEN core gives it.
        program: how its market context is translated.
        vtn: the vtnID, part of the controls' ids and of their source.
        offset: the random start that was drawn, seconds.

    Raises:
        Refusal: 460 no signal is understood; 454 a level or unit without a meaning here; 469 nothing of ours is
            meant by the target, or an energy is not known.
    """
    acted = [signal for signal in event.signals if signal.name not in BIDS]
    published = tuple(signal for signal in event.signals if signal.name in BIDS)
    understood = [signal for signal in acted if _reader_of(signal) is not None]
    if not understood and not published:
        raise Refusal(Code.SIGNAL_NOT_SUPPORTED, "no signal of the event is understood")
    richer = [s for s in understood if not _is_simple(s) and not s.name.endswith(("_PRICE", "_CHARGE"))]
    chosen = [s for s in understood if not (richer and _is_simple(s))]
    targets = targets_of(event, program)
    made = [
        control
        for signal in chosen
        for target in _signal_targets(signal, targets, program)
        for control in _controls_of_signal(event, signal, target, program, vtn, offset)
    ]
    if event.comment:
        made.append(_message(event, targets[0], program, vtn, offset))
    return Translation(controls=tuple(made), published=published)


def targets_of(event: Event, program: Program) -> tuple[Target, ...]:
    """Whom an event means; its criteria are OR'd, and an empty target or our own venID is the program's own target.

    Raises:
        Refusal: 469, resources or groups are named and none is ours.
    """
    wanted = event.target
    found = [program.resources[name] for name in wanted.resourceID if name in program.resources]
    found += [program.groups[name] for name in (*wanted.groupID, *wanted.groupName) if name in program.groups]
    if found and not wanted.venID and not wanted.partyID:
        return tuple(dict.fromkeys(found))
    if (wanted.resourceID or wanted.groupID or wanted.groupName) and not (wanted.venID or wanted.partyID):
        raise Refusal(Code.DEPLOYMENT, "no resource or group of the target is known here")
    return (program.target,)


def word_of(acceptances: Iterable[Acceptance]) -> Word:
    """Our word on an event from the engine's answers to its controls: optIn when any of them will run."""
    answers = list(acceptances)
    if not answers or any(answer.will_run for answer in answers):
        left_out = sorted({name for answer in answers for name in answer.left_out})
        return Word("optIn", int(Code.OK), f"without {', '.join(left_out)}" if left_out else "")
    worst = answers[0]
    return Word("optOut", int(_CODES.get(worst.verdict, Code.OK)), worst.reason)


#: Verdict -> response code beside optOut. Superseded and blocked are no fault of the event: 200.
_CODES: Mapping[Verdict, Code] = {
    Verdict.UNSUPPORTED: Code.SIGNAL_NOT_SUPPORTED,
    Verdict.INVALID: Code.INVALID_DATA,
    Verdict.LATE: Code.NOT_ALLOWED,
    Verdict.NOT_ALLOWED: Code.NOT_REGISTERED,
}


def authority_of(event: Event, program: Program) -> float:
    """Larger wins: the program's authority, plus a part below 1 by priority (1 is the highest, 0 the lowest)."""
    return program.authority + (0.5 / event.priority if event.priority else 0.0)


# -- signals -------------------------------------------------------------------------------------------------------


def _is_simple(signal: Signal) -> bool:
    return signal.name in {"SIMPLE", "simple"}


def _load(value: float, program: Program) -> float:
    """A power or energy of the wire in the domain's sign."""
    return value if program.generation_positive else -value


def _scaled(signal: Signal, value: float) -> float:
    return value * units.scale_of(signal.unit)


def _setpoint(signal: Signal, value: float, program: Program) -> _Value:
    watts = _load(_scaled(signal, value), program)
    if isinstance(signal.unit, units.PowerReactive):
        return ControlMode.SET_VAR, ModeValue(watts)
    return ControlMode.SET_W, ModeValue(watts)


def _delta(signal: Signal, value: float, program: Program) -> _Value:
    return ControlMode.DELTA_W, ModeValue(_load(_scaled(signal, value), program))


def _multiplier(signal: Signal, value: float, program: Program) -> _Value:
    return ControlMode.SET_W_PERCENT, ModeValue(value * 100.0, PercentBase.BASELINE)


def _percent_offset(signal: Signal, value: float, program: Program) -> _Value:
    return ControlMode.SET_W_PERCENT, ModeValue(100.0 + value, PercentBase.BASELINE)


def _level(table: Callable[[Program], Mapping[int, Level]]) -> _Reader:
    def read(signal: Signal, value: float, program: Program) -> _Value:
        meaning = table(program).get(int(value))
        if meaning is None or (meaning.watts is None and meaning.fraction is None):
            raise Refusal(Code.INVALID_DATA, f"level {value:g} of {signal.name} has no meaning in this program")
        if meaning.watts is not None:
            return ControlMode.DELTA_W, ModeValue(meaning.watts)
        return ControlMode.LOAD_LEVEL, ModeValue(meaning.fraction or 0.0)

    return read


def _capacity(signal: Signal, value: float, program: Program) -> _Value:
    if program.switchable and value in {0.0, 1.0}:
        return ControlMode.CONNECT, ModeValue(value)
    if program.rated_load_w is None:
        raise Refusal(Code.DEPLOYMENT, "the rated load, of which a capacity is a part, is not known")
    return ControlMode.LOAD_LIMIT, ModeValue(value * program.rated_load_w)


def _charge_delta(signal: Signal, value: float, program: Program) -> _Value:
    # A higher state of charge takes energy from the grid, whatever sign the program gives to powers.
    return ControlMode.ENERGY_TARGET, ModeValue(-_scaled(signal, value))


def _charge_setpoint(signal: Signal, value: float, program: Program) -> _Value:
    return ControlMode.ENERGY_TARGET, ModeValue(_stored(program) - _scaled(signal, value))


def _charge_multiplier(signal: Signal, value: float, program: Program) -> _Value:
    if program.capacity_wh is None:
        raise Refusal(Code.DEPLOYMENT, "the energy capacity is not known")
    return ControlMode.ENERGY_TARGET, ModeValue(_stored(program) - value * program.capacity_wh)


def _stored(program: Program) -> float:
    if program.stored_wh is None:
        raise Refusal(Code.DEPLOYMENT, "the stored energy is not known")
    return program.stored_wh


def _price(signal: Signal, value: float, program: Program) -> _Value:
    currency = getattr(signal.unit, "itemUnits", "")
    facts = {"signal": signal.name, "type": signal.type, "currency": currency}
    return ControlMode.PRICE, ModeValue(_scaled(signal, value), signal.type, facts)


_READERS: Mapping[tuple[str, str], _Reader] = {
    ("SIMPLE", "level"): _level(lambda program: program.simple),
    ("LOAD_DISPATCH", "setpoint"): _setpoint,
    ("LOAD_DISPATCH", "delta"): _delta,
    ("LOAD_DISPATCH", "multiplier"): _multiplier,
    ("LOAD_DISPATCH", "level"): _level(lambda program: program.dispatch),
    ("LOAD_CONTROL", "x-loadControlCapacity"): _capacity,
    ("LOAD_CONTROL", "x-loadControlLevelOffset"): _level(lambda program: program.offsets),
    ("LOAD_CONTROL", "x-loadControlPercentOffset"): _percent_offset,
    ("CHARGE_STATE", "setpoint"): _charge_setpoint,
    ("CHARGE_STATE", "delta"): _charge_delta,
    ("CHARGE_STATE", "multiplier"): _charge_multiplier,
    **{
        (name, kind): _price
        for name in ("ELECTRICITY_PRICE", "ENERGY_PRICE", "DEMAND_CHARGE")
        for kind in ("price", "priceRelative", "priceMultiplier")
    },
}
_UNITS: Mapping[str, tuple[type, ...]] = {
    "setpoint": (units.PowerReal, units.PowerReactive),
    "delta": (units.PowerReal,),
}


def _reader_of(signal: Signal) -> _Reader | None:
    """How a signal is read; None for one without a meaning here (a unit that is not ours counts, too)."""
    kind = kind_of(signal.name, signal.type)
    if kind is None:
        return None
    if kind.name == "CHARGE_STATE":
        fits = signal.unit is None or isinstance(signal.unit, units.EnergyReal)
    else:
        fits = signal.unit is None or isinstance(signal.unit, _UNITS.get(kind.type, (object,)))
    return _READERS.get((kind.name, kind.type)) if fits else None


# -- controls ------------------------------------------------------------------------------------------------------


def _signal_targets(signal: Signal, targets: Sequence[Target], program: Program) -> tuple[Target, ...]:
    """Device classes are OR'd among themselves and AND'd with the event's target (rule 111)."""
    if not signal.devices:
        return tuple(targets)
    classes = [program.device_classes[name] for name in signal.devices if name in program.device_classes]
    if not classes:
        raise Refusal(Code.DEPLOYMENT, "no device of the named classes is known here")
    inside = [target for target in classes if target in targets or program.target in targets]
    if not inside:
        raise Refusal(Code.DEPLOYMENT, "no device of the named classes is in the target")
    return tuple(dict.fromkeys(inside))


def _controls_of_signal(
    event: Event, signal: Signal, target: Target, program: Program, vtn: str, offset: float
) -> Iterator[Control]:
    read = _reader_of(signal)
    if read is None:
        return
    begin = event.dtstart
    for number, (duration, value) in enumerate(zip(signal.durations, signal.values, strict=True)):
        mode, wanted = read(signal, value, program)
        end = after(begin, duration)
        yield _control(
            event,
            program,
            vtn,
            offset,
            name=f"{signal.id}/{number}/{target.kind}:{target.id}",
            target=target,
            values={mode: wanted},
            span=Interval(begin, end - begin if duration else None),
            first=number == 0,
        )
        begin = end


def _control(
    event: Event,
    program: Program,
    vtn: str,
    offset: float,
    *,
    name: str,
    target: Target,
    values: Mapping[ControlMode, ModeValue],
    span: Interval,
    first: bool,
) -> Control:
    ramp = abs(event.ramp_up) if event.ramp_up and first else None
    if event.ramp_up and event.ramp_up > 0 and first:
        # A positive ramp-up lies before dtstart: the control begins with it and has its value at dtstart.
        length = None if span.duration is None else span.duration + event.ramp_up
        span = Interval(span.start - event.ramp_up, length)
    extra = {"eventID": event.id, "modificationNumber": str(event.modification), "marketContext": event.market_context}
    if event.recovery:
        extra["recovery_s"] = str(int(event.recovery))
    return Control(
        id=f"{PROTOCOL}/{vtn}/{event.id}/{name}",
        source=Source(
            protocol=PROTOCOL, program=event.market_context, identity=vtn, authority=authority_of(event, program)
        ),
        target=target,
        values=values,
        interval=span,
        created=event.created,
        service_class=program.service_class,
        randomize_start_s=float(event.startafter),
        effective=Interval(span.start + offset, span.duration) if offset else None,
        ramp_s=None if ramp is None else float(ramp),
        is_test=event.is_test,
        response_required=event.response_required,
        description=event.comment or "",
        extra=extra,
    )


def _message(event: Event, target: Target, program: Program, vtn: str, offset: float) -> Control:
    length = None if event.duration == 0 else event.end - event.dtstart
    return _control(
        event,
        program,
        vtn,
        offset,
        name="comment",
        target=target,
        values={ControlMode.MESSAGE: ModeValue(0.0, payload=event.comment)},
        span=Interval(event.dtstart, length),
        first=False,
    )


def group(name: str) -> Target:
    """A group as a target."""
    return Target(TargetKind.GROUP, name)


def device(name: str) -> Target:
    """A device as a target."""
    return Target(TargetKind.DEVICE, name)
