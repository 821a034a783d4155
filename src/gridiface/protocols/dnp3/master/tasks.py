"""What a master does, one task each: polls, controls, time, classes, restarts.

A task is a generator: it yields requests and gets the whole response to each, and returns its result. It knows
nothing of sequence numbers, confirms, timeouts or frames; those are master.py.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass

from gridiface.errors import LocalProtocolError
from gridiface.protocols.dnp3.application import IIN, NO_REPLY, Fragment, FunctionCode, ObjectHeader
from gridiface.protocols.dnp3.controls import AnalogOutput, Command, CommandStatus
from gridiface.protocols.dnp3.heads import all_head, count_head, indexed_objects, range_head, sized_object
from gridiface.protocols.dnp3.master.settings import CommandOutcome, Failure, TimeSync
from gridiface.protocols.dnp3.objects import TABLE

_ERRORS = IIN.NO_FUNC_CODE_SUPPORT | IIN.OBJECT_UNKNOWN | IIN.PARAMETER_ERROR


@dataclass(frozen=True, slots=True)
class Ask:
    """A request: function and object octets."""

    function: FunctionCode
    objects: bytes = b""

    @property
    def expects_reply(self) -> bool:
        """False for functions that are never answered."""
        return self.function not in NO_REPLY


@dataclass(frozen=True, slots=True)
class Response:
    """The fragments of a response, when the request went out and when the response was whole.

    `request` is the request fragment as it was sent.
    """

    fragments: tuple[Fragment, ...]
    asked_at: float
    answered_at: float
    request: bytes = b""

    @property
    def iin(self) -> IIN:
        """The indications of the last fragment."""
        return self.fragments[-1].iin if self.fragments else IIN.NONE

    @property
    def refused(self) -> bool:
        """Whether the outstation answered with an error indication."""
        return bool(self.iin & _ERRORS)

    def headers(self, group: int, variation: int) -> list[ObjectHeader]:
        """The object headers of one kind, of all fragments."""
        found = [header for fragment in self.fragments for header in fragment.headers]
        return [header for header in found if (header.group, header.variation) == (group, variation)]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a task."""

    failure: Failure | None = None
    commands: tuple[CommandOutcome, ...] = ()
    value: object = None


Task = Generator[Ask, Response, Outcome]


def simple(function: FunctionCode, objects: bytes = b"") -> Task:
    """One request whose response tells by its indications whether it was taken."""
    response = yield Ask(function, objects)
    return Outcome(Failure.REFUSED if response.refused else None)


def integrity_poll() -> Task:
    """Classes 1, 2, 3, then 0 in one request."""
    return simple(FunctionCode.READ, b"".join(all_head(60, variation) for variation in (2, 3, 4, 1)))


def class_poll(classes: Iterable[int]) -> Task:
    """Some of classes 0 to 3, events before class 0.

    Raises:
        LocalProtocolError: none, or another class.
    """
    wanted = sorted(set(classes), key=lambda number: (number == 0, number))
    if not wanted or not set(wanted) <= {0, 1, 2, 3}:
        raise LocalProtocolError("classes are 0 to 3")
    return simple(FunctionCode.READ, b"".join(all_head(60, number + 1) for number in wanted))


def range_poll(group: int, variation: int, start: int, stop: int) -> Task:
    """Points start..stop of a group."""
    return simple(FunctionCode.READ, range_head(group, variation, start, stop))


def clear_restart() -> Task:
    """Writes IIN1.7 = 0."""
    return simple(FunctionCode.WRITE, range_head(80, 1, 7, 7) + b"\0")


def set_unsolicited(classes: Iterable[int], *, enable: bool) -> Task:
    """Enables or disables the unsolicited reports of some classes."""
    function = FunctionCode.ENABLE_UNSOLICITED if enable else FunctionCode.DISABLE_UNSOLICITED
    return simple(function, b"".join(all_head(60, number + 1) for number in sorted(classes)))


def assign_class(event_class: int, group: int, spans: Sequence[tuple[int, int]]) -> Task:
    """Moves points of a static group to a class; no spans: all of them."""
    points = b"".join(range_head(group, 0, start, stop) for start, stop in spans) or all_head(group, 0)
    return simple(FunctionCode.ASSIGN_CLASS, all_head(60, event_class + 1) + points)


def freeze(group: int = 20, *, clear: bool = False, spans: Sequence[tuple[int, int]] = ()) -> Task:
    """Freezes counters (g20) or analog inputs (g30); no spans: all of them."""
    points = b"".join(range_head(group, 0, start, stop) for start, stop in spans) or all_head(group, 0)
    return simple(FunctionCode.FREEZE_CLEAR if clear else FunctionCode.IMMED_FREEZE, points)


def write_deadbands(values: dict[int, float]) -> Task:
    """Sets dead-bands of analog inputs, as floats."""
    objects = [(index, TABLE[34, 3].pack(value)) for index, value in sorted(values.items())]
    return simple(FunctionCode.WRITE, indexed_objects(34, 3, objects))


def restart(*, warm: bool = False) -> Task:
    """Restarts the outstation; the value is the seconds it says it takes."""
    response = yield Ask(FunctionCode.WARM_RESTART if warm else FunctionCode.COLD_RESTART)
    if response.refused:
        return Outcome(Failure.REFUSED)
    delay = _delay_ms(response)
    return Outcome(None if delay is not None else Failure.MALFORMED, value=delay and delay / 1000)


