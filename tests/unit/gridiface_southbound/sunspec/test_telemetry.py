"""What blocks say in the domain's words: ratings, settings, kinds, snapshots."""

from __future__ import annotations

from typing import Any

import pytest

from gridiface.domain.fleet import DeviceKind, Nameplate, Settings
from gridiface.domain.quantities import Phase
from gridiface.domain.telemetry import OperatingState
from gridiface.errors import DeviceRejected
from gridiface_southbound.sunspec.functions import Ratings
from gridiface_southbound.sunspec.telemetry import kind_of, nameplate, ratings, settings, snapshot

RATED_702 = {"WMaxRtg": 500, "W_SF": 1, "WChaRteMaxRtg": 300, "WDisChaRteMaxRtg": 400, "VarMaxInjRtg": 20, "Var_SF": 2}
RATED_120 = {"WRtg": 60, "WRtg_SF": 2, "VArRtgQ1": 26, "VArRtgQ4": -13, "VArRtg_SF": 2, "DERTyp": 4}


def test_the_newer_nameplate_wins(block: Any) -> None:
    blocks = {702: block(702, RATED_702), 120: block(120, RATED_120), 1: block(1, {"Mn": "ACME", "SN": "7"})}
    plate = nameplate(blocks, frozenset())
    assert (plate.max_w, plate.max_charge_w, plate.max_discharge_w, plate.max_var) == (5000, 3000, 4000, 2000)
    assert plate.max_var_neg == 1300
    assert (plate.manufacturer, plate.serial, plate.model) == ("ACME", "7", "")
    assert nameplate({120: block(120, RATED_120)}, frozenset()).max_w == 6000


def test_a_discharge_rating_of_nothing_bounds_no_inverter(block: Any) -> None:
    """An inverter without a battery may tell 0 for all that a battery has; what one is set to is another matter."""
    rated = RATED_702 | {"WDisChaRteMaxRtg": 0, "WDisChaRteMax": 0}
    assert nameplate({702: block(702, rated)}, frozenset()).max_discharge_w is None
    assert settings({702: block(702, rated)}, now=1.0).max_discharge_w is None
    assert settings({702: block(702, RATED_702 | {"WDisChaRteMax": 0})}, now=1.0).max_discharge_w == 0
    assert (
        nameplate({120: block(120, RATED_120 | {"MaxDisChaRte": 0, "MaxDisChaRte_SF": 0})}, frozenset()).max_discharge_w
        is None
    )


def test_what_ieee_1547_asks_of_a_nameplate(block: Any) -> None:
    told = {
        **RATED_702, "WOvrExtRtg": 460, "WOvrExtRtgPF": 90, "WUndExtRtg": 470, "WUndExtRtgPF": 95, "PF_SF": -2,
        "VAChaRteMaxRtg": 31, "VA_SF": 2, "VMinRtg": 196, "VMaxRtg": 264, "V_SF": 0, "AMaxRtg": 217, "A_SF": -1,
        "ReactSusceptRtg": 3, "S_SF": -2, "NorOpCatRtg": 1, "AbnOpCatRtg": 2, "VMin": 200, "VMax": 260,
        "VAChaRteMax": 30,
    }  # fmt: skip
    blocks = {702: block(702, told)}
    plate, held = nameplate(blocks, frozenset()), settings(blocks, now=0)
    assert (plate.over_excited_w, plate.over_excited_pf) == (4600, pytest.approx(0.9))
    assert (plate.under_excited_w, plate.under_excited_pf) == (4700, pytest.approx(0.95))
    assert (plate.min_v, plate.max_v, plate.max_a) == (196, 264, pytest.approx(21.7))
    assert (plate.max_charge_va, plate.susceptance_s) == (3100, pytest.approx(0.03))
    assert (plate.normal_category, plate.abnormal_category) == (2, 3)  # B and III
    assert (held.min_v, held.max_v, held.max_charge_va) == (200, 260, 3000)
    bare = nameplate({702: block(702, RATED_702)}, frozenset())
    assert (bare.normal_category, bare.min_v, bare.over_excited_pf) == (None, None, None)


