"""Changes -> rows: what one `commit` wants, and the plan of many commits as few statements. Pure.

Owns the order of things inside one transaction: rows of different tables do not know each other, so only the order
of puts and deletes of one document key matters, and that of replacements of one key, which stays as it came.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import isnan
from typing import Any, assert_never

from gridiface.domain.changes import (
    AppendDecisions,
    AppendDeliveries,
    AppendOutcome,
    AppendPerformance,
    AppendReadings,
    Change,
    DeleteDocument,
    KeepDocument,
    PutControl,
    PutDocument,
)
from gridiface.domain.controls import Control, Decision, Delivery, Outcome
from gridiface.domain.performance import LIMIT_FIGURES, PerformanceInterval
from gridiface.domain.telemetry import Reading
from gridiface.store.codec import control_to_json, free_text, key_text, number, setpoint_to_json
from gridiface.store.statements import Op

Row = tuple[Any, ...]
#: Statements in order, each with all its rows.
Plan = list[tuple[Op, list[Row]]]


@dataclass(slots=True)
class Batch:
    """The rows of one `commit`: by operation, documents apart because their order matters."""

    rows: dict[Op, list[Row]] = field(default_factory=dict)
    documents: list[tuple[Op, Row]] = field(default_factory=list)

    @property
    def size(self) -> int:
        """How many rows."""
        return len(self.documents) + sum(map(len, self.rows.values()))


def encode(changes: Iterable[Change]) -> Batch:
    """The rows that make these changes.

    Raises:
        LocalProtocolError: a payload or key that cannot be stored.
    """
    batch = Batch()
    for change in changes:
        _add(batch, change)
    return batch


def _add(batch: Batch, change: Change) -> None:
    rows = batch.rows
    match change:
        case AppendOutcome():  # first: a step has three of them for each device told
            rows.setdefault(Op.APPEND_OUTCOME, []).append(outcome_row(change.outcome))
        case AppendReadings():
            rows.setdefault(Op.APPEND_READING, []).extend(map(reading_row, change.readings))
        case PutDocument() | KeepDocument():
            op = Op.PUT_DOCUMENT if isinstance(change, PutDocument) else Op.KEEP_DOCUMENT
            batch.documents.append((op, (key_text(change.space), key_text(change.key), bytes(change.body))))
        case DeleteDocument():
            batch.documents.append((Op.DELETE_DOCUMENT, (key_text(change.space), key_text(change.key))))
        case PutControl():
            rows.setdefault(Op.PUT_CONTROL, []).append(control_row(change.control))
        case AppendDecisions():
            rows.setdefault(Op.APPEND_DECISION, []).extend(map(decision_row, change.decisions))
        case AppendPerformance():
            rows.setdefault(Op.PUT_PERFORMANCE, []).extend(map(performance_row, change.intervals))
        case AppendDeliveries():
            rows.setdefault(Op.APPEND_DELIVERY, []).extend(map(delivery_row, change.deliveries))
        case _:
            assert_never(change)


def plan(batches: Sequence[Batch]) -> Plan:
    """All batches, in their order, as few statements as keep every key's own order."""
    merged: dict[Op, list[Row]] = {}
    for batch in batches:
        for op, rows in batch.rows.items():
            merged.setdefault(op, []).extend(rows)
    statements = _documents([entry for batch in batches for entry in batch.documents])
    statements.extend((op, rows) for op, rows in merged.items() if rows)
    return statements


def _documents(entries: Sequence[tuple[Op, Row]]) -> Plan:
    """Puts and deletes in stages; a new stage begins only where one key is put after a delete, or the reverse."""
    statements: Plan = []
    stage: dict[Op, list[Row]] = {}
    touched: dict[Row, Op] = {}
    for op, row in entries:
        if touched.setdefault(row[:2], op) is not op:
            statements.extend(stage.items())
            stage, touched = {}, {row[:2]: op}
        stage.setdefault(op, []).append(row)
    statements.extend(stage.items())
    return statements


def reading_row(r: Reading) -> Row:
    """One row of `readings`."""
    value = r.value
    return (
        r.device_id,
        r.quantity.value,
        None if isnan(value) else value,
        r.source_time,
        r.received,
        r.quality.value,
        r.phase.value,
        r.duration_s,
    )


def control_row(control: Control) -> Row:
    """One row of `controls`."""
    return (
        key_text(control.id),
        control.target.kind.value,
        key_text(control.target.id),
        control.state.value,
        control.created,
        max(control.latest, control.span.end),
        control_to_json(control),
    )


def outcome_row(outcome: Outcome) -> Row:
    """One row of `outcomes`."""
    return (
        key_text(outcome.control_id),
        key_text(outcome.device_id or ""),
        int(outcome.kind),
        outcome.at,
        free_text(outcome.reason),
    )


def decision_row(decision: Decision) -> Row:
    """One row of `decisions`."""
    source = decision.source
    return (
        decision.at,
        decision.target.kind.value,
        free_text(decision.target.id),
        free_text(decision.signal),
        free_text(source.protocol),
        free_text(source.program),
        free_text(source.identity),
        source.authority,
        str(decision.verdict),
        free_text(decision.reason),
        free_text(decision.control_id),
        number(decision.value),
    )


def performance_row(interval: PerformanceInterval) -> Row:
    """One row of `performance`."""
    limit = interval.limit
    return (
        key_text(interval.control_id),
        key_text(interval.target_id),
        interval.start,
        interval.end,
        number(interval.requested_w),
        number(interval.accepted_w),
        number(interval.allocated_w),
        number(interval.acknowledged_w),
        number(interval.delivered_w),
        interval.quality.value,
        interval.known,
        interval.reason,
        *((None,) * 4 if limit is None else (number(getattr(limit, name)) for name in LIMIT_FIGURES)),
        None if interval.responses is None else interval.responses.text,
    )


def delivery_row(delivery: Delivery) -> Row:
    """One row of `deliveries`."""
    return (
        key_text(delivery.device_id),
        delivery.at,
        delivery.outcome.value,
        delivery.attempts,
        free_text(delivery.detail),
        setpoint_to_json(delivery.setpoint),
    )
