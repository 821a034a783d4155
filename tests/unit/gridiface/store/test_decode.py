"""Rows come back as the values they were made of, column by column."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridiface.domain.controls import (
    Control,
    Decision,
    Delivery,
    DeliveryOutcome,
    Outcome,
    OutcomeKind,
    Setpoint,
    Source,
    Target,
    TargetKind,
)
from gridiface.domain.performance import PerformanceInterval
from gridiface.domain.quantities import Phase, Quantity
from gridiface.domain.telemetry import Quality, Reading
from gridiface.store import batch, decode
from gridiface.store.statements import COLUMNS, Op

numbers = st.floats(allow_nan=False)
maybe = st.none() | numbers
names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=10)
SETPOINT = Setpoint(device_id="d", issued=1.0, active_power_w=2.5)

CASES: dict[Op, tuple[st.SearchStrategy[Any], Callable[[Any], Any], Callable[[Any], Any]]] = {
    Op.APPEND_OUTCOME: (
        st.builds(
            Outcome,
            control_id=names,
            kind=st.sampled_from(OutcomeKind),
            at=numbers,
            device_id=st.none() | names.filter(bool),
            reason=names,
        ),
        batch.outcome_row,
        decode.outcome,
    ),
    Op.APPEND_READING: (
        st.builds(
            Reading,
            device_id=names,
            quantity=st.sampled_from(Quantity),
            value=numbers,
            source_time=numbers,
            received=numbers,
            quality=st.sampled_from(Quality),
            phase=st.sampled_from(Phase),
            duration_s=numbers,
        ),
        batch.reading_row,
        decode.reading,
    ),
    Op.APPEND_DECISION: (
        st.builds(
            Decision,
            at=numbers,
            target=st.builds(Target, st.sampled_from(TargetKind), names),
            signal=names,
            source=st.builds(Source, protocol=names, program=names, identity=names, authority=numbers),
            verdict=names,
            reason=names,
            control_id=names,
            value=maybe,
        ),
        batch.decision_row,
        decode.decision,
    ),
    Op.PUT_PERFORMANCE: (
        st.builds(
            PerformanceInterval,
            control_id=names,
            target_id=names,
            start=numbers,
            end=numbers,
            requested_w=maybe,
            accepted_w=maybe,
            allocated_w=maybe,
            acknowledged_w=maybe,
            delivered_w=maybe,
            quality=st.sampled_from(Quality),
        ),
        batch.performance_row,
        decode.performance,
    ),
    Op.APPEND_DELIVERY: (
        st.builds(
            Delivery,
            device_id=names,
            outcome=st.sampled_from(DeliveryOutcome),
            at=numbers,
            setpoint=st.just(SETPOINT),
            attempts=st.integers(0, 9),
            detail=names,
        ),
        batch.delivery_row,
        decode.delivery,
    ),
}


@pytest.mark.parametrize("op", CASES)
@given(data=st.data())
def test_a_row_comes_back_as_the_value_it_was_made_of(op: Op, data: st.DataObject) -> None:
    strategy, encode, back = CASES[op]
    value = data.draw(strategy)
    row = SimpleNamespace(**dict(zip(COLUMNS[op], encode(value), strict=True)))
    assert back(row) == value


@given(data=st.data())
def test_a_control_comes_back_from_its_row(control_strategy: st.SearchStrategy[Control], data: st.DataObject) -> None:
    control = data.draw(control_strategy.filter(lambda c: "\0" not in c.id + c.target.id))
    row = dict(zip(COLUMNS[Op.PUT_CONTROL], batch.control_row(control), strict=True))
    assert decode.control(SimpleNamespace(**row)) == control  # type: ignore[arg-type]  # stands for a Row
    assert row["live_until"] >= control.span.end or math.isnan(row["live_until"])


def test_a_document_comes_back() -> None:
    row: Any = SimpleNamespace(space="s", key="k", body=b"b", version=7)
    assert (decode.document(row).body, decode.document(row).version) == (b"b", 7)


def test_a_null_reading_is_not_a_number() -> None:
    reading = Reading(device_id="d", quantity=Quantity.OTHER, value=math.nan, source_time=1.0, received=1.0)
    row = dict(zip(COLUMNS[Op.APPEND_READING], batch.reading_row(reading), strict=True))
    assert row["value"] is None
    assert math.isnan(decode.reading(SimpleNamespace(**row)).value)  # type: ignore[arg-type]  # stands for a Row


@pytest.mark.parametrize("body", [b"{}", "{}", memoryview(b"{}")])
def test_a_document_that_was_written_as_text_by_hand_is_read_as_its_octets(body: Any) -> None:
    found = decode.document(SimpleNamespace(space="s", key="k", body=body, version=1))  # type: ignore[arg-type]  # a row
    assert found.body == b"{}"