def activate_config(names: Sequence[str]) -> Task:
    """Activates configurations by name; the value is what g91v1 tells: milliseconds until done, a status for each."""
    objects = b"".join(sized_object(70, 8, name.encode()) for name in names)
    response = yield Ask(FunctionCode.ACTIVATE_CONFIG, objects)
    told = [octets for header in response.headers(91, 1) for _, octets in header.objects()]
    if response.refused or not told:
        return Outcome(Failure.REFUSED if response.refused else Failure.MALFORMED)
    delay, statuses = int.from_bytes(told[0][:4], "little"), tuple(told[0][5:])
    if len(told[0]) < 5 or told[0][4] != len(statuses):
        return Outcome(Failure.MALFORMED)
    return Outcome(Failure.REFUSED if any(statuses) else None, value=(delay, statuses))


def _delay_ms(response: Response) -> int | None:
    """The time delay (g52) of a response in milliseconds."""
    for fragment in response.fragments:
        for header in fragment.headers:
            if header.group == 52 and len(header.body) == 2:
                delay = int.from_bytes(header.body, "little")
                return delay * 1000 if header.variation == 1 else delay
    return None


def synchronise(how: TimeSync, clock: Clock) -> Task:
    """Sets the outstation's time; `clock` tells the master's at the moment of writing."""
    if how is TimeSync.LAN:
        recorded = yield Ask(FunctionCode.RECORD_CURRENT_TIME)
        if recorded.refused:
            return Outcome(Failure.REFUSED)
        written = yield _time(3, round(recorded.asked_at * 1000))
        return Outcome(Failure.REFUSED if written.refused else None)
    travel = 0.0
    if how is TimeSync.NON_LAN:
        measured = yield Ask(FunctionCode.DELAY_MEASURE)
        delay = _delay_ms(measured)
        if measured.refused or delay is None:
            return Outcome(Failure.REFUSED)
        travel = max(0.0, (measured.answered_at - measured.asked_at) * 1000 - delay) / 2
    written = yield _time(1, round(clock.now * 1000 + travel))
    return Outcome(Failure.REFUSED if written.refused else None, value=travel)


def _time(variation: int, milliseconds: int) -> Ask:
    return Ask(FunctionCode.WRITE, count_head(50, variation, 1) + TABLE[50, variation].pack(milliseconds))


@dataclass(slots=True)
class Clock:
    """The time of the last call into the master, seconds since 1970."""

    now: float = 0.0


def command_objects(commands: Sequence[tuple[int, Command]]) -> bytes:
    """Object headers and objects of commands, one header for each stretch of the same kind.

    Raises:
        LocalProtocolError: no commands at all.
    """
    if not commands:
        raise LocalProtocolError("a control request needs commands")
    found: list[tuple[tuple[int, int], list[tuple[int, bytes]]]] = []
    for index, command in commands:
        kind = (41, command.variation) if isinstance(command, AnalogOutput) else (12, 1)
        if not found or found[-1][0] != kind:
            found.append((kind, []))
        found[-1][1].append((index, command.octets()))
    return b"".join(indexed_objects(*kind, objects) for kind, objects in found)


def control(commands: Sequence[tuple[int, Command]], *, select: bool) -> Task:
    """Commands by SELECT and OPERATE, or by DIRECT_OPERATE; never sent twice."""
    objects = command_objects(commands)
    indices = [index for index, _ in commands]
    if select:
        response = yield Ask(FunctionCode.SELECT, objects)
        outcome = _judged(response, objects, indices)
        if outcome.failure is not None or any(item.status for item in outcome.commands):
            return outcome
        response = yield Ask(FunctionCode.OPERATE, objects)
    else:
        response = yield Ask(FunctionCode.DIRECT_OPERATE, objects)
    return _judged(response, objects, indices)


def _judged(response: Response, objects: bytes, indices: list[int]) -> Outcome:
    """The statuses in the echo; an echo that differs in anything else is malformed (clause 4.4.4.3).

    An outstation may set an error indication beside a status that is no success; the status says more.
    """
    statuses = _echoed(response, objects, len(indices))
    if response.refused and not any(statuses or ()):
        return Outcome(Failure.REFUSED)
    if statuses is None:
        return Outcome(Failure.MALFORMED)
    known = CommandStatus._value2member_map_
    return Outcome(
        commands=tuple(
            CommandOutcome(index, CommandStatus(status) if status in known else CommandStatus.UNDEFINED)
            for index, status in zip(indices, statuses, strict=True)
        )
    )


def _echoed(response: Response, objects: bytes, count: int) -> list[int] | None:
    """The status octets of an echo; None: it is no echo of these objects."""
    if not response.fragments:
        return None
    fragment = response.fragments[-1]
    echo = fragment.octets[4:]
    if len(echo) != len(objects):
        return None
    statuses = [
        octets[-1]
        for header in fragment.headers
        if header.group in (12, 41)
        for _, octets in header.objects()
        if octets
    ]
    differing = sum(a != b for a, b in zip(echo, objects, strict=True))
    if len(statuses) != count or differing > sum(1 for status in statuses if status):
        return None
    return statuses


def command_without_reply(commands: Sequence[tuple[int, Command]]) -> Task:
    """Commands by DIRECT_OPERATE_NR: nothing comes back."""
    yield Ask(FunctionCode.DIRECT_OPERATE_NR, command_objects(commands))
    return Outcome()
