"""The ways to devices: Protocol classes, no code. Not owned: the other sockets of the house (ports)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from gridiface.domain.clock import Instant
from gridiface.domain.controls import Agenda, Delivery, Setpoint


class DeviceChannel(Protocol):
    """The way to devices: a dispatcher over drivers, or a northbound adapter whose peers are members."""

    def serves(self, device_id: str) -> bool:
        """Whether this channel is the way to that device."""
        ...

    async def apply(self, setpoints: Sequence[Setpoint], *, deadline: Instant) -> Sequence[Delivery]:
        """Hand the set-points out, each to its device, and say what became of each, in the same order.

        Never raises for one device's failure; one slow device delays nobody beyond the deadline.
        """
        ...


@runtime_checkable
class PlanChannel(Protocol):
    """What a channel offers besides whose devices can hold set-points with a start (`DriverTraits.plan_slots`)."""

    async def plan(self, agendas: Sequence[Agenda]) -> Sequence[str]:
        """Put each agenda in place of what was planned for its device; the devices that could not be told."""
        ...
