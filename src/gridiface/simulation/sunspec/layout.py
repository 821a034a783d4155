"""Which points a simulated unit implements, and what they hold before anything happened. Pure data and its filling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gridiface.simulation.sunspec import curves
from gridiface.simulation.sunspec.config import UnitConfig
from gridiface.simulation.sunspec.curves import STORED
from gridiface.simulation.sunspec.image import RegisterImage


@dataclass(frozen=True, slots=True, eq=False)
class TimedFunction:
    """A control function with a revert timer: what enables it, what it falls back to.

    `idle` is the value of `enable` that means "not in force": the timer runs only while it is otherwise. `stored`: the
    stored curve that is in force afterwards, enabled as before.
    """

    model: int
    enable: str
    timer: str
    points: tuple[str, ...]
    remaining: str | None = None
    enable_revert: str | None = None
    copies: tuple[tuple[str, str], ...] = ()
    idle: int = 0
    stored: str = ""


def _der(prefix: str, *values: str, points: tuple[str, ...] = ()) -> TimedFunction:
    return TimedFunction(
        704,
        f"{prefix}Ena",
        f"{prefix}RvrtTms",
        (f"{prefix}Ena", f"{prefix}RvrtTms", *values, *points),
        f"{prefix}RvrtRem",
        f"{prefix}EnaRvrt",
        tuple((value, value + "Rvrt") for value in values),
    )


def _curve(model_id: int, stored: str) -> TimedFunction:
    return TimedFunction(model_id, "Ena", "RvrtTms", ("Ena", "RvrtTms"), "RvrtRem", stored=stored)


FUNCTIONS: tuple[TimedFunction, ...] = (
    _der("WSet", "WSet", "WSetPct", points=("WSetMod",)),
    _der("WMaxLimPct", "WMaxLimPct"),
    _der("VarSet", "VarSet", "VarSetPct", points=("VarSetMod",)),
    _der("PFWInj", points=("PFWInj.PF", "PFWInj.Ext")),
    _der("PFWAbs", points=("PFWAbs.PF", "PFWAbs.Ext")),
    *(_curve(model_id, "RvrtCtl" if model_id == 711 else "RvrtCrv") for model_id in (705, 706, 711, 712)),
    TimedFunction(123, "Conn", "Conn_RvrtTms", ("Conn", "Conn_RvrtTms"), idle=1),
    TimedFunction(123, "WMaxLim_Ena", "WMaxLimPct_RvrtTms", ("WMaxLim_Ena", "WMaxLimPct", "WMaxLimPct_RvrtTms")),
    TimedFunction(123, "OutPFSet_Ena", "OutPFSet_RvrtTms", ("OutPFSet_Ena", "OutPFSet", "OutPFSet_RvrtTms")),
    TimedFunction(123, "VArPct_Ena", "VArPct_RvrtTms", ("VArPct_Ena", "VArMaxPct", "VArWMaxPct", "VArPct_RvrtTms")),
    TimedFunction(124, "StorCtl_Mod", "InOutWRte_RvrtTms", ("StorCtl_Mod", "OutWRte", "InWRte", "InOutWRte_RvrtTms")),
)

#: Models whose registers follow the physics and are written anew before a read.
LIVE_MODELS = (701, 713, 103, 101, 113, 111, 122, 124)

_Points = Mapping[str, float]

_CONTROLS_704: _Points = {
    **dict.fromkeys(("PFWInjEna", "PFWInjEnaRvrt", "PFWInjRvrtTms", "PFWInjRvrtRem"), 0),
    **dict.fromkeys(("PFWAbsEna", "PFWAbsEnaRvrt", "PFWAbsRvrtTms", "PFWAbsRvrtRem"), 0),
    **dict.fromkeys(("WMaxLimPctEna", "WMaxLimPctEnaRvrt", "WMaxLimPctRvrtTms", "WMaxLimPctRvrtRem"), 0),
    **dict.fromkeys(("WSetEna", "WSetPct", "WSetPctRvrt", "WSetEnaRvrt", "WSetRvrtTms", "WSetRvrtRem"), 0),
    **dict.fromkeys(("VarSetEna", "VarSetPri", "VarSet", "VarSetRvrt", "VarSetPct", "VarSetPctRvrt"), 0),
    **dict.fromkeys(("VarSetEnaRvrt", "VarSetRvrtTms", "VarSetRvrtRem"), 0),
    "WSetMod": 0,
    "VarSetMod": 4,
    "WMaxLimPct": 100,
    "WMaxLimPctRvrt": 100,
    "PFWInj.PF": 1,
    "PFWInj.Ext": 0,
    "PFWInjRvrt.PF": 1,
    "PFWInjRvrt.Ext": 0,
    "PFWAbs.PF": 1,
    "PFWAbs.Ext": 0,
    "PFWAbsRvrt.PF": 1,
    "PFWAbsRvrt.Ext": 0,
}
_CONTROLS_123: _Points = {
    **dict.fromkeys(("Conn_WinTms", "Conn_RvrtTms", "WMaxLim_Ena", "OutPFSet_Ena", "VArPct_Ena"), 0),
    **dict.fromkeys(("WMaxLimPct_WinTms", "WMaxLimPct_RvrtTms", "WMaxLimPct_RmpTms"), 0),
    **dict.fromkeys(("OutPFSet_WinTms", "OutPFSet_RvrtTms", "OutPFSet_RmpTms"), 0),
    **dict.fromkeys(("VArMaxPct", "VArPct_WinTms", "VArPct_RvrtTms", "VArPct_RmpTms"), 0),
    "Conn": 1,
    "WMaxLimPct": 100,
    "OutPFSet": 1,
    "VArPct_Mod": 2,
}
_SCALES: Mapping[int, _Points] = {
    701: {"A_SF": -1, "V_SF": -1, "Hz_SF": -2, "PF_SF": -3, "TotWh_SF": 0, "TotVarh_SF": 0, "Tmp_SF": 0},
    702: {"PF_SF": -3, "V_SF": 0, "A_SF": -1},
    703: {"V_SF": -1, "Hz_SF": -2},
    704: {"PF_SF": -3, "WMaxLimPct_SF": -2, "WSet_SF": 0, "WSetPct_SF": -2, "VarSet_SF": 0, "VarSetPct_SF": -2},
    713: {"Pct_SF": -1},
    120: {"PFRtg_SF": -2},
    121: {"VRef_SF": 0, "VRefOfs_SF": 0},
    123: {"WMaxLimPct_SF": -2, "OutPFSet_SF": -3, "VArPct_SF": -1},
    124: {"WChaDisChaGra_SF": 0, "MinRsvPct_SF": 0, "ChaState_SF": -1, "InOutWRte_SF": -2},
}
_INVERTER_SCALES: _Points = {"A_SF": -1, "V_SF": -1, "Hz_SF": -2, "WH_SF": 0, "Tmp_SF": 0, "PF_SF": -1}
#: Points whose scale follows the size of the unit, by model.
_POWER_SCALES: Mapping[int, tuple[str, ...]] = {
    701: ("W_SF", "VA_SF", "Var_SF"),
    702: ("W_SF", "VA_SF", "Var_SF"),
    101: ("W_SF", "VA_SF", "VAr_SF"),
    103: ("W_SF", "VA_SF", "VAr_SF"),
    120: ("WRtg_SF", "VARtg_SF", "VArRtg_SF", "MaxChaRte_SF", "MaxDisChaRte_SF"),
    121: ("WMax_SF", "VAMax_SF", "VArMax_SF"),
    122: ("WAval_SF", "VArAval_SF"),
    124: ("WChaMax_SF",),
}


def inverter_model(config: UnitConfig) -> int | None:
    """The older measurement model of a unit, None where it has none."""
    if config.profile == "7xx":
        return None
    three = config.phases == 3
    return (113 if three else 111) if config.profile == "1xx_float" else (103 if three else 101)


def model_ids(config: UnitConfig) -> list[int]:
    """The models of a unit, in the order of its map."""
    stores = config.kind == "battery"
    found = [1]
    old = inverter_model(config)
    if old is not None:
        found += [old, 120, 121, 122, 123] + ([124] if stores else [])
    if config.profile in ("7xx", "both"):
        found += [701, 702, 703, 704] + (sorted(STORED) if config.curves else []) + ([713] if stores else [])
    return found


def exponent_for(value: float) -> int:
    """The scale factor that lets `value` fit into a signed register with some room."""
    exponent = 0
    while value / 10**exponent > 20_000:
        exponent += 1
    return exponent


def build(config: UnitConfig) -> RegisterImage:
    """The image of a unit at rest."""
    image = RegisterImage(config.base_address, model_ids(config))
    scale = exponent_for(config.max_w)
    for model_id in image.places:
        fixed = _INVERTER_SCALES if model_id in (101, 103) else _SCALES.get(model_id, {})
        for name, value in fixed.items():
            image.put_raw(model_id, name, value)
        for name in _POWER_SCALES.get(model_id, ()):
            image.put_raw(model_id, name, scale)
    _identify(image, config)
    for model_id, fill in ((702, _capacity), (120, _nameplate), (704, _controls), (123, _immediate), (124, _storage)):
        if model_id in image.places:
            fill(image, config)
    for model_id in STORED:
        if model_id in image.places:
            curves.fill(image, model_id)
    return image


def _identify(image: RegisterImage, config: UnitConfig) -> None:
    for name, text in (("Mn", "gridiface"), ("Md", f"simulated {config.kind}"), ("Vr", "1"), ("SN", config.name)):
        image.text(1, name, text)
    image.put_raw(1, "DA", config.unit_id)
    if 703 in image.places:
        rules = {"ES": 1, "ESVHi": 105, "ESVLo": 91.7, "ESHzHi": 50.1, "ESHzLo": 49.5}
        for name, value in {**rules, "ESDlyTms": 0, "ESRndTms": 0, "ESRmpTms": 0, "ESDlyRemTms": 0}.items():
            image.put(703, name, value)


def _capacity(image: RegisterImage, config: UnitConfig) -> None:
    rated = {"WMaxRtg": config.max_w, "VAMaxRtg": config.max_w, "VNomRtg": 230}
    rated |= dict.fromkeys(("VarMaxInjRtg", "VarMaxAbsRtg"), 0.44 * config.max_w)
    held = {"WMax": config.max_w, "VAMax": config.max_w, "VNom": 230}
    held |= dict.fromkeys(("VarMaxInj", "VarMaxAbs"), 0.44 * config.max_w)
    if config.kind == "battery":
        rated |= {"WChaRteMaxRtg": config.charge_w, "WDisChaRteMaxRtg": config.max_w}
        held |= {"WChaRteMax": config.charge_w, "WDisChaRteMax": config.max_w}
    for name, value in (rated | held).items():
        image.put(702, name, value)
    image.put_raw(702, "CtrlModes", 0b1111)
    if 713 in image.places:
        image.put_raw(713, "WH_SF", exponent_for(config.energy_wh))
        image.put(713, "WHRtg", config.energy_wh)
        image.put(713, "SoH", 100)
        image.put_raw(713, "Sta", 0)


def _nameplate(image: RegisterImage, config: UnitConfig) -> None:
    image.put_raw(120, "DERTyp", 82 if config.kind == "battery" else 4)
    image.put(120, "WRtg", config.max_w)
    image.put(120, "VARtg", config.max_w)
    for quadrant, sign in (("1", 1), ("2", 1), ("3", -1), ("4", -1)):
        image.put(120, f"VArRtgQ{quadrant}", sign * 0.44 * config.max_w)
        image.put(120, f"PFRtgQ{quadrant}", 0.9)
    image.put_raw(120, "ARtg_SF", 0)
    image.put(120, "ARtg", config.max_w / 230)
    if config.kind == "battery":
        image.put_raw(120, "WHRtg_SF", exponent_for(config.energy_wh))
        image.put(120, "WHRtg", config.energy_wh)
        image.put(120, "MaxChaRte", config.charge_w)
        image.put(120, "MaxDisChaRte", config.max_w)
    image.put(121, "WMax", config.max_w)
    image.put(121, "VAMax", config.max_w)
    image.put(121, "VRef", 230)
    image.put(121, "VRefOfs", 0)
    image.put(121, "VArMaxQ1", 0.44 * config.max_w)
    image.put(121, "VArMaxQ4", -0.44 * config.max_w)


def _controls(image: RegisterImage, config: UnitConfig) -> None:
    for name, value in _CONTROLS_704.items():
        if config.revert_timers or "RvrtTms" not in name:
            image.put(704, name, value)
    if config.watt_set_point:
        image.put_raw(704, "WSet_SF", max(0, exponent_for(config.max_w / 50_000)))
        image.put(704, "WSet", 0)
        image.put(704, "WSetRvrt", 0)


def _immediate(image: RegisterImage, config: UnitConfig) -> None:
    for name, value in _CONTROLS_123.items():
        if config.revert_timers or not name.endswith("RvrtTms"):
            image.put(123, name, value)


def _storage(image: RegisterImage, config: UnitConfig) -> None:
    image.put(124, "WChaMax", max(config.charge_w, config.max_w))
    for name in ("StorCtl_Mod", "OutWRte", "InWRte", "InOutWRte_WinTms", "InOutWRte_RmpTms"):
        image.put_raw(124, name, 0)
    for name in ("WChaGra", "WDisChaGra"):
        image.put(124, name, 100)
    image.put(124, "MinRsvPct", 100 * config.soc_min)
    if config.revert_timers:
        image.put_raw(124, "InOutWRte_RvrtTms", 0)
    image.put_raw(124, "ChaGriSet", 1)
