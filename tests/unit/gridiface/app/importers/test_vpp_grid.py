"""The vpp_grid form, its mistakes, and that nothing but a configuration or a ConfigError comes out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gridiface.app.config.load import parse_config
from gridiface.app.importers import Severity, import_vpp_grid
from gridiface.domain.fleet import DeviceKind
from gridiface.errors import ConfigError

PATH = Path("site.yaml")
SITE = """\
vpp_grid:
  site_id: depot-7
  coordinator_version: 2.1
  dispatch_scheduling: {mode: day_ahead}
  assets:
    - asset_id: bess-1
      topology: ac_coupled_bess
      protocol: sunspec_modbus
      iec_goose_app_id: 4097
      iec_61850_ied_id: IED1
      dispatch_limits:
        real_power: {max_charge: -250, max_discharge: 300, ramp_rate: 600}
        reactive_power: {max_cap: 100, max_ind: -80}
      soc_sensor: {measurement_point: ZBAT1.Soc, update_rate_ms: 20000}
      modbus_tcp: {host: 10.0.0.11, port: 1502, unit_id: 3}
      sunspec_model: {inverter_model: 701, meter_model: 203}
  ai_orchestrator:
    endpoint: https://orchestrator.example
    auth: {method: oauth2, token_url: https://orchestrator.example/t, scopes: [dispatch]}
    aggregation_interval_ms: 1500
    command_setpoint_deadband: 0.5
"""


def warnings(text: str) -> list[str]:
    return [str(f) for f in import_vpp_grid(text, PATH).findings if f.severity is Severity.WARNING]


def test_an_orchestrator_beside_the_site_counts_and_a_misspelt_ramp_is_no_time() -> None:
    inside, beside = SITE.split("  ai_orchestrator:")
    beside = "ai_orchestrator:" + beside
    made = import_vpp_grid(inside + beside, PATH)
    assert made.config.engine == import_vpp_grid(SITE, PATH).config.engine
    assert made.config.engine.period_s == 1.5
    assert warnings(inside + beside) == []
    (twice,) = warnings(SITE + beside.replace("1500", "9000"))
    assert "stands inside vpp_grid, too" in twice
    (ramp,) = warnings(SITE.replace("ramp_rate", "ramp_rat"))
    assert "ramp_rat: unknown key, left out; ramp_rate counts" in ramp
    assert any("in seconds" in one for one in warnings(SITE.replace("ramp_rate", "ramp_rate_s")))


def test_golden_site() -> None:
    made = import_vpp_grid(SITE, PATH)
    (device,) = made.config.devices
    assert (device.id, device.kind, device.driver) == ("bess-1", DeviceKind.BATTERY, "sunspec")
    assert device.connection == {"host": "10.0.0.11", "port": 1502, "unit_id": 3}
    rating = device.rating
    assert (rating.max_w, rating.max_charge_w, rating.ramp_w_per_s) == (300_000.0, 250_000.0, 10_000.0)
    assert (rating.max_var, rating.max_var_neg) == (100_000.0, 80_000.0)
    assert made.config.site == "depot-7"
    assert made.config.groups[0].members == ("bess-1",)
    engine = made.config.engine
    assert (engine.period_s, engine.deadband_w) == (1.5, 500.0)
    assert (engine.stale_after_s, engine.lost_after_s) == (40.0, 60.0)
    assert engine.settings().lost_after_s == 60.0
    assert {finding.severity for finding in made.findings} == {Severity.NOTE}
    assert parse_config(made.text, Path("imported.yaml")) == made.config


def test_nothing_of_the_orchestrators_secrets_comes_through() -> None:
    made = import_vpp_grid(SITE.replace("method: oauth2", "client_secret: hunter2"), PATH)
    everything = made.text + "".join(str(finding) for finding in made.findings)
    assert "hunter2" not in everything
    assert "orchestrator.example" not in everything


@pytest.mark.parametrize(
    ("old", "new", "warning"),
    [
        ("inverter_model: 701", "inverter_model: 101", "site.yaml:16: vpp_grid.assets[0].sunspec_model.inverter_model"),
        ("ramp_rate: 600", "ramp_rate: 600, ramp_time_s: 5", "a ramp in seconds beside ramp_rate in kW per minute"),
        ("max_charge: -250", "max_charge: 250", "sign: 250 stands where the form counts negative"),
        (", unit_id: 3", "", "missing unit id: 1 is taken"),
        ("topology:", "topolgy:", "unknown key, left out; did you mean 'topology'?"),
        ("max_cap: 100", "max_cap: -100", "sign: -100 kVAR"),
        ("max_discharge: 300, ", "", "max_discharge: missing"),
        ("site_id: depot-7", "site_id: Depot 7", "became 'Depot-7'"),
        ("aggregation_interval_ms: 1500", "aggregation_interval_ms: 90000", "90000 ms is left out"),
        ("aggregation_interval_ms: 1500", "aggregation_interval_ms: 2", "was it meant in s?"),
        ("protocol: sunspec_modbus", "protocol: bacnet", "protocol: names another protocol beside modbus_tcp"),
        ("topology: ac_coupled_bess", "topology: flux", "topology: not known: by its charging a battery"),
        ("max_charge: -250, max_discharge: 300", "max_charge: 0, max_discharge: 0", "nothing can ever be asked of it"),
    ],
)
def test_typical_mistakes_are_named(old: str, new: str, warning: str) -> None:
    assert old in SITE
    found = warnings(SITE.replace(old, new))
    assert any(warning in text for text in found), found


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("asset_id: bess-1", "name: bess-1", "vpp_grid.assets[0].asset_id: missing"),
        ("host: 10.0.0.11, ", "", "modbus_tcp.host: missing"),
        ("max_discharge: 300", "max_discharge: 300 kW", "must be a number without a unit"),
        ("unit_id: 3", "unit_id: 300", "unit_id: 300 is out of range"),
        ("max_discharge: 300", "max_discharge: .nan", "max_discharge: NaN is no number"),
        ("vpp_grid:", "vpp_grid: []\nrest:", "vpp_grid: must hold keys and values"),
        ("protocol: sunspec_modbus", "protocol: iec61850\n      modbus: {}", None),
    ],
)
def test_what_nothing_can_be_made_of_is_an_error(old: str, new: str, error: str | None) -> None:
    text = SITE.replace(old, new)
    if error is None:
        assert import_vpp_grid(text, PATH).config.devices
        return
    with pytest.raises(ConfigError) as caught:
        import_vpp_grid(text, PATH)
    assert error in str(caught.value)


def test_a_leading_zero_makes_no_octal_number() -> None:
    made = import_vpp_grid(SITE.replace("unit_id: 3", "unit_id: 010"), PATH)
    assert made.config.devices[0].connection["unit_id"] == 10


def asset(name: str, more: str = "modbus_tcp: {host: h, unit_id: 1}") -> str:
    return f"  - asset_id: {name}\n    dispatch_limits: {{real_power: {{max_discharge: 5}}}}\n    {more}\n"


def test_assets_that_only_speak_iec_61850_are_left_out() -> None:
    text = "site_id: s\nassets:\n" + asset("a") + asset("b", "protocol: IEC61850-GOOSE")
    made = import_vpp_grid(text, PATH)
    assert [device.id for device in made.config.devices] == ["a"]
    assert any("b speaks only IEC 61850" in str(finding) for finding in made.findings)
    with pytest.raises(ConfigError, match="no asset can be reached"):
        import_vpp_grid("assets:\n" + asset("b", "protocol: IEC61850-GOOSE"), PATH)
    with pytest.raises(ConfigError, match="no assets"):
        import_vpp_grid("site_id: s", PATH)


def test_two_assets_on_one_unit_or_with_one_id_are_errors() -> None:
    with pytest.raises(ConfigError, match="both would command one device"):
        import_vpp_grid("assets:\n" + asset("a") + asset("b"), PATH)
    with pytest.raises(ConfigError, match=r"used by assets\[0\] already"):
        import_vpp_grid("assets:\n" + asset("a") + asset("a", "modbus_tcp: {host: h, unit_id: 2}"), PATH)


def test_a_group_gets_another_name_than_its_asset() -> None:
    made = import_vpp_grid("site_id: a\nassets:\n" + asset("a"), PATH)
    assert made.config.groups[0].id == "a-group"


@pytest.mark.parametrize(
    ("topology", "kind"),
    [("hybrid", "pv_battery"), ("PV", "pv"), ("EVSE", "evse"), ("genset", "generator"), ("x", None)],
)
def test_kinds(topology: str, kind: str | None) -> None:
    more = f"topology: {topology}\n    modbus_tcp: {{host: h, unit_id: 1}}"
    (device,) = import_vpp_grid("assets:\n" + asset("a", more), PATH).config.devices
    assert device.kind == kind


_WORDS = """
vpp_grid site_id assets asset_id dispatch_limits real_power max_charge max_discharge ramp_rate ramp_s modbus_tcp host
unit_id sunspec_model inverter_model soc_sensor update_rate_ms ai_orchestrator auth protocol topology <<
command_setpoint_deadband
"""
_keys = st.sampled_from(_WORDS.split())
_scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["h", "101", "iec61850"])
)
_values = st.recursive(
    _scalars,
    lambda v: st.lists(v, max_size=3) | st.dictionaries(_keys | st.text(max_size=4), v, max_size=5),
    max_leaves=25,
)


def only_config_or_error(text: str) -> None:
    try:
        made = import_vpp_grid(text, PATH)
    except ConfigError:
        return
    assert parse_config(made.text, Path("imported.yaml")) == made.config


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_values)
def test_any_value_gives_a_configuration_or_an_error(value: Any) -> None:
    only_config_or_error(yaml.safe_dump(value))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_site_with_anything_anywhere_gives_a_configuration_or_an_error(data: st.DataObject) -> None:
    document = yaml.safe_load(SITE)
    at: Any = document
    while True:
        step = data.draw(st.sampled_from(sorted(at) if isinstance(at, dict) else list(range(len(at)))))
        if isinstance(at[step], (dict, list)) and at[step] and data.draw(st.booleans()):
            at = at[step]
            continue
        at[step] = data.draw(_values)
        break
    only_config_or_error(yaml.safe_dump(document))


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_gives_a_configuration_or_an_error(text: str) -> None:
    only_config_or_error(text)


@pytest.mark.parametrize(
    ("right", "wrong", "says"),
    [
        ("modbus_tcp: {", "modbusTcp: {", "did you mean 'modbus_tcp'?"),
        ("asset_id:", "Asset_ID:", "did you mean 'asset_id'?"),
        ("host: 10.0.0.11", "host: 10.0", "modbus_tcp.host: is a number"),
        ("max_discharge: 300", 'max_discharge: "300"', "and is a text in quotes"),
        ("asset_id: bess-1", f"asset_id: {'x' * 501}", "501 characters"),
        ("asset_id: bess-1", "asset_id: 2026-01-01", "must be a text, and is a date"),
    ],
)
def test_what_is_wrong_is_told_once_and_with_what_was_meant(right: str, wrong: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        import_vpp_grid(SITE.replace(right, wrong), PATH)
    lines = str(caught.value).splitlines()
    assert says in "\n".join(lines)
    assert all(line.startswith("site.yaml:") for line in lines)
    assert len(lines) == 1 + says.startswith("did you mean")


def test_assets_that_are_no_list_are_told_once() -> None:
    with pytest.raises(ConfigError) as caught:
        import_vpp_grid("vpp_grid: {site_id: s, assets: none}", PATH)
    assert str(caught.value).splitlines() == [
        "site.yaml:1: vpp_grid.assets: must be a list; write one entry per element"
    ]


@pytest.mark.parametrize(
    ("right", "wrong", "says"),
    [
        ("update_rate_ms: 20000", "update_rate_ms: 1", "was it meant in s?"),
        ("inverter_model: 701", "inverter_model: 1", "it has no writable point"),
        ("ramp_rate: 600", "ramp_rate: 600, ramp_rate_unit: kW/s", "ramp_rate_unit: unknown key"),
        ("site_id: depot-7", 'site_id: "depot\\t7"', "control characters"),
        ("vpp_grid:", "vpp_grid_v2: {a: 1}\nvpp_grid:", "vpp_grid_v2: unknown key"),
    ],
)
def test_more_mistakes_are_named(right: str, wrong: str, says: str) -> None:
    assert says in "\n".join(warnings(SITE.replace(right, wrong)))


def test_an_id_of_digits_stays_as_it_is_written() -> None:
    made = import_vpp_grid(SITE.replace("asset_id: bess-1", "asset_id: 0123"), PATH)
    assert [device.id for device in made.config.devices] == ["0123"]
    assert import_vpp_grid(SITE.replace("asset_id: bess-1", "asset_id: 1.50"), PATH).config.devices[0].id == "1.5"


def test_models_that_sunspec_does_not_have_and_decimal_commas_are_told() -> None:
    (found,) = warnings(SITE.replace("inverter_model: 701", "inverter_model: 999"))
    assert found.startswith("site.yaml:16: vpp_grid.assets[0].sunspec_model.inverter_model: 999 is no SunSpec model")
    assert warnings(SITE.replace("inverter_model: 701", "inverter_model: 64200")) == []
    (comma,) = warnings(SITE.replace("max_discharge: 300,", "max_discharge: 300,5,"))
    assert "real_power.5: looks like what stands behind a decimal comma; write a point" in comma
