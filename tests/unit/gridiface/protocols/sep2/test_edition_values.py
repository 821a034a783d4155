"""Single values on the way from and to older editions; whole documents are test_dialects.py's."""

from __future__ import annotations

import pytest
from lxml import etree

from gridiface.protocols.sep2.edition_values import INWARD, OUTWARD, number, parts
from gridiface.protocols.sep2.editions import E2013, E2017, Edition
from gridiface.protocols.sep2.primitives import NAMESPACE


def element(text: str) -> etree._Element:
    return etree.fromstring(text.replace(">", f' xmlns="{NAMESPACE}">', 1))


@pytest.mark.parametrize(
    ("text", "base", "value"), [("5", 10, 5), (" -7 ", 10, -7), ("0F", 16, 15), ("", 10, 0), ("x", 10, 0)]
)
def test_what_is_no_number_counts_as_0(text: str, base: int, value: int) -> None:
    assert number(element(f"<a>{text}</a>"), base) == value


@pytest.mark.parametrize(("edition", "old", "new"), [(E2017, 0, 11), (E2013, 0, 11), (E2017, 10, 14), (E2013, 4, 255)])
def test_curves_have_a_number_in_each_edition(edition: Edition, old: int, new: int) -> None:
    curve = element(f"<curveType>{old}</curveType>")
    INWARD["curveType"](edition, curve)
    assert curve.text == str(new)
    OUTWARD["curveType"](edition, curve)
    assert curve.text == (str(old) if new != 255 else "255")


def test_a_power_factor_without_a_displacement_is_left_as_it_is() -> None:
    held = element("<opModFixedPFInjectW><multiplier>-2</multiplier></opModFixedPFInjectW>")
    INWARD["opModFixedPFInjectW"](E2017, held)
    assert [len(parts(held, name)) for name in ("excitation", "multiplier")] == [0, 1]
