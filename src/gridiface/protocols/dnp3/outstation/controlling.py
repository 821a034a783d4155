"""SELECT, OPERATE, DIRECT_OPERATE: requests that carry commands, and their echo.

Owns the order of checks, the echo with status octets, pattern controls and the limit of objects (IEEE 1815 clause
4.4.4). Command layouts and the select guard are controls.py; what a command does is the handler's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from gridiface.errors import RemoteProtocolError
from gridiface.protocols.dnp3.application import (
    IIN,
    INDEXED,
    PREFIX_OCTETS,
    RANGES,
    Fragment,
    FunctionCode,
    ObjectHeader,
    Qualifier,
)
from gridiface.protocols.dnp3.controls import (
    COMMAND_POINTS,
    AnalogOutput,
    Command,
    CommandMode,
    CommandRequest,
    CommandStatus,
    ControlRelayOutputBlock,
    OperationType,
    command_of,
    decode_command,
    precheck,
)
from gridiface.protocols.dnp3.outstation.handler import CommandDone
from gridiface.protocols.dnp3.outstation.state import AssociationState, Reply
from gridiface.protocols.dnp3.points import PointType

_PATTERN_BLOCK = 2
_PATTERN_MASK = 3
_LATCHES = {OperationType.LATCH_ON: 1.0, OperationType.LATCH_OFF: 0.0}
_MODES = {
    int(FunctionCode.SELECT): CommandMode.SELECT,
    int(FunctionCode.OPERATE): CommandMode.OPERATE,
    int(FunctionCode.DIRECT_OPERATE): CommandMode.DIRECT_OPERATE,
    int(FunctionCode.DIRECT_OPERATE_NR): CommandMode.DIRECT_OPERATE_NO_ACK,
}


class _Slot(NamedTuple):
    """One object of the request: the octets before its status octet, and the points it commands."""

    lead: bytes
    group: int
    command: Command | None
    indices: tuple[int, ...]


def control(state: AssociationState, request: Fragment, now: float) -> Reply:
    """Judges or executes all commands of a request in order; the echo holds a status for each.

    Raises:
        RemoteProtocolError: the echo would not fit into a fragment, or the objects are no commands; with the IIN to
            answer.
    """
    if len(request.octets) + 2 > state.settings.max_tx_fragment:
        # the echo is the request with two octets of indications more
        raise RemoteProtocolError("the echo would not fit into a fragment", answer=IIN.PARAMETER_ERROR)
    slots = _slots(request)
    mode = _MODES[request.function]
    if mode is CommandMode.SELECT:
        statuses = _judge_all(state, slots, mode, now)
        if any(statuses):
            state.guard.drop()
        else:
            state.guard.select(_echo(slots, [0] * len(slots)), request.sequence, now)
    elif mode is CommandMode.OPERATE:
        verdict = state.guard.judge(_echo(slots, [0] * len(slots)), request.sequence, now)
        if verdict is CommandStatus.SUCCESS:
            statuses = _judge_all(state, slots, mode, now)
        else:
            statuses = [_noted(state, slot, verdict) for slot in slots]
    else:
        statuses = _judge_all(state, slots, mode, now)
    # a point or code that is not there is an error of the request, too (test procedures 8.2.1.2.3 and 8.4.1.2.3)
    error = IIN.PARAMETER_ERROR if CommandStatus.NOT_SUPPORTED in statuses else 0
    return Reply(error, objects=_echo(slots, statuses))


def _slots(request: Fragment) -> list[_Slot]:
    """The objects of a control request, checked for what commands may be made of."""
    slots: list[_Slot] = []
    headers = list(reversed(request.headers))
    while headers:
        header = headers.pop()
        if header.group not in COMMAND_POINTS or header.row is None:
            raise RemoteProtocolError(f"g{header.group} is no command", answer=IIN.OBJECT_UNKNOWN)
        if (header.group, header.variation) == (12, _PATTERN_BLOCK):
            slots += _pattern(header, headers.pop() if headers else None)
        elif header.qualifier not in INDEXED or (header.group == 12 and header.variation != 1):
            raise RemoteProtocolError("commands need an index each", answer=IIN.PARAMETER_ERROR)
        else:
            slots += _commands(header)
    if not slots:
        raise RemoteProtocolError("a control request without commands", answer=IIN.PARAMETER_ERROR)
    return slots


def _commands(header: ObjectHeader) -> list[_Slot]:
    assert header.row is not None
    prefix, size, body = PREFIX_OCTETS[header.qualifier], header.row.size, header.body
    group, variation, unpack = header.group, header.variation, header.row.codec.unpack_from
    slots: list[_Slot] = []
    lead = header.head
    for at in range(0, len(body), prefix + size):
        here = at + prefix
        command = command_of(group, variation, unpack(body, here))
        index = int.from_bytes(body[at:here], "little")
        slots.append(_Slot(lead + body[at : here + size - 1], group, command, (index,)))
        lead = b""
    return slots


def _pattern(block: ObjectHeader, mask: ObjectHeader | None) -> list[_Slot]:
    """A pattern control block (g12v2, count 1) and the mask of the points it is for (g12v3, range)."""
    if block.qualifier is not Qualifier.COUNT8 or block.count != 1:
        raise RemoteProtocolError("one pattern control block is needed", answer=IIN.PARAMETER_ERROR)
    if mask is None or (mask.group, mask.variation) != (12, _PATTERN_MASK) or mask.qualifier not in RANGES:
        raise RemoteProtocolError("a pattern mask by range is needed", answer=IIN.PARAMETER_ERROR)
    indices = tuple(index for index, bit in zip(mask.indices, mask.bits(), strict=True) if bit)
    command = decode_command(12, 1, block.body)
    return [
        _Slot(block.head + block.body[:-1], 12, command, indices),
        _Slot(mask.head + mask.body, 12, None, ()),
    ]


def _echo(slots: list[_Slot], statuses: list[int]) -> bytes:
    """The request's objects octet for octet, with other status octets (clause 4.4.4.3)."""
    return b"".join(
        slot.lead if slot.command is None else slot.lead + bytes((status & 0x7F,))
        for slot, status in zip(slots, statuses, strict=True)
    )


