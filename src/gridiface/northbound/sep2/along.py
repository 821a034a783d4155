"""What an operator's act must be durable with: its audit entry, in the same transaction as the first change it makes.

The handlers know nothing of it: the ports that they write through take the waiting changes along. Nothing is taken
where an act changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from gridiface.domain.changes import Change, Document
from gridiface.domain.clock import Instant
from gridiface.domain.controls import Acceptance, Control, Delivery, Outcome
from gridiface.domain.fleet import Device
from gridiface.domain.ports import ControlInbox, DeviceRegistry, Ledger
from gridiface.domain.telemetry import Snapshot

_WAITING: ContextVar[list[Change] | None] = ContextVar("sep2_along", default=None)


@contextmanager
def along_with(changes: Sequence[Change]) -> Iterator[list[Change]]:
    """Let the first durable change inside take these along; what is left in the list was not written.

    An act made of several others leaves them nothing of their own to take: what it waits to write stays waiting inside.
    """
    outer = _WAITING.get()
    if outer is not None and not changes:
        yield outer
        return
    waiting = list(changes)
    token = _WAITING.set(waiting)
    try:
        yield waiting
    finally:
        _WAITING.reset(token)


def _with(changes: Sequence[Change]) -> list[Change]:
    return [*changes, *(_WAITING.get() or ())]


def _written() -> None:
    waiting = _WAITING.get()
    if waiting:
        waiting.clear()


class LedgerAlong:
    """A ledger that takes waiting changes along."""

    def __init__(self, inner: Ledger) -> None:
        self._inner = inner

    async def commit(self, changes: Sequence[Change]) -> None:
        """See domain.ports.Ledger."""
        await self._inner.commit(_with(changes))
        _written()

    async def documents(self, space: str) -> list[Document]:
        """See domain.ports.Ledger."""
        return await self._inner.documents(space)

    async def octets(self, space: str, key: str, first: int = 0, count: int | None = None) -> bytes | None:
        """See domain.ports.Ledger."""
        return await self._inner.octets(space, key, first, count)


class InboxAlong:
    """An inbox that takes waiting changes along with what it accepts or cancels."""

    def __init__(self, inner: ControlInbox) -> None:
        self._inner = inner

    async def submit(self, control: Control, now: Instant, *, along: Sequence[Change] = ()) -> Acceptance:
        """See domain.ports.ControlInbox."""
        acceptance = await self._inner.submit(control, now, along=_with(along))
        if acceptance.will_run:
            _written()
        return acceptance

    async def cancel(self, control_id: str, now: Instant, *, reason: str = "", along: Sequence[Change] = ()) -> bool:
        """See domain.ports.ControlInbox."""
        done = await self._inner.cancel(control_id, now, reason=reason, along=_with(along))
        if done:
            _written()
        return done

    async def rank(
        self, control_ids: Sequence[str], authority: float, now: Instant, *, along: Sequence[Change] = ()
    ) -> int:
        """See domain.ports.ControlInbox."""
        count = await self._inner.rank(control_ids, authority, now, along=_with(along))
        _written()
        return count

    def preview(self, control: Control, now: Instant, *, noted: bool = False) -> Acceptance:
        """See domain.ports.ControlInbox."""
        return self._inner.preview(control, now, noted=noted)


class RegistryAlong:
    """A registry that takes waiting changes along."""

    def __init__(self, inner: DeviceRegistry) -> None:
        self._inner = inner

    async def register(
        self, device: Device, now: Instant, *, groups: Sequence[str] = (), along: Sequence[Change] = ()
    ) -> None:
        """See domain.ports.DeviceRegistry."""
        await self._inner.register(device, now, groups=groups, along=_with(along))
        _written()

    async def remove(self, device_id: str, now: Instant, *, along: Sequence[Change] = ()) -> None:
        """See domain.ports.DeviceRegistry."""
        await self._inner.remove(device_id, now, along=_with(along))
        _written()

    async def observe(self, snapshots: Sequence[Snapshot], now: Instant, *, along: Sequence[Change] = ()) -> None:
        """See domain.ports.DeviceRegistry."""
        await self._inner.observe(snapshots, now, along=along)

    async def report(
        self, deliveries: Sequence[Delivery], outcomes: Sequence[Outcome], now: Instant, *, along: Sequence[Change] = ()
    ) -> None:
        """See domain.ports.DeviceRegistry."""
        await self._inner.report(deliveries, outcomes, now, along=along)
