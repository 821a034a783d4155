"""Assets: the REST body, and the power that is sure."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridiface.aggregation.portfolio.assets import Asset, AssetState, AssetType, SocPolicy, parse_portfolio
from gridiface.errors import RemoteProtocolError

BATTERY = Asset(id="b", asset_type=AssetType.BATTERY, zip="94105", capacity_kwh=13.5, max_discharge_kw=5.0, soc_min=0.1)
ENTRY = {"asset_type": "battery", "zip": "94105", "capacity_kwh": 13.5, "max_discharge_kw": 5}


def test_a_body_becomes_a_portfolio() -> None:
    found = parse_portfolio({"name": " Bay ", "assets": [ENTRY, {**ENTRY, "id": "x", "soc_min": 0.2}]}, "p1")
    assert (found.id, found.name) == ("p1", "Bay")
    assert [asset.id for asset in found.assets] == ["1", "x"]
    assert found.assets[1].soc_min == 0.2


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ([], "the body"),
        ({"name": "x"}, "the body: must have the key 'assets'"),
        ({"name": "", "assets": [ENTRY]}, "name"),
        ({"name": "x", "assets": []}, "assets"),
        ({"name": "x", "assets": "no"}, "assets"),
        ({"name": "x", "assets": [ENTRY], "owner": 1}, "the body.owner"),
        ({"name": "x", "assets": [1]}, "assets[0]"),
        ({"name": "x", "assets": [{**ENTRY, "asset_type": "windmill"}]}, "assets[0].asset_type"),
        ({"name": "x", "assets": [{**ENTRY, "asset_type": ["battery"]}]}, "assets[0].asset_type"),
        ({"name": "x", "assets": [{**ENTRY, "zip": 94105}]}, "assets[0].zip"),
        ({"name": "x", "assets": [{**ENTRY, "capacity_kwh": -1}]}, "assets[0].capacity_kwh"),
        ({"name": "x", "assets": [{**ENTRY, "capacity_kwh": True}]}, "assets[0].capacity_kwh"),
        ({"name": "x", "assets": [{**ENTRY, "max_discharge_kw": float("nan")}]}, "assets[0].max_discharge_kw"),
        ({"name": "x", "assets": [{**ENTRY, "id": "a"}, {**ENTRY, "id": "a"}]}, "assets[1].id"),
        ({"name": "x", "assets": [{**ENTRY, "colour": "red"}]}, "assets[0].colour"),
    ],
)
def test_a_wrong_body_is_refused_with_its_place(body: object, place: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse_portfolio(body, "p")
    assert caught.value.answer == 422
    assert place in caught.value.reason


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["name", "assets", "zip", *ENTRY, "id"]), inner, max_size=6)
    ),
    max_leaves=20,
)


@given(_json, st.dictionaries(st.sampled_from([*ENTRY, "id", "soc_min", "metering_interval_s"]), _json))
def test_any_body_is_taken_or_refused(body: Any, entry: dict[str, Any]) -> None:
    for each in (body, {"name": "x", "assets": [{**ENTRY, **entry}]}):
        try:
            found = parse_portfolio(each, "p")
        except RemoteProtocolError:
            continue
        assert found.assets


def test_golden_conservative_power() -> None:
    # Reported 60 % half an hour ago: 0.60 - 0.05 - 0.1 x 0.5 = 0.50; above the floor of 0.10: 0.40 x 13.5 = 5.4 kWh:
    # for one hour 5.4 kW, but it has 5 kW; for two hours 2.7 kW.
    state = AssetState(asset_id="b", observed=0.0, soc=0.6)
    assert SocPolicy().floor_kw(BATTERY, state, 1800.0) == 5.0
    assert SocPolicy(hold_hours=2.0).floor_kw(BATTERY, state, 1800.0) == pytest.approx(2.7)


@pytest.mark.parametrize(
    "state",
    [
        None,
        AssetState(asset_id="b", observed=0.0, soc=None),
        AssetState(asset_id="b", observed=0.0, soc=0.9, online=False),
        AssetState(asset_id="b", observed=-4000.0, soc=0.9),
        AssetState(asset_id="b", observed=0.0, soc=0.12),
    ],
)
def test_what_is_not_known_to_be_there_is_nothing(state: AssetState | None) -> None:
    assert SocPolicy().floor_kw(BATTERY, state, 0.0) == 0.0


def test_loads_give_what_they_have_now() -> None:
    load = Asset(id="l", asset_type=AssetType.LOAD, zip="1", capacity_kwh=0, max_discharge_kw=3.0)
    assert SocPolicy().floor_kw(load, AssetState(asset_id="l", observed=0.0, available_kw=2.0), 0.0) == 2.0
    assert SocPolicy().floor_kw(load, AssetState(asset_id="l", observed=0.0, available_kw=9.0), 0.0) == 3.0
    assert load.sustained_kw(4.0) == 3.0
    # 13.5 kWh x 0.9 over four hours.
    assert BATTERY.sustained_kw(4.0) == pytest.approx(3.0375)


@given(soc=st.floats(0, 1), error=st.floats(-0.05, 0.05), age=st.floats(0, 3600))
def test_the_bound_is_below_what_the_battery_has(soc: float, error: float, age: float) -> None:
    reported = min(1.0, max(0.0, soc + error))
    floor = SocPolicy().floor_kw(BATTERY, AssetState(asset_id="b", observed=0.0, soc=reported), age)
    assert floor <= max(0.0, (soc - 0.1) * 13.5) + 1e-9
