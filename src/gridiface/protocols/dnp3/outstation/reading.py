"""READ: which parts of the database, the event buffer and the device each object header asks for.

Owns the meaning of groups, variations, ranges, counts and lists in a read (IEEE 1815 clause 4.4.1, 5.1). Writing the
parts into fragments is response.py. A header that cannot be answered refuses the whole request before anything of it
is done; a range that is partly outside answers what there is, with PARAMETER_ERROR, and a type without points answers
nothing, with OBJECT_UNKNOWN.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gridiface.errors import RemoteProtocolError
from gridiface.protocols.dnp3.application import COUNTS, IIN, INDEXED, RANGES, Fragment, ObjectHeader, Qualifier
from gridiface.protocols.dnp3.heads import count_head, range_head
from gridiface.protocols.dnp3.objects import TABLE, Flags, find
from gridiface.protocols.dnp3.outstation.attributes import ALL_ATTRIBUTES, LIST_OF_ATTRIBUTES
from gridiface.protocols.dnp3.outstation.columns import Column, Run
from gridiface.protocols.dnp3.outstation.events import CLASSES
from gridiface.protocols.dnp3.outstation.response import EventPart, EventSource, ObjectPart, Part, StaticPart
from gridiface.protocols.dnp3.outstation.state import AssociationState, Reply
from gridiface.protocols.dnp3.points import BY_EVENT_GROUP, BY_STATIC_GROUP, OBSOLETE, OCTET_TYPES, PointType
from gridiface.protocols.dnp3.values import ENCODERS, security_value

Read = tuple[list[Part], int]
_DEADBANDS = 34
_NO_POINTS: Read = ([], IIN.OBJECT_UNKNOWN)
"""A type of which there is no point here: masters ask for all types at once (procedure 8.20.2), others are answered."""


@dataclass(frozen=True, slots=True)
class _View:
    """What the headers of one READ look at."""

    state: AssociationState
    events: EventSource
    now: float


def read(state: AssociationState, request: Fragment, now: float) -> Reply:
    """Answers a READ; events are selected as they are written, and removed after the confirm only."""
    view = _View(state, EventSource(state.buffer), now)
    parts: list[Part] = []
    iin = 0
    for header in request.headers:
        more, error = _reader(header.group)(view, header)
        parts += more
        iin |= error
    return Reply(iin, parts=parts)


def unknown(what: str) -> RemoteProtocolError:
    """The refusal of an object that we do not have."""
    return RemoteProtocolError(what, answer=IIN.OBJECT_UNKNOWN)


def misfit(what: str) -> RemoteProtocolError:
    """The refusal of a qualifier, range or value."""
    return RemoteProtocolError(what, answer=IIN.PARAMETER_ERROR)


def _reader(group: int) -> Callable[[_View, ObjectHeader], Read]:
    found = _READERS.get(group)
    if found is not None:
        return found
    if group in BY_STATIC_GROUP:
        return _static
    if group in BY_EVENT_GROUP:
        return _events
    raise unknown(f"group {group} cannot be read")


def _class_data(view: _View, header: ObjectHeader) -> Read:
    """g60: class 0 static values, or events of class 1 to 3."""
    if header.variation == 1:
        if header.qualifier is not Qualifier.ALL:
            raise misfit("class 0 is read as a whole")
        return class_0(view.state), 0
    if header.variation - 1 not in CLASSES:
        raise unknown(f"g60v{header.variation}")
    return [EventPart(view.events, (header.variation - 1,), limit=_limit(header))], 0


def class_0(state: AssociationState) -> list[Part]:
    """The static values of every point that class 0 shows, in order of type."""
    parts: list[Part] = []
    for column in state.station.database.static_columns:
        runs = column.runs(class_0=True)
        if runs:
            parts.append(StaticPart(column, column.kind.static_group, runs))
    return parts


def _limit(header: ObjectHeader) -> int | None:
    """All events, or as many as a count asks for."""
    if header.qualifier is Qualifier.ALL:
        return None
    if header.qualifier in COUNTS:
        return header.count
    raise misfit("events are read as a whole or by count")


def _events(view: _View, header: ObjectHeader) -> Read:
    """g2, g4, g11, g13, g22, g23, g32, g33, g42, g43, g111, g113 in any or one variation."""
    group, variation = header.group, header.variation
    octets = BY_EVENT_GROUP[group] in OCTET_TYPES
    if variation and (find(group, variation) is None or variation in OBSOLETE.get(group, ()) or octets):
        raise unknown(f"g{group}v{variation}")
    return [EventPart(view.events, CLASSES, group, variation, _limit(header))], 0


def _static(view: _View, header: ObjectHeader) -> Read:
    """Static groups in any or one variation."""
    group, variation = header.group, header.variation
    column = view.state.station.database.columns[BY_STATIC_GROUP[group]]
    octets = column.type in OCTET_TYPES
    if variation and (octets or variation in OBSOLETE.get(group, ()) or find(group, variation) is None):
        raise unknown(f"g{group}v{variation}")
    if not len(column):
        return _NO_POINTS
    return _points(column, group, column.runs(variation), header)


def _deadbands(view: _View, header: ObjectHeader) -> Read:
    column = view.state.station.database.columns[PointType.ANALOG_INPUT]
    if header.variation and find(_DEADBANDS, header.variation) is None:
        raise unknown(f"g34v{header.variation}")
    if not len(column):
        return _NO_POINTS
    return _points(column, _DEADBANDS, column.deadband_runs(header.variation), header)


def _points(column: Column, group: int, runs: list[Run], header: ObjectHeader) -> Read:
    """The runs that a header's qualifier picks, and PARAMETER_ERROR for points that are not there."""
    if header.qualifier is Qualifier.ALL:
        return [StaticPart(column, group, runs)], 0
    if header.qualifier in RANGES:
        low, high = column.span(header.start, header.stop)
        outside = column.exceeded(header.start, header.stop)
        parts: list[Part] = [StaticPart(column, group, runs, low, high)] if low < high else []
    elif header.qualifier in INDEXED:
        wanted = [column.positions.get(index) for index in header.indices]
        outside = None in wanted
        parts = [StaticPart(column, group, runs, at, at + 1) for at in wanted if at is not None]
    else:
        raise misfit("static values are read as a whole, by range or by list")
    return parts, IIN.PARAMETER_ERROR if outside else 0


