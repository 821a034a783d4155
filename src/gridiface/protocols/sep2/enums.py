"""The coded values of IEEE 2030.5-2018: enumerations and bit maps, with the standard's numbers.

Wire types hold plain int, because the standard reserves values that a later edition may use: compare with these, and
keep what is unknown. The codes of DER, of metering and of accounts are in files of their own, and can be had from here.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag

from gridiface.protocols.sep2.account_codes import (
    ChargeKind,
    CostKind,
    CreditStatus,
    CreditType,
    PrepayMode,
    ServiceStatus,
)
from gridiface.protocols.sep2.der_codes import (
    CURVE_MODES,
    MODE_BITS,
    ConnectStatus,
    DERAlarm,
    DERControlModes,
    DERCurveType,
    DERType,
    DERUnitRefType,
    DOEControlModes,
    InverterStatus,
    LocalControlMode,
    OperationalMode,
    StorageMode,
)
from gridiface.protocols.sep2.reading_codes import (
    AccumulationBehaviour,
    Commodity,
    DataQualifier,
    FlowDirection,
    Kind,
    Phase,
    QualityFlags,
    RoleFlags,
    ServiceKind,
    Uom,
)

__all__ = [
    "CURVE_MODES",
    "MODE_BITS",
    "AccumulationBehaviour",
    "BatteryStatus",
    "ChargeKind",
    "Commodity",
    "ConnectStatus",
    "CostKind",
    "CreditStatus",
    "CreditType",
    "DERAlarm",
    "DERControlModes",
    "DERCurveType",
    "DERType",
    "DERUnitRefType",
    "DOEControlModes",
    "DataQualifier",
    "DeviceCategory",
    "Encoding",
    "ErrorReason",
    "EventStatusCode",
    "FileLoadStatus",
    "FileType",
    "FlowDirection",
    "FunctionsImplemented",
    "InverterStatus",
    "Kind",
    "LocalControlMode",
    "LogFunctionSet",
    "LogProfile",
    "MessagePriority",
    "NotificationStatus",
    "OpState",
    "OperationalMode",
    "Phase",
    "PowerSource",
    "PrepayMode",
    "QualityFlags",
    "RequestStatusCode",
    "ResponseRequired",
    "ResponseStatus",
    "RoleFlags",
    "ServiceKind",
    "ServiceStatus",
    "StorageMode",
    "Subscribable",
    "TimeQuality",
    "UnitType",
    "Uom",
]


class Subscribable(IntEnum):
    """@subscribable: which subscriptions a resource takes."""

    NONE = 0
    UNCONDITIONAL = 1
    CONDITIONAL = 2
    BOTH = 3


class EventStatusCode(IntEnum):
    """EventStatus.currentStatus; an event that has ended has no code of its own."""

    SCHEDULED = 0
    ACTIVE = 1
    CANCELLED = 2
    CANCELLED_WITH_RANDOMIZATION = 3
    SUPERSEDED = 4


class ResponseRequired(IntFlag):
    """@responseRequired: which responses a resource wants."""

    RECEIVED = 1
    SPECIFIC = 2
    CUSTOMER = 4


class ResponseStatus(IntEnum):
    """Response.status (table 27)."""

    RECEIVED = 1
    STARTED = 2
    COMPLETED = 3
    OPTED_OUT = 4
    OPTED_IN = 5
    CANCELLED = 6
    SUPERSEDED = 7
    PARTIALLY_COMPLETED_OPT_OUT = 8
    PARTIALLY_COMPLETED_OPT_IN = 9
    COMPLETED_NO_PARTICIPATION = 10
    ACKNOWLEDGED = 11
    CANNOT_BE_DISPLAYED = 12
    ABORTED_OTHER_SERVER = 13
    ABORTED_OTHER_PROGRAM = 14
    REJECTED_NOT_APPLICABLE = 252
    REJECTED_INVALID = 253
    REJECTED_EXPIRED = 254


class ErrorReason(IntEnum):
    """Error.reasonCode."""

    INVALID_FORMAT = 0
    INVALID_VALUES = 1
    RESOURCE_LIMIT = 2
    CONDITION_NOT_SUPPORTED = 3
    TOO_FREQUENT = 4


class NotificationStatus(IntEnum):
    """Notification.status: 0 is a change, the others end the subscription."""

    DEFAULT = 0
    CANCELLED = 1
    MOVED = 2
    DEFINITION_CHANGED = 3
    DELETED = 4


class Encoding(IntEnum):
    """Subscription.encoding."""

    XML = 0
    EXI = 1


class TimeQuality(IntEnum):
    """Time.quality; lower is better, 7 is deliberately uncoordinated."""

    EXTERNAL_AUTHORITATIVE = 3
    FROM_LEVEL_3 = 4
    MANUAL_OR_LEVEL_4 = 5
    FROM_LEVEL_5 = 6
    UNCOORDINATED = 7


class OpState(IntEnum):
    """DeviceStatus.opState."""

    UNKNOWN = 0
    NOT_OPERATING = 1
    OPERATING = 2
    STARTING = 3
    SHUTTING_DOWN = 4
    AT_DISCONNECT_LEVEL = 5
    ACTIVE_POWER_RAMPING = 6
    REACTIVE_POWER_RAMPING = 7


class FunctionsImplemented(IntFlag):
    """DeviceInformation.functionsImplemented."""

    DEVICE_CAPABILITY = 1 << 0
    SELF_DEVICE = 1 << 1
    END_DEVICE = 1 << 2
    FUNCTION_SET_ASSIGNMENTS = 1 << 3
    SUBSCRIPTION = 1 << 4
    RESPONSE = 1 << 5
    TIME = 1 << 6
    DEVICE_INFORMATION = 1 << 7
    POWER_STATUS = 1 << 8
    NETWORK_STATUS = 1 << 9
    LOG_EVENT = 1 << 10
    CONFIGURATION = 1 << 11
    SOFTWARE_DOWNLOAD = 1 << 12
    DRLC = 1 << 13
    METERING = 1 << 14
    PRICING = 1 << 15
    MESSAGING = 1 << 16
    BILLING = 1 << 17
    PREPAYMENT = 1 << 18
    FLOW_RESERVATION = 1 << 19
    DER_CONTROL = 1 << 20


class PowerSource(IntEnum):
    """PowerSourceType."""

    NONE = 0
    MAINS = 1
    BATTERY = 2
    LOCAL_GENERATION = 3
    EMERGENCY = 4
    UNKNOWN = 5


class BatteryStatus(IntEnum):
    """PowerStatus.batteryStatus."""

    UNKNOWN = 0
    NORMAL = 1
    LOW = 2
    DEPLETED = 3
    NOT_APPLICABLE = 4


class LogFunctionSet(IntEnum):
    """LogEvent.functionSet of profile 2030.5."""

    GENERAL = 0
    SUBSCRIPTION = 1
    END_DEVICE = 2
    FUNCTION_SET_ASSIGNMENTS = 3
    RESPONSE = 4
    DRLC = 5
    METERING = 6
    PRICING = 7
    MESSAGING = 8
    BILLING = 9
    PREPAYMENT = 10
    DER = 11
    TIME = 12
    SOFTWARE_DOWNLOAD = 13
    DEVICE_INFORMATION = 14
    POWER_STATUS = 15
    NETWORK_STATUS = 16
    LOG_EVENT_LIST = 17
    CONFIGURATION = 18
    SECURITY = 19


class LogProfile(IntEnum):
    """LogEvent.profileID: whose codes these are."""

    NOT_SPECIFIC = 0
    VENDOR = 1
    IEEE_2030_5 = 2
    HOME_AUTOMATION = 3
    BUILDING_AUTOMATION = 4


class FileType(IntEnum):
    """File.type; 0x8000 and above belong to the maker."""

    SOFTWARE = 0
    CREDENTIAL = 1
    CONFIGURATION = 2
    LOG = 3


class FileLoadStatus(IntEnum):
    """FileStatus.status."""

    IDLE = 0
    LOADING = 1
    LOAD_FAILED = 2
    LOADED_VERIFYING = 3
    VERIFICATION_FAILED = 4
    WAITING_TO_ACTIVATE = 5
    ACTIVATION_FAILED = 6
    ACTIVATING = 7
    ACTIVATED = 8


class UnitType(IntEnum):
    """Unit of a target reduction."""

    KWH = 0
    KW = 1
    WATTS = 2
    CUBIC_METERS = 3
    CUBIC_FEET = 4
    US_GALLONS = 5
    IMPERIAL_GALLONS = 6
    BTU = 7
    LITERS = 8
    KPA_GAUGE = 9
    KPA_ABSOLUTE = 10
    MEGAJOULE = 11
    UNITLESS = 12


class MessagePriority(IntEnum):
    """TextMessage.priority."""

    LOW = 0
    NORMAL = 1
    HIGH = 2
    CRITICAL = 3


class RequestStatusCode(IntEnum):
    """RequestStatus.requestStatus of a flow reservation."""

    REQUESTED = 0
    CANCELLED = 1


class DeviceCategory(IntFlag):
    """DeviceCategoryType."""

    THERMOSTAT = 1 << 0
    STRIP_HEATER = 1 << 1
    BASEBOARD_HEATER = 1 << 2
    WATER_HEATER = 1 << 3
    POOL_PUMP = 1 << 4
    SAUNA = 1 << 5
    HOT_TUB = 1 << 6
    SMART_APPLIANCE = 1 << 7
    IRRIGATION_PUMP = 1 << 8
    COMMERCIAL_INDUSTRIAL_LOAD = 1 << 9
    SIMPLE_LOAD = 1 << 10
    EXTERIOR_LIGHTING = 1 << 11
    INTERIOR_LIGHTING = 1 << 12
    LOAD_CONTROL_SWITCH = 1 << 13
    ENERGY_MANAGEMENT_SYSTEM = 1 << 14
    SMART_ENERGY_MODULE = 1 << 15
    ELECTRIC_VEHICLE = 1 << 16
    EVSE = 1 << 17
    VIRTUAL_OR_MIXED_DER = 1 << 18
    RECIPROCATING_ENGINE = 1 << 19
    FUEL_CELL = 1 << 20
    PHOTOVOLTAIC = 1 << 21
    COMBINED_HEAT_AND_POWER = 1 << 22
    PHOTOVOLTAIC_AND_STORAGE = 1 << 23
    OTHER_GENERATION = 1 << 24
    OTHER_STORAGE = 1 << 25
