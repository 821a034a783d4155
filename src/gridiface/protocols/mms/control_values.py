"""What a control writes (IEC 61850-8-1 clause 20): Oper, SBOw and Cancel by the device's own type, and its words.

Owns LastApplError and AddCause (IEC 61850-7-2 clause 20.5). Not owned: in which order things are written (control).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from gridiface.errors import LocalProtocolError
from gridiface.protocols.mms.data import BinaryTime, Data, Kind, UtcTime, float32, structure
from gridiface.protocols.mms.types import Type


class ControlModel(IntEnum):
    """ctlModel."""

    STATUS_ONLY = 0
    DIRECT_NORMAL = 1
    SBO_NORMAL = 2
    DIRECT_ENHANCED = 3
    SBO_ENHANCED = 4

    @property
    def selects(self) -> bool:
        """Whether a select comes before operate."""
        return self in (ControlModel.SBO_NORMAL, ControlModel.SBO_ENHANCED)

    @property
    def enhanced(self) -> bool:
        """Whether a command termination tells the end."""
        return self in (ControlModel.DIRECT_ENHANCED, ControlModel.SBO_ENHANCED)


class OriginCategory(IntEnum):
    """Who commands (orCat)."""

    BAY_CONTROL = 1
    STATION_CONTROL = 2
    REMOTE_CONTROL = 3
    AUTOMATIC_BAY = 4
    AUTOMATIC_STATION = 5
    AUTOMATIC_REMOTE = 6
    MAINTENANCE = 7
    PROCESS = 8


class AddCause(IntEnum):
    """Why a control was refused or ended."""

    UNKNOWN = 0
    NOT_SUPPORTED = 1
    BLOCKED_BY_SWITCHING_HIERARCHY = 2
    SELECT_FAILED = 3
    INVALID_POSITION = 4
    POSITION_REACHED = 5
    PARAMETER_CHANGE_IN_EXECUTION = 6
    STEP_LIMIT = 7
    BLOCKED_BY_MODE = 8
    BLOCKED_BY_PROCESS = 9
    BLOCKED_BY_INTERLOCKING = 10
    BLOCKED_BY_SYNCHROCHECK = 11
    COMMAND_ALREADY_IN_EXECUTION = 12
    BLOCKED_BY_HEALTH = 13
    ONE_OF_N_CONTROL = 14
    ABORTION_BY_CANCEL = 15
    TIME_LIMIT_OVER = 16
    ABORTION_BY_TRIP = 17
    OBJECT_NOT_SELECTED = 18
    OBJECT_ALREADY_SELECTED = 19
    NO_ACCESS_AUTHORITY = 20
    ENDED_WITH_OVERSHOOT = 21
    ABORTION_DUE_TO_DEVIATION = 22
    ABORTION_BY_COMMUNICATION_LOSS = 23
    BLOCKED_BY_COMMAND = 24
    NONE = 25
    INCONSISTENT_PARAMETERS = 26
    LOCKED_BY_OTHER_CLIENT = 27

    @property
    def words(self) -> str:
        """The standard's words."""
        return self.name.lower().replace("_", "-")

    @property
    def passing(self) -> bool:
        """Whether the same control may be taken later."""
        return self in _PASSING


_PASSING = frozenset(
    {
        AddCause.SELECT_FAILED,
        AddCause.PARAMETER_CHANGE_IN_EXECUTION,
        AddCause.BLOCKED_BY_PROCESS,
        AddCause.COMMAND_ALREADY_IN_EXECUTION,
        AddCause.ONE_OF_N_CONTROL,
        AddCause.ABORTION_BY_CANCEL,
        AddCause.TIME_LIMIT_OVER,
        AddCause.OBJECT_NOT_SELECTED,
        AddCause.OBJECT_ALREADY_SELECTED,
        AddCause.BLOCKED_BY_COMMAND,
        AddCause.LOCKED_BY_OTHER_CLIENT,
    }
)


@dataclass(frozen=True, slots=True)
class Origin:
    """Who commands: category, and an identifier of at most 64 octets."""

    category: OriginCategory = OriginCategory.REMOTE_CONTROL
    identifier: bytes = b"gridiface"


@dataclass(frozen=True, slots=True)
class Command:
    """One control: value, who commands, its number, when, whether it is a test and what is to be checked.

    `checks` are synchrocheck and interlock-check, "00" for none. `value` is a number or a truth value.
    """

    value: float | bool
    origin: Origin = Origin()
    number: int = 0
    at: float = 0.0
    test: bool = False
    checks: str = "00"