def _attributes(view: _View, header: ObjectHeader) -> Read:
    """g0: one attribute, all of them (v254), or the list of them (v255), of the standard set (index 0)."""
    if header.qualifier is not Qualifier.ALL and header.qualifier not in RANGES:
        raise misfit("attributes are read by range 0 to 0")
    if header.qualifier in RANGES and header.start > 0:
        raise misfit("only the standard set of attributes exists")
    attributes = view.state.station.attributes
    wanted = attributes.variations() if header.variation == ALL_ATTRIBUTES else [header.variation]
    if header.variation not in (ALL_ATTRIBUTES, LIST_OF_ATTRIBUTES, *attributes.variations()):
        raise unknown(f"attribute {header.variation}")
    parts: list[Part] = [
        ObjectPart(range_head(0, variation, 0, 0) + (attributes.octets(variation) or b"")) for variation in wanted
    ]
    outside = header.qualifier in RANGES and header.stop > 0
    return parts, IIN.PARAMETER_ERROR if outside else 0


def _time(view: _View, header: ObjectHeader) -> Read:
    """g50v1: the time as this master set it."""
    if header.variation not in (0, 1):
        raise unknown(f"g50v{header.variation}")
    if header.qualifier is not Qualifier.ALL and (header.qualifier not in COUNTS or header.count != 1):
        raise misfit("there is one time")
    return [ObjectPart(count_head(50, 1, 1) + TABLE[50, 1].pack(view.state.time_ms(view.now)))], 0


def _indications(view: _View, header: ObjectHeader) -> Read:
    """g80v1: the internal indications as packed bits."""
    if header.variation not in (0, 1):
        raise unknown(f"g80v{header.variation}")
    bits = view.state.indications(view.now)
    start, stop = 0, 15
    if header.qualifier in RANGES:
        start, stop = header.start, header.stop
    elif header.qualifier is not Qualifier.ALL:
        raise misfit("indications are read as a whole or by range")
    if stop > 15:
        raise misfit("there are 16 indications")
    count = stop - start + 1
    octets = (bits >> start & (1 << count) - 1).to_bytes((count + 7) // 8, "little")
    return [ObjectPart(range_head(80, 1, start, stop) + octets)], 0


def _file_block(view: _View, header: ObjectHeader) -> Read:
    """g70v5: a block of an open file."""
    if view.state.files is None:
        raise unknown("there is no file transfer")
    return [ObjectPart(view.state.files.read_block(header, view.now))], 0


def _statistics(view: _View, header: ObjectHeader) -> Read:
    """g121: security statistics of this association."""
    counts = view.state.security_counts
    if counts is None or header.variation not in (0, 1):
        raise unknown(f"g121v{header.variation}")
    start, stop = 0, len(counts) - 1
    if header.qualifier in RANGES:
        start, stop = header.start, header.stop
    elif header.qualifier is not Qualifier.ALL:
        raise misfit("statistics are read as a whole or by range")
    if stop >= len(counts):
        raise misfit(f"there are {len(counts)} statistics")
    encode, association = ENCODERS[121, 1], view.state.security_association
    objects = b"".join(
        encode(security_value(association, count), Flags.ONLINE, 0) for count in counts[start : stop + 1]
    )
    return [ObjectPart(range_head(121, 1, start, stop) + objects)], 0


def _statistic_events(view: _View, header: ObjectHeader) -> Read:
    """g122: statistics that passed their threshold."""
    if view.state.security_counts is None or header.variation not in (0, 1, 2):
        raise unknown(f"g122v{header.variation}")
    return [EventPart(view.events, CLASSES, 122, header.variation, _limit(header))], 0


_READERS: dict[int, Callable[[_View, ObjectHeader], Read]] = {
    0: _attributes,
    34: _deadbands,
    50: _time,
    60: _class_data,
    70: _file_block,
    80: _indications,
    121: _statistics,
    122: _statistic_events,
}
