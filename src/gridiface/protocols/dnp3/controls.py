"""Commands to outputs: control relay output blocks, analog outputs, their status codes, and the select guard.

Owns the meaning of the octets of g12 and g41 and the rules of select-before-operate (IEEE 1815 clause 4.4.4). What a
command does to the world is the handler's; which request may carry one is controlling.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Any, Final

from gridiface.protocols.dnp3.objects import TABLE
from gridiface.protocols.dnp3.points import PointConfig, PointType
from gridiface.protocols.dnp3.values import fit

SUPPORTED_OPERATIONS = 4
_QUEUE = 0x10
_CLEAR = 0x20
_RESERVED_TRIP_CLOSE = 3


class CommandStatus(IntEnum):
    """The status octet of a command (clause 11.9, table 11-10)."""

    SUCCESS = 0
    TIMEOUT = 1
    NO_SELECT = 2
    FORMAT_ERROR = 3
    NOT_SUPPORTED = 4
    ALREADY_ACTIVE = 5
    HARDWARE_ERROR = 6
    LOCAL = 7
    TOO_MANY_OBJS = 8
    NOT_AUTHORIZED = 9
    AUTOMATION_INHIBIT = 10
    PROCESSING_LIMITED = 11
    OUT_OF_RANGE = 12
    DOWNSTREAM_LOCAL = 13
    ALREADY_COMPLETE = 14
    BLOCKED = 15
    CANCELLED = 16
    BLOCKED_OTHER_MASTER = 17
    DOWNSTREAM_FAIL = 18
    NON_PARTICIPATING = 126
    UNDEFINED = 127


class OperationType(IntEnum):
    """Bits 0 to 3 of the control code."""

    NUL = 0
    PULSE_ON = 1
    PULSE_OFF = 2
    LATCH_ON = 3
    LATCH_OFF = 4


class TripCloseCode(IntEnum):
    """Bits 6 and 7 of the control code."""

    NUL = 0
    CLOSE = 1
    TRIP = 2


class CommandMode(Enum):
    """How far a command has come."""

    SELECT = "select"
    OPERATE = "operate"
    DIRECT_OPERATE = "direct operate"
    DIRECT_OPERATE_NO_ACK = "direct operate without acknowledgement"


# commands and requests are made for every object of every control: a frozen dataclass takes three times as long
@dataclass(slots=True, unsafe_hash=True)
class ControlRelayOutputBlock:
    """A command to a binary output; times in milliseconds, `count` repetitions (0: do nothing). Never changed."""

    code: int
    count: int = 1
    on_ms: int = 0
    off_ms: int = 0

    @property
    def operation(self) -> OperationType:
        """What to do; only of a code that is known."""
        return OperationType(self.code & 0x0F)

    @property
    def trip_close(self) -> TripCloseCode:
        """Which of two paired outputs; only of a code that is known."""
        return TripCloseCode(self.code >> 6)

    @property
    def clear(self) -> bool:
        """True when running operations of the point are to be cancelled first."""
        return bool(self.code & _CLEAR)

    @property
    def known(self) -> bool:
        """False for reserved codes and the withdrawn queue bit, which are answered NOT_SUPPORTED."""
        return (
            self.code & 0x0F <= SUPPORTED_OPERATIONS
            and not self.code & _QUEUE
            and self.code >> 6 != _RESERVED_TRIP_CLOSE
        )

    def octets(self, status: int = 0) -> bytes:
        """The eleven octets of g12v1."""
        return TABLE[12, 1].pack(self.code, self.count, self.on_ms, self.off_ms, status)


@dataclass(slots=True, unsafe_hash=True)
class AnalogOutput:
    """A command to an analog output: the raw number and the variation of g41 (1 to 4). Never changed."""

    value: float
    variation: int = 3

    def octets(self, status: int = 0) -> bytes:
        """The object of g41; a number beyond an integer variation is clamped."""
        row = TABLE[41, self.variation]
        return row.pack(fit(row, self.value, 0)[0], status)


Command = ControlRelayOutputBlock | AnalogOutput


@dataclass(slots=True, unsafe_hash=True)
class CommandRequest:
    """A command that passed every check of the core: whose, to what, how far. Never changed.

    `master` is the link address of the association; `user` the authenticated user number (0 without authentication).
    """

    point: PointConfig
    command: Command
    mode: CommandMode
    master: int
    user: int = 0


def decode_command(group: int, variation: int, octets: bytes) -> Command:
    """The command in an object of g12v1 or g41; its status octet is ignored (clause 4.4.4.3)."""
    return command_of(group, variation, TABLE[group, variation].codec.unpack(octets))


def command_of(group: int, variation: int, fields: tuple[Any, ...]) -> Command:
    """The same of its fields in wire order."""
    if group == 12:
        return ControlRelayOutputBlock(*fields[:4])
    return AnalogOutput(float(fields[0]), variation)


def precheck(point: PointConfig, command: Command) -> CommandStatus:
    """What can be said of a command without asking the handler: code, number, limits of the point."""
    if isinstance(command, ControlRelayOutputBlock):
        allowed = point.control_codes
        if not command.known or (allowed is not None and command.code not in allowed):
            return CommandStatus.NOT_SUPPORTED
        return CommandStatus.SUCCESS
    if math.isnan(command.value):
        return CommandStatus.FORMAT_ERROR
    if math.isinf(command.value) or not point.minimum <= command.value <= point.maximum:
        return CommandStatus.OUT_OF_RANGE
    return CommandStatus.SUCCESS


COMMAND_POINTS: Final = {12: PointType.BINARY_OUTPUT, 41: PointType.ANALOG_OUTPUT}


@dataclass(slots=True)
class SelectGuard:
    """Remembers one selection of a master and judges the OPERATE that follows (clause 4.4.4.3).

    `signature` is the request without control octet, function and status octets.
    """

    timeout: float = 10.0
    _signature: bytes | None = None
    _sequence: int = 0
    _at: float = 0.0

    def select(self, signature: bytes, sequence: int, now: float) -> None:
        """All objects of a SELECT were fit: remembers it, in place of an older one."""
        self._signature, self._sequence, self._at = signature, sequence, now

    def drop(self) -> None:
        """Another request came in between, a select failed, the connection or the device restarted."""
        self._signature = None

    def judge(self, signature: bytes, sequence: int, now: float) -> CommandStatus:
        """SUCCESS when the OPERATE matches; the selection is used up either way."""
        selected = self._signature
        self._signature = None
        if selected is None:
            return CommandStatus.NO_SELECT
        if sequence != (self._sequence + 1) & 0x0F:
            return CommandStatus.NO_SELECT
        if signature != selected:
            return CommandStatus.NO_SELECT
        if now - self._at > self.timeout:
            return CommandStatus.TIMEOUT
        return CommandStatus.SUCCESS
