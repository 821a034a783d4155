"""No text of a peer becomes a formula."""

from __future__ import annotations

import pytest

from gridiface.tablecells import inert


@pytest.mark.parametrize("text", ['=HYPERLINK("http://evil")', "+1", "-2+3|cmd", "@SUM(A1)", "\t=1", "\r=1"])
def test_what_a_spreadsheet_would_carry_out_is_a_text(text: str) -> None:
    assert inert(text) == "'" + text


@pytest.mark.parametrize("value", ["battery1", "", "a=b", -5.0, 3, None, True])
def test_all_else_stays(value: object) -> None:
    assert inert(value) is value
