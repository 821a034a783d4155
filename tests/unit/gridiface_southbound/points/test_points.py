"""Scalars between a device's API and numbers, and the rules of every table."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gridiface.domain.quantities import Rounding
from gridiface_southbound.points.image import Unplannable
from gridiface_southbound.points.scalar import ScalarImage, ScalarPoint
from gridiface_southbound.points.scaling import from_si, si_factor, to_si
from gridiface_southbound.points.table import Table
from gridiface_southbound.points.telemetry import told_alarms


def image(data: Any = None, **keys: Any) -> tuple[ScalarImage[ScalarPoint], ScalarPoint]:
    point = ScalarPoint(**({"name": "p"} | keys))
    return ScalarImage(Table[ScalarPoint](kind="battery", points=(point,)), {} if data is None else {"p": data}), point


@pytest.mark.parametrize(
    ("keys", "raw", "value"),
    [
        ({}, 5, 5.0),
        ({}, "5.5", 5.5),
        ({}, True, 1.0),
        ({"scale": 0.1, "offset": -40}, 501, 10.1),
        ({"valid": (0, 100)}, 101, None),
        ({}, "full", None),
        ({}, "nan", None),
        ({}, math.inf, None),
        ({}, 10**400, None),
        ({}, [5], None),
        ({}, {"a": 1}, None),
        ({}, "9" * 300, None),
        ({"type": "text", "values": {"own": "own", "remote": "remote"}}, "remote", 1.0),
    ],
)
def test_known_scalars(keys: dict[str, Any], raw: Any, value: float | None) -> None:
    seen, point = image(raw, **keys)
    assert seen.value(point) == value


@pytest.mark.parametrize(
    ("keys", "raw", "word"),
    [
        ({}, True, "true"),
        ({}, 0, "false"),
        ({}, "false", "false"),
        ({}, "0", "false"),
        ({}, "maybe", None),
        ({"values": {2: True, 1: False}}, 2, "true"),
        ({"values": {"ON": True, "OFF": False}}, "OFF", "false"),
        ({"values": {"ON": True}}, "on", None),
        ({"values": {1: True}}, 1.0, "true"),
    ],
)
def test_words(keys: dict[str, Any], raw: Any, word: str | None) -> None:
    seen, point = image(raw, **keys)
    assert seen.word(point) == word


@pytest.mark.parametrize(
    ("keys", "raw", "names"),
    [
        ({}, ["too_warm", 5, "", "x" * 999], ("too_warm", "x" * 256)),
        ({}, ["a"] * 999, ("a",) * 64),
        ({"bits": {0: "low", 2: "high"}}, 5, ("low", "high")),
        ({}, "E42", ("E42",)),
        ({}, "", ()),
        ({}, True, ("p",)),
        ({}, 0, ()),
    ],
)
def test_alarms(keys: dict[str, Any], raw: Any, names: tuple[str, ...]) -> None:
    seen, point = image(raw, meaning="alarms", **keys)
    assert seen.alarms(point) == names


def test_the_alarms_that_a_table_names_are_known_before_they_are_raised() -> None:
    points = (
        ScalarPoint(name="too_warm", meaning="alarms", type="flag"),
        ScalarPoint(name="faults", meaning="alarms", bits={0: "low", 2: "high"}),
        ScalarPoint(name="started", meaning="alarms", type="flag", bits={0: "AC_OVER_VOLT_STARTED"}),
        ScalarPoint(name="any_text", meaning="alarms", type="text"),
        ScalarPoint(name="soc", meaning="soc", unit="%"),
    )
    assert told_alarms(Table[ScalarPoint](kind="battery", points=points)) == {
        "too_warm",
        "AC_OVER_VOLT_STARTED",
        "low",
        "high",
    }
    assert told_alarms(Table[ScalarPoint](kind="battery", points=points[-1:])) == frozenset()


@given(
    st.floats(-1e9, 1e9),
    st.sampled_from([1.0, 0.1, 10.0, -1.0, -0.1]),
    st.sampled_from([0.0, 1.0, 0.5, 10.0]),
    st.sampled_from(list(Rounding)[:2]),
)
def test_what_is_written_is_held_and_never_beyond_a_limit(
    value: float, scale: float, step: float, rounding: Rounding
) -> None:
    seen, point = image(scale=scale, step=step)
    write = seen.encoded(point, value, rounding)
    seen.data["p"] = write.data
    assert seen.holds(write)
    held = seen.value(point)
    assert held is not None
    assert held == pytest.approx(write.value)
    assert abs(held - value) <= abs(step * scale) + 1e-6
    if rounding is Rounding.TOWARD_ZERO and step:
        assert abs(held) <= abs(value)
    if step == 1.0:
        assert isinstance(write.data, int)
    if step:
        assert (Fraction(repr(float(write.data))) / Fraction(repr(step))).denominator == 1


def test_what_cannot_be_written_is_told() -> None:
    for keys, value, words in (
        ({}, math.nan, "cannot be written"),
        ({"valid": (6, 32)}, 5.0, "outside 6..32"),
        ({"type": "text"}, 5.0, "holds words"),
    ):
        seen, point = image(**keys)
        with pytest.raises(Unplannable, match=words):
            seen.encoded(point, value)
    seen, point = image(values={"a": "own"}, type="text")
    assert seen.named(point, "own").data == seen.named(point, "a").data == "a"
    with pytest.raises(Unplannable, match="no value for remote"):
        seen.named(point, "remote")
    free, text = image(type="text")
    assert free.named(text, "auto").data == "auto"
    flag, switch = image(type="flag")
    assert flag.switch(switch, on=True).data is True


def test_percent_and_direction() -> None:
    _, point = image(meaning="w", unit="%", percent_of="max_w", positive="taken")
    factor = si_factor(point, {"max_w": 5000.0})
    assert factor == -50
    assert si_factor(point, {"max_w": None}) is None
    assert (to_si(10, factor), from_si(-500, factor)) == (-500, 10)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"meaning": "serial"}, "serial is of type text"),
        ({"meaning": "w", "unit": "W", "positive": "taken", "type": "flag"}, "w is of type number"),
        ({"meaning": "state"}, "state needs values"),
        ({"meaning": "state", "values": {1: "asleep"}}, "not \\['asleep'\\]"),
    ],
)
def test_mistakes_of_a_point(keys: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        image(**keys)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=4))
def test_any_scalar_is_read(raw: Any) -> None:
    seen, point = image(raw, values={1: True, "x": False})
    value = seen.value(point)
    assert value is None or math.isfinite(value)
    assert seen.word(point) in (None, "true", "false")
    assert len(seen.alarms(point)) <= 64
