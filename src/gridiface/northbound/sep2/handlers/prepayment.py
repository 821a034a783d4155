"""Prepayment: what a prepaid supply, its credits and its overrides must be. The utility writes them.

A device adds a credit only where a verifier of tokens is configured: handlers/credits.py.
"""

from __future__ import annotations

from collections.abc import Mapping

from gridiface.northbound.sep2.published.preparing import Place, Rule
from gridiface.northbound.sep2.served.services import bad_value
from gridiface.protocols.sep2.enums import CreditStatus, CreditType, PrepayMode, ServiceStatus
from gridiface.protocols.sep2.resources import (
    AccountBalance,
    CreditRegister,
    Prepayment,
    PrepayOperationStatus,
    SupplyInterruptionOverride,
)


def _check_prepayment(prepayment: Prepayment, place: Place) -> None:
    if prepayment.prepayMode not in set(PrepayMode):
        raise bad_value(f"prepayMode {prepayment.prepayMode} is not defined")


def _check_balance(balance: AccountBalance, place: Place) -> None:
    for status in (balance.creditStatus, balance.emergencyCreditStatus):
        if status is not None and status not in set(CreditStatus):
            raise bad_value(f"credit status {status} is not defined")


def _check_operation(status: PrepayOperationStatus, place: Place) -> None:
    if status.serviceStatus not in set(ServiceStatus):
        raise bad_value(f"serviceStatus {status.serviceStatus} is not defined")
    if status.creditTypeInUse is not None and status.creditTypeInUse not in set(CreditType):
        raise bad_value(f"credit type {status.creditTypeInUse} is not defined")


def _check_credit(credit: CreditRegister, place: Place) -> None:
    if not credit.token.strip():
        raise bad_value("a credit is proved by its token")
    if any(member.token == credit.token for member in place.members):
        raise bad_value("a token counts once")
    if credit.creditType is not None and credit.creditType not in set(CreditType):
        raise bad_value(f"credit type {credit.creditType} is not defined")


def _check_override(override: SupplyInterruptionOverride, place: Place) -> None:
    if not override.interval.duration:
        raise bad_value("an override lasts at least a second")


RULES: Mapping[type, Rule] = {
    Prepayment: _check_prepayment,
    AccountBalance: _check_balance,
    PrepayOperationStatus: _check_operation,
    CreditRegister: _check_credit,
    SupplyInterruptionOverride: _check_override,
}
