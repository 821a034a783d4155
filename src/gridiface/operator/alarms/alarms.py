"""Alarms: raised while something is so, acknowledged by somebody, cleared when it is not so any more. Durable.

Owns their life and their record; where they come from is the app's business, who is told is `notices`'.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace

from typing_extensions import TypedDict

from gridiface.domain.changes import Change, DeleteDocument, Document, PutDocument
from gridiface.domain.clock import Instant
from gridiface.domain.ports import Ledger
from gridiface.operator.alarms.kinds import KINDS
from gridiface.operator.records.audit import Entry

SPACE = "operator/alarm"

#: How long cleared alarms are kept, s; most that are kept; within so long a cleared one is raised again as the same, s.
KEPT_S, MOST, FLAPPING_S = 90 * 86_400.0, 20_000, 300.0


class AlarmRow(TypedDict):
    """One alarm. `state`: raised, acknowledged, cleared; `count`: how often it came back soon after it was cleared."""

    id: str
    kind: str
    severity: str
    subject: str
    text: str
    fix: str
    state: str
    raised: float
    changed: float
    count: int
    acknowledged: float | None
    by: str
    note: str
    cleared: float | None


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm's record."""

    id: str
    kind: str
    subject: str
    text: str
    raised: Instant
    changed: Instant
    count: int = 1
    acknowledged: Instant | None = None
    by: str = ""
    note: str = ""
    cleared: Instant | None = None

    @property
    def state(self) -> str:
        """raised, acknowledged or cleared."""
        return "cleared" if self.cleared is not None else "raised" if self.acknowledged is None else "acknowledged"

    def row(self) -> AlarmRow:
        """For people."""
        kind = KINDS[self.kind]
        return {
            "id": self.id,
            "kind": self.kind,
            "severity": kind.severity,
            "subject": self.subject,
            "text": self.text,
            "fix": kind.fix,
            "state": self.state,
            "raised": self.raised,
            "changed": self.changed,
            "count": self.count,
            "acknowledged": self.acknowledged,
            "by": self.by,
            "note": self.note,
            "cleared": self.cleared,
        }


