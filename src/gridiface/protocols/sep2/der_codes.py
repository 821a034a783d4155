"""The coded values of DER in IEEE 2030.5-2018: kinds, curves, modes, states and alarms, with the standard's numbers."""

from __future__ import annotations

from enum import IntEnum, IntFlag


class DERType(IntEnum):
    """What a distributed energy resource is (numbers of 2018)."""

    UNKNOWN = 0
    VIRTUAL_OR_MIXED = 1
    RECIPROCATING_ENGINE = 2
    FUEL_CELL = 3
    PHOTOVOLTAIC = 4
    COMBINED_HEAT_AND_POWER = 5
    OTHER_GENERATION = 6
    OTHER_STORAGE = 80
    ELECTRIC_VEHICLE = 81
    EVSE = 82
    PHOTOVOLTAIC_AND_STORAGE = 83


class DERCurveType(IntEnum):
    """What a curve is for (numbers of 2018)."""

    FREQ_WATT = 0
    HFRT_MAY_TRIP = 1
    HFRT_MUST_TRIP = 2
    HVRT_MAY_TRIP = 3
    HVRT_MOMENTARY_CESSATION = 4
    HVRT_MUST_TRIP = 5
    LFRT_MAY_TRIP = 6
    LFRT_MUST_TRIP = 7
    LVRT_MAY_TRIP = 8
    LVRT_MOMENTARY_CESSATION = 9
    LVRT_MUST_TRIP = 10
    VOLT_VAR = 11
    VOLT_WATT = 12
    WATT_PF = 13
    WATT_VAR = 14


class DERUnitRefType(IntEnum):
    """What a percentage of a DER is of."""

    NOT_APPLICABLE = 0
    SET_MAX_W = 1
    SET_MAX_VAR = 2
    STAT_VAR_AVAIL = 3
    SET_EFFECTIVE_V = 4
    SET_MAX_CHARGE_RATE_W = 5
    SET_MAX_DISCHARGE_RATE_W = 6
    STAT_W_AVAIL = 7


class DERControlModes(IntFlag):
    """DERControlType: modesSupported and modesEnabled (bits of 2018)."""

    CHARGE = 1 << 0
    DISCHARGE = 1 << 1
    CONNECT = 1 << 2
    ENERGIZE = 1 << 3
    FIXED_PF_ABSORB_W = 1 << 4
    FIXED_PF_INJECT_W = 1 << 5
    FIXED_VAR = 1 << 6
    FIXED_W = 1 << 7
    FREQ_DROOP = 1 << 8
    FREQ_WATT = 1 << 9
    HFRT_MAY_TRIP = 1 << 10
    HFRT_MUST_TRIP = 1 << 11
    HVRT_MAY_TRIP = 1 << 12
    HVRT_MOMENTARY_CESSATION = 1 << 13
    HVRT_MUST_TRIP = 1 << 14
    LFRT_MAY_TRIP = 1 << 15
    LFRT_MUST_TRIP = 1 << 16
    LVRT_MAY_TRIP = 1 << 17
    LVRT_MOMENTARY_CESSATION = 1 << 18
    LVRT_MUST_TRIP = 1 << 19
    MAX_LIM_W = 1 << 20
    TARGET_VAR = 1 << 21
    TARGET_W = 1 << 22
    VOLT_VAR = 1 << 23
    VOLT_WATT = 1 << 24
    WATT_PF = 1 << 25
    WATT_VAR = 1 << 26


MODE_BITS: dict[str, DERControlModes] = {
    "opModConnect": DERControlModes.CONNECT,
    "opModEnergize": DERControlModes.ENERGIZE,
    "opModFixedPFAbsorbW": DERControlModes.FIXED_PF_ABSORB_W,
    "opModFixedPFInjectW": DERControlModes.FIXED_PF_INJECT_W,
    "opModFixedVar": DERControlModes.FIXED_VAR,
    "opModFixedW": DERControlModes.FIXED_W,
    "opModFreqDroop": DERControlModes.FREQ_DROOP,
    "opModFreqWatt": DERControlModes.FREQ_WATT,
    "opModHFRTMayTrip": DERControlModes.HFRT_MAY_TRIP,
    "opModHFRTMustTrip": DERControlModes.HFRT_MUST_TRIP,
    "opModHVRTMayTrip": DERControlModes.HVRT_MAY_TRIP,
    "opModHVRTMomentaryCessation": DERControlModes.HVRT_MOMENTARY_CESSATION,
    "opModHVRTMustTrip": DERControlModes.HVRT_MUST_TRIP,
    "opModLFRTMayTrip": DERControlModes.LFRT_MAY_TRIP,
    "opModLFRTMustTrip": DERControlModes.LFRT_MUST_TRIP,
    "opModLVRTMayTrip": DERControlModes.LVRT_MAY_TRIP,
    "opModLVRTMomentaryCessation": DERControlModes.LVRT_MOMENTARY_CESSATION,
    "opModLVRTMustTrip": DERControlModes.LVRT_MUST_TRIP,
    "opModMaxLimW": DERControlModes.MAX_LIM_W,
    "opModTargetVar": DERControlModes.TARGET_VAR,
    "opModTargetW": DERControlModes.TARGET_W,
    "opModVoltVar": DERControlModes.VOLT_VAR,
    "opModVoltWatt": DERControlModes.VOLT_WATT,
    "opModWattPF": DERControlModes.WATT_PF,
    "opModWattVar": DERControlModes.WATT_VAR,
}
"""DERControlBase element -> its capability bit; rampTms is no mode and has none."""