def test_a_device_without_rating_needs_one_configured(block: Any) -> None:
    with pytest.raises(DeviceRejected, match="rating_w"):
        nameplate({1: block(1, {})}, frozenset())
    assert nameplate({1: block(1, {})}, frozenset(), rating_w=3000).max_w == 3000


def test_settings(block: Any) -> None:
    older = {121: block(121, {"WMax": 50, "WMax_SF": 2, "WGra": 20, "WGra_SF": 0, "VArMaxQ4": -9, "VArMax_SF": 2})}
    seen = settings(older | {124: block(124, {"MinRsvPct": 10, "MinRsvPct_SF": 0})}, now=5.0)
    assert (seen.max_w, seen.ramp_w_per_s, seen.max_var_neg, seen.soc_min, seen.updated) == (5000, 1000, 900, 0.1, 5.0)
    battery = {802: block(802, {"SoCMax": 90, "SoCMin": 5, "SoC_SF": 0})}
    assert (settings(battery, now=0).soc_min, settings(battery, now=0).soc_max) == (0.05, 0.9)


def test_when_a_device_may_return_to_service(block: Any) -> None:
    told = {"ESVHi": 1050, "ESVLo": 917, "V_SF": -1, "ESHzHi": 601, "ESHzLo": 595, "Hz_SF": -1, "ESDlyTms": 300}
    held = settings({703: block(703, told)}, now=0)
    assert (held.enter_v_high, held.enter_v_low) == (105, pytest.approx(91.7))
    assert (held.enter_hz_high, held.enter_hz_low, held.enter_delay_s) == (pytest.approx(60.1), 59.5, 300)
    assert (held.enter_random_s, held.enter_ramp_s) == (None, None)


def test_ratings_are_the_lesser_of_nameplate_and_setting() -> None:
    found = ratings(Nameplate(max_w=10, max_charge_w=8, max_var=5), Settings(max_w=7, max_charge_w=9))
    assert found == Ratings(max_w=7, max_charge_w=8, max_discharge_w=0, max_var=5, max_var_neg=0)


@pytest.mark.parametrize(
    ("points", "kind"),
    [
        ({120: {"DERTyp": 4}}, DeviceKind.PV),
        ({120: {"DERTyp": 82}}, DeviceKind.PV_BATTERY),
        ({120: {"DERTyp": 4}, 124: {"WChaMax": 5}}, DeviceKind.BATTERY),
        ({120: {"DERTyp": 4}, 124: {}}, DeviceKind.PV),
        ({713: {"WHRtg": 5}}, DeviceKind.BATTERY),
        ({713: {"SoC": 5}}, DeviceKind.BATTERY),
        ({713: {}}, DeviceKind.PV),
        ({713: {}, 702: RATED_702}, DeviceKind.BATTERY),
        ({713: {}, 702: RATED_702 | {"WChaRteMaxRtg": 0}}, DeviceKind.PV),
        ({802: {}}, DeviceKind.PV),
        ({802: {"WHRtg": 5}}, DeviceKind.BATTERY),
        ({702: RATED_702}, DeviceKind.BATTERY),
        ({702: {"WMaxRtg": 5, "W_SF": 0}}, DeviceKind.PV),
    ],
)
def test_kinds(points: dict[int, Any], kind: DeviceKind, block: Any) -> None:
    assert kind_of({model_id: block(model_id, p) for model_id, p in points.items()}) is kind


def test_a_newer_battery(block: Any) -> None:
    blocks = {
        701: block(
            701,
            {"W": -250, "W_SF": 1, "Var": 3, "Var_SF": 2, "Hz": 5001, "Hz_SF": -2, "LNV": 2301, "V_SF": -1, "InvSt": 3}
            | {"ConnSt": 1, "Alrm": 1},
        ),
        713: block(713, {"SoC": 505, "Pct_SF": -1, "WHAvail": 4, "WH_SF": 3}),
        715: block(715, {"LocRemCtl": 1}),
    }
    seen = snapshot("d", blocks, Ratings(max_w=5000, max_charge_w=3000, max_discharge_w=4000), None, now=9.0)
    assert (seen.w, seen.var, seen.hz, seen.soc, seen.available_wh) == (-2500, 300, 50.01, 0.505, 4000)
    assert (seen.available_up_w, seen.available_down_w) == (6500, 500)
    assert seen.volts == {Phase.AN: 230.1}
    assert (seen.connected, seen.state, seen.local_control) == (True, OperatingState.RUNNING, True)
    assert seen.alarms == {"GROUND_FAULT"}
    assert seen.source_time == seen.received == 9.0


