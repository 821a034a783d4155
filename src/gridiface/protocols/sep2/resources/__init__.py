"""Declarations of the IEEE 2030.5 wire types, one file per function set.

Owns the registry: which global element has which class, link or simple type. Importing it declares everything. What
it imports is what it offers: each class is named once here, beside the function set that declares it.

Attributes carry the element's own name, except where that is also the class's name: then its first word is in lower
case (`EventStatus` -> `eventStatus`, `DERControlBase` -> `derControlBase`). The members of every list are `members`.
"""

from __future__ import annotations

from gridiface.protocols.sep2.primitives import NAMESPACE, SEP2, SIMPLE_TYPES
from gridiface.protocols.sep2.resources.billing import (
    BillingMeterReadingBase,
    BillingPeriod,
    BillingPeriodList,
    BillingReading,
    BillingReadingList,
    BillingReadingSet,
    BillingReadingSetList,
    Charge,
    CustomerAccount,
    CustomerAccountList,
    CustomerAgreement,
    CustomerAgreementList,
    HistoricalReading,
    HistoricalReadingList,
    ProjectionReading,
    ProjectionReadingList,
    ServiceSupplier,
    ServiceSupplierList,
    TargetReading,
    TargetReadingList,
)
from gridiface.protocols.sep2.resources.common import (
    DateTimeInterval,
    Error,
    Event,
    EventStatus,
    GPSLocationType,
    IdentifiedObject,
    Link,
    List,
    ListLink,
    RandomizableEvent,
    Resource,
    RespondableIdentifiedObject,
    RespondableResource,
    RespondableSubscribableIdentifiedObject,
    SubscribableIdentifiedObject,
    SubscribableList,
    SubscribableResource,
)
from gridiface.protocols.sep2.resources.configuration import (
    Configuration,
    PowerConfiguration,
    PriceResponseCfg,
    PriceResponseCfgList,
    TimeConfiguration,
)
from gridiface.protocols.sep2.resources.csipaus import ConnectionPoint
from gridiface.protocols.sep2.resources.dcap import (
    DeviceCapability,
)
from gridiface.protocols.sep2.resources.der import (
    CurveData,
    DefaultDERControl,
    DERControl,
    DERControlBase,
    DERControlList,
    DERCurve,
    DERCurveList,
    DERProgram,
    DERProgramList,
    FixedVar,
    FreqDroopType,
)
from gridiface.protocols.sep2.resources.der_info import (
    DER,
    ConnectStatusType,
    DERAvailability,
    DERCapability,
    DERList,
    DERSettings,
    DERStatus,
    InverterStatusType,
    LocalControlModeStatusType,
    ManufacturerStatusType,
    OperationalModeStatusType,
    StateOfChargeStatusType,
    StorageModeStatusType,
)
from gridiface.protocols.sep2.resources.device_information import (
    DeviceInformation,
    DRLCCapabilities,
    SupportedLocale,
    SupportedLocaleList,
)
from gridiface.protocols.sep2.resources.drlc import (
    ApplianceLoadReduction,
    DemandResponseProgram,
    DemandResponseProgramList,
    DutyCycle,
    EndDeviceControl,
    EndDeviceControlList,
    LoadShedAvailability,
    LoadShedAvailabilityList,
    Offset,
    SetPoint,
    TargetReduction,
)
from gridiface.protocols.sep2.resources.edev import (
    AbstractDevice,
    DeviceStatus,
    EndDevice,
    EndDeviceList,
    Registration,
    SelfDevice,
    Temperature,
)
from gridiface.protocols.sep2.resources.file import (
    File,
    FileList,
    FileStatus,
)
from gridiface.protocols.sep2.resources.flow import (
    FlowReservationRequest,
    FlowReservationRequestList,
    FlowReservationResponse,
    FlowReservationResponseList,
    RequestStatus,
)
from gridiface.protocols.sep2.resources.fsa import (
    FunctionSetAssignments,
    FunctionSetAssignmentsBase,
    FunctionSetAssignmentsList,
)
from gridiface.protocols.sep2.resources.links import LINKS, LIST_LINKS
from gridiface.protocols.sep2.resources.log import (
    LogEvent,
    LogEventList,
)
from gridiface.protocols.sep2.resources.messaging import (
    MessagingProgram,
    MessagingProgramList,
    TextMessage,
    TextMessageList,
)
from gridiface.protocols.sep2.resources.metering import (
    MeterReading,
    MeterReadingBase,
    MeterReadingList,
    Reading,
    ReadingBase,
    ReadingList,
    ReadingSet,
    ReadingSetBase,
    ReadingSetList,
    ReadingType,
    UsagePoint,
    UsagePointBase,
    UsagePointList,
)
from gridiface.protocols.sep2.resources.mirror import (
    MirrorMeterReading,
    MirrorMeterReadingList,
    MirrorReadingSet,
    MirrorUsagePoint,
    MirrorUsagePointList,
)
from gridiface.protocols.sep2.resources.network import (
    Ieee802154,
    IPAddr,
    IPAddrList,
    IPInterface,
    IPInterfaceList,
    LLInterface,
    LLInterfaceList,
    LoWPAN,
    Neighbor,
    NeighborList,
    RPLInstance,
    RPLInstanceList,
    RPLSourceRoutes,
    RPLSourceRoutesList,
)
from gridiface.protocols.sep2.resources.power_status import (
    PEVInfo,
    PowerStatus,
)
from gridiface.protocols.sep2.resources.prepayment import (
    AccountBalance,
    AccountingUnit,
    CreditRegister,
    CreditRegisterList,
    CreditTypeChange,
    Prepayment,
    PrepaymentList,
    PrepayOperationStatus,
    ServiceChange,
    SupplyInterruptionOverride,
    SupplyInterruptionOverrideList,
)
from gridiface.protocols.sep2.resources.pricing import (
    ConsumptionTariffInterval,
    ConsumptionTariffIntervalList,
    ConsumptionTariffIntervalListSummary,
    EnvironmentalCost,
    RateComponent,
    RateComponentList,
    TariffProfile,
    TariffProfileList,
    TimeTariffInterval,
    TimeTariffIntervalList,
)
from gridiface.protocols.sep2.resources.quantities import (
    ActivePower,
    AmpereHour,
    ApparentPower,
    CurrentRMS,
    FixedPointType,
    PowerFactor,
    PowerFactorWithExcitation,
    ReactivePower,
    ReactiveSusceptance,
    RealEnergy,
    SignedRealEnergy,
    UnitValueType,
    UnsignedFixedPointType,
    VoltageRMS,
    WattHour,
)
from gridiface.protocols.sep2.resources.response import (
    AppliedTargetReduction,
    DERControlResponse,
    DrResponse,
    FlowReservationResponseResponse,
    PriceResponse,
    Response,
    ResponseList,
    ResponseSet,
    ResponseSetList,
    TextResponse,
)
from gridiface.protocols.sep2.resources.subscription import (
    Condition,
    Notification,
    NotificationList,
    Subscription,
    SubscriptionBase,
    SubscriptionList,
)
from gridiface.protocols.sep2.resources.time import (
    Time,
)
from gridiface.protocols.xmlwire import WireObject

# Every link is a global element and a type of its own in the schema, and nothing else than a Link or a ListLink.
for _name in sorted(LINKS | LIST_LINKS):
    _link = ListLink if _name in LIST_LINKS else Link
    SEP2.elements.setdefault((NAMESPACE, _name), _link)
    SEP2.types.setdefault((NAMESPACE, _name), _link)

ELEMENTS: dict[str, type[WireObject]] = {
    name: cls for (space, name), cls in SEP2.elements.items() if space == NAMESPACE
}
"""Global element name -> class, for all complex types of the standard's own namespace."""
