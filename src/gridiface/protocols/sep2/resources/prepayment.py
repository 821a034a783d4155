"""Prepayment: balances, credit and supply."""

from __future__ import annotations

from gridiface.protocols.sep2.primitives import (
    CREDIT_STATUS,
    CREDIT_TYPE,
    CURRENCY_CODE,
    INT32,
    POWER_OF_TEN,
    PREPAY_MODE,
    SEP2,
    SERVICE_STATUS,
    STRING32,
    TIME,
    UINT32,
)
from gridiface.protocols.sep2.resources.common import (
    DateTimeInterval,
    IdentifiedObject,
    Link,
    List,
    ListLink,
    Resource,
    SubscribableList,
)
from gridiface.protocols.sep2.resources.metering import UsagePoint
from gridiface.protocols.sep2.resources.quantities import RealEnergy
from gridiface.protocols.xmlwire import WireObject, attribute, element, wire


@wire(SEP2)
class AccountingUnit(WireObject):
    """An amount, value x 10^multiplier, in money or energy."""

    energyUnit: RealEnergy | None = element(RealEnergy, default=None)
    monetaryUnit: int = element(CURRENCY_CODE)
    multiplier: int = element(POWER_OF_TEN)
    value: int = element(INT32)


@wire(SEP2)
class AccountBalance(Resource):
    """The credit left, ordinary and emergency."""

    availableCredit: AccountingUnit = element(AccountingUnit)
    creditStatus: int | None = element(CREDIT_STATUS, default=None)
    emergencyCredit: AccountingUnit | None = element(AccountingUnit, default=None)
    emergencyCreditStatus: int | None = element(CREDIT_STATUS, default=None)


@wire(SEP2)
class CreditRegister(IdentifiedObject):
    """A credit that was added, proved by its token."""

    creditAmount: AccountingUnit = element(AccountingUnit)
    creditType: int | None = element(CREDIT_TYPE, default=None)
    effectiveTime: int = element(TIME)
    token: str = element(STRING32)


@wire(SEP2)
class CreditRegisterList(List):
    """Credits; newest first, then mRID descending."""

    members: list[CreditRegister] = element(CreditRegister, "CreditRegister", default_factory=list)


@wire(SEP2)
class CreditTypeChange(WireObject):
    """When which kind of credit comes into use."""

    newType: int = element(CREDIT_TYPE)
    startTime: int = element(TIME)


@wire(SEP2)
class ServiceChange(WireObject):
    """When the service changes, and to what."""

    newStatus: int = element(SERVICE_STATUS)
    startTime: int = element(TIME)


@wire(SEP2)
class PrepayOperationStatus(Resource):
    """The service now, and its next change."""

    creditTypeChange: CreditTypeChange | None = element(CreditTypeChange, default=None)
    creditTypeInUse: int | None = element(CREDIT_TYPE, default=None)
    serviceChange: ServiceChange | None = element(ServiceChange, default=None)
    serviceStatus: int = element(SERVICE_STATUS)


@wire(SEP2)
class SupplyInterruptionOverride(Resource):
    """A time in which supply is not cut in spite of missing credit."""

    description: str | None = element(STRING32, default=None)
    interval: DateTimeInterval = element(DateTimeInterval)


@wire(SEP2)
class SupplyInterruptionOverrideList(List):
    """Overrides; order start, then duration."""

    members: list[SupplyInterruptionOverride] = element(
        SupplyInterruptionOverride, "SupplyInterruptionOverride", default_factory=list
    )


@wire(SEP2)
class Prepayment(IdentifiedObject):
    """A prepaid supply: its mode, its warnings, and its parts by link."""

    AccountBalanceLink: Link = element(Link)
    ActiveCreditRegisterListLink: ListLink | None = element(ListLink, default=None)
    ActiveSupplyInterruptionOverrideListLink: ListLink | None = element(ListLink, default=None)
    creditExpiryLevel: AccountingUnit | None = element(AccountingUnit, default=None)
    CreditRegisterListLink: ListLink = element(ListLink)
    lowCreditWarningLevel: AccountingUnit | None = element(AccountingUnit, default=None)
    lowEmergencyCreditWarningLevel: AccountingUnit | None = element(AccountingUnit, default=None)
    prepayMode: int = element(PREPAY_MODE)
    PrepayOperationStatusLink: Link = element(Link)
    SupplyInterruptionOverrideListLink: ListLink = element(ListLink)
    usagePoint: list[UsagePoint] = element(UsagePoint, "UsagePoint", default_factory=list)
    UsagePointLink: Link | None = element(Link, default=None)


@wire(SEP2)
class PrepaymentList(SubscribableList):
    """Prepaid supplies; order mRID descending."""

    pollRate: int | None = attribute(UINT32, default=None)
    members: list[Prepayment] = element(Prepayment, "Prepayment", default_factory=list)
