"""Values that are made often are what frozen dataclasses are, but for the interpreter's watch over their fields."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace

import pytest

from gridiface.domain.values import often_made


@often_made
class Fast:
    """One of them."""

    name: str
    watts: float | None = None
    passed: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    """What it stands for."""

    name: str
    watts: float | None = None
    passed: Mapping[str, float] = field(default_factory=dict)


@often_made
class Plain:
    """One that can be hashed."""

    name: str
    watts: float = 0.0


def test_it_has_the_fields_and_defaults_of_a_frozen_one() -> None:
    assert [one.name for one in fields(Fast)] == [one.name for one in fields(Frozen)]
    made = Fast(name="a")
    assert (made.watts, made.passed) == (None, {})
    assert made.passed is not Fast(name="a").passed


def test_it_is_equal_hashed_and_shown_by_its_fields() -> None:
    assert Plain(name="a", watts=1.0) == Plain(name="a", watts=1.0)
    assert Plain(name="a") != Plain(name="b")
    assert len({Plain(name="a"), Plain(name="a"), Plain(name="b")}) == 2
    assert repr(Plain(name="a")) == "Plain(name='a', watts=0.0)"
    stood_for: object = Frozen(name="a")
    assert Fast(name="a") != stood_for


@pytest.mark.parametrize("kind", [Fast, Frozen])
def test_one_that_holds_a_mapping_is_compared_but_not_hashed(kind: type[Fast] | type[Frozen]) -> None:
    assert kind(name="a", passed={"x": 1.0}) == kind(name="a", passed={"x": 1.0})
    with pytest.raises(TypeError, match="unhashable"):
        hash(kind(name="a"))


def test_the_type_checker_alone_keeps_it_from_being_changed() -> None:
    """What this module promises, and no more: a frozen one raises here."""
    made = Plain(name="a")
    made.name = "b"  # type: ignore[misc]  # what is tried here
    assert made.name == "b"


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_a_copy_is_equal(again: Callable[[Plain], Plain]) -> None:
    assert again(Plain(name="a", watts=1.0)) == Plain(name="a", watts=1.0)


def test_another_is_made_of_it_by_replace() -> None:
    first = Plain(name="a", watts=1.0)
    second = replace(first, watts=2.0)
    assert (first.watts, second.watts, second.name) == (1.0, 2.0, "a")


def test_it_takes_keywords_alone_and_no_other_fields() -> None:
    with pytest.raises(TypeError):
        Plain("a")  # type: ignore[call-arg]  # what is tried here
    with pytest.raises(TypeError):
        Plain(name="a", amps=1.0)  # type: ignore[call-arg]  # what is tried here
    with pytest.raises(AttributeError):
        Plain(name="a").amps = 1.0  # type: ignore[attr-defined]  # what is tried here
