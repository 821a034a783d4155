"""What older editions of IEEE 2030.5 call and number otherwise, as tables; who applies them is dialects.py.

The draft of 2017 follows its public schema 2.0.4, whose notes also give the signs: what absorbs var is negative (the
EEI convention, from memory). No schema of 2013 is public; its table follows what two public implementations were
generated from, and the meaning of its set-points what the same functions mean in IEC 61850-90-7 (from memory): Fixed W
is a ceiling, Fixed Flow a set-point. Its end devices and meters are taken to be those of the draft.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gridiface.protocols.sep2.der_codes import DERControlModes

_M = DERControlModes
_PF = _M.FIXED_PF_INJECT_W | _M.FIXED_PF_ABSORB_W
_CATEGORY = {"deviceCategory": "loadShedDeviceCategory"}


@dataclass(frozen=True, slots=True)
class Edition:
    """One edition against that of 2018.

    Attributes:
        name: for the configuration and for people.
        namespace: of its elements.
        renamed: type -> 2018 name -> its name.
        unknown: type -> elements of 2018 that it does not have.
        curves: 2018 curveType -> its own; curves of others are left out.
        modes: bit of DERControlType -> the mode of 2018, and what follows from it.
        fixed_points: power factors of ratings and settings are `multiplier` and `value`, not `displacement`.
        connections: its ConnectStatus, a number -> the bits of 2018; empty: they are alike.
    """

    name: str
    namespace: str
    renamed: Mapping[str, Mapping[str, str]]
    unknown: Mapping[str, frozenset[str]]
    curves: Mapping[int, int]
    modes: Mapping[int, tuple[DERControlModes, DERControlModes]]
    fixed_points: bool = False
    connections: Mapping[int, int] = field(default_factory=dict)

    @property
    def back(self) -> dict[str, dict[str, str]]:
        """Type -> its name -> 2018 name."""
        return {kind: {old: new for new, old in names.items()} for kind, names in self.renamed.items()}


#: 2018 DERType -> that of both older editions, where they differ: other generation, EVSE, PV with storage.
TYPES: Mapping[int, int] = {6: 0, 82: 81, 83: 82}
TYPES_BACK: Mapping[int, int] = {82: 83}
#: The greatest unit of reference that they know: %setMaxDischargeRateW.
LAST_REFERENCE = 6
#: Greatest values of what is wider in 2018: `all` and delays, and `results`.
WIDE, NARROW = 0xFFFF, 0xFF

_NEW: Mapping[str, frozenset[str]] = {
    "EndDevice": frozenset({"postRate"}),
    "DERControl": frozenset({"deviceCategory"}),
    "DERStatus": frozenset({"alarmStatus"}),
    "DERCurve": frozenset({"autonomousVRefEnable", "autonomousVRefTimeConstant", "vRef"}),
    "CurveData": frozenset({"excitation"}),
    "DeviceInformation": frozenset({"gpsLocation"}),
    "DERCapability": frozenset({"rtgMaxV", "rtgMinV", "rtgReactiveSusceptance", "rtgVNom"}),
    "TimeTariffInterval": frozenset({"RateComponentLink"}),
    "DERSettings": frozenset({"setESRampTms", "setMaxV", "setMinV", "setVNom"}),
    "DefaultDERControl": frozenset({"setESRampTms"}),
    "DERControlBase": frozenset(
        {"opModFixedPFAbsorbW", "opModHFRTMayTrip", "opModHVRTMayTrip", "opModLFRTMayTrip", "opModLVRTMayTrip"}
    ),
}

_DRAFT_MODES = (
    _M.VOLT_VAR,
    _M.FREQ_WATT,
    _M.FREQ_DROOP,
    _M.WATT_PF,
    _M.VOLT_WATT,
    _M.LVRT_MOMENTARY_CESSATION,
    _M.LVRT_MUST_TRIP,
    _M.HVRT_MOMENTARY_CESSATION,
    _M.HVRT_MUST_TRIP,
    _M.LFRT_MUST_TRIP,
    _M.HFRT_MUST_TRIP,
    _M.CONNECT,
    _M.ENERGIZE,
    _M.MAX_LIM_W,
    _M.FIXED_VAR,
    _M.FIXED_PF_INJECT_W,
    _M.FIXED_W,
    _M.TARGET_W,
    _M.TARGET_VAR,
    _M.CHARGE,
    _M.DISCHARGE,
    _M.WATT_VAR,
)

E2017 = Edition(
    name="2017",
    namespace="http://ieee.org/2030.5",
    renamed={
        "EndDevice": _CATEGORY,
        "SelfDevice": _CATEGORY,
        "DERCapability": {
            "rtgMaxA": "rtgA",
            "rtgMaxAh": "rtgAh",
            "rtgMaxVA": "rtgVA",
            "rtgMaxVar": "rtgVar",
            "rtgMaxVarNeg": "rtgVarNeg",
            "rtgMaxW": "rtgW",
            "rtgMaxWh": "rtgWh",
            "rtgMinPFOverExcited": "rtgMinPF",
            "rtgMinPFUnderExcited": "rtgMinPFNeg",
        },
        "DERSettings": {"setMinPFOverExcited": "setMinPF", "setMinPFUnderExcited": "setMinPFNeg"},
        "DERControlBase": {"opModFixedPFInjectW": "opModFixedPF"},
    },
    unknown=_NEW,
    curves={11: 0, 0: 1, 13: 2, 12: 3, 9: 4, 10: 5, 4: 6, 5: 7, 7: 8, 2: 9, 14: 10},
    modes={
        bit: (mode, _PF if mode is _M.FIXED_PF_INJECT_W else DERControlModes(0))
        for bit, mode in enumerate(_DRAFT_MODES)
    },
)


def _more(added: Mapping[str, set[str]]) -> dict[str, frozenset[str]]:
    return {kind: _NEW.get(kind, frozenset()) | added.get(kind, set()) for kind in {*_NEW, *added}}


_RETURN = {"ESDelay", "ESHighFreq", "ESHighVolt", "ESLowFreq", "ESLowVolt", "ESRandomDelay", "SoftGradW"}
_MOST = {"MaxA", "MaxAh", "MaxChargeRateVA", "MaxDischargeRateVA", "MaxWh"}

E2013 = Edition(
    name="2013",
    namespace="http://zigbee.org/sep",
    renamed={
        "EndDevice": _CATEGORY,
        "SelfDevice": _CATEGORY,
        "DERCapability": {
            "rtgMaxA": "rtgA",
            "rtgMaxAh": "rtgAh",
            "rtgMaxChargeRateW": "rtgMaxChargeRate",
            "rtgMaxDischargeRateW": "rtgMaxDischargeRate",
            "rtgMaxVA": "rtgVA",
            "rtgMaxVar": "rtgVAr",
            "rtgMaxVarNeg": "rtgVArNeg",
            "rtgMaxW": "rtgW",
            "rtgMaxWh": "rtgWh",
            "rtgMinPFOverExcited": "rtgMinPF",
            "rtgMinPFUnderExcited": "rtgMinPFNeg",
        },
        "DERSettings": {
            "setMaxChargeRateW": "setMaxChargeRate",
            "setMaxDischargeRateW": "setMaxDischargeRate",
            "setMaxVar": "setMaxVAr",
            "setMaxVarNeg": "setMaxVArNeg",
            "setMinPFOverExcited": "setMinPF",
            "setMinPFUnderExcited": "setMinPFNeg",
        },
        "DERAvailability": {"statVarAvail": "statVArAvail"},
        "DERControlBase": {
            "opModFixedPFInjectW": "opModFixedPF",
            "opModFixedVar": "opModFixedVAr",
            "opModFixedW": "opModFixedFlow",
            "opModMaxLimW": "opModFixedW",
            "opModVoltVar": "opModVoltVAr",
        },
    },
    unknown=_more(
        {
            "DERCapability": {
                "rtgAbnormalCategory",
                "rtgMaxChargeRateVA",
                "rtgMaxDischargeRateVA",
                "rtgNormalCategory",
                "rtgOverExcitedPF",
                "rtgOverExcitedW",
                "rtgUnderExcitedPF",
                "rtgUnderExcitedW",
            },
            "DERSettings": {"modesEnabled", *(f"set{name}" for name in _RETURN | _MOST)},
            "DefaultDERControl": {"setGradW", *(f"set{name}" for name in _RETURN)},
            "DERControlBase": {
                "opModConnect",
                "opModEnergize",
                "opModFreqDroop",
                "opModHFRTMustTrip",
                "opModHVRTMomentaryCessation",
                "opModHVRTMustTrip",
                "opModLFRTMustTrip",
                "opModLVRTMomentaryCessation",
                "opModLVRTMustTrip",
                "opModTargetVar",
                "opModTargetW",
                # How it says on which side of unity a power factor of this curve is, is not known.
                "opModWattPF",
                "opModWattVar",
            },
            "DERCurve": {"openLoopTms"},
            "LogEvent": {"details"},
        }
    ),
    curves={11: 0, 0: 1, 12: 3},
    modes={
        0: (_M.VOLT_VAR, DERControlModes(0)),
        1: (_M.FREQ_WATT, DERControlModes(0)),
        3: (_M.VOLT_WATT, DERControlModes(0)),
        12: (_M.MAX_LIM_W, DERControlModes(0)),
        13: (_M.FIXED_VAR, DERControlModes(0)),
        14: (_M.FIXED_PF_INJECT_W, _PF),
        # Fixed Flow has no bit of its own: whoever charges or discharges is told how much by it.
        15: (_M.CHARGE, _M.FIXED_W),
        16: (_M.DISCHARGE, _M.FIXED_W),
    },
    fixed_points=True,
    # Not connected, so and available, connected, so and available, so and operating, under test.
    connections={1: 0b0000, 2: 0b0010, 3: 0b0001, 4: 0b0011, 5: 0b0111, 6: 0b1000},
)
