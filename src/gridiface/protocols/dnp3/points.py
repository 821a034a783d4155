"""Points of an outstation: their types, and what is configured for each.

Owns the table of point types (which static and event groups belong together, which variations are the defaults)
and the configuration of one point. Values live in columns.py, events in events.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from gridiface.errors import LocalProtocolError
from gridiface.protocols.dnp3.objects import Flags, find


class PointType(Enum):
    """A type of point; the value is its name in configuration and documents."""

    BINARY_INPUT = "binary input"
    DOUBLE_BIT_INPUT = "double-bit input"
    BINARY_OUTPUT = "binary output"
    COUNTER = "counter"
    FROZEN_COUNTER = "frozen counter"
    ANALOG_INPUT = "analog input"
    FROZEN_ANALOG_INPUT = "frozen analog input"
    ANALOG_OUTPUT = "analog output"
    OCTET_STRING = "octet string"
    VIRTUAL_TERMINAL = "virtual terminal"

    # members are singletons; the hash of Enum is a Python call, paid on every look-up of a column
    __hash__ = object.__hash__


class EventMode(Enum):
    """When an update of a point makes an event."""

    DETECT = "on change, beyond the dead-band"
    FORCE = "on every update"
    SUPPRESS = "never"
    EVENT_ONLY = "on every update, and the static value stays"


@dataclass(frozen=True, slots=True)
class Kind:
    """The object groups of a point type; 0 where it has none."""

    static_group: int
    event_group: int
    static_variation: int
    event_variation: int
    in_class_0: bool = True
    command_group: int = 0
    command_event_group: int = 0
    freezes_into: PointType | None = None


KINDS: Final[dict[PointType, Kind]] = {
    PointType.BINARY_INPUT: Kind(1, 2, 2, 2),
    PointType.DOUBLE_BIT_INPUT: Kind(3, 4, 2, 2),
    PointType.BINARY_OUTPUT: Kind(10, 11, 2, 2, command_group=12, command_event_group=13),
    PointType.COUNTER: Kind(20, 22, 1, 5, freezes_into=PointType.FROZEN_COUNTER),
    PointType.FROZEN_COUNTER: Kind(21, 23, 5, 5),
    PointType.ANALOG_INPUT: Kind(30, 32, 5, 7, freezes_into=PointType.FROZEN_ANALOG_INPUT),
    PointType.FROZEN_ANALOG_INPUT: Kind(31, 33, 7, 7),
    PointType.ANALOG_OUTPUT: Kind(40, 42, 3, 7, command_group=41, command_event_group=43),
    PointType.OCTET_STRING: Kind(110, 111, 0, 0, in_class_0=False),
    PointType.VIRTUAL_TERMINAL: Kind(0, 113, 0, 0, in_class_0=False),
}
"""In order of a class 0 response."""

BY_STATIC_GROUP: Final = {kind.static_group: name for name, kind in KINDS.items() if kind.static_group}
BY_EVENT_GROUP: Final = {kind.event_group: name for name, kind in KINDS.items()} | {
    kind.command_event_group: name for name, kind in KINDS.items() if kind.command_event_group
}
OCTET_TYPES: Final = frozenset((PointType.OCTET_STRING, PointType.VIRTUAL_TERMINAL))
OBSOLETE: Final = {20: frozenset((3, 4, 7, 8)), 21: frozenset((3, 4, 7, 8, 11, 12)), 22: frozenset((3, 4, 7, 8))}
OBSOLETE[23] = OBSOLETE[22]
"""Delta counters: we know their layout and a master of ours reads them, an outstation never sends them."""

STATE_BITS: Final = {
    PointType.BINARY_INPUT: (7, 1),
    PointType.BINARY_OUTPUT: (7, 1),
    PointType.DOUBLE_BIT_INPUT: (6, 3),
}
"""Where a state stands in the flags octet: shift and mask."""

COMMAND_EVENT_VARIATIONS: Final = {13: 2, 43: 3}


@dataclass(frozen=True, slots=True)
class PointConfig:
    """What is configured for one point.

    Args:
        type: the type of point.
        index: its index, 0 to 65535.
        name: how people and the rest of the program call it; unique in a database.
        event_class: 1 to 3, or 0 for no events; a master may change it for itself with ASSIGN_CLASS.
        static_variation, event_variation: variations answered when a master asks for any (0: the type's default).
        deadband: an analog value or counter must differ by more than this from the last one reported.
        mode: when updates make events.
        in_class_0: whether class 0 polls show the point (None: as usual for the type).
        most_recent_only: an unreported event of the point is replaced by the next one.
        command_event_class: class of the events that report commands to an output (g13, g43); 0 for none.
        minimum, maximum: limits of an analog output; a command outside is answered OUT_OF_RANGE.
        control_codes: code octets a binary output takes (None: every one that the standard knows).
        deadband_variation: variation of g34 answered when a master asks for any.
        initial_flags: the flags before the first update.
    """

    type: PointType
    index: int
    name: str = ""
    event_class: int = 0
    static_variation: int = 0
    event_variation: int = 0
    deadband: float = 0.0
    mode: EventMode = EventMode.DETECT
    in_class_0: bool | None = None
    most_recent_only: bool = False
    command_event_class: int = 0
    minimum: float = float("-inf")
    maximum: float = float("inf")
    initial_flags: int = Flags.RESTART
    deadband_variation: int = 3
    control_codes: frozenset[int] | None = None

    def __post_init__(self) -> None:
        kind = KINDS[self.type]
        if not 0 <= self.index <= 0xFFFF:
            raise LocalProtocolError(f"point index {self.index} is not within 0..65535")
        if not 0 <= self.event_class <= 3 or not 0 <= self.command_event_class <= 3:
            raise LocalProtocolError(f"{self.type.value} {self.index}: event classes are 0 to 3")
        if self.deadband < 0:
            raise LocalProtocolError(f"{self.type.value} {self.index}: a dead-band is not negative")
        self._known(kind.static_group, self.static_variation)
        self._known(kind.event_group, self.event_variation)

    @property
    def label(self) -> str:
        """The name, or type and index where none was given."""
        return self.name or f"{self.type.value} {self.index}"

    def _known(self, group: int, variation: int) -> None:
        if variation and (find(group, variation) is None or variation in OBSOLETE.get(group, ())):
            raise LocalProtocolError(f"{self.label}: there is no g{group}v{variation}")