def test_single_phases(block: Any) -> None:
    newer = {"AL1": 15, "AL3": 17, "A_SF": -1, "WL1": 3, "WL2": -4, "W_SF": 1, "VarL3": 5, "Var_SF": 0}
    seen = snapshot("d", {701: block(701, newer)}, Ratings(max_w=5000), None, now=0.0)
    assert seen.amps == {Phase.A: 1.5, Phase.C: pytest.approx(1.7)}
    assert (seen.phase_w, seen.phase_var) == ({Phase.A: 30, Phase.B: -40}, {Phase.C: 5})
    older = {"AphA": 11, "AphB": 12, "A_SF": 0}
    seen = snapshot("d", {103: block(103, older)}, Ratings(max_w=5000), None, now=0.0)
    assert (seen.amps, seen.phase_w) == ({Phase.A: 11, Phase.B: 12}, {})


@pytest.mark.parametrize(("soc", "up", "down"), [(0, 0, 3000), (1000, 4000, 0)])
def test_an_empty_battery_gives_nothing_and_a_full_one_takes_nothing(soc: int, up: int, down: int, block: Any) -> None:
    blocks = {701: block(701, {"W": 0, "W_SF": 0}), 713: block(713, {"SoC": soc, "Pct_SF": -1})}
    seen = snapshot("d", blocks, Ratings(max_w=5000, max_charge_w=3000, max_discharge_w=4000), 1000.0, now=0.0)
    assert (seen.available_up_w, seen.available_down_w, seen.available_wh) == (up, down, soc)


def test_an_older_pv_inverter(block: Any) -> None:
    blocks = {
        103: block(103, {"W": 20, "W_SF": 2, "PhVphA": 230, "PPVphAB": 400, "V_SF": 0, "St": 5, "Evt1": 1 << 7}),
        122: block(122, {"ECPConn": 1, "WAval": 30, "WAval_SF": 2}),
    }
    seen = snapshot("d", blocks, Ratings(max_w=5000), None, now=0.0)
    assert (seen.w, seen.state, seen.connected, seen.alarms) == (2000, OperatingState.THROTTLED, True, {"OVER_TEMP"})
    assert seen.volts == {Phase.AN: 230, Phase.AB: 400}
    assert (seen.available_up_w, seen.available_down_w) == (1000, 2000)


@pytest.mark.parametrize(
    ("points", "state"),
    [
        ({"InvSt": 6}, OperatingState.FAULT),
        ({"St": 1}, OperatingState.RUNNING),
        ({"St": 0}, OperatingState.OFF),
        ({}, OperatingState.UNKNOWN),
    ],
)
def test_states(points: dict[str, int], state: OperatingState, block: Any) -> None:
    assert snapshot("d", {701: block(701, points)}, Ratings(max_w=1), None, now=0.0).state is state


def test_nothing_known_is_none_not_zero(block: Any) -> None:
    seen = snapshot("d", {701: block(701, {})}, Ratings(max_w=1), None, now=0.0)
    known = (seen.w, seen.var, seen.soc, seen.connected, seen.available_up_w, seen.hz)
    assert known == (None,) * 6
    assert snapshot("d", {}, Ratings(max_w=1), None, now=0.0).w is None
    assert snapshot("d", {123: block(123, {"Conn": 0})}, Ratings(max_w=1), None, now=0.0).connected is False


def test_beside_generation_the_storages_rate_of_discharge_bounds_nothing():
    plate = Nameplate(max_w=10_000.0, max_charge_w=5_000.0, max_discharge_w=5_000.0)
    assert ratings(plate, Settings(), DeviceKind.BATTERY).max_discharge_w == 5_000
    found = ratings(plate, Settings(max_discharge_w=4_000.0), DeviceKind.PV_BATTERY)
    assert (found.max_discharge_w or found.max_w, found.max_charge_w) == (10_000, 5_000)
