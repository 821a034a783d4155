"""The coded values of metering (IEEE 2030.5-2018 ReadingType, UsagePoint, Reading), with the standard's numbers."""

from __future__ import annotations

from enum import IntEnum, IntFlag


class Uom(IntEnum):
    """Unit of measure."""

    NOT_APPLICABLE = 0
    AMPERE = 5
    KELVIN = 6
    CELSIUS = 23
    VOLT = 29
    JOULE = 31
    HERTZ = 33
    WATT = 38
    CUBIC_METER = 42
    VA = 61
    VAR = 63
    POWER_FACTOR = 65
    VOLT_SQUARED = 67
    AMPERE_SQUARED = 69
    VAH = 71
    WATT_HOUR = 72
    VARH = 73
    AMPERE_HOUR = 106
    CUBIC_FEET = 119
    CUBIC_FEET_PER_HOUR = 122
    CUBIC_METER_PER_HOUR = 125
    US_GALLON = 128
    US_GALLON_PER_HOUR = 129
    IMPERIAL_GALLON = 130
    IMPERIAL_GALLON_PER_HOUR = 131
    BTU = 132
    BTU_PER_HOUR = 133
    LITER = 134
    LITER_PER_HOUR = 137
    PASCAL_GAUGE = 140
    PASCAL_ABSOLUTE = 155
    THERM = 169


class Kind(IntEnum):
    """What kind of quantity is measured."""

    NOT_APPLICABLE = 0
    CURRENCY = 3
    DEMAND = 8
    ENERGY = 12
    POWER = 37


class Phase(IntEnum):
    """Which conductors are measured."""

    NOT_APPLICABLE = 0
    C = 32
    CN = 33
    CA = 40
    B = 64
    BN = 65
    BC = 66
    A = 128
    AN = 129
    AB = 132
    ABC = 224


class FlowDirection(IntEnum):
    """Forward is to the customer, reverse is from the customer."""

    NOT_APPLICABLE = 0
    FORWARD = 1
    REVERSE = 19


class DataQualifier(IntEnum):
    """What a value says of its period."""

    NOT_APPLICABLE = 0
    AVERAGE = 2
    MAXIMUM = 8
    MINIMUM = 9
    NORMAL = 12
    STANDARD_DEVIATION_POPULATION = 29
    STANDARD_DEVIATION_SAMPLE = 30


class AccumulationBehaviour(IntEnum):
    """How a value came about over time."""

    NOT_APPLICABLE = 0
    CUMULATIVE = 3
    DELTA_DATA = 4
    INDICATING = 6
    SUMMATION = 9
    INSTANTANEOUS = 12


class Commodity(IntEnum):
    """What is measured."""

    NOT_APPLICABLE = 0
    ELECTRICITY_SECONDARY = 1
    ELECTRICITY_PRIMARY = 2
    AIR = 4
    NATURAL_GAS = 7
    PROPANE = 8
    POTABLE_WATER = 9
    STEAM = 10
    WASTE_WATER = 11
    HEATING_FLUID = 12
    COOLING_FLUID = 13


class ServiceKind(IntEnum):
    """Service of a usage point."""

    ELECTRICITY = 0
    GAS = 1
    WATER = 2
    TIME = 3
    PRESSURE = 4
    HEAT = 5
    COOLING = 6


class RoleFlags(IntFlag):
    """Roles of a usage point."""

    IS_MIRROR = 1 << 0
    IS_PREMISES_AGGREGATION_POINT = 1 << 1
    IS_PEV = 1 << 2
    IS_DER = 1 << 3
    IS_REVENUE_QUALITY = 1 << 4
    IS_DC = 1 << 5
    IS_SUBMETER = 1 << 6


class QualityFlags(IntFlag):
    """Quality of a reading."""

    VALID = 1 << 0
    EDITED = 1 << 1
    ESTIMATED_REFERENCE_DAY = 1 << 2
    ESTIMATED_INTERPOLATION = 1 << 3
    QUESTIONABLE = 1 << 4
    DERIVED = 1 << 5
    PROJECTED = 1 << 6