@dataclass(frozen=True, slots=True)
class LastApplError:
    """What a device tells of a control that it refused or that failed."""

    control_object: str
    error: int
    number: int
    cause: AddCause


def encode(kind: Type, command: Command) -> Data:
    """The structure of Oper, SBOw or Cancel as the device has it.

    Raises:
        LocalProtocolError: a component that no edition has, or a value that does not fit its type.
    """
    if kind.kind is not Kind.STRUCTURE or not kind.components:
        raise LocalProtocolError("a control's value is a structure")
    return structure(*(_component(name, part, command) for name, part in kind.components))


def _component(name: str, kind: Type, command: Command) -> Data:
    match name:
        case "ctlVal":
            return control_value(kind, command.value)
        case "operTm":
            # 0: at once
            return _time(kind, None)
        case "T":
            return _time(kind, command.at)
        case "origin":
            return structure(*(_origin(part, of, command.origin) for part, of in kind.components))
        case "ctlNum":
            return Data(kind.kind, command.number & 0xFF)
        case "Test":
            return Data(Kind.BOOLEAN, command.test)
        case "Check":
            return Data(Kind.BIT_STRING, command.checks)
        case _:
            raise LocalProtocolError(f"component {name} of a control is not known")


def _origin(name: str, kind: Type, origin: Origin) -> Data:
    return Data(kind.kind, int(origin.category)) if name == "orCat" else Data(kind.kind, origin.identifier[:64])


def _time(kind: Type, at: float | None) -> Data:
    if kind.kind is Kind.BINARY_TIME:
        told = BinaryTime(0, 0) if at is None else BinaryTime.at(at)
        return Data(kind.kind, told if kind.size == 6 else BinaryTime(told.milliseconds))
    return Data(Kind.UTC_TIME, UtcTime(0, 0, 0) if at is None else UtcTime.at(at))


def control_value(kind: Type, value: float | bool) -> Data:
    """A value in the type of a ctlVal or a setting; of an AnalogueValue f, or i where it has no f.

    Raises:
        LocalProtocolError: it does not fit.
    """
    match kind.kind:
        case Kind.STRUCTURE:
            part = next((name for name in ("f", "i") if kind.part(name) is not None), None)
            if part is None or len(kind.components) != 1:
                return _several(kind, value)
            return structure(control_value(kind.components[0][1], value))
        case Kind.BOOLEAN:
            return Data(Kind.BOOLEAN, bool(value))
        case Kind.FLOAT32:
            return Data(Kind.FLOAT32, float32(value))
        case Kind.FLOAT64:
            return Data(Kind.FLOAT64, float(value))
        case Kind.INTEGER | Kind.UNSIGNED:
            return _whole(kind, value)
        case Kind.BIT_STRING if abs(kind.size or 0) == 2:
            return Data(Kind.BIT_STRING, f"{int(value) & 3:02b}")
        case _:
            raise LocalProtocolError(f"a value of kind {kind.kind.name} is not commanded")


def _several(kind: Type, value: float | bool) -> Data:
    """An AnalogueValue with both forms."""
    if {name for name, _ in kind.components} != {"i", "f"}:
        raise LocalProtocolError(f"a structure of {', '.join(name for name, _ in kind.components)} is not commanded")
    return structure(*(control_value(part, round(value) if name == "i" else value) for name, part in kind.components))


def _whole(kind: Type, value: float | bool) -> Data:
    number, size = round(value), abs(kind.size or 32)
    low, high = (0, (1 << size) - 1) if kind.kind is Kind.UNSIGNED else (-(1 << size - 1), (1 << size - 1) - 1)
    if not low <= number <= high:
        raise LocalProtocolError(f"{number} does not fit into {size} bits")
    return Data(kind.kind, number)


def last_appl_error(data: Data) -> LastApplError | None:
    """The structure LastApplError; None where it has another form."""
    parts = [item.value for item in data.items]
    if len(parts) != 5 or not isinstance(parts[0], str) or not all(isinstance(parts[n], int) for n in (1, 3, 4)):
        return None
    known = parts[4] in AddCause.__members__.values()
    return LastApplError(parts[0], parts[1], parts[3], AddCause(parts[4]) if known else AddCause.UNKNOWN)
