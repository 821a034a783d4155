"""The operator's blocks: devices that are released and left out until they are unblocked. Durable; owns no decision."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Protocol

from gridiface.domain.changes import DeleteDocument, PutDocument
from gridiface.domain.clock import Instant
from gridiface.domain.ports import Ledger
from gridiface.operator.records.audit import Entry
from gridiface.operator.rows.rows import BlockRow

#: Where the blocks are kept, by device.
SPACE = "operator/block"


class Apply(Protocol):
    """Tells the engine of a block, or of its end."""

    def __call__(self, device_id: str, *, blocked: bool, now: Instant) -> None:
        """Unknown devices change nothing."""
        ...


class Blocks:
    """Which devices are blocked, by whom and why. Call `load` before the first question."""

    def __init__(self, ledger: Ledger, apply: Apply) -> None:
        self._ledger = ledger
        self._apply = apply
        self._blocked: dict[str, BlockRow] = {}

    async def load(self, now: Instant) -> None:
        """Take up the blocks of the last run and tell the engine.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        self._blocked = {d.key: json.loads(d.body) for d in await self._ledger.documents(SPACE)}
        for device_id in self._blocked:
            self._apply(device_id, blocked=True, now=now)

    def of(self, device_id: str) -> BlockRow | None:
        """The block of a device, or None."""
        return self._blocked.get(device_id)

    def is_blocked(self, device_id: str) -> bool:
        """Whether a device is blocked."""
        return device_id in self._blocked

    def names(self) -> Collection[str]:
        """The devices that are blocked."""
        return self._blocked.keys()

    def forget(self, device_id: str) -> None:
        """A device left the fleet, and its block the store with it."""
        self._blocked.pop(device_id, None)

    def renew(self, device_id: str, now: Instant) -> None:
        """Tell the engine again of a device that has just come (back) into the fleet."""
        if device_id in self._blocked:
            self._apply(device_id, blocked=True, now=now)

    async def block(self, device_id: str, now: Instant, *, by: str, reason: str) -> None:
        """Block a device; a second time only renews who and why.

        Raises:
            StoreUnavailable: nothing was changed.
        """
        row: BlockRow = {"by": by, "at": now, "reason": reason}
        before = self._blocked.get(device_id)
        entry = Entry(
            at=now, who=by, what="device.block", subject=device_id, before=before, after=dict(row), reason=reason
        )
        await self._ledger.commit([PutDocument(SPACE, device_id, json.dumps(row).encode()), entry.change()])
        self._blocked[device_id] = row
        self._apply(device_id, blocked=True, now=now)
        entry.log()

    async def unblock(self, device_id: str, now: Instant, *, by: str, reason: str) -> None:
        """Let a device take part again; one that is not blocked stays so.

        Raises:
            StoreUnavailable: nothing was changed.
        """
        before = self._blocked.get(device_id)
        if before is None:
            return
        entry = Entry(at=now, who=by, what="device.unblock", subject=device_id, before=dict(before), reason=reason)
        await self._ledger.commit([DeleteDocument(SPACE, device_id), entry.change()])
        self._blocked.pop(device_id, None)
        self._apply(device_id, blocked=False, now=now)
        entry.log()
