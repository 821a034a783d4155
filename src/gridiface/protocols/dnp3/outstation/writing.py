"""WRITE: indications, time, dead-bands, device attributes, octet strings, virtual terminal, file blocks.

Owns which objects a master may write and with what (IEEE 1815 clause 4.4.2). Each header is checked before any is
done, so that one bad header changes nothing. Handles and blocks of files are file_transfer.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from gridiface.errors import RemoteProtocolError
from gridiface.protocols.dnp3.application import COUNTS, IIN, INDEXED, RANGES, Fragment, ObjectHeader
from gridiface.protocols.dnp3.outstation.attributes import NAMES, WRITABLE, AttributeSet
from gridiface.protocols.dnp3.outstation.handler import RestartCleared, TimeWritten
from gridiface.protocols.dnp3.outstation.state import AssociationState, Reply
from gridiface.protocols.dnp3.points import PointType

Step = Callable[[], bool]
_RESTART_BIT = 7
_NEED_TIME_BIT = 4
_ADDRESSED = RANGES | INDEXED


def write(state: AssociationState, request: Fragment, now: float) -> Reply:
    """Checks all headers, then writes them in order; PARAMETER_ERROR when the application refused one.

    Raises:
        RemoteProtocolError: with the indication to answer; nothing was written.
    """
    if request.headers and request.headers[0].group == 70:
        return _file_block(state, request, now)
    steps: list[Step] = []
    for header in request.headers:
        checker = _WRITERS.get(header.group)
        if checker is None:
            raise RemoteProtocolError(f"group {header.group} is not written", answer=IIN.OBJECT_UNKNOWN)
        steps += checker(state, header, now)
    if not steps:
        return Reply(IIN.PARAMETER_ERROR)
    taken = [step() for step in steps]
    return Reply(0 if all(taken) else IIN.PARAMETER_ERROR)


def _file_block(state: AssociationState, request: Fragment, now: float) -> Reply:
    """g70v5: a block of an open file, alone in its request and answered with g70v6."""
    if state.files is None:
        raise RemoteProtocolError("there is no file transfer", answer=IIN.OBJECT_UNKNOWN)
    if len(request.headers) != 1:
        raise _refuse("one block at a time")
    return Reply(objects=state.files.write_block(request.headers[0], now))


def _refuse(what: str) -> RemoteProtocolError:
    return RemoteProtocolError(what, answer=IIN.PARAMETER_ERROR)


def _indications(state: AssociationState, header: ObjectHeader, now: float) -> list[Step]:
    """g80v1: only IIN1.7, and IIN1.4 where configured, and only to 0 (clause 4.5.8, 4.5.5)."""
    if header.qualifier not in RANGES or not header.body:
        raise _refuse("indications are written by range")
    steps: list[Step] = []
    for index, bit in zip(header.indices, header.bits(), strict=True):
        if bit:
            raise _refuse("indications are only cleared")
        if index == _RESTART_BIT:
            steps.append(lambda: _clear_restart(state))
        elif index == _NEED_TIME_BIT and state.settings.clear_need_time_by_write:
            steps.append(lambda: _clear_need_time(state, now))
        else:
            raise _refuse(f"indication {index} is not written")
    return steps


def _clear_restart(state: AssociationState) -> bool:
    state.restarted = False
    state.station.tell(RestartCleared(state.master))
    return True


def _clear_need_time(state: AssociationState, now: float) -> bool:
    state.synchronised_at = now
    return True


def _time(state: AssociationState, header: ObjectHeader, now: float) -> list[Step]:
    """g50v1: the time now; g50v3: the time at which the master sent RECORD_CURRENT_TIME (clause 4.4.5)."""
    if header.variation not in (1, 3):
        raise RemoteProtocolError(f"g50v{header.variation} is not written", answer=IIN.OBJECT_UNKNOWN)
    if header.qualifier not in COUNTS or header.count != 1:
        raise _refuse("exactly one time is written")
    time_ms = int.from_bytes(header.body, "little")
    if header.variation == 3:
        recorded = state.recorded_at
        if recorded is None:
            raise _refuse("no RECORD_CURRENT_TIME came just before")
        time_ms += round((now - recorded) * 1000)

    def step() -> bool:
        offset = state.set_time(time_ms, now)
        state.recorded_at = None
        state.station.tell(TimeWritten(state.master, time_ms, offset))
        return True

    return [step]


def _deadbands(state: AssociationState, header: ObjectHeader, now: float) -> list[Step]:
    """g34: dead-bands of analog inputs, by range or list."""
    if header.qualifier not in _ADDRESSED or header.row is None:
        raise _refuse("dead-bands are written by range or list")
    database, handler = state.station.database, state.station.handler
    steps: list[Step] = []
    for index, octets in header.objects():
        deadband = header.row.unpack(octets)["value"]
        if database.find(PointType.ANALOG_INPUT, index) is None or not 0 <= deadband < math.inf:
            raise _refuse(f"dead-band of analog input {index}")

        def step(index: int = index, deadband: float = deadband) -> bool:
            allowed = handler.may_change_deadband(index, deadband, state.master, now)
            if allowed:
                database.set_deadband(index, deadband)
            return allowed

        steps.append(step)
    return steps


def _attributes(state: AssociationState, header: ObjectHeader, now: float) -> list[Step]:
    """g0: those attributes that the standard lets a master write, where the application agrees."""
    if header.qualifier not in RANGES or header.start or header.count != 1:
        raise _refuse("one attribute of the standard set is written by range 0 to 0")
    if header.variation not in WRITABLE or header.variation not in NAMES:
        raise _refuse("attribute is read-only")
    attributes = state.station.attributes
    AttributeSet(dict(attributes.given)).write(header.variation, header.body)

    def step() -> bool:
        if not state.station.handler.may_write_attribute(header.variation, state.master, now):
            return False
        attributes.write(header.variation, header.body)
        return True

    return [step]


def _octets(state: AssociationState, header: ObjectHeader, now: float) -> list[Step]:
    """g110 and g112: octets for a point, by range or list."""
    terminal = header.group == 112
    point_type = PointType.VIRTUAL_TERMINAL if terminal else PointType.OCTET_STRING
    if header.qualifier not in _ADDRESSED:
        raise _refuse("octet strings are written by range or list")
    handler = state.station.handler
    taker = handler.terminal_input if terminal else handler.write_octets
    steps: list[Step] = []
    for index, octets in header.objects():
        if state.station.database.find(point_type, index) is None:
            raise _refuse(f"{point_type.value} {index} is not there")

        def step(index: int = index, octets: bytes = octets) -> bool:
            return taker(index, octets, state.master, now)

        steps.append(step)
    return steps


_WRITERS: dict[int, Callable[[AssociationState, ObjectHeader, float], list[Step]]] = {
    0: _attributes,
    34: _deadbands,
    50: _time,
    80: _indications,
    110: _octets,
    112: _octets,
}
