"""Readings of the fleet, mirrored at the server: one mirror per device, one post per interval of its postRate.

Intervals are those of the wall clock, so a restart finds them again; what was missed while the process was down is
made of the recorded readings. Each post is durable before the next interval ends and leaves when the link is there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from gridiface.domain.changes import Change, Document
from gridiface.domain.clock import Instant
from gridiface.domain.controls import TargetKind
from gridiface.domain.ports import FleetView, History, Ledger
from gridiface.northbound.sep2.served import documents
from gridiface.northbound.sep2.translate.mirroring import Means, MirrorNames, mirror, reading_post
from gridiface.northbound.sep2.upstream.mailbox import READING, Letter, Mailbox
from gridiface.northbound.sep2.upstream.settings import Member, UpstreamSettings
from gridiface.protocols.sep2.client import Client
from gridiface.protocols.sep2.outbox import Written
from gridiface.protocols.sep2.resources import DeviceCapability, MirrorUsagePointList
from gridiface.protocols.xmlwire import encode

PLACE = "mirror:"
#: What was not posted for longer than this is not posted any more, s.
_LONGEST_GAP_S = 86_400.0
#: After a refusal a mirror is posted again after so long, s.
_REFUSED_S = 300.0
#: Mirrors whose making is under way at once; those for which the record is read in one call.
_WINDOW, _READ_AT_ONCE = 64, 32
_RATES = (1, 86_400)


@dataclass(slots=True)
class _Mirror:
    """One device's mirror: where it is, how often it is fed, and the interval that is being collected."""

    member: Member
    names: MirrorNames
    rate: int
    edge: int = 0
    href: str | None = None
    posting: int | None = None
    not_before: Instant = 0.0
    missed: bool = False
    seen: Instant = float("-inf")
    means: Means = field(default_factory=Means)