def _judge_all(state: AssociationState, slots: list[_Slot], mode: CommandMode, now: float) -> list[int]:
    return [_judge(state, slot, number, mode, now) for number, slot in enumerate(slots)]


def _judge(state: AssociationState, slot: _Slot, number: int, mode: CommandMode, now: float) -> int:
    """The status of one object; with OPERATE and DIRECT_OPERATE the handler acts."""
    if slot.command is None:
        return CommandStatus.SUCCESS
    if number >= state.settings.max_controls or len(slot.indices) > state.settings.max_controls:
        return _noted(state, slot, CommandStatus.TOO_MANY_OBJS)
    worst = CommandStatus.SUCCESS
    for index in slot.indices:
        status = _one(state, slot.group, slot.command, index, mode, now)
        worst = worst or status
    return worst if slot.indices else CommandStatus.NOT_SUPPORTED


def _one(
    state: AssociationState, group: int, command: Command, index: int, mode: CommandMode, now: float
) -> CommandStatus:
    """The status of one command to one point, from the cheapest check to the handler."""
    station = state.station
    point = station.database.find(COMMAND_POINTS[group], index)
    if point is None:
        station.tell(CommandDone(state.master, None, CommandStatus.NOT_SUPPORTED, group, index))
        return CommandStatus.NOT_SUPPORTED
    request = CommandRequest(point, command, mode, state.master, state.user)
    status = precheck(point, command)
    if status is CommandStatus.SUCCESS and station.local_control:
        status = CommandStatus.LOCAL
    if status is CommandStatus.SUCCESS and not _does_nothing(command):
        ask: Callable[[CommandRequest, float], CommandStatus] = station.handler.operate
        if mode is CommandMode.SELECT:
            ask = station.handler.select
        status = ask(request, now)
    if mode is not CommandMode.SELECT and (point.command_event_class or station.settings.track_outputs):
        _report(state, request, status, now)
    station.tell(CommandDone(state.master, request, status, group, index))
    return status


def _does_nothing(command: Command) -> bool:
    """A relay command with count 0 is answered SUCCESS and not executed (clause A.8.1.2)."""
    return isinstance(command, ControlRelayOutputBlock) and command.count == 0


def _report(state: AssociationState, request: CommandRequest, status: CommandStatus, now: float) -> None:
    """The command event (g13, g43), and the status point follows where outputs are tracked."""
    database, point, command = state.station.database, request.point, request.command
    value: float | None
    if isinstance(command, AnalogOutput):
        value, shown = command.value, command.value
    else:
        value = _LATCHES.get(command.operation) if command.known and command.count else None
        shown = value or 0.0
    database.report_command(now, point.type, point.index, shown, status)
    tracked = status is CommandStatus.SUCCESS and state.station.settings.track_outputs
    if tracked and value is not None and point.type in (PointType.BINARY_OUTPUT, PointType.ANALOG_OUTPUT):
        database.update(now, point.type, point.index, value)


def _noted(state: AssociationState, slot: _Slot, status: CommandStatus) -> int:
    for index in slot.indices:
        state.station.tell(CommandDone(state.master, None, status, slot.group, index))
    return status
