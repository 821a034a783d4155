"""What the operator's surface works with: the ports of the server, and its own durable parts. Owns their start."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from gridiface.domain.clock import Clock, Instant
from gridiface.domain.controls import Control, Delivery, Outcome
from gridiface.domain.ports import ControlInbox, History, Ledger
from gridiface.operator.blocks import Apply, Blocks
from gridiface.operator.metrics import Figures
from gridiface.operator.status import Status
from gridiface.operator.stream import EventBuffer
from gridiface.operator.tokens import TokenBook


class Records(Ledger, History, Protocol):
    """The store as this surface uses it."""

    async def control(self, control_id: str) -> Control | None:
        """One control, or None."""
        ...

    async def deliveries(self, device_id: str, *, start: Instant, end: Instant, limit: int = 10_000) -> list[Delivery]:
        """The first `limit` deliveries to one device in [start, end), by time."""
        ...


@dataclass(slots=True, kw_only=True)
class Desk:
    """Everything behind the routes.

    Args:
        status: what is shown.
        clock: wall clock and monotonic.
        inbox: where controls go.
        records: the store.
        block: tells the engine of a block.
        ready: whether the server can take work.
        authority: of priority 0 and of priority 100; larger wins over all sources.
    """

    status: Status
    clock: Clock
    inbox: ControlInbox
    records: Records
    block: Apply
    ready: Callable[[], bool]
    authority: tuple[float, float] = (0.0, 255.0)
    figures: Figures = field(default_factory=Figures)
    events: EventBuffer = field(init=False)
    tokens: TokenBook = field(init=False)
    blocks: Blocks = field(init=False)

    def __post_init__(self) -> None:
        self.events = EventBuffer(f"{int(self.clock.now() * 1000):x}")
        self.tokens = TokenBook(self.records)
        self.blocks = Blocks(self.records, self.block)
        self.status.is_blocked = self.blocks.is_blocked

    async def open(self) -> None:
        """Read tokens and blocks, and tell the engine of the blocks; call it once, before listening.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        now = self.clock.now()
        await self.tokens.load(now)
        await self.blocks.load(now)

    def on_outcome(self, outcome: Outcome) -> None:
        """Take one durable step of a control in."""
        self.events.on_outcome(outcome)
        self.figures.on_outcome(outcome)

    def on_deliveries(self, deliveries: Iterable[Delivery]) -> None:
        """Take what became of set-points in."""
        told = list(deliveries)
        self.events.on_deliveries(told)
        self.figures.on_deliveries(told)
