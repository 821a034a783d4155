"""EiOpt of a VTN: opts to one event for some resources, and opt schedules with their rules of replacement.

Owns opts and their precedence (rules 200 to 211). Does not own the opts of oadrCreatedEvent (eventing.py).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection
from copy import deepcopy
from dataclasses import replace

from gridiface.protocols.openadr.answers import Code, Refusal, ok
from gridiface.protocols.openadr.market import same_context
from gridiface.protocols.openadr.payloads.common import EiTarget
from gridiface.protocols.openadr.payloads.envelope import Payload
from gridiface.protocols.openadr.payloads.opt import OadrCanceledOpt, OadrCancelOpt, OadrCreatedOpt, OadrCreateOpt
from gridiface.protocols.openadr.times import after
from gridiface.protocols.openadr.vtn.entities import Delivery, EventRecord, Opts, Schedule, Ven
from gridiface.protocols.openadr.vtn.notices import OptChanged
from gridiface.protocols.openadr.vtn.state import State

#: What a target names beside VENs, resources, groups and parties.
_FINER = (
    *("aggregatedPnode", "endDeviceAsset", "meterAsset", "pnode", "serviceArea", "serviceDeliveryPoint"),
    *("serviceLocation", "transportInterface"),
)
_MOST_SUPERSEDED = 200
_MOST_RESOURCES = 10_000


class OptDesk:
    """The opts of all VENs of one VTN."""

    def __init__(self, state: State) -> None:
        self._state = state

    def create(self, payload: OadrCreateOpt, ven: Ven, now: float) -> Payload:
        """Take an oadrCreateOpt.

        Raises:
            Refusal: the code and words of the eiResponse; nothing was changed.
        """
        if not payload.optID:
            raise Refusal(Code.COMPLIANCE, "the optID is empty (rule 204)")
        resources = self._resources(payload.eiTarget, ven)
        devices = _device_classes(payload)
        if payload.qualifiedEventID is not None:
            resources = self._opt_event(payload, ven, resources, now)
        else:
            self._opt_schedule(payload, ven, resources, devices, now)
        self._state.notices.append(
            OptChanged(
                venID=ven.venID,
                optID=payload.optID,
                opt=payload.optType,
                eventID=payload.qualifiedEventID.eventID if payload.qualifiedEventID else None,
                resources=tuple(resources),
            )
        )
        return OadrCreatedOpt(eiResponse=ok(payload.requestID), optID=payload.optID)

    def cancel(self, payload: OadrCancelOpt, ven: Ven) -> Payload:
        """Take back all schedules of an optID (rules 204, 211).

        Raises:
            Refusal: the optID is not known, or is that of an opt to an event, which can only be changed.
        """
        opts = self._state.opts(ven.venID)
        keep = [schedule for schedule in opts.schedules if schedule.optID != payload.optID]
        if len(keep) != len(opts.schedules):
            opts.schedules[:] = keep
            opts.cancelled[payload.optID] = payload.requestID
            for old in list(opts.cancelled)[:-_MOST_SUPERSEDED]:
                del opts.cancelled[old]
            self._state.save("opts", ven.venID)
            self._state.notices.append(OptChanged(venID=ven.venID, optID=payload.optID, opt=None))
        elif payload.optID not in opts.superseded and not _said_before(payload, opts):
            deliveries = self._state.deliveries(ven.venID).by_event.values()
            if any(payload.optID in delivery.event_opt_ids for delivery in deliveries):
                raise Refusal(Code.NOT_ALLOWED, "an opt to an event cannot be cancelled, only changed")
            raise Refusal(Code.INVALID_ID, "the optID is not known")
        return OadrCanceledOpt(eiResponse=ok(payload.requestID), optID=payload.optID)

    def opt_of(self, ven_id: str, event_id: str, resource: str | None, at: float) -> str | None:
        """Whether a resource (None: the VEN as a whole) takes part in an event; None: nobody said.

        Precedence: the last oadrCreateOpt for this event, then oadrCreatedEvent, then schedules.
        """
        found = self.said(ven_id, event_id, resource)
        if found is not None:
            return found
        record = self._state.events.get(event_id)
        return self.scheduled(ven_id, resource, at, record.event.market_context if record else None)

    def said(self, ven_id: str, event_id: str, resource: str | None) -> str | None:
        """What was said of this very event, for a resource or (None) the VEN; None: nothing."""
        delivery = self._state.deliveries(ven_id).by_event.get(event_id)
        if delivery is None:
            return None
        found = delivery.resources.get(resource) if resource is not None else None
        return found or delivery.event_opt or delivery.opt

    def next_edge(self, now: float) -> float:
        """When a schedule of any VEN begins or ends next; infinity when none does."""
        edges = (
            edge
            for schedule in self._state.schedules()
            for start, duration in schedule.spans
            for edge in (start, start + duration)
            if edge > now
        )
        return min(edges, default=math.inf)

    def scheduled(
        self, ven_id: str, resource: str | None, at: float, market_context: str | None, device: str | None = None
    ) -> str | None:
        """What the schedules say of a resource at an instant; of several that apply the last one made.

        A schedule that names device classes concerns only them (rule 209): ask with `device`, the class.
        """
        chosen: Schedule | None = None
        for schedule in self._state.opts(ven_id).schedules:
            in_context = schedule.market_context is None or same_context(schedule.market_context, market_context)
            if in_context and _covers(schedule, resource, device) and _runs(schedule, at):
                chosen = schedule
        return chosen.opt if chosen else None

    def absences(
        self, ven_id: str, resource: str | None, market_context: str | None, now: float
    ) -> list[tuple[float, float]]:
        """When a resource will not take part by its schedules, from now on: (start, end) by start, none that touch."""
        schedules = self._state.opts(ven_id).schedules
        edges = {start + part for one in schedules for start, length in one.spans for part in (0.0, length)}
        times = sorted({now, *(edge for edge in edges if edge > now)})
        found: list[tuple[float, float]] = []
        for start, end in itertools.pairwise([*times, math.inf]):
            if self.scheduled(ven_id, resource, start, market_context) != "optOut":
                continue
            if found and found[-1][1] == start:
                found[-1] = found[-1][0], end
            else:
                found.append((start, end))
        return found

    def _resources(self, target: EiTarget, ven: Ven) -> list[str]:
        if any(venID != ven.venID for venID in target.venID):
            raise Refusal(Code.TARGET_MISMATCH, "the target names another VEN")
        if ven.resources and not set(target.resourceID) <= set(ven.resources):
            raise Refusal(Code.TARGET_MISMATCH, "the target names a resource of somebody else")
        return list(dict.fromkeys(target.resourceID))

    def _opt_event(self, payload: OadrCreateOpt, ven: Ven, resources: list[str], now: float) -> list[str]:
        """Take an opt to an event; returns the resources that it is for, none: all."""
        if payload.vavailability is not None or payload.marketContext is not None:
            raise Refusal(Code.COMPLIANCE, "an opt to an event has no vavailability and no marketContext")
        record, delivery = self._event(payload, ven)
        resources = self._concerned(payload, ven, record.event.target, resources)
        if resources:
            if len(delivery.resources.keys() | set(resources)) > _MOST_RESOURCES:
                raise Refusal(Code.DEPLOYMENT, "too many resources")
            delivery.resources.update(dict.fromkeys(resources, payload.optType))
        else:
            delivery.resources.clear()
            delivery.event_opt = payload.optType
        delivery.opted_at = now
        if payload.optID not in delivery.event_opt_ids:
            delivery.event_opt_ids.append(payload.optID)
        del delivery.event_opt_ids[:-_MOST_SUPERSEDED]
        self._state.save("delivery", ven.venID)
        return resources

    def _concerned(self, payload: OadrCreateOpt, ven: Ven, whole: EiTarget, resources: list[str]) -> list[str]:
        """The resources that an opt to an event of the target `whole` is for; none: all of the VEN's (rules 206, 209).

        Raises:
            Refusal: 462 it names something that is no part of the event's target; 469 nobody knows which resources it
                means.
        """
        asked = payload.eiTarget
        groups = {*asked.groupID, *asked.groupName, *asked.partyID}
        known = {*ven.groups, *ven.parties, *whole.groupID, *whole.groupName, *whole.partyID}
        finer = {kind: named for kind in _FINER if (named := getattr(asked, kind))}
        strange = any(one not in getattr(whole, kind) for kind, named in finer.items() for one in named)
        # Everything in the event's target is OR'd (rule 22), so only a target of resources leaves others out. The venID
        # beside them says whose they are (rule 206).
        alone = EiTarget(resourceID=whole.resourceID, venID=whole.venID) == whole
        only = set(whole.resourceID) if alone else set()
        if strange or not groups <= known or (only and not set(resources) <= only):
            raise Refusal(Code.TARGET_MISMATCH, "the target is not a part of the event's target")
        if any(named != getattr(whole, kind) for kind, named in finer.items()):
            raise Refusal(Code.DEPLOYMENT, "which resources a part of the target means is not known here")
        if groups or finer:
            resources = []
        classes = _device_classes(payload)
        if not classes:
            return resources
        of_class = self._of_classes(ven, classes)
        found = [name for name in resources or of_class if name in of_class and (not only or name in only)]
        if not found:
            raise Refusal(Code.DEPLOYMENT, "no resource of these device classes is known here")
        return found

    def _of_classes(self, ven: Ven, classes: Collection[str]) -> list[str]:
        """The resources that a VEN's metadata say are of a device class (rule 307)."""
        return [
            name
            for offered in self._state.reports(ven.venID).metadata
            for point in offered.oadrReportDescription
            if point.reportSubject and not set(point.reportSubject.endDeviceAsset).isdisjoint(classes)
            for name in (point.reportDataSource.resourceID if point.reportDataSource else ())
        ]

    def _event(self, payload: OadrCreateOpt, ven: Ven) -> tuple[EventRecord, Delivery]:
        qualified = payload.qualifiedEventID
        record = self._state.events.get(qualified.eventID) if qualified else None
        delivery = self._state.deliveries(ven.venID).by_event.get(qualified.eventID) if qualified else None
        if qualified is None or record is None or delivery is None or ven.venID not in record.recipients:
            raise Refusal(Code.INVALID_ID, "the eventID is not known")
        if qualified.modificationNumber != record.event.modification:
            raise Refusal(Code.OUT_OF_SEQUENCE, "the modificationNumber is not the current one")
        if not record.event.response_required:
            raise Refusal(Code.NOT_ALLOWED, "no response to this event is wanted")
        return record, delivery

    def _opt_schedule(
        self, payload: OadrCreateOpt, ven: Ven, resources: list[str], devices: list[str], now: float
    ) -> None:
        if payload.vavailability is None:
            raise Refusal(Code.COMPLIANCE, "an opt without event needs a vavailability")
        target = payload.eiTarget
        ours = {*ven.groups} & {*target.groupID, *target.groupName} or {*ven.parties} & {*target.partyID}
        if not (resources or ours or target.venID or target.is_empty()):
            # It is not the whole VEN that is meant (rule 202), and nothing tells which part of it is.
            raise Refusal(Code.DEPLOYMENT, "nothing of the target is known here")
        spans = []
        for available in payload.vavailability.components.available:
            times = available.properties
            extras = (times.tolerance, times.x_eiNotification, times.x_eiRampUp, times.x_eiRecovery)
            if any(extra is not None for extra in extras):
                raise Refusal(Code.COMPLIANCE, "an opt schedule has starts and durations only")
            if times.duration < 0:
                raise Refusal(Code.INVALID_DATA, "an opt schedule has no negative durations")
            spans.append([times.dtstart, float(after(times.dtstart, times.duration) - times.dtstart)])
        made = Schedule(
            optID=payload.optID,
            opt=payload.optType,
            reason=payload.optReason,
            market_context=payload.marketContext,
            spans=spans,
            resources=resources,
            devices=devices,
            created=now,
        )
        opts = self._state.opts(ven.venID)
        # The same again, its answer was lost or it is to go before others, takes its own place; what is refused leaves
        # the others as they are.
        schedules = [deepcopy(old) for old in opts.schedules if replace(old, created=now) != made]
        superseded = list(opts.superseded)
        _supersede(schedules, superseded, payload, resources, devices)
        if len(schedules) >= self._state.config.most_opts:
            raise Refusal(Code.DEPLOYMENT, "too many opt schedules")
        opts.schedules[:], opts.superseded[:] = [*schedules, made], superseded
        opts.cancelled.pop(payload.optID, None)
        self._state.save("opts", ven.venID)


