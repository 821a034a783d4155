"""The newest commands of all masters with their status, as an operator wants to see them. In memory; no I/O.

What became of a command that succeeded is told by its control, which is durable.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from gridiface.domain.clock import Instant
from gridiface.northbound.dnp3.settings import StationSettings
from gridiface.protocols.dnp3.controls import AnalogOutput, ControlRelayOutputBlock
from gridiface.protocols.dnp3.outstation.handler import CommandDone


@dataclass(frozen=True, slots=True)
class CommandEntry:
    """One command.

    Attributes:
        at: when it was judged.
        station, master: by name; the master's link address where it has none.
        how: "select", "operate", "direct operate", ...; empty where it was refused before that.
        group, index: of the object.
        point: the output's name; empty: there is none.
        value: of an analog output; None for a relay command.
        code: control code of a relay command.
        status: the status's name.
    """

    at: Instant
    station: str
    master: str
    how: str
    group: int
    index: int
    point: str
    value: float | None
    code: int | None
    status: str


class CommandLog:
    """The last so many commands."""

    def __init__(self, most: int = 2000) -> None:
        self._kept: deque[tuple[StationSettings, CommandDone, Instant]] = deque(maxlen=most)

    def note(self, station: StationSettings, notice: CommandDone, now: Instant) -> None:
        """Keep a command; the oldest goes when there is no room."""
        self._kept.append((station, notice, now))

    def newest(self, station: str, limit: int) -> Iterator[CommandEntry]:
        """Those of one outstation, newest first, at most `limit`."""
        kept = (one for one in reversed(self._kept) if one[0].name == station)
        return (_entry(*one) for one in islice(kept, max(0, limit)))


def _entry(station: StationSettings, notice: CommandDone, at: Instant) -> CommandEntry:
    request = notice.request
    command = None if request is None else request.command
    relay = command if isinstance(command, ControlRelayOutputBlock) else None
    return CommandEntry(
        at=at,
        station=station.name,
        master=next((one.name for one in station.masters if one.address == notice.master), str(notice.master)),
        how="" if request is None else request.mode.value,
        group=notice.group,
        index=notice.index,
        point="" if request is None else request.point.name,
        value=command.value if isinstance(command, AnalogOutput) else None,
        code=None if relay is None else relay.code,
        status=notice.status.name,
    )
