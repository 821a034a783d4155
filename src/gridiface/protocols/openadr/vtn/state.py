"""What a VTN knows: its VENs, events, deliveries, queues, reports and opts; each a document that can be stored.

Owns their documents, and what is found by what. Does not own the records themselves (entities.py) nor any rule of a
service.

Keys: ven/<venID>, event/<eventID>, spent/<eventID>, delivery/<venID>, queue/<venID>, reports/<venID>, opts/<venID>,
greenbutton/<venID>/<reportSpecifierID>.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from gridiface.protocols.openadr import records
from gridiface.protocols.openadr.changes import Change, Documents
from gridiface.protocols.openadr.vtn.entities import (
    Deliveries,
    EventRecord,
    Opts,
    Queue,
    Reports,
    Schedule,
    SpentID,
    Ven,
    VtnConfig,
)
from gridiface.protocols.openadr.vtn.notices import Notice

_KINDS: dict[str, type] = {
    "ven": Ven,
    "event": EventRecord,
    "spent": SpentID,
    "delivery": Deliveries,
    "queue": Queue,
    "reports": Reports,
    "opts": Opts,
}


class State:
    """All records of a VTN in memory, and which of them changed.

    Args:
        config: how it behaves.
        new_id: makes an ID that was never used before; the core itself draws nothing by chance.
    """

    def __init__(self, config: VtnConfig, new_id: Callable[[], str]) -> None:
        self.config = config
        self.new_id = new_id
        self.vens: dict[str, Ven] = {}
        self.events: dict[str, EventRecord] = {}
        self.spent: dict[str, SpentID] = {}
        self.notices: list[Notice] = []
        #: Of all events, lists of events and payloads that told them; never goes back.
        self.newest_change = 0.0
        self._tables: dict[str, dict[str, Any]] = {
            "ven": self.vens,
            "event": self.events,
            "spent": self.spent,
            "delivery": {},
            "queue": {},
            "reports": {},
            "opts": {},
        }
        #: Registered VENs that are pushed to, in no order that matters: looked through at each turn of the clock.
        self.pushed: dict[str, Ven] = {}
        self._by_fingerprint: dict[str, str] = {}
        self._events_of: dict[str, set[str]] = {}
        self._recipients: dict[str, tuple[str, ...]] = {}
        self._documents = Documents()

    def deliveries(self, ven_id: str) -> Deliveries:
        """The deliveries to a VEN."""
        found: Deliveries = self._record("delivery", ven_id, Deliveries)
        return found

    def queue(self, ven_id: str) -> Queue:
        """The queue of a VEN."""
        found: Queue = self._record("queue", ven_id, Queue)
        return found

    def reports(self, ven_id: str) -> Reports:
        """The reports of a VEN."""
        found: Reports = self._record("reports", ven_id, Reports)
        return found

    def opts(self, ven_id: str) -> Opts:
        """The opt schedules of a VEN."""
        found: Opts = self._record("opts", ven_id, Opts)
        return found

    def schedules(self) -> Iterable[Schedule]:
        """The opt schedules of all VENs."""
        for opts in self._tables["opts"].values():
            yield from opts.schedules

    def by_fingerprint(self, fingerprint: str) -> Ven | None:
        """The VEN that a certificate belongs to; one to one."""
        found = self._by_fingerprint.get(fingerprint) if fingerprint else None
        return self.vens.get(found) if found else None

    def events_of(self, ven_id: str) -> list[EventRecord]:
        """The events that a VEN gets, in no order."""
        return [self.events[event_id] for event_id in self._events_of.get(ven_id, ()) if event_id in self.events]

    def save(self, kind: str, key: str) -> None:
        """The record changed: its document is among the next changes."""
        record = self._tables[kind][key]
        self._index(kind, key, record)
        self._documents.put(f"{kind}/{key}", records.dump(record))

    def add(self, kind: str, key: str, record: Any) -> None:
        """Put a new record in."""
        self._tables[kind][key] = record
        self.save(kind, key)

    def forget(self, kind: str, key: str) -> None:
        """Remove a record; unknown ones change nothing."""
        record = self._tables[kind].pop(key, None)
        if record is not None:
            self._unindex(kind, key, record)
            self._documents.drop(f"{kind}/{key}")

    def put_raw(self, key: str, body: bytes) -> None:
        """A document that is only kept, not used."""
        self._documents.put(key, body)

    def take(self) -> tuple[Change, ...]:
        """Changes since the last call."""
        return self._documents.take()

    def revert(self, changes: Iterable[Change]) -> None:
        """The store could not take `changes`: go back to before."""
        for key in self._documents.revert(changes):
            self._read(key, self._documents.get(key))

    def load(self, documents: Mapping[str, bytes]) -> None:
        """Start from what a store holds; keys of others are left alone."""
        own = {key: body for key, body in documents.items() if key.partition("/")[0] in {*_KINDS, "greenbutton"}}
        self._documents.load(own)
        for key, body in own.items():
            self._read(key, body)

    def export(self) -> dict[str, bytes]:
        """All documents."""
        return dict(self._documents)

    def _record(self, kind: str, key: str, cls: type[Any]) -> Any:
        table = self._tables[kind]
        if key not in table:
            table[key] = cls()
        return table[key]

    def _read(self, key: str, body: bytes | None) -> None:
        kind, _, name = key.partition("/")
        if kind not in _KINDS:
            return
        old = self._tables[kind].pop(name, None)
        if old is not None:
            self._unindex(kind, name, old)
        if body is not None:
            record: Any = records.load(_KINDS[kind], body)
            self._tables[kind][name] = record
            self._index(kind, name, record)

    def _index(self, kind: str, key: str, record: Any) -> None:
        if kind == "ven":
            self.newest_change = max(self.newest_change, record.events_changed)
            if record.fingerprint:
                self._by_fingerprint[record.fingerprint] = key
            if record.registered and not record.pull:
                self.pushed[key] = record
            else:
                self.pushed.pop(key, None)
        if kind == "event":
            self.newest_change = max(self.newest_change, record.changed)
            for ven_id in self._recipients.get(key, ()):
                self._events_of[ven_id].discard(key)
            self._recipients[key] = tuple(record.recipients)
            for ven_id in record.recipients:
                self._events_of.setdefault(ven_id, set()).add(key)

    def _unindex(self, kind: str, key: str, record: Any) -> None:
        if kind == "ven":
            self._by_fingerprint.pop(record.fingerprint, None)
            self.pushed.pop(key, None)
        if kind == "event":
            for ven_id in self._recipients.pop(key, ()):
                self._events_of[ven_id].discard(key)
