"""What the REST API shows of OpenADR: VENs, events, deliveries, reports and opts as plain rows. Pure; owns no rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from typing_extensions import TypedDict

from gridiface.domain.clock import Instant
from gridiface.operator.rows.openadr_forms import unit_text
from gridiface.protocols.openadr.events import CANCELLED, Baseline, Event, Signal
from gridiface.protocols.openadr.payloads.common import EiTarget
from gridiface.protocols.openadr.payloads.report import OadrReport
from gridiface.protocols.openadr.ven.state import OptSchedule
from gridiface.protocols.openadr.vtn import Delivery, EventRecord, Ven
from gridiface.protocols.openadr.vtn.entities import RunningReport, Schedule


class VenRow(TypedDict):
    """One VEN at a glance.

    `liveness`: unregistered, present, late or lost; `waiting`: payloads that wait for it; `trouble`: what it refused or
    never answered last since the start.
    """

    id: str
    name: str
    liveness: str
    profile: str
    transport: str
    mode: str
    address: str | None
    high_security: bool
    fingerprint: str
    groups: list[str]
    parties: list[str]
    resources: list[str]
    market_contexts: list[str]
    report_only: bool
    registered_at: float | None
    last_seen: float | None
    waiting: list[str]
    trouble: str
    configured: bool


class IntervalRow(TypedDict):
    """One step of a signal; `duration_s` 0: until the event is cancelled."""

    duration_s: int
    value: float


class SignalRow(TypedDict):
    """One signal of an event."""

    id: str
    name: str
    type: str
    unit: str
    device_classes: list[str]
    intervals: list[IntervalRow]


class BaselineRow(TypedDict):
    """What would be used without an event."""

    id: str
    name: str
    start: float
    unit: str
    resources: list[str]
    intervals: list[IntervalRow]


class EventFacts(TypedDict):
    """An event as both roles show it. `end` null: open; `status`: far, near, active, completed or cancelled."""

    id: str
    status: str
    modification: int
    market_context: str
    start: float
    end: float | None
    startafter_s: int
    notification_s: int | None
    ramp_up_s: int | None
    recovery_s: int | None
    priority: int | None
    test: bool
    comment: str | None
    response_required: bool
    created: float
    modified: float | None
    modification_reason: str | None
    signals: list[SignalRow]
    baseline: BaselineRow | None
    target: dict[str, Any]


class Answers(TypedDict):
    """How many VENs said what to the present version of an event; `unsent` have not fetched it, `silent` have.

    Of a cancelled one: whether they end it (`opt_in`), or cannot (`opt_out`).
    """

    opt_in: int
    opt_out: int
    silent: int
    unsent: int


class EventRow(EventFacts):
    """One event of our VTN at a glance."""

    vens: int
    answers: Answers


class EventDeliveryRow(TypedDict):
    """How far an event has come with one VEN. `state`: unsent, sent, acknowledged, or not asked for an answer.

    `opt`, `opted_at`, `code`, `description`: its last word on taking part, also after the end. `cancel_confirmed`: it
    ends a cancelled event; `cancel_refused`: why it says that it cannot, null where it does not say so.
    """

    ven: str
    liveness: str
    state: str
    opt: str | None
    opted_at: float | None
    code: int | None
    description: str
    modification: int | None
    sends: int
    sent_at: float | None
    cancel_confirmed: bool
    cancel_refused: str | None
    resources: dict[str, str]


class EventDetail(EventRow):
    """One event and where it stands with each VEN."""

    deliveries: list[EventDeliveryRow]


class ReportPointRow(TypedDict):
    """One data point that a VEN offers."""

    rid: str
    type: str
    reading: str
    unit: str
    resources: list[str]
    min_period_s: int | None
    max_period_s: int | None
    on_change: bool


class OfferRow(TypedDict):
    """One report that a VEN offers."""

    specifier: str
    name: str
    keeps_s: int | None
    points: list[ReportPointRow]


class RequestRow(TypedDict):
    """One report request. `state`: asked, running, cancelling or done."""

    id: str
    name: str
    specifier: str
    rids: list[str]
    granularity_s: int
    back_s: int
    start: float | None
    duration_s: int
    state: str
    reports: int
    last_report: float | None


class OptRow(TypedDict):
    """One opt schedule. `spans`: start and seconds, 0 open."""

    id: str
    opt: str
    reason: str
    market_context: str | None
    resources: list[str]
    spans: list[list[float]]


def ven_row(
    ven: Ven, *, liveness: str, waiting: Iterable[str], resources: Iterable[str], trouble: str, configured: bool
) -> VenRow:
    """A VEN in a list."""
    return VenRow(
        id=ven.venID,
        name=ven.name,
        liveness=liveness,
        profile=ven.profile,
        transport=ven.transport,
        mode="pull" if ven.pull else "push",
        address=ven.address,
        high_security=ven.must_sign,
        fingerprint=ven.fingerprint,
        groups=list(ven.groups),
        parties=list(ven.parties),
        resources=list(resources),
        market_contexts=list(ven.market_contexts),
        report_only=ven.report_only,
        registered_at=ven.registered_at,
        last_seen=ven.last_seen,
        waiting=list(waiting),
        trouble=trouble,
        configured=configured,
    )


def event_facts(event: Event, now: Instant) -> EventFacts:
    """What an event says."""
    return EventFacts(
        id=event.id,
        status=event.status_at(now),
        modification=event.modification,
        market_context=event.market_context,
        start=event.dtstart,
        end=None if event.duration == 0 else event.end,
        startafter_s=event.startafter,
        notification_s=event.notification,
        ramp_up_s=event.ramp_up,
        recovery_s=event.recovery,
        priority=event.priority,
        test=event.is_test,
        comment=event.comment,
        response_required=event.response_required,
        created=event.created,
        modified=event.modified,
        modification_reason=event.modification_reason,
        signals=[_signal_row(signal) for signal in event.signals],
        baseline=None if event.baseline is None else _baseline_row(event.baseline),
        target=target_row(event.target),
    )


def event_row(record: EventRecord, deliveries: Mapping[str, Delivery | None], now: Instant) -> EventRow:
    """An event of our VTN in a list; `deliveries` by venID."""
    said = Answers(opt_in=0, opt_out=0, silent=0, unsent=0)
    for delivery in deliveries.values():
        if delivery is None or delivery.modification != record.event.modification:
            said["unsent"] += 1
        elif delivery.answered != record.event.modification:
            said["silent"] += 1
        elif delivery.cancel_refused is None if record.event.status == CANCELLED else delivery.opt == "optIn":
            said["opt_in"] += 1
        else:
            said["opt_out"] += 1
    return EventRow(**event_facts(record.event, now), vens=len(record.recipients), answers=said)


def delivery_row(ven_id: str, liveness: str, record: EventRecord, delivery: Delivery | None) -> EventDeliveryRow:
    """Where an event stands with one VEN."""
    delivery = delivery or Delivery()
    sent = delivery.modification >= 0
    current = delivery.modification == record.event.modification
    answered = current and delivery.answered == record.event.modification
    state = "acknowledged" if answered else "sent" if current else "unsent"
    return EventDeliveryRow(
        ven=ven_id,
        liveness=liveness,
        state=state if record.event.response_required or state == "unsent" else "no answer wanted",
        opt=delivery.event_opt or delivery.opt,
        opted_at=delivery.opted_at or None,
        code=delivery.code or None,
        description=delivery.description,
        modification=delivery.modification if sent else None,
        sends=delivery.sends,
        sent_at=delivery.sent_at if sent else None,
        cancel_confirmed=delivery.cancel_done and delivery.cancel_refused is None,
        cancel_refused=delivery.cancel_refused,
        resources=dict(delivery.resources),
    )


def target_row(target: EiTarget) -> dict[str, Any]:
    """What a target names, without what it does not."""
    named: dict[str, list[Any]] = {
        "groups": target.groupID,
        "group_names": target.groupName,
        "resources": target.resourceID,
        "vens": target.venID,
        "parties": target.partyID,
        "device_assets": target.endDeviceAsset,
        "meter_assets": target.meterAsset,
        "pnodes": target.pnode,
        "aggregated_pnodes": target.aggregatedPnode,
        "delivery_points": target.serviceDeliveryPoint,
        "service_areas": [area.id for area in target.serviceArea],
        "service_locations": [area.id for area in target.serviceLocation],
        "transport_interfaces": [[e.pointOfReceipt, e.pointOfDelivery] for e in target.transportInterface],
    }
    return {name: list(values) for name, values in named.items() if values}


def offer_row(offered: OadrReport) -> OfferRow:
    """A report of a VEN's metadata."""
    points = []
    for point in offered.oadrReportDescription:
        rate = point.oadrSamplingRate
        points.append(
            ReportPointRow(
                rid=point.rID,
                type=point.reportType,
                reading=point.readingType,
                unit=unit_text(point.itemBase),
                resources=list(point.reportDataSource.resourceID) if point.reportDataSource else [],
                min_period_s=rate.oadrMinPeriod if rate else None,
                max_period_s=rate.oadrMaxPeriod if rate else None,
                on_change=rate.oadrOnChange if rate else False,
            )
        )
    name = (offered.reportName or "").removeprefix("METADATA_")
    return OfferRow(specifier=offered.reportSpecifierID, name=name, keeps_s=offered.duration, points=points)


