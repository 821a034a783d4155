"""Alarms of the fleet's devices as LogEvents: one when an alarm comes, one when it has gone.

What was logged is kept, so that a restart logs nothing twice and nothing is missed while the link is down.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gridiface.domain.changes import Change, Document
from gridiface.domain.clock import Instant
from gridiface.domain.ports import FleetView, Ledger
from gridiface.northbound.sep2.served import documents
from gridiface.northbound.sep2.translate.status import ALARMS
from gridiface.northbound.sep2.upstream.mailbox import LOG, Letter, Mailbox
from gridiface.northbound.sep2.upstream.settings import Member, UpstreamSettings
from gridiface.protocols.sep2.client import Client
from gridiface.protocols.sep2.enums import DERAlarm, LogFunctionSet, LogProfile
from gridiface.protocols.sep2.resources import LogEvent
from gridiface.protocols.xmlwire import encode

#: IEEE's own private enterprise number: whose codes the DER function set's are.
_IEEE = 40732
_LAST_ID = 0xFFFF


@dataclass(frozen=True, slots=True)
class Logged:
    """What was logged of one device: the alarms that stand, and the ID of its next event."""

    alarms: frozenset[str] = frozenset()
    following: int = 1


_NOTHING = Logged()


class AlarmLog:
    """The log events of one session's devices.

    Args:
        settings: of the session.
        ledger, fleet: the ports.
        mailbox: takes the events.
    """

    def __init__(self, settings: UpstreamSettings, *, ledger: Ledger, fleet: FleetView, mailbox: Mailbox) -> None:
        self.space = f"{settings.space}/alarms"
        self._members = settings.members
        self._ledger = ledger
        self._fleet = fleet
        self._mailbox = mailbox
        self._logged: dict[str, Logged] = {}

    def load(self, found: Iterable[Document]) -> None:
        """Take up what was logged before a restart."""
        for document in found:
            head = documents.open_record(document).head
            self._logged[document.key] = Logged(frozenset(head["alarms"]), head["following"])

    async def carry_out(self, client: Client, now: Instant) -> None:
        """Log what has changed since the last call.

        Raises:
            StoreUnavailable: nothing was logged.
        """
        letters: list[Letter] = []
        changes: list[Change] = []
        logged: dict[str, Logged] = {}
        for member in self._members:
            after = self._of(member, client, now, letters, changes)
            if after is not None:
                logged[member.lfdi] = after
        if changes:
            await self._ledger.commit(changes)
        self._logged |= logged
        self._mailbox.seal(letters)

    def _of(
        self, member: Member, client: Client, now: Instant, letters: list[Letter], changes: list[Change]
    ) -> Logged | None:
        snapshot, before = self._fleet.snapshot(member.target), self._logged.get(member.lfdi, _NOTHING)
        if snapshot is None or snapshot.alarms == before.alarms:
            return None
        end_device = client.devices[member.lfdi].end_device
        link = None if end_device is None else end_device.LogEventListLink
        href = None if link is None else client.tree.resolve(link.href)
        if href is None:
            return None
        number = before.following
        for alarm, name in ALARMS.items():
            if (name in snapshot.alarms) is (name in before.alarms):
                continue
            body = _event(alarm, number, gone=name in before.alarms, at=now + (client.clock_offset or 0.0))
            letter, change = self._mailbox.write(LOG, href, encode(body))
            letters.append(letter)
            changes.append(change)
            number = number % _LAST_ID + 1
        after = Logged(frozenset(snapshot.alarms), number)
        head = {"alarms": sorted(after.alarms), "following": after.following}
        changes.append(documents.put(self.space, member.lfdi, None, head))
        return after


def _event(alarm: DERAlarm, number: int, *, gone: bool, at: Instant) -> LogEvent:
    """Codes of the DER function set come in pairs: the alarm at 2 x bit, its end one above."""
    return LogEvent(
        createdDateTime=int(at),
        details=(alarm.name or "").replace("_", " ").lower()[:32],
        functionSet=LogFunctionSet.DER,
        logEventCode=2 * (int(alarm).bit_length() - 1) + int(gone),
        logEventID=number,
        logEventPEN=_IEEE,
        profileID=LogProfile.IEEE_2030_5,
    )
