"""Simple types of IEEE 2030.5-2018 and its namespaces, by the names of the standard's schema.

Facets are those of the schema; ranges that only the standard's text gives are kept as `advised`.
Identifiers (mRID, LFDI, addresses) are upper-case hexadecimal text, bit maps are int.
"""

from __future__ import annotations

from gridiface.protocols.xmlwire import Vocabulary
from gridiface.protocols.xmlwire.primitives import (
    ANY_URI,
    BOOLEAN,
    STRING,
    Primitive,
    hex_bits,
    hex_text,
    integer,
    string,
)

NAMESPACE = "urn:ieee:std:2030.5:ns"
CSIP_AUS = "https://csipaus.org/ns"
DEFAULT_POLL_RATE = 900
"""Seconds between polls where a resource carries no pollRate."""

SEP2 = Vocabulary(default=NAMESPACE, prefixes={CSIP_AUS: "csipaus"})

UINT8 = integer("UInt8", 0, 0xFF)
UINT16 = integer("UInt16", 0, 0xFFFF)
UINT32 = integer("UInt32", 0, 0xFFFFFFFF)
UINT40 = integer("UInt40", 0, 2**48 - 1)  # the schema's facet is wider than the name
UINT48 = integer("UInt48", 0, 2**48 - 1)
UINT64 = integer("UInt64", 0, 2**64 - 1)
INT8 = integer("Int8", -(2**7), 2**7 - 1)
INT16 = integer("Int16", -(2**15), 2**15 - 1)
INT32 = integer("Int32", -(2**31), 2**31 - 1)
INT48 = integer("Int48", -(2**47), 2**47)
INT64 = integer("Int64", -(2**63), 2**63 - 1)

BITS8 = hex_bits("HexBinary8", 1)
BITS16 = hex_bits("HexBinary16", 2)
BITS32 = hex_bits("HexBinary32", 4)
HEX48 = hex_text("HexBinary48", 6)
BITS64 = hex_bits("HexBinary64", 8)
HEX64 = hex_text("HexBinary64", 8)
HEX128 = hex_text("HexBinary128", 16)
HEX160 = hex_text("HexBinary160", 20)

STRING6 = string("String6", 6)
STRING16 = string("String16", 16)
STRING20 = string("String20", 20)
STRING32 = string("String32", 32)
STRING42 = string("String42", 42)
STRING192 = string("String192", 192)

SUBSCRIBABLE = UINT8.named("SubscribableType", advised=(0, 3))
TIME = INT64.named("TimeType")
TIME_OFFSET = INT32.named("TimeOffsetType")
ONE_HOUR_RANGE = INT16.named("OneHourRangeType", advised=(-3600, 3600))
MRID = HEX128.named("mRIDType")
VERSION = UINT16.named("VersionType")
PEN = UINT32.named("PENType")
PIN = UINT32.named("PINType", advised=(0, 999_999))
SFDI = UINT40.named("SFDIType", advised=(0, 687_194_767_359))
LOCALE = STRING42.named("LocaleType")
PRIMACY = UINT8.named("PrimacyType")
POWER_OF_TEN = INT8.named("PowerOfTenMultiplierType", advised=(-9, 9))
PERCENT = UINT16.named("PerCent", advised=(0, 10_000))
SIGNED_PERCENT = INT16.named("SignedPerCent", advised=(-10_000, 10_000))
CURRENCY_CODE = UINT16.named("CurrencyCode", advised=(0, 999))
DEVICE_CATEGORY = BITS32.named("DeviceCategoryType")
DST_RULE = BITS32.named("DstRuleType")
ROLE_FLAGS = BITS16.named("RoleFlagsType")
DER_CONTROL_MODES = BITS32.named("DERControlType")

ACCUMULATION_BEHAVIOUR = UINT8.named("AccumulationBehaviourType")
APPLIANCE_LOAD_REDUCTION = UINT8.named("ApplianceLoadReductionType")
CHARGE_KIND = UINT8.named("ChargeKind")
COMMODITY = UINT8.named("CommodityType")
CONSUMPTION_BLOCK = UINT8.named("ConsumptionBlockType", advised=(0, 16))
COST_KIND = UINT8.named("CostKindType")
CREDIT_STATUS = UINT8.named("CreditStatusType")
CREDIT_TYPE = UINT8.named("CreditTypeType")
DATA_QUALIFIER = UINT8.named("DataQualifierType")
DER_CURVE_TYPE = UINT8.named("DERCurveType")
DER_TYPE = UINT8.named("DERType")
DER_UNIT_REF = UINT8.named("DERUnitRefType")
FLOW_DIRECTION = UINT8.named("FlowDirectionType")
KIND = UINT8.named("KindType")
PHASE_CODE = UINT8.named("PhaseCode")
POWER_SOURCE = UINT8.named("PowerSourceType")
PREPAY_MODE = UINT8.named("PrepayModeType")
PRIORITY = UINT8.named("PriorityType")
SERVICE_KIND = UINT8.named("ServiceKind")
SERVICE_STATUS = UINT8.named("ServiceStatusType")
TOU = UINT8.named("TOUType", advised=(0, 15))
UNIT = UINT8.named("UnitType")
UOM = UINT8.named("UomType")

SIMPLE_TYPES: dict[str, Primitive] = {
    value.name: value for value in list(globals().values()) if isinstance(value, Primitive)
}
"""Every simple type by its name in the schema."""

__all__ = [
    "ACCUMULATION_BEHAVIOUR",
    "ANY_URI",
    "APPLIANCE_LOAD_REDUCTION",
    "BITS8",
    "BITS16",
    "BITS32",
    "BITS64",
    "BOOLEAN",
    "CHARGE_KIND",
    "COMMODITY",
    "CONSUMPTION_BLOCK",
    "COST_KIND",
    "CREDIT_STATUS",
    "CREDIT_TYPE",
    "CSIP_AUS",
    "CURRENCY_CODE",
    "DATA_QUALIFIER",
    "DEFAULT_POLL_RATE",
    "DER_CONTROL_MODES",
    "DER_CURVE_TYPE",
    "DER_TYPE",
    "DER_UNIT_REF",
    "DEVICE_CATEGORY",
    "DST_RULE",
    "FLOW_DIRECTION",
    "HEX48",
    "HEX64",
    "HEX128",
    "HEX160",
    "INT8",
    "INT16",
    "INT32",
    "INT48",
    "INT64",
    "KIND",
    "LOCALE",
    "MRID",
    "NAMESPACE",
    "ONE_HOUR_RANGE",
    "PEN",
    "PERCENT",
    "PHASE_CODE",
    "PIN",
    "POWER_OF_TEN",
    "POWER_SOURCE",
    "PREPAY_MODE",
    "PRIMACY",
    "PRIORITY",
    "ROLE_FLAGS",
    "SEP2",
    "SERVICE_KIND",
    "SERVICE_STATUS",
    "SFDI",
    "SIGNED_PERCENT",
    "SIMPLE_TYPES",
    "STRING",
    "STRING6",
    "STRING16",
    "STRING20",
    "STRING32",
    "STRING42",
    "STRING192",
    "SUBSCRIBABLE",
    "TIME",
    "TIME_OFFSET",
    "TOU",
    "UINT8",
    "UINT16",
    "UINT32",
    "UINT40",
    "UINT48",
    "UINT64",
    "UNIT",
    "UOM",
    "VERSION",
]
