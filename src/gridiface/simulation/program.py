"""A utility's demand response program for the demo's world: an OpenADR VTN that sends an event and reads the reports.

It is our own VTN adapter with nothing on disk and no fleet of its own: what a VEN reports is only looked at. Powers in
W, + delivered to the grid, although the wire says + = consumption.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

from gridiface.domain.changes import Change, DeleteDocument, Document, KeepDocument, PutDocument
from gridiface.domain.clock import Instant
from gridiface.domain.controls import Delivery, Outcome
from gridiface.domain.fleet import Device
from gridiface.domain.telemetry import Snapshot
from gridiface.northbound.openadr.settings import ListenSettings, MemberSettings, VenEntry, VtnSettings
from gridiface.northbound.openadr.vtn.vtn import OpenAdrVtn
from gridiface.protocols.openadr.events import Event, Signal
from gridiface.protocols.openadr.payloads.units import power_real
from gridiface.protocols.openadr.vtn import ReportWish, VtnConfig

CONTEXT = "http://utility.example/evening"
_VEN, _RESOURCE, _EVENT = "VEN-DEMO", "fleet", "evening-2"


class _Clock:
    """This machine's clocks."""

    def now(self) -> Instant:
        """See domain.clock.Clock.now."""
        return time.time()

    def monotonic(self) -> float:
        """See domain.clock.Clock.monotonic."""
        return time.monotonic()


class _Memory:
    """A ledger that forgets with its process, and a registry that only looks."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], Document] = {}
        self.told: list[Snapshot] = []

    async def commit(self, changes: Sequence[Change]) -> None:
        """See domain.ports.Ledger.commit."""
        for change in changes:
            match change:
                case PutDocument():
                    self._kept[change.space, change.key] = Document(change.space, change.key, change.body)
                case KeepDocument():
                    kept = Document(change.space, change.key, change.body)
                    self._kept.setdefault((change.space, change.key), kept)
                case DeleteDocument():
                    self._kept.pop((change.space, change.key), None)

    async def documents(self, space: str) -> list[Document]:
        """See domain.ports.Ledger.documents."""
        return [document for document in self._kept.values() if document.space == space]

    async def octets(self, space: str, key: str, first: int = 0, count: int | None = None) -> bytes | None:
        """See domain.ports.Ledger.octets."""
        kept = self._kept.get((space, key))
        return None if kept is None else kept.body[first:][:count]

    async def register(
        self, device: Device, now: Instant, *, groups: Sequence[str] = (), along: Sequence[Change] = ()
    ) -> None:
        """See domain.ports.DeviceRegistry.register."""
        await self.commit(along)

    async def remove(self, device_id: str, now: Instant, *, along: Sequence[Change] = ()) -> None:
        """See domain.ports.DeviceRegistry.remove."""
        await self.commit(along)

    async def observe(self, snapshots: Sequence[Snapshot], now: Instant, *, along: Sequence[Change] = ()) -> None:
        """See domain.ports.DeviceRegistry.observe."""
        self.told += snapshots
        await self.commit(along)

    async def report(
        self, deliveries: Sequence[Delivery], outcomes: Sequence[Outcome], now: Instant, *, along: Sequence[Change] = ()
    ) -> None:
        """See domain.ports.DeviceRegistry.report."""
        await self.commit(along)


class DemandResponse:
    """The utility's VTN on a free port of loopback. Use as an async context manager."""

    def __init__(self) -> None:
        self._memory = _Memory()
        wish = ReportWish(name="TELEMETRY_USAGE", granularity=1, back=1)
        member = MemberSettings(device_id="the fleet", resource=_RESOURCE)
        self._vtn = OpenAdrVtn(
            VtnSettings(
                core=VtnConfig(vtn_id="UTILITY", poll_frequency=1, wishes=(wish,)),
                listen=ListenSettings(),
                vens=(VenEntry(ven_id=_VEN, members=(member,)),),
            ),
            clock=_Clock(),
            ledger=self._memory,
            registry=self._memory,
        )

    async def __aenter__(self) -> DemandResponse:
        await self._vtn.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._vtn.stop()

    def settings(self) -> dict[str, Any]:
        """The block `openadr` of a server whose VEN takes part with the group `fleet`."""
        ven = {
            "name": "utility",
            "url": f"http://127.0.0.1:{self._vtn.port}",
            "ven_id": _VEN,
            "programs": [{"market_context": CONTEXT, "group": "fleet"}],
            "resources": [{"id": _RESOURCE, "group": "fleet"}],
        }
        return {"vens": [ven]}

    async def plan(self, watts: float, *, start: float, duration_s: float) -> None:
        """Announce an event: the fleet as a whole delivers `watts` from `start` (seconds since 1970) on."""
        length = int(duration_s)
        signal = Signal(
            name="LOAD_DISPATCH", type="setpoint", id="0", durations=(length,), values=(-watts,), unit=power_real()
        )
        event = Event(
            id=_EVENT,
            market_context=CONTEXT,
            dtstart=float(int(start)),
            duration=length,
            signals=(signal,),
        )
        await self._vtn.do(lambda core, now: core.create_event(event, [_VEN], now))

    async def watch(self, watts: float, patience_s: float, *, tolerance: float) -> dict[str, Any]:
        """Wait until the VEN reports `watts` to within `tolerance` (a share), then cancel the event.

        Returns:
            what the VEN said of the event, what was asked and what was reported last (W), how many reports came, and
            whether the VEN confirmed the cancellation.
        """
        seen = len(self._memory.told)
        wanted = tolerance * abs(watts)
        await self._until(lambda: any(abs(w - watts) <= wanted for w in self._reported(seen)), patience_s)
        reported = self._reported(seen)
        opt = self._vtn.core.said(_VEN, _EVENT, None)
        await self._vtn.do(lambda core, now: core.cancel_event(_EVENT, now, reason="the peak is over"))
        confirmed = await self._until(self._confirmed, patience_s)
        last = next((w for w in reversed(reported) if abs(w - watts) <= wanted), reported[-1] if reported else None)
        return {
            "opt": opt,
            "set_point_W": watts,
            "reported_W": last,
            "reports": len(self._memory.told),
            "cancelled": confirmed,
        }

    def _reported(self, since: int) -> list[float]:
        return [snapshot.w for snapshot in self._memory.told[since:] if snapshot.w is not None]

    def _confirmed(self) -> bool:
        delivery = self._vtn.core.delivery(_VEN, _EVENT)
        return delivery is None or delivery.cancel_done

    @staticmethod
    async def _until(holds: Callable[[], bool], patience_s: float) -> bool:
        deadline = time.monotonic() + patience_s
        while not holds():
            if time.monotonic() >= deadline:
                return False
            await asyncio.sleep(0.1)
        return True
