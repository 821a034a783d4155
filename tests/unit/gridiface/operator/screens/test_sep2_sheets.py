"""The forms of IEEE 2030.5, both ways."""

from __future__ import annotations

from typing import Any

import pytest

from gridiface.operator.problems import Refused
from gridiface.operator.screens.forms import Form, faults_of
from gridiface.operator.screens.sep2_program_sheets import CURVE, CURVE_UNITS, DEFAULT
from gridiface.operator.screens.sep2_sheets import LOAD, MESSAGE, PRICE, SHEETS
from gridiface.protocols.sep2.enums import DERCurveType

CURVE_FIELDS = {"program": "3", "type": "11", "y_ref": "2", "points": "92 44\n98.5 0\n\n108 \u221244", "vRef": "100"}


def test_a_curve_holds_its_points_exactly_and_comes_back() -> None:
    asked: Any = CURVE.body(Form(CURVE_FIELDS | {"description": "summer"}), {"autonomousVRefEnable": True})
    assert (asked.program, asked.curve["xMultiplier"], asked.curve["yMultiplier"]) == (3, -1, 0)
    assert [(p["xvalue"], p["yvalue"]) for p in asked.curve["CurveData"]] == [(920, 44), (985, 0), (1080, -44)]
    assert (asked.curve["autonomousVRefEnable"], asked.curve["vRef"]) == (True, 10_000)
    filled = CURVE.filled(asked.curve)
    assert (filled["points"], filled["description"], filled["vRef"]) == ("92 44\n98.5 0\n108 -44", "summer", "100")


def test_a_power_factor_below_nothing_absorbs() -> None:
    asked: Any = CURVE.body(Form(CURVE_FIELDS | {"type": "13", "points": "0 1\n100 -0.95"}), {})
    assert [(p["yvalue"], p["excitation"]) for p in asked.curve["CurveData"]] == [(100, False), (95, True)]
    assert CURVE.filled(asked.curve)["points"] == "0 1\n100 -0.95"


def test_every_type_of_curve_has_its_units() -> None:
    assert set(CURVE_UNITS) == set(DERCurveType)


def test_a_default_keeps_what_the_form_does_not_show() -> None:
    now = {"DERControlBase": {"opModFreqDroop": {"dBOF": 1}, "opModMaxLimW": 9000}, "description": "own", "setGradW": 5}
    asked: Any = DEFAULT.body(Form({"program": "3", "opModMaxLimW": "80", "setGradW": "0.1"}), now)
    assert asked.base == {"opModFreqDroop": {"dBOF": 1}, "opModMaxLimW": 8000}
    assert asked.more == {"description": "own", "setGradW": 10}
    assert DEFAULT.filled(now) == {"opModMaxLimW": "90", "setGradW": "0.05"}


def test_when_and_for_whom() -> None:
    fields = {"text": " Storm\nahead ", "priority": "2", "language": "de", "minutes": "90", "whom": "group:fleet"}
    asked: Any = MESSAGE.body(Form(fields | {"start": "2026-07-01T18:00", "zone": "Europe/Berlin"}), {})
    assert (asked.text, asked.group, asked.device, asked.duration) == ("Storm ahead", "fleet", None, 5400)
    assert asked.start == 1_782_921_600.0
    everyone: Any = MESSAGE.body(Form(fields | {"whom": ""}), {})
    assert (everyone.group, everyone.device, everyone.start) == (None, None, None)


def test_what_is_there_fills_the_form_and_only_what_lies_ahead_has_a_start() -> None:
    event = {"interval": {"start": 1_782_921_600, "duration": 600}, "EventStatus": {"currentStatus": 0}}
    assert MESSAGE.filled({**event, "textMessage": "Hello", "source": {"locale": "de"}})["language"] == "de"
    assert MESSAGE.filled(event)["start"] == "2026-07-01T16:00:00"
    assert MESSAGE.filled({**event, "EventStatus": {"currentStatus": 1}})["start"] == ""
    tariff = {**event, "touTier": 2, "below": [{"price": 25_000}],
              "source": {"currency": 978, "pricePowerOfTenMultiplier": -5}}  # fmt: skip
    assert PRICE.filled(tariff) | {"start": "", "epoch": ""} == {
        "minutes": "10", "start": "", "epoch": "", "price": "0.25", "currency": "978", "tier": "2"
    }  # fmt: skip
    load = {**event, "DutyCycle": {"normalValue": 40}, "deviceCategory": "8", "drProgramMandatory": True,
            "randomizeStart": 60}  # fmt: skip
    filled = LOAD.filled(load)
    assert (filled["DutyCycle.normalValue"], filled["category"], filled["randomize_start"]) == ("40", "00000008", "60")


@pytest.mark.parametrize(
    ("sheet", "fields", "at"),
    [
        (CURVE, {**CURVE_FIELDS, "points": "92"}, "points"),
        (CURVE, {**CURVE_FIELDS, "points": ""}, "points"),
        (CURVE, {**CURVE_FIELDS, "points": "1e9 0"}, "points"),
        (CURVE, {**CURVE_FIELDS, "points": "0.00000000001 0"}, "points"),
        (CURVE, {**CURVE_FIELDS, "program": ""}, "program"),
        (DEFAULT, {"program": "1", "opModMaxLimW": "x"}, "opModMaxLimW"),
        (MESSAGE, {"text": "", "minutes": "1"}, "text"),
        (MESSAGE, {"text": "Hi", "minutes": "1", "priority": "9"}, "priority"),
        (MESSAGE, {"text": "Hi"}, "minutes"),
        (PRICE, {"minutes": "1"}, "price"),
        (PRICE, {"minutes": "1", "price": "1", "tier": "1.5"}, "tier"),
        (LOAD, {"minutes": "1"}, "DutyCycle.normalValue"),
        (LOAD, {"minutes": "0", "DutyCycle.normalValue": "40"}, "minutes"),
    ],
)
def test_what_is_not_right_is_told_at_its_field(sheet: Any, fields: dict[str, str], at: str) -> None:
    with pytest.raises(Refused) as refused:
        sheet.body(Form(fields), {})
    assert at in faults_of(refused.value, sheet.says)


def test_every_field_of_a_form_has_a_name_of_its_own() -> None:
    for sheet in SHEETS.values():
        names = [one.name for one in (*sheet.fields, *sheet.more)]
        assert len(set(names)) == len(names), sheet.name