def _device_classes(payload: OadrCreateOpt) -> list[str]:
    """Raises Refusal: it holds something else, which narrows the opt in a way that nobody can tell (rule 209)."""
    told = payload.oadrDeviceClass or EiTarget()
    if told != EiTarget(endDeviceAsset=told.endDeviceAsset):
        raise Refusal(Code.COMPLIANCE, "oadrDeviceClass holds device classes only (rule 209)")
    return list(told.endDeviceAsset)


def _said_before(payload: OadrCancelOpt, opts: Opts) -> bool:
    """Whether it is the cancellation that was carried out already, said again because its answer was lost."""
    return bool(payload.requestID) and opts.cancelled.get(payload.optID) == payload.requestID


def _supersede(
    schedules: list[Schedule],
    superseded: list[str],
    payload: OadrCreateOpt,
    resources: list[str],
    devices: list[str],
) -> None:
    """Rule 203: a schedule without finer target replaces all of its type, a finer one those of its resources."""
    for schedule in list(schedules):
        # The same optID may stand for several schedules that go together: those do not replace each other.
        if schedule.optID == payload.optID or schedule.opt != payload.optType:
            continue
        if not same_context(schedule.market_context, payload.marketContext):
            continue
        # Device classes narrow a schedule: only one of the same classes takes its place.
        if devices and set(schedule.devices) != set(devices):
            continue
        if resources and not schedule.resources:
            schedule.without = sorted({*schedule.without, *resources})
            continue
        schedule.resources = [name for name in schedule.resources if name not in resources] if resources else []
        if not schedule.resources:
            schedules.remove(schedule)
            superseded.append(schedule.optID)
    del superseded[:-_MOST_SUPERSEDED]


def _covers(schedule: Schedule, resource: str | None, device: str | None) -> bool:
    if schedule.devices and device not in schedule.devices:
        return False
    if schedule.resources:
        return resource in schedule.resources
    return resource not in schedule.without


def _runs(schedule: Schedule, at: float) -> bool:
    return any(start <= at and (duration == 0 or at < start + duration) for start, duration in schedule.spans)
