"""Events of IEEE 2030.5 in one line, and what a default control would change."""

from __future__ import annotations

from gridiface.operator.screens.sep2_looking import changes, words_of
from gridiface.operator.screens.sep2_sheets import LOAD, MESSAGE, PRICE


def test_an_event_in_one_line() -> None:
    assert words_of(MESSAGE, {"textMessage": "Storm"}) == "Storm"
    source = {"currency": 978, "pricePowerOfTenMultiplier": -2}
    assert words_of(PRICE, {"source": source, "below": [{"price": 31}]}) == "0.31 EUR per kWh"
    assert words_of(PRICE, {"source": {"currency": 999}}) == "no price of currency 999 per kWh"
    asked = {"TargetReduction": {"value": 3, "type": 1}, "ApplianceLoadReduction": {"type": 0}}
    assert words_of(LOAD, asked) == "reduce by 3, unit of the reduction kw, appliances delay"
    assert words_of(LOAD, {}) == "nothing"


def test_only_what_differs_of_a_default_is_told() -> None:
    now = {"DERControlBase": {"opModMaxLimW": 9000, "opModConnect": True}, "setGradW": 5}
    then = {"base": {"opModMaxLimW": 8000, "opModConnect": True}, "more": {}}
    assert changes(now, then) == [("Generate at most", "%", "90", "80"), ("Ramp rate", "%/s", "0.05", "")]
