"""Values for the tests of the store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import strategies as st

from gridiface.domain.clock import Interval
from gridiface.domain.controls import (
    Control,
    ControlMode,
    ControlState,
    ModeValue,
    ServiceClass,
    Setpoint,
    Source,
    Target,
    TargetKind,
)
from gridiface.store.repository import Store

numbers = st.floats(allow_nan=False)
texts = st.text(max_size=20)
payloads = st.recursive(
    st.none() | st.booleans() | st.integers() | numbers | texts | st.binary(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(texts | st.just("$"), inner, max_size=3)
    ),
    max_leaves=8,
)
values = st.dictionaries(st.sampled_from(ControlMode), st.builds(ModeValue, numbers, texts, payloads), max_size=3)
intervals = st.builds(Interval, numbers, st.none() | st.floats(min_value=0, allow_nan=False))


@pytest.fixture(scope="session")
def payload_strategy() -> st.SearchStrategy[object]:
    """Everything that a payload may be."""
    return payloads


@pytest.fixture(scope="session")
def control_strategy() -> st.SearchStrategy[Control]:
    """Controls with every field drawn."""
    return st.builds(
        Control,
        id=texts,
        source=st.builds(Source, protocol=texts, program=texts, identity=texts, authority=numbers),
        target=st.builds(Target, st.sampled_from(TargetKind), texts),
        values=values,
        interval=intervals,
        created=numbers,
        service_class=st.sampled_from(ServiceClass),
        randomize_start_s=numbers,
        randomize_duration_s=numbers,
        effective=st.none() | intervals,
        ramp_s=st.none() | numbers,
        is_default=st.booleans(),
        is_test=st.booleans(),
        response_required=st.booleans(),
        state=st.sampled_from(ControlState),
        description=texts,
        extra=st.dictionaries(texts, texts, max_size=3),
    )


@pytest.fixture(scope="session")
def setpoint_strategy() -> st.SearchStrategy[Setpoint]:
    """Set-points with every field drawn."""
    maybe = st.none() | numbers
    return st.builds(
        Setpoint,
        device_id=texts,
        issued=numbers,
        active_power_w=maybe,
        ceiling_w=maybe,
        reactive_power_var=maybe,
        connect=st.none() | st.booleans(),
        energize=st.none() | st.booleans(),
        passed=values,
        release=st.booleans(),
        let_go=st.frozensets(st.sampled_from(ControlMode)),
        valid_until=maybe,
        ramp_s=maybe,
        control_ids=st.lists(texts, max_size=3).map(tuple),
        service_class=st.sampled_from(ServiceClass),
    )


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """A store on a new SQLite file."""
    async with await Store.open(str(tmp_path / "grid.db")) as opened:
        yield opened
