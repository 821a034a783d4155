"""Which inputs of a point map show what: of a target, of the station itself, of an output or a record. Pure.

Made once per station, so that a refresh walks lists and looks nothing up. What the inputs show is station.py's and
translate/points.py's.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gridiface.domain.controls import Target
from gridiface.northbound.dnp3.pointmap.meanings import Action, Measure
from gridiface.northbound.dnp3.pointmap.points import PointEntry
from gridiface.northbound.dnp3.settings import StationSettings
from gridiface.northbound.dnp3.translate.points import COUNTED, OF_STATION
from gridiface.protocols.dnp3.points import PointType

_ABOUT_RECORDS = frozenset({Measure.CURVE_IN_USE, Measure.SCHEDULE_STATE})


@dataclass(slots=True)
class Block:
    """The inputs of one type that show one target."""

    type: PointType
    target: Target
    entries: list[PointEntry] = field(default_factory=list)


class Showing:
    """The inputs of one station, sorted.

    Attributes:
        blocks: those that show a target.
        own: those that the station knows itself, but for `edited`.
        edited: read-backs of edit windows: hundreds that change only when somebody writes.
        about_records: those of `own` that tell of the records behind edit windows.
    """

    def __init__(self, settings: StationSettings) -> None:
        inputs = settings.points.inputs()
        windows = {entry.name for entry in settings.points.outputs() if entry.action is Action.EDIT}
        self.blocks = _blocks(settings)
        self.own = [entry for entry in inputs if entry.measure in OF_STATION and entry.argument not in windows]
        self.edited = [entry for entry in inputs if entry.measure is Measure.READ_BACK and entry.argument in windows]
        self.about_records = [entry for entry in self.own if entry.measure in _ABOUT_RECORDS]
        self._effective: dict[str, list[PointEntry]] = {}
        if settings.quality.disabled_offline:
            for entry in self.own:
                if entry.effect_with:
                    self._effective.setdefault(entry.effect_with, []).append(entry)
        self._readers: dict[str, list[PointEntry]] = {}
        for entry in (*self.own, *self.edited):
            if entry.argument:
                self._readers.setdefault(entry.argument, []).append(entry)

    def readers(self, output: str) -> list[PointEntry]:
        """The inputs that read an output back, or are in effect while it is on."""
        return [*self._readers.get(output, ()), *self._effective.get(output, ())]

    @property
    def counted(self) -> set[Target]:
        """The targets whose energy has to be counted."""
        return {block.target for block in self.blocks if any(entry.measure in COUNTED for entry in block.entries)}


def _blocks(settings: StationSettings) -> list[Block]:
    found: dict[tuple[PointType, Target], Block] = {}
    for entry in settings.points.inputs():
        if entry.measure in OF_STATION:
            continue
        target = entry.target or settings.target
        block = found.setdefault((entry.type, target), Block(entry.type, target))
        block.entries.append(entry)
    return list(found.values())