def request_row(running: RunningReport) -> RequestRow:
    """A report request of our VTN."""
    request = running.request
    return RequestRow(
        id=request.id,
        name=running.name,
        specifier=request.specifier,
        rids=list(request.rids),
        granularity_s=request.granularity,
        back_s=request.back,
        start=request.start,
        duration_s=request.duration,
        state=running.state,
        reports=running.reports,
        last_report=running.last_report,
    )


def opt_row(schedule: Schedule | OptSchedule) -> OptRow:
    """An opt schedule, whichever end made it."""
    return OptRow(
        id=schedule.optID,
        opt=schedule.opt,
        reason=schedule.reason,
        market_context=schedule.market_context,
        resources=list(schedule.resources),
        spans=[list(span) for span in schedule.spans],
    )


def _intervals(durations: Iterable[int], values: Iterable[float]) -> list[IntervalRow]:
    return [IntervalRow(duration_s=int(d), value=v) for d, v in zip(durations, values, strict=True)]


def _signal_row(signal: Signal) -> SignalRow:
    return SignalRow(
        id=signal.id,
        name=signal.name,
        type=signal.type,
        unit=unit_text(signal.unit),
        device_classes=list(signal.devices),
        intervals=_intervals(signal.durations, signal.values),
    )


def _baseline_row(baseline: Baseline) -> BaselineRow:
    return BaselineRow(
        id=baseline.id,
        name=baseline.name,
        start=baseline.dtstart,
        unit=unit_text(baseline.unit),
        resources=list(baseline.resources),
        intervals=_intervals(baseline.durations, baseline.values),
    )
