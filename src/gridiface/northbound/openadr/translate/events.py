"""OpenADR events -> controls, and acceptances -> optIn or optOut. Pure.

SIGN. OpenADR speaks of load: + is consumption in powers, energies and deltas of the signals, and so it is negative in
the domain; a market context may be configured the other way (`Program.generation_positive`). Multipliers and percent
offsets of the baseline keep their sign, as the baseline has its own. Levels mean what the program's tables say.

Owns the OpenADR column of "Controls, northbound -> domain" and of "What we answer" in the translation page; the single
signals of it are in translate_signals.py. Telemetry is in translate_reports.py, set-points for VENs below us in
translate_fleet.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gridiface.domain.clock import Interval
from gridiface.domain.controls import (
    Acceptance,
    Control,
    ControlMode,
    ModeValue,
    Source,
    Target,
    TargetKind,
    Verdict,
)
from gridiface.northbound.openadr.translate.signals import (
    INFORMING,
    Level,
    PriceStep,
    Program,
    fractions,
    is_simple,
    price_response,
    reader_of,
)
from gridiface.protocols.openadr.answers import Code, Refusal
from gridiface.protocols.openadr.events import Event, Signal
from gridiface.protocols.openadr.times import after
from gridiface.protocols.openadr.ven import Verdict as Word

__all__ = ["Level", "PriceStep", "Program", "Translation", "controls_of", "fractions", "targets_of", "word_of"]

PROTOCOL = "openadr"
_RESPONSE = "/response"
_TOLD = "/told"
_COMMENT = "comment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """An event in the domain's words."""

    controls: tuple[Control, ...]


def controls_of(event: Event, program: Program, *, vtn: str, offset: float = 0.0) -> Translation:
    """The controls that an event asks for: one per interval of each signal, and target; of prices and bids, too.

    SIMPLE beside a signal that says it better is left out (it is there for simpler receivers).

    Args:
        event: the event as the VEN core gives it.
        program: how its market context is translated.
        vtn: the vtnID, part of the controls' ids and of their source.
        offset: the random start that was drawn, seconds.

    Raises:
        Refusal: 460 a signal is not understood (rule 109); 454 a level or unit without a meaning here; 462 no group
            of the target is ours (rule 48); 469 no resource of the target is, nothing that we have is of the signal's
            device classes, or what it counts from is not known (rule 112).
    """
    labelled = list(zip(_labels(event.signals), event.signals, strict=True))
    strange = next((s for s in event.signals if reader_of(s, program) is None), None)
    if strange is not None:
        raise Refusal(Code.SIGNAL_NOT_SUPPORTED, f"signal {strange.name} {strange.type} has no meaning here")
    richer = any(not is_simple(s) and s.name not in INFORMING for s in event.signals)
    chosen = [(label, s) for label, s in labelled if not (richer and is_simple(s))]
    targets = targets_of(event, program)
    made = [
        control
        for label, signal in chosen
        for target in _signal_targets(signal, targets, program)
        for control in _controls_of_signal(event, signal, label, target, program, vtn, offset)
    ]
    if event.comment:
        made.append(_message(event, targets[0], program, vtn, offset))
    return Translation(controls=tuple(made))


def targets_of(event: Event, program: Program) -> tuple[Target, ...]:
    """Whom an event means; its criteria are OR'd, and an empty target or our own venID is the program's own target.

    A venID or partyID beside resources or groups of ours says whose they are (as rules 203 and 206 have it): what is
    named more closely is meant, not all that we have.

    Raises:
        Refusal: nothing that is named is ours: 469 resources among it (rule 112), 462 groups alone (rule 48).
    """
    wanted = event.target
    found = [program.resources[name] for name in wanted.resourceID if name in program.resources]
    found += [program.groups[name] for name in (*wanted.groupID, *wanted.groupName) if name in program.groups]
    if found:
        return tuple(dict.fromkeys(found))
    if wanted.resourceID and not (wanted.venID or wanted.partyID):
        raise Refusal(Code.DEPLOYMENT, "no resource of the target is known here")
    if (wanted.groupID or wanted.groupName) and not (wanted.venID or wanted.partyID):
        raise Refusal(Code.TARGET_MISMATCH, "no group of the target is known here")
    return (program.target,)


def word_of(acceptances: Iterable[Acceptance]) -> Word:
    """Our word on an event from the engine's answers to its controls: optIn when any of them will run.

    What only informs (a price, a bid, a comment) is always taken, and decides where there is nothing else.
    """
    answers = list(acceptances)
    answers = [answer for answer in answers if not informs(answer.control_id)] or answers
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


def _labels(signals: Sequence[Signal]) -> list[str]:
    """What the controls of each signal are named by: its signalID, with its place where IDs are not unique."""
    names = [signal.id for signal in signals]
    return names if len(set(names)) == len(names) else [f"{place}:{name}" for place, name in enumerate(names)]


def _controls_of_signal(
    event: Event, signal: Signal, label: str, target: Target, program: Program, vtn: str, offset: float
) -> Iterator[Control]:
    read = reader_of(signal, program)
    assert read is not None  # controls_of has refused the event otherwise
    # A price makes the fleet do something only where the event does not say itself what is to be done.
    alone = all(one.name in INFORMING for one in event.signals)
    begin = event.dtstart
    for number, (duration, value) in enumerate(zip(signal.durations, signal.values, strict=True)):
        end = after(begin, duration)
        own = f"{label}/{number}/{target.kind}:{target.id}"
        found = {own + (_TOLD if signal.name in INFORMING else ""): read(signal, value, program)}
        if alone and (response := price_response(signal, value, program)) is not None:
            found[own + _RESPONSE] = response
        for name, (mode, wanted) in found.items():
            yield _control(
                event,
                program,
                vtn,
                offset,
                name=name,
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
        name=_COMMENT,
        target=target,
        values={ControlMode.MESSAGE: ModeValue(0.0, payload=event.comment)},
        span=Interval(event.dtstart, length),
        first=False,
    )


def concerns(control_id: str, targets: Iterable[Target]) -> bool:
    """Whether a control that an event has become is of one of these targets, by the id that it was given here."""
    marks = tuple(f"/{target.kind}:{target.id}" for target in targets)
    return control_id.rpartition("~")[0].removesuffix(_RESPONSE).removesuffix(_TOLD).endswith(marks)


def informs(control_id: str) -> bool:
    """Whether a control that an event has become only informs, by the id that it was given here."""
    name, _, serial = control_id.rpartition("~")
    return (name if serial.isdigit() else control_id).endswith((_TOLD, f"/{_COMMENT}"))


def group(name: str) -> Target:
    """A group as a target."""
    return Target(TargetKind.GROUP, name)


def device(name: str) -> Target:
    """A device as a target."""
    return Target(TargetKind.DEVICE, name)
