"""One control from select to termination (IEC 61850-7-2 clause 20), as requests out and answers in.

Owns the order of the four models and what each answer means. Not owned: values (control_values), time: whoever runs it
gives up and then writes `cancellation`.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from enum import Enum, auto

from gridiface.errors import LocalProtocolError
from gridiface.protocols.mms.control_values import (
    AddCause,
    Command,
    ControlModel,
    LastApplError,
    encode,
    last_appl_error,
)
from gridiface.protocols.mms.data import Data, Kind
from gridiface.protocols.mms.errors import AccessError, ServiceError
from gridiface.protocols.mms.names import Name
from gridiface.protocols.mms.pdu import Reject, Report
from gridiface.protocols.mms.references import Constraint, Reference
from gridiface.protocols.mms.services import Read, ReadAnswer, Request, Response, Write, WriteAnswer
from gridiface.protocols.mms.types import Type

Result = Response | ServiceError | Reject

_PASSING_ERRORS = frozenset({AccessError.TEMPORARILY_UNAVAILABLE})
_LAST_ERROR = Name("", "LastApplError")


class Awaited(Enum):
    """What an operation waits for where it asks nothing."""

    TERMINATION = auto()


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a control ended: `done`, or what refused it, at which step, and whether it may be taken later."""

    done: bool
    step: str = ""
    cause: AddCause | None = None
    words: str = ""
    passing: bool = False


@dataclass(frozen=True, slots=True)
class Controllable:
    """A data object that is controlled: its model and the type of its control structures (functional constraint CO)."""

    reference: Reference
    model: ControlModel
    kind: Type

    def __post_init__(self) -> None:
        if self.model is ControlModel.STATUS_ONLY:
            raise LocalProtocolError(f"{self.reference} is status-only")
        needed = ["Oper"]
        if self.model.selects:
            needed.append("SBOw" if self.model.enhanced else "SBO")
        for part in needed:
            if self.kind.part(part) is None:
                raise LocalProtocolError(f"{self.reference} has no {part}, which its control model needs")

    def variable(self, part: str) -> Name:
        """The variable of a control structure."""
        name = self.reference.object_name(Constraint.CO)
        return Name(name.domain, f"{name.item}${part}")


@dataclass(slots=True)
class Operation:
    """One control of one object.

    Call `begin`, then `answered` with each answer; both give the next request, `Awaited.TERMINATION`, or the outcome.
    Give every report to `reported` in between; where it says True and a termination is awaited, call `terminated`.
    """

    control: Controllable
    command: Command
    _steps: Generator[Request | Awaited, Result | None, Outcome] | None = None
    _told: LastApplError | None = None
    _end: bool | None = None
    selected: bool = field(default=False)

    def begin(self) -> Request | Awaited | Outcome:
        """The first request.

        Raises:
            LocalProtocolError: the value does not fit the object's type.
        """
        self._steps = self._run()
        return self._advance(None)

    def answered(self, result: Result) -> Request | Awaited | Outcome:
        """What comes after an answer."""
        return self._advance(result)

    def terminated(self) -> Request | Awaited | Outcome:
        """What comes after a command termination."""
        return self._advance(None)

    def reported(self, report: Report) -> bool:
        """Take a report; True where the command's termination is known now."""
        if isinstance(report.what, Name):
            return self._end is not None
        error = False
        for name, value in zip(report.what, report.results, strict=False):
            if name == _LAST_ERROR and isinstance(value, Data):
                told = last_appl_error(value)
                if told is not None and self._is_mine(told):
                    self._told, error = told, True
            elif (
                name == self.control.variable("Oper") and (len(report.what) == 1 or error) and self._is_numbered(value)
            ):
                self._end = not error
        return self._end is not None

    def _is_numbered(self, value: Data | AccessError) -> bool:
        """Whether an Oper that is told is this command's: an older one may end late."""
        kind = self.control.kind.part("Oper")
        place = None if kind is None else kind.place(("ctlNum",))
        items = value.items if isinstance(value, Data) else ()
        return place is None or len(items) <= place[0] or items[place[0]].value == self.command.number & 0xFF

    def cancellation(self) -> Write | None:
        """What lets go of the object after a time-out; None where it has no Cancel."""
        kind = self.control.kind.part("Cancel")
        if kind is None:
            return None
        return Write((self.control.variable("Cancel"),), (encode(kind, self.command),))

    def _is_mine(self, told: LastApplError) -> bool:
        name = self.control.reference.object_name(Constraint.CO)
        mine, own = f"{name.domain}/{name.item}", told.number == self.command.number & 0xFF
        return own and (told.control_object == mine or told.control_object.startswith(f"{mine}$"))

    # The order -----------------------------------------------------------------------------------------------------

    def _advance(self, result: Result | None) -> Request | Awaited | Outcome:
        if self._steps is None:
            raise LocalProtocolError("begin the operation first")
        try:
            return self._steps.send(result)
        except StopIteration as end:
            outcome: Outcome = end.value
            return outcome

    def _run(self) -> Generator[Request | Awaited, Result | None, Outcome]:
        model = self.control.model
        if model is ControlModel.SBO_NORMAL:
            refused = self._selection((yield Read((self.control.variable("SBO"),))))
        elif model is ControlModel.SBO_ENHANCED:
            refused = self._written("select", (yield self._write("SBOw")))
        else:
            refused = None
        if refused is not None:
            return refused
        self.selected = model.selects
        refused = self._written("operate", (yield self._write("Oper")))
        if refused is not None:
            yield from self._let_go()
            return refused
        if model.enhanced:
            while self._end is None:
                yield Awaited.TERMINATION
            if not self._end:
                return self._refused("termination", "the command was not carried out")
        return Outcome(done=True)

    def _let_go(self) -> Generator[Request | Awaited, Result | None, None]:
        """An object that stays selected is blocked for everybody."""
        write = self.cancellation() if self.selected else None
        if write is not None:
            yield write

    def _write(self, part: str) -> Write:
        kind = self.control.kind.part(part)
        if kind is None:
            raise LocalProtocolError(f"{self.control.reference} has no {part}")
        return Write((self.control.variable(part),), (encode(kind, self.command),))

    def _selection(self, result: Result | None) -> Outcome | None:
        if not isinstance(result, ReadAnswer):
            return self._refused("select", _words(result), passing=_passing(result))
        (value,) = result.results
        if isinstance(value, AccessError):
            return self._refused("select", value.words, passing=value in _PASSING_ERRORS)
        if value.kind is not Kind.VISIBLE_STRING or not value.value:
            # an empty string: it is selected by somebody else, or cannot be now (clause 20.2.2)
            return self._refused("select", "not selected", passing=True)
        return None

    def _written(self, step: str, result: Result | None) -> Outcome | None:
        if not isinstance(result, WriteAnswer):
            return self._refused(step, _words(result), passing=_passing(result))
        (error,) = result.results
        return None if error is None else self._refused(step, error.words, passing=error in _PASSING_ERRORS)

    def _refused(self, step: str, words: str, *, passing: bool = False) -> Outcome:
        cause = None if self._told is None else self._told.cause
        if cause is None or cause in (AddCause.NONE, AddCause.UNKNOWN):
            return Outcome(done=False, step=step, cause=cause, words=words, passing=passing)
        return Outcome(done=False, step=step, cause=cause, words=cause.words, passing=cause.passing)


def _words(result: Result | None) -> str:
    return result.words if isinstance(result, ServiceError | Reject) else f"answered by {type(result).__name__}"


def _passing(result: Result | None) -> bool:
    return isinstance(result, ServiceError) and result.passing
