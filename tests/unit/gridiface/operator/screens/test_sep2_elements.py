"""Elements of IEEE 2030.5 in the units of people, and back as they were."""

from __future__ import annotations

from typing import Any

import pytest

from gridiface.operator.problems import Refused
from gridiface.operator.screens.forms import Form
from gridiface.operator.screens.sep2_elements import BASE, LOAD, SETTINGS, kept, read, written

ALL = (*BASE, *SETTINGS, *LOAD)


@pytest.mark.parametrize(
    ("name", "text", "wire"),
    [
        ("opModMaxLimW", "62,5", 6250),
        ("opModTargetW", "\u22125.25", {"multiplier": 0, "value": -5250}),
        ("opModTargetW", "80", {"multiplier": 1, "value": 8000}),
        ("opModConnect", "false", False),
        ("opModFixedPFInjectW", "-0.95", {"displacement": 950, "excitation": True, "multiplier": -3}),
        ("setGradW", "0.27", 27),
        ("setESHighFreq", "60.1", 6010),
    ],
)
def test_a_value_of_people_is_the_wires_and_comes_back(name: str, text: str, wire: Any) -> None:
    assert written(Form({name: text}), ALL) == {name: wire}
    back = read({name: wire}, ALL)[name]
    assert written(Form({name: back}), ALL) == {name: wire}


def test_parts_of_one_element_belong_together() -> None:
    fields = {"TargetReduction.value": "3", "TargetReduction.type": "1", "Offset.coolingOffset": "1.5"}
    asked = written(Form(fields), LOAD)
    assert asked == {"TargetReduction": {"value": 3, "type": 1}, "Offset": {"coolingOffset": 15}}
    assert read(asked, LOAD) == fields


@pytest.mark.parametrize(
    ("name", "text"),
    [("opModMaxLimW", "much"), ("opModFixedPFInjectW", "1.2"), ("TargetReduction.type", "99"), ("setGradW", "nan")],
)
def test_what_does_not_fit_is_told_at_its_field(name: str, text: str) -> None:
    with pytest.raises(Refused) as refused:
        written(Form({name: text}), ALL)
    assert refused.value.more["errors"][0]["at"] == f"/{name}"


def test_what_the_fields_do_not_show_is_kept() -> None:
    base = {"opModFreqDroop": {"dBOF": 30}, "opModMaxLimW": 5000}
    assert kept(base, BASE) == {"opModFreqDroop": {"dBOF": 30}}
