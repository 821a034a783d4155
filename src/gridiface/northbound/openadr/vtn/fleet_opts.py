"""Opts of VENs below our VTN as capacity of the fleet that is missing: by their word on an event, and by schedules.

Owns which member is out, until when, durably: a restart of the VTN forgets no opt-out. Does not own any event.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping

from gridiface.domain.changes import Change, DeleteDocument, PutDocument
from gridiface.domain.clock import Instant, Interval
from gridiface.northbound.openadr.committer import Committer
from gridiface.northbound.openadr.vtn.fleet_members import FleetMembers, Member
from gridiface.protocols.openadr.vtn import Vtn

_PREFIX = "bar/"
_OUT, _IN = "optOut", "optIn"
#: How long a VEN that opted out of an event without an end is left alone, s.
OPT_OUT_S = 900.0
#: Absences that are told ahead, per device.
_MOST_AWAY = 100
#: What is barred stays so for a moment at least, s.
_LEAST_S = 1.0


class FleetOpts:
    """Which members take no part now.

    Args:
        vtn: the core, which has the opts.
        members: which device is which VEN; they are registered with or without their capacity.
        committer: makes the bars durable.
        space: of the documents.
        current: device, time -> eventID of the event that tells it something now; "" none.
    """

    def __init__(
        self,
        vtn: Vtn,
        members: FleetMembers,
        committer: Committer,
        space: str,
        current: Callable[[str, Instant], str],
    ) -> None:
        self._vtn = vtn
        self._members = members
        self._committer = committer
        self._space = space
        self._current = current
        self._until: dict[str, Instant] = {}
        self._looked = -math.inf

    def load(self, documents: Mapping[str, bytes]) -> None:
        """Go on after a restart."""
        for key, body in documents.items():
            if key.startswith(_PREFIX):
                self._until[key.removeprefix(_PREFIX)] = float(json.loads(body)["until"])

    async def out_of_event(self, device_id: str, until: Instant | None, said_at: Instant, now: Instant) -> None:
        """Its VEN opted out of an event that ends at `until` (None: open): it is out until then.

        Raises:
            StoreUnavailable: nothing was changed.
        """
        end = max(said_at + OPT_OUT_S if until is None else until, now + _LEAST_S)
        if self._until.get(device_id) != end:
            await self._committer.save((), [_document(self._space, device_id, end)])
            self._until[device_id] = end
        await self.review(device_id, now)

    async def in_again(self, device_id: str, now: Instant) -> None:
        """Its VEN takes part in an event, or what it opted out of is over.

        Raises:
            StoreUnavailable: nothing was changed.
        """
        await self._forget(device_id)
        await self.review(device_id, now)

    async def handle_timer(self, now: Instant) -> None:
        """Bars that are over, and schedules that begin or end.

        Raises:
            StoreUnavailable: call again.
        """
        for device_id, until in list(self._until.items()):
            if until <= now:
                await self._forget(device_id)
                await self.review(device_id, now)
        if self._vtn.next_opt_edge(self._looked) <= now:
            for device_id in self._members.names():
                await self.review(device_id, now)
            self._looked = now

    def next_timer(self) -> Instant:
        """When `handle_timer` has something to do; infinity when never."""
        return min((*self._until.values(), self._vtn.next_opt_edge(self._looked)))

    async def review(self, device_id: str, now: Instant) -> None:
        """Register the device with or without its capacity, and when it will be away, where that is another."""
        member = self._members.get(device_id)
        if member is not None:
            await self._members.opted(device_id, now, out=self._is_out(member, now), away=self._away(member, now))

    def _away(self, member: Member, now: Instant) -> tuple[Interval, ...]:
        """When it takes no part, from now on: to the end of an event that it opted out of, and by its schedules."""
        settings = member.settings
        until = self._until.get(settings.device_id, now)
        spans = [(now, until)] if until > now else []
        spans += self._vtn.absences(member.ven_id, settings.resource or None, settings.market_context, now)
        return tuple(Interval(start, None if math.isinf(end) else end - start) for start, end in spans[:_MOST_AWAY])

    def _is_out(self, member: Member, now: Instant) -> bool:
        """The word on the running event goes before schedules; an old optOut holds until its event would be over."""
        settings = member.settings
        if self._until.get(settings.device_id, now) > now:
            return True
        resource = settings.resource or None
        if self._vtn.said(member.ven_id, self._current(settings.device_id, now), resource) == _IN:
            return False
        return self._vtn.scheduled(member.ven_id, resource, now, settings.market_context) == _OUT

    async def _forget(self, device_id: str) -> None:
        if device_id in self._until:
            await self._committer.save((), [DeleteDocument(self._space, _PREFIX + device_id)])
            self._until.pop(device_id, None)


def _document(space: str, device_id: str, until: Instant) -> Change:
    return PutDocument(space, _PREFIX + device_id, json.dumps({"until": until}).encode())
