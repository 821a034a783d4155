"""Telling of alarms: a durable queue of notices to webhooks and mail, tried again with growing pauses for a day.

Owns the queue and its times; how a notice is sent is its target's business.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

from gridiface.deadlines import waits
from gridiface.domain.changes import DeleteDocument, Document, PutDocument
from gridiface.domain.clock import Instant
from gridiface.domain.ports import Ledger
from gridiface.errors import GridifaceError, StoreUnavailable
from gridiface.operator.alarms.alarms import Alarm
from gridiface.operator.alarms.kinds import KINDS, SEVERITIES

_log = logging.getLogger("gridiface.operator")

SPACE = "operator/notice"

#: The first pause after a failure, the longest, and after how long a notice is given up, s; most that wait; at once.
FIRST_S, LONGEST_S, GIVEN_UP_S, MOST, AT_ONCE = 5.0, 900.0, 86_400.0, 2_000, 4

#: Notices of one kind to one target that wait at once; of more only their number is told.
PILE = 10


_RANK: dict[str, int] = {name: rank for rank, name in enumerate(SEVERITIES)}


class Undelivered(GridifaceError):
    """A target did not take a notice; `final`: it will not take it later either."""

    def __init__(self, text: str, *, final: bool = False) -> None:
        super().__init__(text)
        self.final = final


class Target(Protocol):
    """Somebody who is told."""

    @property
    def name(self) -> str:
        """For the log and the queue; unique."""
        ...

    @property
    def severity(self) -> str:
        """The least severity that it wants to know of."""
        ...

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds that it wants to know of; none: all."""
        ...

    async def send(self, notice: Notice) -> None:
        """Deliver it once.

        Raises:
            Undelivered: it was not taken.
        """
        ...


@dataclass(frozen=True, slots=True)
class Notice:
    """One notice to one target: what happened to an alarm. `event`: alarm.raised, alarm.acknowledged, alarm.cleared."""

    id: str
    target: str
    event: str
    alarm: dict[str, Any]
    first: Instant
    due: Instant
    tries: int = 0


@dataclass(slots=True)
class Notices:
    """The queue. Call `load` first; `on_alarm` for each change; `deliver` again and again.

    Args:
        ledger: where what waits is kept.
        targets: who is told.
        site: name of this installation, for the reader.
    """

    ledger: Ledger
    targets: Sequence[Target] = ()
    site: str = ""
    failing: dict[str, str] = field(default_factory=dict)
    _held: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    _waiting: dict[str, Notice] = field(default_factory=dict)
    _unwritten: dict[str, Notice] = field(default_factory=dict)

    async def load(self) -> None:
        """Take up what waited when the server ended.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        self._waiting = {d.key: _notice(d) for d in await self.ledger.documents(SPACE)}

    def on_alarm(self, alarm: Alarm) -> None:
        """Queue what has happened to an alarm, for each target that wants to know."""
        event = f"alarm.{alarm.state}"
        for target in self.targets:
            if target.kinds and alarm.kind not in target.kinds:
                continue
            if _RANK[KINDS[alarm.kind].severity] < _RANK[target.severity]:
                continue
            if self._piled(target.name, alarm.kind) >= PILE:
                self._held[target.name, event, alarm.kind] += 1
            else:
                self._queue(target, event, dict(alarm.row()), alarm.changed, alarm.id)

    def test(self, now: Instant) -> int:
        """Queue a test notice to every target; how many there are."""
        row = {
            "kind": "test",
            "severity": "info",
            "subject": self.site,
            "text": "a test of the notices",
            "state": "test",
        }
        for target in self.targets:
            self._queue(target, "test", row, now, "test")
        return len(self.targets)

    async def deliver(self, now: Instant) -> None:
        """Send what is due, also while nothing can be written: a store in trouble is what people must hear of.

        Raises:
            StoreUnavailable: what is due was sent; what is not written down is kept for the next time.
        """
        troubles: list[BaseException | None] = []
        try:
            await self._write()
        except StoreUnavailable as problem:
            troubles.append(problem)
        self._sum_up(now)
        waiting = (n for n in self._waiting.values() if not waits(n.due, now, _pause(n.tries - 1)))
        due = sorted(waiting, key=lambda n: (n.due, n.id))[:AT_ONCE]
        troubles += await asyncio.gather(*(self._send(notice, now) for notice in due), return_exceptions=True)
        for trouble in troubles:
            if trouble is not None:
                raise trouble

    async def _write(self) -> None:
        if self._unwritten:
            some = dict(self._unwritten)
            await self.ledger.commit([_put(notice) for notice in some.values()])
            self._unwritten = {k: n for k, n in self._unwritten.items() if some.get(k) is not n}

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def _piled(self, target: str, kind: str) -> int:
        return sum(n.target == target and n.alarm["kind"] == kind for n in self._waiting.values())

    def _sum_up(self, now: Instant) -> None:
        """Where a pile has been told of, one notice tells how many more there were: a lost feeder is no mail storm."""
        for (name, event, kind), count in list(self._held.items()):
            if self._piled(name, kind) == 0:
                del self._held[name, event, kind]
                target = next(one for one in self.targets if one.name == name)
                row = {
                    "kind": kind,
                    "severity": KINDS[kind].severity,
                    "subject": f"{count} more",
                    "text": f"{count} more of this kind; `gridiface alarm list --kind {kind}` shows those that stand",
                    "state": event.removeprefix("alarm."),
                    "fix": KINDS[kind].fix,
                }
                self._queue(target, event, row, now, f"more-{kind}")

    def _queue(self, target: Target, event: str, alarm: dict[str, Any], now: Instant, about: str) -> None:
        key = f"{int(now * 1000):016d}-{about}-{event}-{target.name}"
        notice = Notice(key, target.name, event, {**alarm, "site": self.site}, now, now)
        if len(self._waiting) >= MOST:
            _log.error("%d notices wait, %s is not told of %s", MOST, target.name, about)
            return
        self._waiting[key] = self._unwritten[key] = notice

    async def _send(self, notice: Notice, now: Instant) -> None:
        target = next((one for one in self.targets if one.name == notice.target), None)
        try:
            if target is not None:
                await target.send(notice)
                self.failing.pop(notice.target, None)
        except Undelivered as problem:
            self.failing[notice.target] = str(problem)
            if not problem.final and now - notice.first < GIVEN_UP_S:
                pause = _pause(notice.tries)
                later = replace(notice, tries=notice.tries + 1, due=now + pause)
                self._waiting[notice.id] = self._unwritten[notice.id] = later
                _log.info("%s is told again in %.0f s: %s", notice.target, pause, problem)
                return
            _log.error("%s is not told of %s: %s", notice.target, notice.event, problem)
        self._waiting.pop(notice.id, None)
        self._unwritten.pop(notice.id, None)
        await self.ledger.commit([DeleteDocument(SPACE, notice.id)])


def _pause(tries: int) -> float:
    """How long a notice waits after so many tries that failed, s."""
    return min(LONGEST_S, FIRST_S * 2.0 ** max(0, min(tries, 20)))


def _put(notice: Notice) -> PutDocument:
    return PutDocument(SPACE, notice.id, json.dumps(asdict(notice), sort_keys=True).encode())


def _notice(document: Document) -> Notice:
    return Notice(**json.loads(document.body))
