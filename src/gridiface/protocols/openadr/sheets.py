"""An event on the wire for many VENs: what they all get is made once, and written once.

Owns how long that holds: until the event's status or a current value changes by the clock. Only the target and
createdDateTime may differ between VENs.
"""

from __future__ import annotations

import math
from dataclasses import replace

from gridiface.protocols.openadr.events import Event, target_for, to_wire
from gridiface.protocols.openadr.payloads.event import (
    EiActivePeriod,
    EiEvent,
    EiEventSignals,
    EventDescriptor,
    OadrEvent,
)
from gridiface.protocols.xmlwire import kept

#: Different createdDateTimes of one event that are kept.
_MOST = 64


class Sheet:
    """One version of one event."""

    def __init__(self, event: Event) -> None:
        self.event = event
        self._span = (math.inf, -math.inf)
        self._since = -math.inf
        self._period: EiActivePeriod
        self._signals: EiEventSignals
        self._descriptor: EventDescriptor
        self._descriptors: dict[float, EventDescriptor] = {}

    def to_wire(self, ven_id: str, created: float, now: float) -> OadrEvent:
        """The event as a VEN gets it at `now`; `created` is the payload's createdDateTime."""
        self._refresh(now)
        descriptor = self._descriptors.get(created)
        if descriptor is None:
            if len(self._descriptors) >= _MOST:
                self._descriptors.clear()
            descriptor = self._descriptors[created] = kept(replace(self._descriptor, createdDateTime=created))
        return OadrEvent(
            eiEvent=EiEvent(
                eventDescriptor=descriptor,
                eiActivePeriod=self._period,
                eiEventSignals=self._signals,
                eiTarget=target_for(self.event, ven_id),
            ),
            oadrResponseRequired="always" if self.event.response_required else "never",
        )

    def since(self, now: float) -> float:
        """When its status or a current value changed last by the clock; minus infinity when never."""
        self._refresh(now)
        return self._since

    def _refresh(self, now: float) -> None:
        if not self._span[0] <= now < self._span[1]:
            self._make(now)

    def _make(self, now: float) -> None:
        made = to_wire(self.event, now).eiEvent
        self._descriptor, self._descriptors = made.eventDescriptor, {}
        self._period, self._signals = kept(made.eiActivePeriod), kept(made.eiEventSignals)
        self._since, until = self.event.changes_around(now)
        self._span = (now, until)
