"""What a browser's form sends is bounded and checked."""

from __future__ import annotations

import pytest

from gridiface.operator.problems import Refused
from gridiface.operator.screens.forms import Form


def test_fields() -> None:
    form = Form({"a": "  x ", "n": "−1,5", "empty": "", "box": "1", "text": "two\nlines"})
    assert (form.text("a"), form.number("n"), form.number("empty"), form.number("none")) == ("x", -1.5, None, None)
    assert form.ticked("box")
    assert not form.ticked("other")
    assert form.lines("text") == "two\nlines"


@pytest.mark.parametrize(("name", "value"), [("a", "x" * 300), ("a", "two\nlines"), ("a", "\x1b[31m")])
def test_text_is_one_printable_line(name: str, value: str) -> None:
    with pytest.raises(Refused):
        Form({name: value}).text(name)


@pytest.mark.parametrize("value", ["x", "1e99", "inf", "nan"])
def test_numbers_are_finite(value: str) -> None:
    with pytest.raises(Refused):
        Form({"n": value}).number("n")