CURVE_MODES: dict[str, DERCurveType] = {
    "opModFreqWatt": DERCurveType.FREQ_WATT,
    "opModHFRTMayTrip": DERCurveType.HFRT_MAY_TRIP,
    "opModHFRTMustTrip": DERCurveType.HFRT_MUST_TRIP,
    "opModHVRTMayTrip": DERCurveType.HVRT_MAY_TRIP,
    "opModHVRTMomentaryCessation": DERCurveType.HVRT_MOMENTARY_CESSATION,
    "opModHVRTMustTrip": DERCurveType.HVRT_MUST_TRIP,
    "opModLFRTMayTrip": DERCurveType.LFRT_MAY_TRIP,
    "opModLFRTMustTrip": DERCurveType.LFRT_MUST_TRIP,
    "opModLVRTMayTrip": DERCurveType.LVRT_MAY_TRIP,
    "opModLVRTMomentaryCessation": DERCurveType.LVRT_MOMENTARY_CESSATION,
    "opModLVRTMustTrip": DERCurveType.LVRT_MUST_TRIP,
    "opModVoltVar": DERCurveType.VOLT_VAR,
    "opModVoltWatt": DERCurveType.VOLT_WATT,
    "opModWattPF": DERCurveType.WATT_PF,
    "opModWattVar": DERCurveType.WATT_VAR,
}
"""DERControlBase element that links to a curve -> the curveType it must have."""


class DOEControlModes(IntFlag):
    """CSIP-AUS doeModesSupported and doeModesEnabled."""

    EXP_LIM_W = 1
    IMP_LIM_W = 2
    GEN_LIM_W = 4
    LOAD_LIM_W = 8


class ConnectStatus(IntFlag):
    """genConnectStatus and storConnectStatus."""

    CONNECTED = 1
    AVAILABLE = 2
    OPERATING = 4
    TEST = 8
    FAULT = 16


class InverterStatus(IntEnum):
    """inverterStatus."""

    NOT_APPLICABLE = 0
    OFF = 1
    SLEEPING = 2
    STARTING = 3
    TRACKING = 4
    DERATED = 5
    SHUTTING_DOWN = 6
    FAULT = 7
    STANDBY = 8
    TEST = 9
    MANUFACTURER = 10


class LocalControlMode(IntEnum):
    """localControlModeStatus."""

    LOCAL = 0
    REMOTE = 1


class OperationalMode(IntEnum):
    """operationalModeStatus."""

    NOT_APPLICABLE = 0
    OFF = 1
    OPERATIONAL = 2
    TEST = 3


class StorageMode(IntEnum):
    """storageModeStatus."""

    CHARGING = 0
    DISCHARGING = 1
    HOLDING = 2


class DERAlarm(IntFlag):
    """DERStatus.alarmStatus; alarm bit n has the log event codes 2n (fault) and 2n + 1 (back to normal)."""

    OVER_CURRENT = 1 << 0
    OVER_VOLTAGE = 1 << 1
    UNDER_VOLTAGE = 1 << 2
    OVER_FREQUENCY = 1 << 3
    UNDER_FREQUENCY = 1 << 4
    VOLTAGE_IMBALANCE = 1 << 5
    CURRENT_IMBALANCE = 1 << 6
    EMERGENCY_LOCAL = 1 << 7
    EMERGENCY_REMOTE = 1 << 8
    LOW_POWER_INPUT = 1 << 9
    PHASE_ROTATION = 1 << 10
