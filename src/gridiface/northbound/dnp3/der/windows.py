"""Edit windows of the DER profile: many records behind one set of points, of which a selector shows one.

Owns the records, which of them is shown, and their durable form. What a curve or a schedule means is curves.py's
and schedules.py's; who may write is commanding/handlers.py's. Numbers are wire units, as the points have them. No I/O.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gridiface.domain.changes import Document, PutDocument
from gridiface.northbound.dnp3.pointmap.meanings import Action
from gridiface.northbound.dnp3.pointmap.points import PointEntry, PointMap

SPACE = "dnp3.record"
SELECT = "select"
_KEY_DIGITS = 3
#: In place of a record's number: which one is selected.
_SELECTION = 0


@dataclass(slots=True)
class Record:
    """One curve or schedule: wire values by field, those that are 0 left out; and what the server noted of it."""

    values: dict[str, float] = field(default_factory=dict)
    notes: dict[str, float | str] = field(default_factory=dict)

    def value(self, name: str) -> float:
        """The value of a field."""
        return self.values.get(name, 0.0)

    def with_value(self, name: str, value: float) -> Record:
        """The record with another value; notes about the old content are gone."""
        values = {**self.values, name: value}
        return Record({key: one for key, one in values.items() if one}, {})

    def with_notes(self, **notes: float | str) -> Record:
        """The record with more notes."""
        return Record(self.values, {**self.notes, **notes})

    def note(self, name: str) -> float:
        """A numeric note; 0 without one."""
        found = self.notes.get(name, 0.0)
        return found if isinstance(found, float | int) else 0.0


class Window:
    """One window.

    Args:
        station, name: of it; parts of the keys of its documents.
        fields: output by field; `select` among them.
        most: records 1 to `most`.
    """

    def __init__(self, station: str, name: str, fields: Mapping[str, PointEntry], most: int) -> None:
        self.name = name
        self.fields = dict(fields)
        self.most = most
        self.selected = 1
        self.records: dict[int, Record] = {}
        self._station = station

    def record(self, number: int | None = None) -> Record:
        """A record, or the selected one; an empty one where nothing was written yet."""
        return self.records.get(self.selected if number is None else number, Record())

    def document(self, number: int, record: Record) -> PutDocument:
        """The durable form of a record."""
        body = json.dumps({"values": record.values, "notes": record.notes}, sort_keys=True).encode()
        return PutDocument(SPACE, f"{self._station}/{self.name}/{number:0{_KEY_DIGITS}d}", body)

    def selection(self, number: int) -> PutDocument:
        """The durable form of the selection: who edits goes on with the same record after a restart."""
        return self.document(_SELECTION, Record({SELECT: float(number)}))

    def load(self, documents: Iterable[Document]) -> None:
        """Take up what was written in earlier runs; what cannot be read is passed over."""
        prefix = f"{self._station}/{self.name}/"
        for document in documents:
            tail = document.key.removeprefix(prefix)
            if document.space != SPACE or not document.key.startswith(prefix) or not tail.isdigit():
                continue
            record = _parsed(document.body)
            if record is None:
                continue
            if 1 <= int(tail) <= self.most:
                self.records[int(tail)] = record
            elif int(tail) == _SELECTION and 1 <= record.value(SELECT) <= self.most:
                self.selected = int(record.value(SELECT))

    def shown(self) -> dict[str, float]:
        """What each field's output shows now, by name of the output."""
        record = self.record()
        return {
            entry.name: float(self.selected) if name == SELECT else record.value(name)
            for name, entry in self.fields.items()
        }


def windows_of(station: str, points: PointMap) -> dict[str, Window]:
    """The windows of a point map: outputs whose action is EDIT, with `WINDOW/FIELD` as argument.

    The selector's upper limit says how many records there are.
    """
    found: dict[str, dict[str, PointEntry]] = {}
    for entry in points.outputs():
        if entry.action is Action.EDIT:
            window, _, name = entry.argument.partition("/")
            found.setdefault(window, {})[name] = entry
    return {
        name: Window(station, name, fields, int(fields[SELECT].maximum))
        for name, fields in found.items()
        if SELECT in fields
    }


def _parsed(body: bytes) -> Record | None:
    try:
        found = json.loads(body)
        values = {str(name): float(value) for name, value in found["values"].items()}
        notes = {str(name): value for name, value in found["notes"].items() if isinstance(value, str | float | int)}
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return Record(values, notes)
