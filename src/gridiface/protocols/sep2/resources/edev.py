"""End devices and the server itself as devices: identity, registration and status."""

from __future__ import annotations

from gridiface.protocols.sep2.primitives import (
    BOOLEAN,
    CSIP_AUS,
    DEVICE_CATEGORY,
    HEX160,
    INT16,
    PIN,
    POWER_OF_TEN,
    SEP2,
    SFDI,
    TIME,
    UINT8,
    UINT16,
    UINT32,
)
from gridiface.protocols.sep2.resources.common import Link, ListLink, Resource, SubscribableList, SubscribableResource
from gridiface.protocols.xmlwire import WireObject, attribute, element, wire


@wire(SEP2)
class AbstractDevice(SubscribableResource):
    """What end devices and the server's own device have in common; lFDI and sFDI come from the certificate."""

    ConfigurationLink: Link | None = element(Link, default=None)
    DERListLink: ListLink | None = element(ListLink, default=None)
    deviceCategory: int | None = element(DEVICE_CATEGORY, default=None)
    DeviceInformationLink: Link | None = element(Link, default=None)
    DeviceStatusLink: Link | None = element(Link, default=None)
    FileStatusLink: Link | None = element(Link, default=None)
    IPInterfaceListLink: ListLink | None = element(ListLink, default=None)
    lFDI: str | None = element(HEX160, default=None)
    LoadShedAvailabilityListLink: ListLink | None = element(ListLink, default=None)
    LogEventListLink: ListLink | None = element(ListLink, default=None)
    PowerStatusLink: Link | None = element(Link, default=None)
    sFDI: int = element(SFDI)


@wire(SEP2)
class EndDevice(AbstractDevice):
    """A device as the server knows it; changedTime moves with every change of it."""

    changedTime: int = element(TIME)
    enabled: bool | None = element(BOOLEAN, default=None)
    FlowReservationRequestListLink: ListLink | None = element(ListLink, default=None)
    FlowReservationResponseListLink: ListLink | None = element(ListLink, default=None)
    FunctionSetAssignmentsListLink: ListLink | None = element(ListLink, default=None)
    postRate: int | None = element(UINT32, default=None, unit="s")
    RegistrationLink: Link | None = element(Link, default=None)
    SubscriptionListLink: ListLink | None = element(ListLink, default=None)
    # CSIP-AUS: where on the network it is.
    ConnectionPointLink: Link | None = element(Link, default=None, ns=CSIP_AUS, extension=True)


@wire(SEP2)
class EndDeviceList(SubscribableList):
    """The end devices a client may see; order changedTime descending, then sFDI."""

    pollRate: int | None = attribute(UINT32, default=None)
    members: list[EndDevice] = element(EndDevice, "EndDevice", default_factory=list)


@wire(SEP2)
class SelfDevice(AbstractDevice):
    """The server seen as a device."""

    pollRate: int | None = attribute(UINT32, default=None)


@wire(SEP2)
class Registration(Resource):
    """When a device was registered, and the PIN by which it knows the right server."""

    pollRate: int | None = attribute(UINT32, default=None)
    dateTimeRegistered: int = element(TIME)
    pIN: int = element(PIN)


@wire(SEP2)
class Temperature(WireObject):
    """A temperature, value x 10^multiplier degrees Celsius; subject 0 enclosure, 1 transformer, 2 heat sink."""

    multiplier: int = element(POWER_OF_TEN)
    subject: int = element(UINT8)
    value: int = element(INT16)


@wire(SEP2)
class DeviceStatus(Resource):
    """Operating state of a device: opState (enums.OpState), counters and temperatures."""

    pollRate: int | None = attribute(UINT32, default=None)
    changedTime: int = element(TIME)
    onCount: int | None = element(UINT16, default=None)
    opState: int | None = element(UINT8, default=None)
    opTime: int | None = element(UINT32, default=None, unit="s")
    temperature: list[Temperature] = element(Temperature, "Temperature", default_factory=list)
    TimeLink: Link | None = element(Link, default=None)
