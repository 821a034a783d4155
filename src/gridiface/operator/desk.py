"""What the operator's surface works with: the ports of the server, and its own durable parts. Owns their start."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from gridiface.domain.changes import Change, Document
from gridiface.domain.clock import Clock, Instant
from gridiface.domain.controls import Control, Delivery, Outcome
from gridiface.domain.ports import ControlInbox, History, Ledger
from gridiface.operator.alarms.alarms import Alarm, AlarmBook
from gridiface.operator.alarms.kinds import KINDS
from gridiface.operator.alarms.notices import Notices, Target
from gridiface.operator.api.idempotency import Replies
from gridiface.operator.auth.approvals import ApprovalRule, PendingBook
from gridiface.operator.auth.oauth import AccessBook
from gridiface.operator.auth.sessions import SessionBook
from gridiface.operator.auth.tokens import TokenBook
from gridiface.operator.auth.users import UserBook
from gridiface.operator.certificates import CertificateDesk
from gridiface.operator.metrics import Figures
from gridiface.operator.parts import PartHealth
from gridiface.operator.records.audit_chain import AuditChain
from gridiface.operator.records.blocks import Apply, Blocks
from gridiface.operator.records.measured import Measured
from gridiface.operator.records.trace import Trace
from gridiface.operator.records.trend import Trend
from gridiface.operator.rows.status import Status
from gridiface.operator.stream import EventBuffer


class Records(Ledger, History, Protocol):
    """The store as this surface uses it."""

    async def control(self, control_id: str) -> Control | None:
        """One control, or None."""
        ...

    async def newest(self, space: str, *, before: str = "", limit: int = 1000) -> list[Document]:
        """The documents of a space with the largest keys (below `before`), the largest first."""
        ...

    async def deliveries(self, device_id: str, *, start: Instant, end: Instant, limit: int = 10_000) -> list[Delivery]:
        """The first `limit` deliveries to one device in [start, end), by time."""
        ...


class Withdraw(Protocol):
    """Cancels a control in the words of the protocol that it came in over."""

    async def __call__(self, control_id: str, now: Instant, *, reason: str, along: Sequence[Change]) -> bool:
        """False where it cannot be cancelled from here; then `along` is not written.

        Raises:
            StoreUnavailable: nothing was changed.
        """
        ...


class ResetAlarms(Protocol):
    """Resets the alarms that a device has latched."""

    async def __call__(self, device_id: str) -> frozenset[str]:
        """Those that it still tells afterwards.

        Raises:
            DeviceError: it does not answer, refuses, or has no way to reset alarms.
        """
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
        idle_s, longest_s: of a session: unused, and in all.
        approval: which controls wait for a second person.
        parts: how each part of the server is doing.
        certificates: what certificates are judged by, signed with and revoked in.
        peers: what people call a peer, by its identity (LFDI, venID, name of a master).
        audit_key: of the audit log's seals; None: they have no key.
        targets: who is told of alarms.
        withdraw: how controls that came in over a protocol are cancelled, by its name.
        reset_alarms: resets what a device has latched; None: no device has a driver here.
    """

    status: Status
    clock: Clock
    inbox: ControlInbox
    records: Records
    block: Apply
    ready: Callable[[], bool]
    authority: tuple[float, float] = (0.0, 255.0)
    idle_s: float = 1_800.0
    longest_s: float = 43_200.0
    approval: ApprovalRule = field(default_factory=ApprovalRule)
    parts: Callable[[], Sequence[PartHealth]] = tuple
    peers: Mapping[str, str] = field(default_factory=dict)
    trend: Trend = field(default_factory=Trend)
    certificates: CertificateDesk = field(default_factory=CertificateDesk)
    trace: Trace = field(default_factory=Trace)
    audit_key: bytes | None = None
    targets: Sequence[Target] = ()
    withdraw: Mapping[str, Withdraw] = field(default_factory=dict)
    reset_alarms: ResetAlarms | None = None
    figures: Figures = field(default_factory=Figures)
    events: EventBuffer = field(init=False)
    tokens: TokenBook = field(init=False)
    access_tokens: AccessBook = field(init=False)
    users: UserBook = field(init=False)
    sessions: SessionBook = field(init=False)
    pending: PendingBook = field(init=False)
    chain: AuditChain = field(init=False)
    alarms: AlarmBook = field(init=False)
    notices: Notices = field(init=False)
    replies: Replies = field(init=False)
    one_by_one: asyncio.Lock = field(default_factory=asyncio.Lock)
    blocks: Blocks = field(init=False)
    measured: Measured = field(init=False)

    def __post_init__(self) -> None:
        self.events = EventBuffer(f"{int(self.clock.now() * 1000):x}")
        self.tokens = TokenBook(self.records)
        self.access_tokens = AccessBook(self.records, self.tokens)
        self.users = UserBook(self.records)
        self.sessions = SessionBook(self.records, self.users, idle_s=self.idle_s, longest_s=self.longest_s)
        self.pending = PendingBook(self.records)
        self.chain = AuditChain(self.records, self.audit_key)
        self.replies = Replies(self.records)
        self.notices = Notices(self.records, self.targets, self.status.site)
        self.alarms = AlarmBook(self.records, [self.notices.on_alarm, self.on_alarm])
        self.blocks = Blocks(self.records, self.block)
        self.measured = Measured(self.status.performance, self.records)
        self.figures.alarms = lambda: [
            (KINDS[alarm.kind].severity, alarm.acknowledged is not None) for alarm in self.alarms.standing()
        ]
        self.status.is_blocked, self.status.blocked = self.blocks.is_blocked, self.blocks.names

    async def open(self) -> None:
        """Read tokens, users, sessions and blocks, and tell the engine of the blocks; call it once, before listening.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        now = self.clock.now()
        self.measured.since = now
        await self.tokens.load(now)
        await self.access_tokens.load(now)
        await self.users.load(now)
        await self.sessions.load(now)
        await self.pending.load(now)
        await self.chain.load()
        await self.alarms.load(now)
        await self.notices.load()
        await self.replies.load(now)
        await self.blocks.load(now)

    def on_alarm(self, alarm: Alarm) -> None:
        """Tell the readers of the event stream of an alarm."""
        self.events.on_alarm(dict(alarm.row()))

    def on_outcome(self, outcome: Outcome) -> None:
        """Take one durable step of a control in."""
        self.events.on_outcome(outcome)
        self.figures.on_outcome(outcome)

    def on_deliveries(self, deliveries: Iterable[Delivery]) -> None:
        """Take what became of set-points in."""
        told = list(deliveries)
        self.events.on_deliveries(told)
        self.figures.on_deliveries(told)
