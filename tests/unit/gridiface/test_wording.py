"""A text that has not its form is told in words."""

from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import BaseModel, Field, ValidationError, field_validator

from gridiface.wording import said, worded


class Thing(BaseModel):
    told: str = Field(default="ab", pattern=worded(r"^[ab]{2}$", "two letters of a and b"))
    others: tuple[Annotated[str, Field(pattern="^x$")], ...] = Field(default=("x",), min_length=1, max_length=2)
    even: int = 2

    @field_validator("even")
    @classmethod
    def _even(cls, value: int) -> int:
        if value % 2:
            raise ValueError("must be even; add one")
        return value


def fault(**given: object) -> str:
    with pytest.raises(ValidationError) as caught:
        Thing.model_validate(given)
    return said(caught.value.errors(include_url=False)[0])


def test_a_pattern_is_told_in_its_words() -> None:
    assert fault(told="abc") == "must be two letters of a and b"


def test_a_pattern_without_words_is_told_as_it_is() -> None:
    """Drivers of others may have such."""
    assert fault(others=("y",)) == "must be of the form ^x$"


def test_what_a_validator_says_stands_alone_and_the_rest_is_pydantic_s() -> None:
    assert fault(even=3) == "must be even; add one"
    assert "valid integer" in fault(even="a few")


def test_lists_are_called_lists() -> None:
    assert fault(others=()) == "must have at least 1 entry"
    assert fault(others=("x", "x", "x")) == "must have at most 2 entries"
    assert fault(others=7) == "must be a list"


def test_a_pattern_has_one_set_of_words() -> None:
    assert worded(r"^[ab]{2}$", "two letters of a and b") == r"^[ab]{2}$"
    with pytest.raises(ValueError, match="has words already"):
        worded(r"^[ab]{2}$", "something else")
