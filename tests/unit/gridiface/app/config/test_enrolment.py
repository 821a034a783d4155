"""The rules of programs as the configuration says them."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gridiface.app.config.enrolment import EnrolmentProgram


def test_what_is_left_out_asks_nothing() -> None:
    rules = EnrolmentProgram(program="dr")
    assert (rules.asset_types, rules.min_kw, rules.max_kw, rules.metering_interval_s) == ((), 0.0, None, None)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"min_kw": 5, "max_kw": 4}, "max_kw 4 is below min_kw 5"),
        ({"exclusive_with": ["dr"]}, "cannot exclude itself"),
        ({"asset_types": ["flux"]}, "battery"),
        ({"min_kw": float("nan")}, "finite"),
        ({"metering_interval_s": 0}, "greater than 0"),
        ({"kw": 1}, "Extra inputs"),
    ],
)
def test_what_cannot_be_meant_is_refused(keys: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        EnrolmentProgram.model_validate({"program": "dr", **keys})
