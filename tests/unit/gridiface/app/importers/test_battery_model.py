"""The battery_model form, its mistakes, and that nothing but a configuration or a ConfigError comes out."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gridiface.app.config.load import parse_config
from gridiface.app.importers import Imported, Severity, import_battery_model
from gridiface.errors import ConfigError

PATH = Path("bess-1.json")
MODEL: dict[str, Any] = {
    "chemistry": "LFP",
    "nominal_capacity_kwh": 1000,
    "soh_pct": 96,
    "max_continuous_discharge_kw": 500,
    "max_continuous_charge_kw": 400,
    "doD_soc_limits": {"min_soc_trip": 5, "max_soc_trip": 95, "recommended_window": [10, 90]},
    "equivalent_circuit_model": {"r0_mohm": 1.2},
    "dispatch_constraints": {
        "min_discharge_time_min": 15,
        "max_charge_power_vs_soc": [{"soc": 0, "max_charge_kw": 400}, {"soc": 100, "max_charge_kw": 100}],
    },
    "communications": {"protocol": "modbus_tcp", "host": "10.0.0.12", "port": 502, "unit_id": 4},
}


def convert(**changes: Any) -> Imported:
    model = copy.deepcopy(MODEL)
    for name, value in changes.items():
        model[name] = value
    return import_battery_model(json.dumps({"battery_model": model}, indent=1), PATH)


def warnings(made: Imported) -> list[str]:
    return [str(finding) for finding in made.findings if finding.severity is Severity.WARNING]


def test_golden_battery() -> None:
    made = convert()
    (device,) = made.config.devices
    assert (device.id, device.name, device.driver) == ("bess-1", "bess-1 (LFP)", "sunspec")
    assert device.connection == {"host": "10.0.0.12", "port": 502, "unit_id": 4}
    rating = device.rating
    # 1000 kWh x 96 % = 960 kWh; the table falls from 400 kW at 0 % to 100 kW at 100 % and goes with the device.
    assert (rating.energy_wh, rating.max_w, rating.max_charge_w) == (960_000.0, 500_000.0, 400_000.0)
    assert device.constraints.charge_w_by_soc == ((0.0, 400_000.0), (1.0, 100_000.0))
    assert (rating.soc_min, rating.soc_max) == (0.1, 0.9)
    assert made.config.engine.hold_time_s == 900.0
    assert warnings(made) == []
    assert {finding.place.split(".")[1] for finding in made.findings} == {"equivalent_circuit_model"}


def test_without_the_outer_key_and_with_an_id() -> None:
    made = import_battery_model(json.dumps(MODEL), PATH, "b7")
    assert made.config.devices[0].id == "b7"


@pytest.mark.parametrize(
    ("changes", "warning"),
    [
        ({"max_continuous_charge_kw": -400}, "sign: -400 stands where the form counts positive"),
        ({"soh_pct": 0.96}, "0.96 % looks like a fraction: 96 % is taken"),
        ({"nominal_capacity_kwh": 480_000}, "was one of the two meant in W, Wh or MWh?"),
        ({"max_continuous_discharge_kw": 90_000}, "was one of the two meant in W, Wh or MWh?"),
        ({"dispatch_constraints": {"min_discharge_time_min": 3_600}}, "3600 minutes of full power are"),
        (
            {"dispatch_constraints": {"max_charge_power_vs_soc": [{"soc": 80, "max_charge_kw": 9_000}]}},
            "has 9000 kW, above max_continuous_charge_kw",
        ),
        ({"soh": 96}, "unknown key, left out; did you mean 'soh_pct'?"),
        ({"nominal_capacity_kwh": None}, "nominal_capacity_kwh: missing"),
        ({"communications": {"host": "h", "slave_id": 2}}, "taken as unit_id 2"),
        ({"communications": {"host": "h"}}, "missing unit id: 1 is taken"),
        (
            {"communications": {"modbus_tcp": {"host": "h", "unit_id": 1}, "sunspec_model": {"inverter_model": 101}}},
            "a write to SunSpec model 101",
        ),
        ({"dispatch_constraints": {"ramp_rate": 600, "ramp_time_s": 5}}, "a ramp in seconds beside ramp_rate"),
        ({"doD_soc_limits": {"min_soc_trip": 5, "max_soc_trip": 95, "recommended_window": [1, 90]}}, "reaches beyond"),
        ({"doD_soc_limits": {"min_soc_trip": 0.05, "max_soc_trip": 95}}, "0.05 looks like a fraction beside percents"),
        ({"doD_soc_limits": {"min_soc_trip": 5, "max_soc_trip": 0.95}}, "5 looks like percent beside fractions"),
        ({"doD_soc_limits": {"recommended_window": [90, 10]}}, "the wrong way round"),
        (
            {
                "dispatch_constraints": {
                    "max_charge_power_vs_soc": [{"soc": 9, "max_charge_kw": 1}, {"soc": 5, "max_charge_kw": 2}]
                }
            },
            "is not in order of soc",
        ),
        (
            {
                "dispatch_constraints": {
                    "max_charge_power_vs_soc": [{"soc": 80, "max_charge_kw": 9}, {"soc": 80, "max_charge_kw": 4}]
                }
            },
            "has two powers at 80: the smaller is taken",
        ),
        (
            {
                "dispatch_constraints": {
                    "max_charge_power_vs_soc": [{"soc": 20, "max_charge_kw": 9}, {"soc": 0.8, "max_charge_kw": 4}]
                }
            },
            "0.8 looks like a fraction beside percents: 80 % is taken",
        ),
    ],
)
def test_typical_mistakes_are_named(changes: dict[str, Any], warning: str) -> None:
    found = warnings(convert(**changes))
    assert any(warning in text for text in found), found


def test_a_table_without_a_rating_gives_both() -> None:
    rows = [{"soc": 0.0, "max_charge_kw": 50}, {"soc": 0.8, "max_charge_kw": 120}, {"soc": 1.0, "max_charge_kw": 10}]
    made = convert(max_continuous_charge_kw=None, dispatch_constraints={"max_charge_power_vs_soc": rows})
    (device,) = made.config.devices
    assert device.rating.max_charge_w == 120_000.0
    assert device.constraints.charge_w_by_soc == ((0.0, 50_000.0), (0.8, 120_000.0), (1.0, 10_000.0))


def test_fractions_are_understood() -> None:
    made = convert(
        doD_soc_limits={"min_soc_trip": 0.05, "max_soc_trip": 0.95, "recommended_window": {"min": 0.1, "max": 0.9}}
    )
    rating = made.config.devices[0].rating
    assert (rating.soc_min, rating.soc_max) == (0.1, 0.9)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"max_continuous_discharge_kw": None}, "max_continuous_discharge_kw: missing"),
        ({"communications": None}, "communications: missing"),
        ({"communications": {"protocol": "can", "host": "h"}}, "no driver for it here"),
        ({"communications": {"protocol": "modbus"}}, "communications.host: missing"),
        ({"doD_soc_limits": {"min_soc_trip": 95, "max_soc_trip": 5}}, "must be below max_soc_trip"),
        ({"doD_soc_limits": {"recommended_window": "20-80"}}, "must be [low, high]"),
        ({"soh_pct": "good"}, "soh_pct: must be a number"),
        ({"soh_pct": 0}, "soh_pct: 0 leaves no energy"),
        ({"nominal_capacity_kwh": 0}, "nominal_capacity_kwh: 0 leaves no energy"),
        ({"dispatch_constraints": {"min_discharge_time_min": 0}}, "min_discharge_time_min: must be above 0"),
    ],
)
def test_what_nothing_can_be_made_of_is_an_error_with_its_line(changes: dict[str, Any], error: str) -> None:
    with pytest.raises(ConfigError) as caught:
        convert(**changes)
    assert error in str(caught.value)
    assert str(caught.value).startswith("bess-1.json:")


_keys = st.sampled_from(
    [*MODEL, "battery_model", "soc", "max_charge_kw", "host", "unit_id", "recommended_window", "ramp_s"]
)
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda v: st.lists(v, max_size=3) | st.dictionaries(_keys | st.text(max_size=3), v, max_size=5),
    max_leaves=20,
)


def only_config_or_error(text: str) -> None:
    try:
        made = import_battery_model(text, PATH)
    except ConfigError:
        return
    assert parse_config(made.text, Path("imported.yaml")) == made.config


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(sorted(MODEL)), _values, _values)
def test_anything_gives_a_configuration_or_an_error(key: str, value: Any, whole: Any) -> None:
    only_config_or_error(json.dumps({**MODEL, key: value}))
    only_config_or_error(json.dumps({"battery_model": {**MODEL, key: [value], "communications": value}}))
    only_config_or_error(json.dumps(whole))


@settings(deadline=None)
@given(st.text(max_size=100))
def test_any_text_gives_a_configuration_or_an_error(text: str) -> None:
    only_config_or_error(text)


def test_an_empty_table_and_a_name_that_is_no_line_are_told() -> None:
    made = convert(dispatch_constraints={"max_charge_power_vs_soc": []}, chemistry="L\nFP")
    told = "\n".join(warnings(made))
    assert "is empty" in told
    assert "control characters" in told


def test_a_table_that_begins_above_half_says_what_holds_below() -> None:
    rows = [{"soc": 80, "max_charge_kw": 300}, {"soc": 100, "max_charge_kw": 100}]
    (found,) = warnings(convert(dispatch_constraints={"max_charge_power_vs_soc": rows}))
    assert "says nothing below 80: 300 kW are taken there, too; write a row for an empty battery" in found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[1, 2]", 'the file: must hold keys and values; write one object, {"key": value, ...}'),
        ('{\n // note\n "battery_model": {}}', "JSON has no comments (//, /* or #): take them out"),
    ],
)
def test_what_is_no_json_object_is_told_in_json_words(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        import_battery_model(text, PATH)
    assert said in str(caught.value)
