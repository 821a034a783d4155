"""The rows of DNP3 as people and programs get them: outstations, points, masters, commands, connections.

Values are in each point's own unit, as masters see them; times in seconds since 1970 UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from typing_extensions import TypedDict

PointKind = Literal["analog input", "binary input", "counter", "analog output", "binary output"]


class Tagged(TypedDict):
    """Local mode, and reasons by name of the blocked output; "" stands for all."""

    local: bool
    blocked: dict[str, str]


class OutstationRow(Tagged):
    """One outstation. `trouble`: the store refused a command a moment ago."""

    name: str
    address: int
    target: str
    points: int
    masters: int
    connected: int
    trouble: bool


class OutstationList(TypedDict):
    """All outstations."""

    outstations: list[OutstationRow]


@dataclass(frozen=True, slots=True)
class PointName:
    """Which point; `meaning`: what it shows or asks."""

    type: str
    index: int
    name: str
    meaning: str

    @property
    def key(self) -> str:
        """Its place, as `after` takes it."""
        return f"{self.type} {self.index}"

    @property
    def text(self) -> str:
        """What is searched, a line for each."""
        return f"{self.type} {self.index}\n{self.name}\n{self.meaning}"


class PointRow(TypedDict):
    """One point. `value` null: not a number. `at`: of the value. `meaning`: what it shows or asks.

    Of outputs: `shown` is what read-backs show (less than `value` where only a part is feasible), `blocked` the reason
    of a tag on it or on all.
    """

    type: PointKind
    index: int
    name: str
    unit: str
    value: float | None
    flags: list[str]
    at: float
    event_class: int
    meaning: str
    shown: float | None
    in_force: bool
    blocked: str | None


class PointPage(TypedDict):
    """A page of points, by type and index."""

    points: list[PointRow]
    total: int
    next: str | None


class BufferRow(TypedDict):
    """Events of one class: not yet sent, and sent without a confirm so far."""

    event_class: int
    waiting: int
    unconfirmed: int


class MasterRow(TypedDict):
    """One master of an outstation. `restart_seen`: it took note of our restart. `enabled`: classes told unasked."""

    name: str
    address: int
    authority: float
    may_control: bool
    connected: bool
    peer: str | None
    heard: float | None
    restart_seen: bool
    enabled: list[int]
    buffers: list[BufferRow]
    dropped: int
    overflow: bool
    clock_offset_ms: int | None
    secure: bool


class MasterList(TypedDict):
    """The masters of an outstation."""

    masters: list[MasterRow]


class CommandRow(TypedDict):
    """One command: `value` of an analog output, `code` of a relay command."""

    at: float
    master: str
    how: str
    group: int
    index: int
    point: str
    value: float | None
    code: int | None
    status: str


class CommandList(TypedDict):
    """The newest commands, newest first."""

    commands: list[CommandRow]


class SessionRow(TypedDict):
    """One connection: who, since when, heard last, and which masters it carries."""

    peer: str
    since: float
    heard: float
    masters: list[str]


class EndpointRow(TypedDict):
    """One end point. `counters`: admitted, refused by reason, unreachable."""

    place: str
    transport: str
    mode: str
    port: int
    outstations: list[str]
    counters: dict[str, int]
    sessions: list[SessionRow]


class EndpointList(TypedDict):
    """All end points, and how often each kind of notice came since the start."""

    endpoints: list[EndpointRow]
    notices: dict[str, int]


class FrameList(TypedDict):
    """The newest frames as text, oldest first."""

    frames: list[str]
