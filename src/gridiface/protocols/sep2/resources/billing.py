"""Billing: accounts, agreements, periods and the readings they are billed on."""

from __future__ import annotations

from gridiface.protocols.sep2.primitives import (
    CHARGE_KIND,
    INT32,
    INT48,
    POWER_OF_TEN,
    SEP2,
    STRING20,
    STRING32,
    STRING42,
    TIME,
    UINT16,
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
from gridiface.protocols.sep2.resources.metering import MeterReadingBase, ReadingBase, ReadingSetBase
from gridiface.protocols.xmlwire import WireObject, attribute, element, wire


@wire(SEP2)
class Charge(WireObject):
    """An amount on a bill; kind per enums.ChargeKind."""

    description: str | None = element(STRING20, default=None)
    kind: int | None = element(CHARGE_KIND, default=None)
    value: int = element(INT32)


@wire(SEP2)
class BillingReading(ReadingBase):
    """A reading with its charges."""

    charge: list[Charge] = element(Charge, "Charge", default_factory=list)


@wire(SEP2)
class BillingReadingList(List):
    """Billed readings; order timePeriod.start, consumptionBlock, touTier."""

    members: list[BillingReading] = element(BillingReading, "BillingReading", default_factory=list)


@wire(SEP2)
class BillingReadingSet(ReadingSetBase):
    """Billed readings of one period, by link."""

    BillingReadingListLink: ListLink | None = element(ListLink, default=None)


@wire(SEP2)
class BillingReadingSetList(SubscribableList):
    """Billed reading sets; newest period first, then mRID descending."""

    members: list[BillingReadingSet] = element(BillingReadingSet, "BillingReadingSet", default_factory=list)


@wire(SEP2)
class BillingPeriod(Resource):
    """A period of a bill, with its amounts so far."""

    billLastPeriod: int | None = element(INT48, default=None)
    billToDate: int | None = element(INT48, default=None)
    interval: DateTimeInterval = element(DateTimeInterval)
    statusTimeStamp: int | None = element(TIME, default=None)


@wire(SEP2)
class BillingPeriodList(SubscribableList):
    """Billing periods; newest first."""

    members: list[BillingPeriod] = element(BillingPeriod, "BillingPeriod", default_factory=list)


@wire(SEP2)
class BillingMeterReadingBase(MeterReadingBase):
    """A billed quantity."""

    BillingReadingSetListLink: ListLink | None = element(ListLink, default=None)
    ReadingTypeLink: Link | None = element(Link, default=None)


@wire(SEP2)
class HistoricalReading(BillingMeterReadingBase):
    """A quantity as it was."""


@wire(SEP2)
class HistoricalReadingList(List):
    """Quantities as they were; order description, then mRID descending."""

    members: list[HistoricalReading] = element(HistoricalReading, "HistoricalReading", default_factory=list)


@wire(SEP2)
class ProjectionReading(BillingMeterReadingBase):
    """A quantity as it is expected."""


@wire(SEP2)
class ProjectionReadingList(List):
    """Quantities as they are expected; order description, then mRID descending."""

    members: list[ProjectionReading] = element(ProjectionReading, "ProjectionReading", default_factory=list)


@wire(SEP2)
class TargetReading(BillingMeterReadingBase):
    """A quantity as it is wished."""


@wire(SEP2)
class TargetReadingList(List):
    """Quantities as they are wished; order description, then mRID descending."""

    members: list[TargetReading] = element(TargetReading, "TargetReading", default_factory=list)


@wire(SEP2)
class CustomerAgreement(IdentifiedObject):
    """What a customer is supplied with, where, and at which tariff."""

    ActiveBillingPeriodListLink: ListLink | None = element(ListLink, default=None)
    ActiveProjectionReadingListLink: ListLink | None = element(ListLink, default=None)
    ActiveTargetReadingListLink: ListLink | None = element(ListLink, default=None)
    BillingPeriodListLink: ListLink | None = element(ListLink, default=None)
    HistoricalReadingListLink: ListLink | None = element(ListLink, default=None)
    PrepaymentLink: Link | None = element(Link, default=None)
    ProjectionReadingListLink: ListLink | None = element(ListLink, default=None)
    serviceAccount: str | None = element(STRING42, default=None)
    serviceLocation: str | None = element(STRING42, default=None)
    TargetReadingListLink: ListLink | None = element(ListLink, default=None)
    TariffProfileLink: Link | None = element(Link, default=None)
    UsagePointLink: Link | None = element(Link, default=None)


@wire(SEP2)
class CustomerAgreementList(SubscribableList):
    """Agreements; order serviceLocation, then mRID descending."""

    members: list[CustomerAgreement] = element(CustomerAgreement, "CustomerAgreement", default_factory=list)


@wire(SEP2)
class CustomerAccount(IdentifiedObject):
    """A customer's account, its currency and scale."""

    currency: int = element(UINT16)
    customerAccount: str | None = element(STRING42, default=None)
    CustomerAgreementListLink: ListLink | None = element(ListLink, default=None)
    customerName: str | None = element(STRING42, default=None)
    pricePowerOfTenMultiplier: int = element(POWER_OF_TEN)
    ServiceSupplierLink: Link | None = element(Link, default=None)


@wire(SEP2)
class CustomerAccountList(SubscribableList):
    """Accounts; order customerName, then mRID descending."""

    pollRate: int | None = attribute(UINT32, default=None)
    members: list[CustomerAccount] = element(CustomerAccount, "CustomerAccount", default_factory=list)


@wire(SEP2)
class ServiceSupplier(IdentifiedObject):
    """Who supplies, and how to reach them."""

    email: str | None = element(STRING32, default=None)
    phone: str | None = element(STRING20, default=None)
    providerID: int | None = element(UINT32, default=None)
    web: str | None = element(STRING42, default=None)


@wire(SEP2)
class ServiceSupplierList(List):
    """Suppliers."""

    members: list[ServiceSupplier] = element(ServiceSupplier, "ServiceSupplier", default_factory=list)
