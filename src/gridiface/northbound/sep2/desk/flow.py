"""Flow reservations as an operator sees and answers them: granted, in part, refused, cancelled. Plain values, no HTTP.

Energies in Wh and powers in W, as the wire counts them here: positive is charging. What a grant is to the engine and
how it is stored is handlers/flow.py's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from typing_extensions import TypedDict

from gridiface.domain.changes import Change
from gridiface.domain.clock import Clock, Instant
from gridiface.domain.quantities import from_power_of_ten
from gridiface.errors import RemoteProtocolError
from gridiface.northbound.sep2.along import along_with
from gridiface.northbound.sep2.core import Sep2Core
from gridiface.northbound.sep2.handlers.flow import Answer
from gridiface.northbound.sep2.served.nodes import Item
from gridiface.northbound.sep2.served.state_records import EndDeviceRecord
from gridiface.protocols.sep2.enums import EventStatusCode, RequestStatusCode
from gridiface.protocols.sep2.resources import FlowReservationRequest, FlowReservationResponse

_LIVE = frozenset({EventStatusCode.SCHEDULED, EventStatusCode.ACTIVE})


class GrantRow(TypedDict):
    """One grant: what of it, when, and its event status."""

    path: str
    status: int
    start: int
    duration: int
    energy_wh: float
    power_w: float


class FlowRow(TypedDict):
    """One request. `state`: waits, granted, refused, cancelled or over; `grants`: the newest first."""

    path: str
    lfdi: str
    device: str | None
    mrid: str
    description: str
    start: int
    duration: int
    wanted_s: int | None
    energy_wh: float
    power_w: float
    state: str
    grants: list[GrantRow]


class Sep2FlowDesk:
    """The operator's side of flow reservation.

    Args:
        core: the server.
        clock: the wall clock.
    """

    def __init__(self, core: Sep2Core, clock: Clock) -> None:
        self._core = core
        self._clock = clock

    def find_flow_requests(self, text: str, start: int, limit: int) -> tuple[list[FlowRow], int]:
        """Requests that fit, from `start` on, the latest window first; and how many fit."""
        wanted = text.lower()
        fits = [(record, item) for record, item in self._requests() if not wanted or _has(record, item, wanted)]
        fits.sort(key=lambda one: (-one[1].obj.intervalRequested.start, one[1].path))
        now = self._clock.now()
        return [self._row(record, item, now) for record, item in fits[start : start + limit]], len(fits)

    def flow_request(self, path: str) -> FlowRow:
        """One request.

        Raises:
            RemoteProtocolError: 404 where none is there.
        """
        record, item = self._at(path)
        return self._row(record, item, self._clock.now())

    async def answer_flow(
        self, path: str, asked: Mapping[str, Any], *, by: str, along: Sequence[Change] = ()
    ) -> FlowRow:
        """Answer a request anew: what was granted before ends.

        Args:
            path: of the request.
            asked: `refuse`, or `energy_wh`, `power_w`, `start` (s since 1970) and `duration` (s), None: as requested.
            by: who answers.
            along: durable with it.

        Raises:
            RemoteProtocolError: 400 for more than was requested, 404, 409 where the request is over or cancelled.
            StoreUnavailable: nothing was changed, or the earlier grant is cancelled and there is no other.
        """
        record, item = self._at(path)
        answer = Answer(**{name: asked.get(name) for name in ("energy_wh", "power_w", "start", "duration")},
                        refuse=bool(asked.get("refuse")))  # fmt: skip
        with along_with(along):
            await self._core.flow.answer(record, item, answer, self._clock.now(), by=f"operator:{by}")
        return self._row(record, item, self._clock.now())

    async def cancel_flow(self, path: str, *, reason: str, along: Sequence[Change] = ()) -> FlowRow:
        """Cancel what is granted to a request.

        Raises:
            RemoteProtocolError: 404, 409 where nothing is granted to it.
            StoreUnavailable: nothing was changed.
        """
        record, item = self._at(path)
        with along_with(along):
            await self._core.flow.cancel_grants(record, item, self._clock.now(), reason=reason)
        return self._row(record, item, self._clock.now())

    def _requests(self) -> Iterator[tuple[EndDeviceRecord, Item]]:
        state = self._core.state
        for path in list(state.event_sets):
            parts = path.split("/")
            record = state.end_devices.get(int(parts[2])) if parts[1] == "edev" else None
            if record is None:
                continue
            listing = state.tree.listing(f"{record.path}/frq")
            for item in () if listing is None else list(listing.items.values()):
                yield record, item

    def _at(self, path: str) -> tuple[EndDeviceRecord, Item]:
        item = self._core.state.tree.item(path)
        if item is None or not isinstance(item.obj, FlowReservationRequest):
            raise RemoteProtocolError(f"no flow reservation request is at {path}", answer=404)
        record: EndDeviceRecord = item.data
        return record, item

    def _row(self, record: EndDeviceRecord, item: Item, now: Instant) -> FlowRow:
        request: FlowReservationRequest = item.obj
        window = request.intervalRequested
        events = self._core.state.event_sets.get(f"{record.path}/frp")
        of_it = [e.item.obj for e in events.events.values() if e.item.obj.subject == request.mRID] if events else []
        grants = [_grant(one) for one in sorted(of_it, key=_newest)]
        return {
            "path": item.path,
            "lfdi": record.lfdi,
            "device": record.device_id,
            "mrid": request.mRID,
            "description": request.description or "",
            "start": window.start,
            "duration": window.duration,
            "wanted_s": request.durationRequested,
            "energy_wh": from_power_of_ten(request.energyRequested.value, request.energyRequested.multiplier),
            "power_w": from_power_of_ten(request.powerRequested.value, request.powerRequested.multiplier),
            "state": _state(request, grants, now),
            "grants": grants,
        }


def _newest(grant: FlowReservationResponse) -> tuple[int, int]:
    return -grant.creationTime, -int((grant.href or "/0").rpartition("/")[2])


def _grant(grant: FlowReservationResponse) -> GrantRow:
    return {
        "path": grant.href or "",
        "status": grant.eventStatus.currentStatus,
        "start": grant.interval.start,
        "duration": grant.interval.duration,
        "energy_wh": from_power_of_ten(grant.energyAvailable.value, grant.energyAvailable.multiplier),
        "power_w": from_power_of_ten(grant.powerAvailable.value, grant.powerAvailable.multiplier),
    }


def _state(request: FlowReservationRequest, grants: Sequence[GrantRow], now: Instant) -> str:
    window = request.intervalRequested
    if request.requestStatus.requestStatus == RequestStatusCode.CANCELLED:
        return "cancelled"
    live = [g for g in grants if g["status"] in _LIVE and g["start"] + g["duration"] > now]
    if live:
        return "granted" if any(g["energy_wh"] for g in live) else "refused"
    if window.start + window.duration <= now:
        return "over"
    return "cancelled" if grants else "waits"


def _has(record: EndDeviceRecord, item: Item, text: str) -> bool:
    known = (record.lfdi, record.device_id, item.path, item.obj.mRID, item.obj.description)
    return any(text in one.lower() for one in known if one)
