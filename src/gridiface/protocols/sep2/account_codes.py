"""The coded values of prices, bills and prepaid supplies (IEEE 2030.5-2018), with the standard's numbers."""

from __future__ import annotations

from enum import IntEnum


class ChargeKind(IntEnum):
    """Charge.kind."""

    CONSUMPTION = 0
    REBATE = 1
    AUXILIARY = 2
    DEMAND = 3
    TAX = 4


class CostKind(IntEnum):
    """EnvironmentalCost.costKind: grams per unit, or percent for the last."""

    CARBON_DIOXIDE = 0
    SULFUR_DIOXIDE = 1
    NITROGEN_OXIDES = 2
    RENEWABLE_SHARE = 3


class PrepayMode(IntEnum):
    """Prepayment.prepayMode."""

    CENTRAL_WALLET = 0
    ESI = 1
    LOCAL = 2
    CREDIT = 3


class CreditStatus(IntEnum):
    """AccountBalance.creditStatus."""

    OK = 0
    LOW = 1
    EXHAUSTED = 2
    NEGATIVE = 3


class CreditType(IntEnum):
    """Which credit is used."""

    REGULAR = 0
    EMERGENCY = 1
    REGULAR_THEN_EMERGENCY = 2
    EMERGENCY_THEN_REGULAR = 3


class ServiceStatus(IntEnum):
    """PrepayOperationStatus.serviceStatus."""

    CONNECTED = 0
    DISCONNECTED = 1
    ARMED_FOR_CONNECT = 2
    ARMED_FOR_DISCONNECT = 3
    NO_CONTACTOR = 4
    LOAD_LIMITED = 5