class MirrorReports:
    """The mirrors of one session.

    Args:
        settings: of the session.
        ledger, fleet, history: the ports.
        mailbox: takes the readings.

    Attributes:
        refused: mirrors that the server refused; hungry: whether posts wait for the next call.
    """

    def __init__(
        self, settings: UpstreamSettings, *, ledger: Ledger, fleet: FleetView, history: History, mailbox: Mailbox
    ) -> None:
        self.space = f"{settings.space}/mirror"
        self._settings = settings
        self._ledger = ledger
        self._fleet = fleet
        self._history = history
        self._mailbox = mailbox
        self._mirrors = {
            names.mirror: _Mirror(member, names, settings.post_rate)
            for member in settings.members
            for names in (MirrorNames(session=settings.name, lfdi=member.lfdi, pen=settings.pen),)
        }
        self._by_lfdi = {known.member.lfdi: known for known in self._mirrors.values()}
        self._writes: dict[int, _Mirror] = {}
        self._missed: list[_Mirror] = []
        #: The list that was looked through last, and when it was read.
        self._listed: MirrorUsagePointList | None = None
        self._read_at = float("-inf")
        self._sampled = float("-inf")
        self._since: Instant | None = None
        self.refused = 0
        self.hungry = False

    def load(self, found: Iterable[Document]) -> None:
        """Take up what was known before a restart."""
        for document in found:
            known = self._mirrors.get(document.key)
            if known is not None:
                head = documents.open_record(document).head
                known.rate, known.edge = head["rate"], head["edge"]

    def restart(self) -> None:
        """The client core is a new one."""
        self._writes.clear()
        self._missed.clear()
        self._listed = None
        for known in self._mirrors.values():
            known.href = known.posting = None
            known.missed = False

    def place(self, target: str) -> str | None:
        """Where a mirror is on the server; None while that is not known."""
        known = self._mirrors.get(target.removeprefix(PLACE))
        return None if known is None else known.href

    def href_of(self, lfdi: str) -> str | None:
        """Where a device's mirror is."""
        known = self._by_lfdi.get(lfdi)
        return None if known is None else known.href

    def lost(self, target: str) -> None:
        """The server does not know the mirror any more."""
        known = self._mirrors.get(target.removeprefix(PLACE))
        if known is not None and not known.missed:
            known.href, known.missed, known.seen = None, True, self._read_at
            self._missed.append(known)

    # --- mirrors ----------------------------------------------------------------------------------------------------

    def tick(self, client: Client, now: Instant) -> None:
        """Find or make the mirrors, and sample the fleet."""
        self._since = now if self._since is None else self._since
        if now - self._sampled >= self._settings.sample_s or now < self._sampled:
            self._sampled = now
            for known in self._mirrors.values():
                snapshot = self._fleet.snapshot(known.member.target)
                if snapshot is not None:
                    known.means.take(snapshot)
        if client.clock_offset is None or not client.enrolment.trusted:
            return
        dcap = client.tree.value_at(client.tree.root)
        link = dcap.MirrorUsagePointListLink if isinstance(dcap, DeviceCapability) else None
        href = None if link is None else client.tree.resolve(link.href)
        node = None if href is None else client.tree.nodes.get(href)
        if href is None or node is None or not isinstance(node.value, MirrorUsagePointList):
            return
        self._look_again(client, href, node.fetched_at, now)
        if node.value is not self._listed:
            self._listed = node.value
            self._match(client, node.value)
        for known in self._mirrors.values():
            if len(self._writes) >= _WINDOW:
                break
            idle = known.href is None and known.posting is None and not known.missed
            if idle and now >= known.not_before:
                self._make(client, known, href, now)

    def _look_again(self, client: Client, href: str, fetched_at: Instant, now: Instant) -> None:
        """A mirror was not where the list has it: what the list says is believed again when it was read anew."""
        self._read_at = fetched_at
        for known in self._missed:
            if fetched_at > known.seen:
                known.missed = False
                self._listed = None
            else:
                client.tree.poll_soon(href, now)
        self._missed = [known for known in self._missed if known.missed]

    def _match(self, client: Client, listed: MirrorUsagePointList) -> None:
        for shown in listed.members:
            known = self._mirrors.get(shown.mRID)
            if known is None or known.missed or shown.deviceLFDI.upper() != known.member.lfdi:
                continue
            if shown.href is not None and known.href is None and known.posting is None:
                known.href = client.tree.resolve(shown.href)
            low, high = _RATES
            if shown.postRate is not None:
                known.rate = min(max(shown.postRate, low), high)

    def _make(self, client: Client, known: _Mirror, href: str, now: Instant) -> None:
        if self._fleet.snapshot(known.member.target) is None or client.tree.resolve(href) is None:
            return
        if client.devices[known.member.lfdi].end_device is None:
            return
        known.posting = client.post(href, mirror(known.names, known.member.target.id, known.rate), now)
        self._writes[known.posting] = known

    def answered(self, client: Client, outcome: Written, now: Instant) -> bool:
        """Take a final answer; whether it was for a mirror."""
        known = self._writes.pop(outcome.number, None)
        if known is None:
            return False
        known.posting = None
        known.href = client.tree.resolve(outcome.location) if outcome.accepted and outcome.location else None
        if known.href is None:
            self.refused += 1
            known.not_before = now + _REFUSED_S
            # The list may have had it while we asked for it.
            self._listed = None
        return True

    # --- readings ---------------------------------------------------------------------------------------------------

    async def carry_out(self, client: Client, now: Instant) -> None:
        """Write the posts of the intervals that are over.

        Raises:
            StoreUnavailable: they are written at the next call.
        """
        letters: list[Letter] = []
        changes: list[Change] = []
        done: list[tuple[_Mirror, int]] = []
        looked_up = 0
        self.hungry = False
        for known in self._mirrors.values():
            edge = int(now // known.rate) * known.rate
            if known.edge == 0 or known.edge > edge + 2 * known.rate:
                # The first, or a clock that was set back.
                known.edge = edge
            if known.edge >= edge:
                continue
            if not self._is_whole(known, edge):
                # Others of the session's work do not wait for the records of a whole fleet.
                if looked_up == _READ_AT_ONCE:
                    self.hungry = True
                    continue
                looked_up += 1
            await self._close(client, known, edge, letters, changes)
            done.append((known, edge))
        if not done:
            return
        if changes:
            await self._ledger.commit(changes)
        for known, edge in done:
            known.edge, known.means = edge, Means(newest=known.means.newest)
        self._mailbox.seal(letters)

    async def _close(
        self, client: Client, known: _Mirror, edge: int, letters: list[Letter], changes: list[Change]
    ) -> None:
        """The interval up to `edge`, and those that were missed before it."""
        last = edge - known.rate
        start = max(known.edge, edge - int(_LONGEST_GAP_S))
        while start < last:
            end = min(start + known.rate, last)
            self._write(client, known, await self._recorded(known, start, end), start, end - start, letters, changes)
            start = end
        # Of an interval that began before this process did, only the record knows all.
        means = known.means if self._has_seen(start) else await self._recorded(known, start, edge)
        if not means.sums:
            means = known.means
        self._write(client, known, means, start, edge - start, letters, changes)
        head = {"rate": known.rate, "edge": edge}
        changes.append(documents.put(self.space, known.names.mirror, None, head))

    def _is_whole(self, known: _Mirror, edge: int) -> bool:
        """Whether all of what is to be posted was seen by this process."""
        return known.edge >= edge - known.rate and self._has_seen(known.edge)

    def _has_seen(self, start: int) -> bool:
        return self._since is not None and start >= self._since

    async def _recorded(self, known: _Mirror, start: int, end: int) -> Means:
        means = Means()
        if known.member.target.kind is TargetKind.DEVICE:
            means.take_readings(await self._history.readings(known.member.target.id, start=start, end=end))
        return means

    def _write(
        self,
        client: Client,
        known: _Mirror,
        means: Means,
        start: int,
        length: int,
        letters: list[Letter],
        changes: list[Change],
    ) -> None:
        theirs = int(start + (client.clock_offset or 0.0))
        body = reading_post(known.names, means, theirs, length)
        if body is not None:
            letter, change = self._mailbox.write(READING, PLACE + known.names.mirror, encode(body))
            letters.append(letter)
            changes.append(change)
