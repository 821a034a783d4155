"""The functions of an outstation other than READ, WRITE and controls, and the table of all of them.

Owns freeze, restart, unsolicited enable and disable, class assignment, delay measurement, recording of the time and
activation of a configuration (IEEE 1815 clause 4.4). Each function is pure in its request: it returns a Reply.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from gridiface.errors import RemoteProtocolError
from gridiface.protocols.dnp3.application import (
    COUNTS,
    IIN,
    INDEXED,
    RANGES,
    Fragment,
    FunctionCode,
    ObjectHeader,
    Qualifier,
)
from gridiface.protocols.dnp3.heads import count_head, sized_object
from gridiface.protocols.dnp3.objects import TABLE
from gridiface.protocols.dnp3.outstation.columns import Column
from gridiface.protocols.dnp3.outstation.controlling import control
from gridiface.protocols.dnp3.outstation.handler import ClassAssigned, RestartKind, RestartRequested, UnsolicitedChanged
from gridiface.protocols.dnp3.outstation.reading import read
from gridiface.protocols.dnp3.outstation.state import AssociationState, Reply
from gridiface.protocols.dnp3.outstation.writing import write
from gridiface.protocols.dnp3.points import BY_STATIC_GROUP, PointType

Function = Callable[[AssociationState, Fragment, float], Reply]
Targets = list[tuple[PointType, int, int]]

_FREEZABLE = {20: PointType.COUNTER, 30: PointType.ANALOG_INPUT}
_SCHEDULE = (50, 2)
_MAX_NAMES = 16


def _unknown(what: str) -> RemoteProtocolError:
    return RemoteProtocolError(what, answer=IIN.OBJECT_UNKNOWN)


def _misfit(what: str) -> RemoteProtocolError:
    return RemoteProtocolError(what, answer=IIN.PARAMETER_ERROR)


def spans(column: Column, header: ObjectHeader) -> list[tuple[int, int]]:
    """The positions that a header without data names: all, a range (of which there may be more), or a list.

    Raises:
        RemoteProtocolError: another qualifier, or a point that is not there.
    """
    if header.qualifier is Qualifier.ALL:
        return [(0, len(column))]
    if header.qualifier in RANGES:
        low, high = column.span(header.start, header.stop)
        if low == high:
            raise _misfit("no point within the range")
        return [(low, high)]
    if header.qualifier not in INDEXED:
        raise _misfit("points are named as a whole, by range or by list")
    found = []
    for index in header.indices:
        at = column.positions.get(index)
        if at is None:
            raise _misfit(f"there is no point {index}")
        found.append((at, at + 1))
    return found


def _excess(state: AssociationState, headers: Iterable[ObjectHeader]) -> int:
    """PARAMETER_ERROR where a range holds more than there is: what there is was done, as a READ answers it."""
    columns = state.station.database.columns
    ranged = [header for header in headers if header.qualifier in RANGES and header.group in BY_STATIC_GROUP]
    excess = any(columns[BY_STATIC_GROUP[header.group]].exceeded(header.start, header.stop) for header in ranged)
    return IIN.PARAMETER_ERROR if excess else 0


def _freeze_targets(state: AssociationState, headers: tuple[ObjectHeader, ...]) -> Targets:
    targets: Targets = []
    for header in headers:
        point_type = _FREEZABLE.get(header.group)
        if point_type is None or not state.station.database.is_freezable(point_type):
            raise _unknown(f"group {header.group} does not freeze")
        if header.variation:
            raise _unknown("points to freeze are named with variation 0")
        column = state.station.database.columns[point_type]
        targets += [(point_type, low, high) for low, high in spans(column, header)]
    if not targets:
        raise _misfit("nothing to freeze is named")
    return _merged(targets)


def _merged(targets: Targets) -> Targets:
    """The same points, each once, so that a request of many headers freezes nothing twice."""
    merged: Targets = []
    for point_type, low, high in sorted(targets, key=lambda target: (target[0].value, target[1])):
        if merged and merged[-1][0] is point_type and low <= merged[-1][2]:
            merged[-1] = (point_type, merged[-1][1], max(high, merged[-1][2]))
        else:
            merged.append((point_type, low, high))
    return merged


def _freezer(*, clear: bool) -> Function:
    """IMMED_FREEZE and FREEZE_CLEAR, with or without acknowledgement."""

    def freeze(state: AssociationState, request: Fragment, now: float) -> Reply:
        targets = _freeze_targets(state, request.headers)
        for point_type, low, high in targets:
            state.station.database.freeze(now, point_type, low, high, clear=clear)
        return Reply(_excess(state, request.headers))

    return freeze


def _freeze_at_time(state: AssociationState, request: Fragment, now: float) -> Reply:
    """FREEZE_AT_TIME: g50v2 tells when and how often, the headers behind it what (clause 4.4.5)."""
    schedule: tuple[int, int] | None = None
    plan: list[tuple[int, int, Targets]] = []
    for header in request.headers:
        if (header.group, header.variation) == _SCHEDULE:
            if header.qualifier not in COUNTS or header.count != 1:
                raise _misfit("one time and interval is needed")
            fields = TABLE[_SCHEDULE].unpack(header.body)
            schedule = int(fields["time"]), int(fields["interval"])
        elif schedule is None:
            raise _misfit("the time must come before what to freeze")
        else:
            plan.append((*schedule, _freeze_targets(state, (header,))))
    if not plan:
        raise _misfit("nothing to freeze is named")
    before = state.freezes
    try:
        for time_ms, interval, targets in plan:
            state.plan_freeze(time_ms, interval, targets, now)
    except RemoteProtocolError:
        state.freezes = before
        raise
    return Reply(_excess(state, request.headers))


def _restarter(kind: RestartKind) -> Function:
    """COLD_RESTART and WARM_RESTART: g52 tells how long, then everything is as after a restart."""

    def restart(state: AssociationState, request: Fragment, now: float) -> Reply:
        if request.headers:
            raise _misfit("a restart has no objects")
        seconds = state.station.handler.restart(kind, state.master, now)
        if seconds is None:
            raise RemoteProtocolError("restart is not allowed", answer=IIN.NO_FUNC_CODE_SUPPORT)
        milliseconds = round(seconds * 1000)
        fine = milliseconds <= 0xFFFF
        row = TABLE[52, 2 if fine else 1]
        delay = milliseconds if fine else min(round(seconds), 0xFFFF)
        state.station.tell(RestartRequested(state.master, kind, seconds))
        return Reply(objects=count_head(52, row.variation, 1) + row.pack(delay), after=state.station.restart_all)

    return restart


def _classes(request: Fragment) -> set[int]:
    """The event classes that g60v2 to v4 headers name."""
    found: set[int] = set()
    for header in request.headers:
        if header.group != 60:
            raise _unknown("only classes are enabled or disabled")
        if header.variation not in (2, 3, 4) or header.qualifier is not Qualifier.ALL:
            raise _misfit("classes 1 to 3 are named as a whole")
        found.add(header.variation - 1)
    return found


def _enable_unsolicited(state: AssociationState, request: Fragment, now: float) -> Reply:
    state.enabled |= _classes(request)
    state.station.tell(UnsolicitedChanged(state.master, frozenset(state.enabled)))
    return Reply()


def _disable_unsolicited(state: AssociationState, request: Fragment, now: float) -> Reply:
    state.enabled -= _classes(request)
    state.station.tell(UnsolicitedChanged(state.master, frozenset(state.enabled)))
    return Reply()


def _assign_class(state: AssociationState, request: Fragment, now: float) -> Reply:
    """ASSIGN_CLASS: a class header, then the points that take it; for this master, until the next restart."""
    event_class: int | None = None
    plan: list[tuple[PointType, int, int, int]] = []
    for header in request.headers:
        if header.group == 60:
            if header.variation not in (1, 2, 3, 4) or header.qualifier is not Qualifier.ALL:
                raise _misfit("classes are named as a whole")
            event_class = header.variation - 1
            continue
        if event_class is None:
            raise _misfit("the class must come before the points")
        point_type = BY_STATIC_GROUP.get(header.group)
        if point_type is None or not len(state.station.database.columns[point_type]) or header.variation:
            raise _unknown(f"g{header.group}v{header.variation} takes no class")
        column = state.station.database.columns[point_type]
        plan += [(point_type, low, high, event_class) for low, high in spans(column, header)]
    for point_type, low, high, number in plan:
        state.classes[point_type][low:high] = [number] * (high - low)
        state.station.tell(ClassAssigned(state.master, high - low, number))
    if not plan:
        raise _misfit("no points are named")
    return Reply(_excess(state, request.headers))


def _delay_measure(state: AssociationState, request: Fragment, now: float) -> Reply:
    if request.headers:
        raise _misfit("DELAY_MEASURE has no objects")
    return Reply(objects=count_head(52, 2, 1) + TABLE[52, 2].pack(state.station.settings.processing_delay_ms))


def _record_current_time(state: AssociationState, request: Fragment, now: float) -> Reply:
    if request.headers:
        raise _misfit("RECORD_CURRENT_TIME has no objects")
    state.recorded_at = now
    return Reply()


def _activate_config(state: AssociationState, request: Fragment, now: float) -> Reply:
    """ACTIVATE_CONFIG: g70v8 names what to activate, g91v1 tells how long it takes and a status for each."""
    names: list[str] = []
    for header in request.headers:
        if (header.group, header.variation) != (70, 8):
            raise _unknown("configurations are named by g70v8")
        names += [octets.decode("utf-8", "replace") for _, octets in header.objects()]
    if not names or len(names) > _MAX_NAMES:
        raise _misfit("name 1 to 16 configurations")
    outcome = state.station.handler.activate_config(names, state.master, now)
    if outcome is None:
        raise RemoteProtocolError("activation is not allowed", answer=IIN.NO_FUNC_CODE_SUPPORT)
    delay, statuses = outcome
    octets = delay.to_bytes(4, "little") + bytes((len(statuses), *statuses))
    return Reply(objects=sized_object(91, 1, octets))


def _file(state: AssociationState, request: Fragment, now: float) -> Reply:
    if state.files is None:
        raise RemoteProtocolError("there is no file transfer", answer=IIN.NO_FUNC_CODE_SUPPORT)
    return Reply(objects=state.files.command(request, now))


FUNCTIONS: Final[dict[int, Function]] = {
    FunctionCode.READ: read,
    FunctionCode.WRITE: write,
    FunctionCode.SELECT: control,
    FunctionCode.OPERATE: control,
    FunctionCode.DIRECT_OPERATE: control,
    FunctionCode.DIRECT_OPERATE_NR: control,
    FunctionCode.IMMED_FREEZE: _freezer(clear=False),
    FunctionCode.IMMED_FREEZE_NR: _freezer(clear=False),
    FunctionCode.FREEZE_CLEAR: _freezer(clear=True),
    FunctionCode.FREEZE_CLEAR_NR: _freezer(clear=True),
    FunctionCode.FREEZE_AT_TIME: _freeze_at_time,
    FunctionCode.FREEZE_AT_TIME_NR: _freeze_at_time,
    FunctionCode.COLD_RESTART: _restarter(RestartKind.COLD),
    FunctionCode.WARM_RESTART: _restarter(RestartKind.WARM),
    FunctionCode.ENABLE_UNSOLICITED: _enable_unsolicited,
    FunctionCode.DISABLE_UNSOLICITED: _disable_unsolicited,
    FunctionCode.ASSIGN_CLASS: _assign_class,
    FunctionCode.DELAY_MEASURE: _delay_measure,
    FunctionCode.RECORD_CURRENT_TIME: _record_current_time,
    FunctionCode.OPEN_FILE: _file,
    FunctionCode.CLOSE_FILE: _file,
    FunctionCode.DELETE_FILE: _file,
    FunctionCode.GET_FILE_INFO: _file,
    FunctionCode.AUTHENTICATE_FILE: _file,
    FunctionCode.ABORT_FILE: _file,
    FunctionCode.ACTIVATE_CONFIG: _activate_config,
}
"""By function code; what is missing here is answered NO_FUNC_CODE_SUPPORT."""

_UNSOLICITED: Final = frozenset((FunctionCode.ENABLE_UNSOLICITED, FunctionCode.DISABLE_UNSOLICITED))
_FILES: Final = frozenset(code for code, run in FUNCTIONS.items() if run is _file)


def offers(state: AssociationState, function: int) -> bool:
    """Whether a function is there for this master: known, and switched on where it has a switch."""
    if function in _UNSOLICITED:
        return state.settings.unsolicited is not None
    if function in _FILES:
        return state.files is not None
    return function in FUNCTIONS


BROADCAST_FUNCTIONS: Final = frozenset(
    (
        FunctionCode.WRITE,
        FunctionCode.DIRECT_OPERATE_NR,
        FunctionCode.IMMED_FREEZE_NR,
        FunctionCode.FREEZE_CLEAR_NR,
        FunctionCode.FREEZE_AT_TIME_NR,
        FunctionCode.COLD_RESTART,
        FunctionCode.WARM_RESTART,
        FunctionCode.ENABLE_UNSOLICITED,
        FunctionCode.DISABLE_UNSOLICITED,
        FunctionCode.ASSIGN_CLASS,
        FunctionCode.RECORD_CURRENT_TIME,
    )
)
"""What may be asked of all outstations at once (clause 4.2.2.5); anything else is ignored."""
