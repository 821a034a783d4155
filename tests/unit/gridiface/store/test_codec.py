"""Controls, set-points and payloads come back exactly as they went in."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gridiface.domain.clock import Interval
from gridiface.domain.controls import Control, ControlMode, ModeValue, Source, Target, TargetKind
from gridiface.errors import LocalProtocolError
from gridiface.store import codec

thorough = settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])


def kinds(value: Any) -> Any:
    """The types all the way down: 1 == 1.0 == True, and a round trip must not mix them up."""
    if isinstance(value, dict):
        return {key: kinds(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return (type(value), [kinds(item) for item in value])
    return type(value)


@thorough
@given(st.data())
def test_a_control_comes_back_as_it_was(control_strategy: st.SearchStrategy[Control], data: st.DataObject) -> None:
    control = data.draw(control_strategy)
    text = codec.control_to_json(control)
    text.encode("ascii")
    assert codec.class_mark(control.service_class) in text
    again = codec.control_from_json(text)
    assert again == control
    for mode, value in control.values.items():
        assert kinds(again.values[mode].payload) == kinds(value.payload)


@thorough
@given(st.data())
def test_a_setpoint_comes_back_as_it_was(setpoint_strategy: st.SearchStrategy[Any], data: st.DataObject) -> None:
    setpoint = data.draw(setpoint_strategy)
    assert codec.setpoint_from_json(codec.setpoint_to_json(setpoint)) == setpoint


@thorough
@given(st.data())
def test_a_payload_comes_back_with_its_types(payload_strategy: st.SearchStrategy[Any], data: st.DataObject) -> None:
    payload = data.draw(payload_strategy)
    again = codec.unpack(json.loads(json.dumps(codec.pack(payload), allow_nan=False)))
    assert again == payload
    assert kinds(again) == kinds(payload)


def test_nan_is_kept_too() -> None:
    assert math.isnan(codec.unpack(codec.pack(math.nan)))


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("payload", [object(), {1: "x"}, {1, 2}, [b"", {"deep": 1j}], nested(70)])
def test_what_cannot_be_kept_is_refused(payload: Any) -> None:
    control = Control(
        id="c",
        source=Source(protocol="p"),
        target=Target(TargetKind.DEVICE, "d"),
        values={ControlMode.CURVE: ModeValue(0.0, "", payload)},
        interval=Interval(0.0, None),
        created=0.0,
    )
    with pytest.raises(LocalProtocolError, match="payload"):
        codec.control_to_json(control)


@given(st.text())
def test_free_text_is_only_mended_where_it_must_be(text: str) -> None:
    mended = codec.free_text(text + "\0\ud800")
    assert mended == codec.free_text(text) + "??"
    assert codec.free_text(mended) == mended


@pytest.mark.parametrize("key", ["", "a b\n\t", "h\u00e9 \U0001f600"])
def test_ordinary_keys_pass(key: str) -> None:
    assert codec.key_text(key) == key
    assert codec.free_text(key) == key


@pytest.mark.parametrize("key", ["\0", "a\ud800", "\udfff"])
def test_keys_that_no_database_keeps_are_refused(key: str) -> None:
    with pytest.raises(LocalProtocolError):
        codec.key_text(key)


def test_numbers() -> None:
    assert [codec.number(value) for value in (None, math.nan, 1, -math.inf)] == [None, None, 1.0, -math.inf]
