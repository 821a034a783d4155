"""What of the engine is kept over restarts: quarantines, strategies, closed loops, the day's throughput.

Quarantines that the engine makes by itself are kept, too: a restart does not make a liar honest.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence

from gridiface.aggregation.allocate import names, strategy
from gridiface.aggregation.engine import Engine
from gridiface.aggregation.loops import Held
from gridiface.domain.changes import Change, DeleteDocument, Document, PutDocument
from gridiface.domain.clock import Instant
from gridiface.domain.ports import Ledger
from gridiface.errors import ConfigError

_log = logging.getLogger("gridiface.engine")

#: Where they are kept: by device, and by group.
QUARANTINE, STRATEGY = "engine/quarantine", "engine/strategy"
THROUGHPUT, TODAY = "engine/throughput", "today"

LOOPS, NOW = "engine/loops", "now"

#: How much of a day's throughput a power cut may lose, s.
_EVERY_S = 60.0

#: How often loops are looked at, s; how often they are told that stand still; older ones are not taken up.
_LOOPS_S, _LOOPS_STILL_S, _LOOPS_LAST_S = 5.0, 300.0, 900.0

#: A loop that moved by less than this part of what it holds, or than so much, W, is not told anew.
_STILL, _STILL_W = 0.01, 10.0


class EngineDesk:
    """Implements operator.areas.engine.EnginePort over the engine and the store."""

    def __init__(self, engine: Engine, ledger: Ledger) -> None:
        self._engine, self._ledger = engine, ledger
        self._kept: set[str] = set()
        self._counted_at: Instant = float("-inf")
        self._counted: bytes = b""
        self._looked_at: Instant = float("-inf")
        self._held: Mapping[str, Held] = {}
        self._held_at: Instant = float("-inf")

    async def load(self, now: Instant) -> None:
        """Take up what was chosen and who was quarantined; call it when devices and groups are there.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        self._restore(await self._ledger.documents(QUARANTINE), await self._ledger.documents(STRATEGY), now)
        for document in await self._ledger.documents(THROUGHPUT):
            kept = json.loads(document.body)
            self._engine.throughput.carry(kept["ends"], kept["wh"], now)
        for document in await self._ledger.documents(LOOPS):
            kept = json.loads(document.body)
            if 0.0 <= now - kept["at"] <= _LOOPS_LAST_S:
                self._engine.desk.loops.carry({name: Held(*held) for name, held in kept["groups"].items()})

    def _restore(self, quarantined: Iterable[Document], chosen: Iterable[Document], now: Instant) -> None:
        for document in quarantined:
            if self._engine.desk.quarantine(document.key, now, reason="as before the restart"):
                self._kept.add(document.key)
        for document in chosen:
            try:
                self._engine.desk.choose_strategy(document.key, json.loads(document.body), now)
            except ConfigError as problem:
                _log.warning("the chosen strategy of %s is left out: %s", document.key, problem)

    def changes(self, now: Instant, *, all_of_it: bool = False) -> list[Change]:
        """What has to be made durable of what the engine did by itself since the last call; cheap when nothing was.

        Args:
            now: the throughput is told once a minute, what loops hold every few seconds.
            all_of_it: both are told now, for a graceful end.
        """
        changes = self._throughput(now, all_of_it=all_of_it) + self._loops(now, all_of_it=all_of_it)
        odd = set(self._engine.desk.quarantined())
        if odd != self._kept:
            changes += [PutDocument(QUARANTINE, name, b"{}") for name in sorted(odd - self._kept)]
            changes += [DeleteDocument(QUARANTINE, name) for name in sorted(self._kept - odd)]
            self._kept = odd
        return changes

    def _throughput(self, now: Instant, *, all_of_it: bool) -> list[Change]:
        if not all_of_it and 0.0 <= now - self._counted_at < _EVERY_S:
            return []
        self._counted_at = now
        ends, watt_hours = self._engine.throughput.today()
        body = json.dumps({"ends": ends, "wh": watt_hours}).encode() if watt_hours else b""
        if body in (b"", self._counted):
            return []
        self._counted = body
        return [PutDocument(THROUGHPUT, TODAY, body)]

    def _loops(self, now: Instant, *, all_of_it: bool) -> list[Change]:
        if not all_of_it and 0.0 <= now - self._looked_at < _LOOPS_S:
            return []
        self._looked_at = now
        held = self._engine.desk.loops.held()
        same = held.keys() == self._held.keys() and all(map(_still, held.values(), self._held.values()))
        lately = 0.0 <= now - self._held_at < _LOOPS_STILL_S
        if (same and lately and not all_of_it) or not (held or self._held):
            return []
        self._held, self._held_at = held, now
        return [PutDocument(LOOPS, NOW, json.dumps({"at": now, "groups": held}).encode())]

    def quarantined(self) -> Sequence[str]:
        """See EnginePort."""
        return self._engine.desk.quarantined()

    def strategies(self) -> Sequence[str]:
        """See EnginePort."""
        return names()

    def chosen(self) -> Mapping[str, tuple[str, bool]]:
        """See EnginePort."""
        return {
            group.id: (self._engine.desk.strategy_of(group.id) or "", self._engine.desk.is_chosen(group.id))
            for group in self._engine.groups()
        }

    async def quarantine(self, device_id: str, now: Instant, *, reason: str, along: Sequence[Change]) -> bool:
        """See EnginePort."""
        if device_id in self._engine.desk.quarantined():
            return False
        await self._ledger.commit([PutDocument(QUARANTINE, device_id, b"{}"), *along])
        self._kept.add(device_id)
        return self._engine.desk.quarantine(device_id, now, reason=reason)

    async def release(self, device_id: str, now: Instant, *, reason: str, along: Sequence[Change]) -> bool:
        """See EnginePort."""
        desk = self._engine.desk
        if device_id not in desk.quarantined() and device_id not in desk.in_doubt():
            return False
        await self._ledger.commit([DeleteDocument(QUARANTINE, device_id), *along])
        self._kept.discard(device_id)
        return desk.believe(device_id, now, reason=reason)

    async def choose(self, group_id: str, name: str | None, now: Instant, *, along: Sequence[Change]) -> None:
        """See EnginePort."""
        if name is None:
            await self._ledger.commit([DeleteDocument(STRATEGY, group_id), *along])
        else:
            strategy(name)
            await self._ledger.commit([PutDocument(STRATEGY, group_id, json.dumps(name).encode()), *along])
        self._engine.desk.choose_strategy(group_id, name, now)


def _still(now: Held, before: Held) -> bool:
    return all(abs(one - was) <= max(_STILL * abs(was), _STILL_W) for one, was in zip(now, before, strict=True))
