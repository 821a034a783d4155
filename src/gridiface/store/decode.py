"""Rows -> domain values: the way back of batch.py. Pure."""

from __future__ import annotations

from math import nan
from typing import Any

from sqlalchemy import Row

from gridiface.domain.changes import Document
from gridiface.domain.controls import (
    Control,
    Decision,
    Delivery,
    DeliveryOutcome,
    Outcome,
    OutcomeKind,
    Source,
    Target,
    TargetKind,
)
from gridiface.domain.performance import LIMIT_FIGURES, LimitAccount, PerformanceInterval
from gridiface.domain.quantities import Phase, Quantity
from gridiface.domain.response_counts import ResponseCounts
from gridiface.domain.telemetry import Quality, Reading
from gridiface.store.codec import control_from_json, setpoint_from_json


def document(row: Row[Any]) -> Document:
    """One row of `documents`. SQLite gives text back where somebody has written text by hand."""
    body = row.body
    octets = body.encode("utf-8", "surrogateescape") if isinstance(body, str) else bytes(body)
    return Document(row.space, row.key, octets, row.version)


def control(row: Row[Any]) -> Control:
    """The `body` of a row of `controls`."""
    return control_from_json(row.body)


def outcome(row: Row[Any]) -> Outcome:
    """One row of `outcomes`."""
    return Outcome(
        control_id=row.control_id,
        kind=OutcomeKind(row.kind),
        at=row.at,
        device_id=row.device_id or None,
        reason=row.reason,
    )


def reading(row: Row[Any]) -> Reading:
    """One row of `readings`."""
    return Reading(
        device_id=row.device_id,
        quantity=Quantity(row.quantity),
        value=nan if row.value is None else row.value,
        source_time=row.source_time,
        received=row.received,
        quality=Quality(row.quality),
        phase=Phase(row.phase),
        duration_s=row.duration_s,
    )


def decision(row: Row[Any]) -> Decision:
    """One row of `decisions`."""
    return Decision(
        at=row.at,
        target=Target(TargetKind(row.target_kind), row.target_id),
        signal=row.signal,
        source=Source(protocol=row.protocol, program=row.program, identity=row.identity, authority=row.authority),
        verdict=row.verdict,
        reason=row.reason,
        control_id=row.control_id,
        value=row.value,
    )


def performance(row: Row[Any]) -> PerformanceInterval:
    """One row of `performance`."""
    return PerformanceInterval(
        control_id=row.control_id,
        target_id=row.target_id,
        start=row.start,
        end=row.end,
        requested_w=row.requested_w,
        accepted_w=row.accepted_w,
        allocated_w=row.allocated_w,
        acknowledged_w=row.acknowledged_w,
        delivered_w=row.delivered_w,
        quality=Quality(row.quality),
        known=row.known,
        reason=row.reason,
        responses=None if row.responses is None else ResponseCounts.of_text(row.responses),
        limit=None if row.limit_w is None else LimitAccount(**{name: getattr(row, name) for name in LIMIT_FIGURES}),
    )


def delivery(row: Row[Any]) -> Delivery:
    """One row of `deliveries`."""
    return Delivery(
        device_id=row.device_id,
        outcome=DeliveryOutcome(row.outcome),
        at=row.at,
        setpoint=setpoint_from_json(row.setpoint),
        attempts=row.attempts,
        detail=row.detail,
    )