@dataclass(slots=True)
class AlarmBook:
    """The alarms of one installation. Call `load` first, `observe` as often as things are looked at, `flush` after it.

    `told` is called with each alarm that was raised, acknowledged or cleared, when it is.
    """

    ledger: Ledger
    told: list[Callable[[Alarm], None]] = field(default_factory=list)
    _alarms: dict[str, Alarm] = field(default_factory=dict)
    _standing: dict[tuple[str, str], str] = field(default_factory=dict)
    _cleared: dict[tuple[str, str], str] = field(default_factory=dict)
    _since: dict[tuple[str, str], Instant] = field(default_factory=dict)
    _unwritten: dict[str, Change] = field(default_factory=dict)

    async def load(self, now: Instant) -> None:
        """Read the records; forget what was cleared long ago.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        found = [alarm for d in await self.ledger.documents(SPACE) if (alarm := _alarm(d)) is not None]
        found.sort(key=lambda alarm: alarm.changed)
        over = [a for a in found if a.cleared is not None and now - a.cleared > KEPT_S]
        over += [a for a in found if a.cleared is not None][: max(0, len(found) - MOST)]
        gone = {alarm.id for alarm in over}
        if gone:
            await self.ledger.commit([DeleteDocument(SPACE, name) for name in sorted(gone)])
        self._alarms = {alarm.id: alarm for alarm in found if alarm.id not in gone}
        self._standing = {(a.kind, a.subject): a.id for a in self._alarms.values() if a.cleared is None}
        self._cleared = {(a.kind, a.subject): a.id for a in self._alarms.values() if a.cleared is not None}

    def observe(self, kind: str, present: Mapping[str, str], now: Instant) -> None:
        """What of a kind is so now: subject -> words. What is not there any more is cleared, unless it is latched."""
        rule = KINDS[kind]
        for subject, text in present.items():
            key = (kind, subject)
            since = self._since.setdefault(key, now)
            standing = self._alarms.get(self._standing.get(key, ""))
            if standing is not None:
                if rule.latched and text != standing.text:
                    self._put(replace(standing, text=text, changed=now, count=standing.count + 1))
            elif now - since >= rule.after_s or now < since:
                self._raise(key, text, now)
        for key in [key for key in self._since if key[0] == kind and key[1] not in present]:
            del self._since[key]
        if rule.latched:
            return
        for key in [key for key in self._standing if key[0] == kind and key[1] not in present]:
            self._clear(key, now)

    async def acknowledge(self, alarm_id: str, now: Instant, *, by: str, note: str) -> Alarm | None:
        """Note that somebody has seen it; a latched one is cleared by it. None: there is no such alarm.

        Raises:
            StoreUnavailable: nothing was changed.
        """
        alarm = self._alarms.get(alarm_id)
        if alarm is None:
            return None
        changed = replace(alarm, acknowledged=now, by=by, note=note, changed=now)
        if KINDS[alarm.kind].latched and alarm.cleared is None:
            changed = replace(changed, cleared=now)
        before, after = {"state": alarm.state}, {"state": changed.state}
        subject = f"{alarm.kind} {alarm.subject}".strip()
        entry = Entry(
            at=now, who=by, what="alarm.acknowledge", subject=subject, before=before, after=after, reason=note
        )
        await self.ledger.commit([_put(changed), entry.change()])
        entry.log()
        self._unwritten.pop(alarm_id, None)
        self._alarms[alarm_id] = changed
        if changed.cleared is not None:
            self._standing.pop((alarm.kind, alarm.subject), None)
        self._tell(changed)
        return changed

    async def flush(self) -> None:
        """Write what has changed.

        Raises:
            StoreUnavailable: it is kept for the next time.
        """
        self._forget_oldest()
        changes = dict(self._unwritten)
        if changes:
            await self.ledger.commit(list(changes.values()))
            for name, change in changes.items():
                if self._unwritten.get(name) is change:
                    del self._unwritten[name]

    def get(self, alarm_id: str) -> Alarm | None:
        """One alarm, or None."""
        return self._alarms.get(alarm_id)

    def alarms(self) -> list[Alarm]:
        """All, those that stand first, the latest change first."""
        return sorted(self._alarms.values(), key=lambda a: (a.cleared is not None, -a.changed, a.id))

    def standing(self) -> Iterable[Alarm]:
        """Those that are not cleared."""
        return [self._alarms[name] for name in self._standing.values()]

    def _forget_oldest(self) -> None:
        """Cleared alarms beyond the most that are kept."""
        surplus = len(self._alarms) - MOST
        if surplus > 0:
            cleared = sorted((a for a in self._alarms.values() if a.cleared is not None), key=lambda a: a.changed)
            for alarm in cleared[:surplus]:
                del self._alarms[alarm.id]
                self._unwritten[alarm.id] = DeleteDocument(SPACE, alarm.id)

    def _raise(self, key: tuple[str, str], text: str, now: Instant) -> None:
        last = self._alarms.get(self._cleared.get(key, ""))
        recent = last is not None and last.cleared is not None and now - last.cleared < FLAPPING_S
        if last is not None and recent and not KINDS[key[0]].latched:
            again = replace(last, text=text, changed=now, cleared=None, acknowledged=None, by="", note="")
            self._standing[key] = last.id
            self._put(replace(again, count=last.count + 1))
            return
        name = hashlib.sha256(f"{key[0]}\0{key[1]}\0{now!r}".encode()).hexdigest()[:16]
        self._standing[key] = name
        self._put(Alarm(name, *key, text, now, now))

    def _clear(self, key: tuple[str, str], now: Instant) -> None:
        self._cleared[key] = self._standing.pop(key)
        self._put(replace(self._alarms[self._cleared[key]], cleared=now, changed=now))

    def _put(self, alarm: Alarm) -> None:
        self._alarms[alarm.id] = alarm
        self._unwritten[alarm.id] = _put(alarm)
        self._tell(alarm)

    def _tell(self, alarm: Alarm) -> None:
        for listener in self.told:
            listener(alarm)


def _put(alarm: Alarm) -> PutDocument:
    return PutDocument(SPACE, alarm.id, json.dumps(asdict(alarm), sort_keys=True).encode())


def _alarm(document: Document) -> Alarm | None:
    body = json.loads(document.body)
    return Alarm(**body) if body.get("kind") in KINDS else None
