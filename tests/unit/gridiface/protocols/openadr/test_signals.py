"""The signals table (rule 104)."""

from __future__ import annotations

import pytest

from gridiface.protocols.openadr.payloads import units
from gridiface.protocols.openadr.signals import SIGNALS, bad_value, complaint, kind_of, unsupported

W = units.power_real()
EUR = units.price_per_kwh("EUR")


def test_the_table_has_every_signal_name_of_the_schema():
    names = {name for name, _ in SIGNALS}
    assert names == {
        *("SIMPLE", "ELECTRICITY_PRICE", "ENERGY_PRICE", "DEMAND_CHARGE", "BID_PRICE", "BID_LOAD", "BID_ENERGY"),
        *("CHARGE_STATE", "LOAD_DISPATCH", "LOAD_CONTROL"),
    }
    assert len(SIGNALS) == 24


@pytest.mark.parametrize(
    ("name", "kind", "unit", "value", "good"),
    [
        ("SIMPLE", "level", None, 3, True),
        ("SIMPLE", "level", None, 1.5, False),
        ("ELECTRICITY_PRICE", "price", EUR, -1, True),
        ("ELECTRICITY_PRICE", "priceMultiplier", None, 2, True),
        ("ELECTRICITY_PRICE", "priceMultiplier", EUR, 2, False),
        ("DEMAND_CHARGE", "price", EUR, 2, False),
        ("LOAD_DISPATCH", "level", W, -10, True),
        ("LOAD_DISPATCH", "level", W, 11, False),
        ("LOAD_DISPATCH", "delta", W, float("inf"), False),
        ("LOAD_CONTROL", "x-loadControlCapacity", None, 1.0, True),
        ("LOAD_CONTROL", "x-loadControlCapacity", None, 1.1, False),
        ("LOAD_CONTROL", "x-loadControlLevelOffset", None, 1.5, False),
        ("LOAD_CONTROL", "setpoint", None, 1, False),
        ("x-private", "level", W, 77, True),
    ],
)
def test_what_may_be_sent(name, kind, unit, value, good):
    assert (complaint(name, kind, unit, [value]) == "") is good


def test_receivers_are_lenient_about_units_and_the_type_of_simple():
    assert unsupported("LOAD_DISPATCH", "setpoint", None) == ""
    assert unsupported("simple", "level", None) == ""
    assert unsupported("SIMPLE", "price", None) == ""
    assert unsupported("LOAD_DISPATCH", "setpoint", EUR)
    assert unsupported("x-private", "level", None)


def test_values_out_of_range_are_found():
    assert bad_value("SIMPLE", "level", [0, 1, 2, 3]) == ""
    assert "4" in bad_value("SIMPLE", "level", [1, 4])
    assert bad_value("x-private", "level", [9]) == ""
    assert kind_of("nothing", "level") is None
