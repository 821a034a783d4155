"""Network status: interfaces, addresses, link layers and RPL routing."""

from __future__ import annotations

from gridiface.protocols.sep2.primitives import (
    BITS8,
    BOOLEAN,
    HEX64,
    HEX128,
    INT64,
    SEP2,
    STRING16,
    STRING192,
    UINT8,
    UINT16,
    UINT32,
)
from gridiface.protocols.sep2.resources.common import List, ListLink, Resource
from gridiface.protocols.xmlwire import WireObject, attribute, element, wire


@wire(SEP2)
class IPInterface(Resource):
    """One network interface with its counters; names as in the MIB for interfaces."""

    ifDescr: str | None = element(STRING192, default=None)
    ifHighSpeed: int | None = element(UINT32, default=None, unit="Mbit/s")
    ifInBroadcastPkts: int | None = element(UINT32, default=None)
    ifIndex: int | None = element(UINT32, default=None)
    ifInDiscards: int | None = element(UINT32, default=None)
    ifInErrors: int | None = element(UINT32, default=None)
    ifInMulticastPkts: int | None = element(UINT32, default=None)
    ifInOctets: int | None = element(UINT32, default=None)
    ifInUcastPkts: int | None = element(UINT32, default=None)
    ifInUnknownProtos: int | None = element(UINT32, default=None)
    ifMtu: int | None = element(UINT32, default=None, unit="octets")
    ifName: str | None = element(STRING16, default=None)
    ifOperStatus: int | None = element(UINT8, default=None)
    ifOutBroadcastPkts: int | None = element(UINT32, default=None)
    ifOutDiscards: int | None = element(UINT32, default=None)
    ifOutErrors: int | None = element(UINT32, default=None)
    ifOutMulticastPkts: int | None = element(UINT32, default=None)
    ifOutOctets: int | None = element(UINT32, default=None)
    ifOutUcastPkts: int | None = element(UINT32, default=None)
    ifPromiscuousMode: bool | None = element(BOOLEAN, default=None)
    ifSpeed: int | None = element(UINT32, default=None, unit="bit/s")
    ifType: int | None = element(UINT16, default=None)
    IPAddrListLink: ListLink | None = element(ListLink, default=None)
    lastResetTime: int | None = element(INT64, default=None)
    lastUpdatedTime: int | None = element(INT64, default=None)
    LLInterfaceListLink: ListLink | None = element(ListLink, default=None)


@wire(SEP2)
class IPInterfaceList(List):
    """The network interfaces of a device; order ifIndex ascending."""

    pollRate: int | None = attribute(UINT32, default=None)
    members: list[IPInterface] = element(IPInterface, "IPInterface", default_factory=list)


@wire(SEP2)
class IPAddr(Resource):
    """An IPv6 address as 16 octets."""

    address: str = element(HEX128)
    RPLInstanceListLink: ListLink | None = element(ListLink, default=None)


@wire(SEP2)
class IPAddrList(List):
    """The addresses of an interface."""

    members: list[IPAddr] = element(IPAddr, "IPAddr", default_factory=list)


@wire(SEP2, name="IEEE_802_15_4")
class Ieee802154(WireObject):
    """What is special to an IEEE 802.15.4 link layer."""

    capabilityInfo: int = element(BITS8)
    NeighborListLink: ListLink | None = element(ListLink, default=None)
    shortAddress: int = element(UINT16)


@wire(SEP2, name="loWPAN")
class LoWPAN(WireObject):
    """Counters of a 6LoWPAN adaptation layer."""

    octetsRx: int | None = element(UINT32, default=None)
    octetsTx: int | None = element(UINT32, default=None)
    packetsRx: int = element(UINT32)
    packetsTx: int = element(UINT32)
    rxFragError: int = element(UINT32)


@wire(SEP2)
class LLInterface(Resource):
    """A link layer interface with its counters."""

    CRCerrors: int = element(UINT32)
    EUI64: str = element(HEX64)
    ieee802154: Ieee802154 | None = element(Ieee802154, "IEEE_802_15_4", default=None)
    linkLayerType: int = element(UINT8)
    LLAckNotRx: int | None = element(UINT32, default=None)
    LLCSMAFail: int | None = element(UINT32, default=None)
    LLFramesDropRx: int | None = element(UINT32, default=None)
    LLFramesDropTx: int | None = element(UINT32, default=None)
    LLFramesRx: int | None = element(UINT32, default=None)
    LLFramesTx: int | None = element(UINT32, default=None)
    LLMediaAccessFail: int | None = element(UINT32, default=None)
    LLOctetsRx: int | None = element(UINT32, default=None)
    LLOctetsTx: int | None = element(UINT32, default=None)
    LLRetryCount: int | None = element(UINT32, default=None)
    LLSecurityErrorRx: int | None = element(UINT32, default=None)
    loWPAN: LoWPAN | None = element(LoWPAN, default=None)


@wire(SEP2)
class LLInterfaceList(List):
    """Link layer interfaces; order EUI64 ascending."""

    members: list[LLInterface] = element(LLInterface, "LLInterface", default_factory=list)


@wire(SEP2)
class Neighbor(Resource):
    """A neighbour in an IEEE 802.15.4 network."""

    isChild: bool = element(BOOLEAN)
    linkQuality: int = element(UINT8)
    shortAddress: int = element(UINT16)


@wire(SEP2)
class NeighborList(List):
    """The neighbours of a link layer interface."""

    members: list[Neighbor] = element(Neighbor, "Neighbor", default_factory=list)


@wire(SEP2)
class RPLInstance(Resource):
    """One instance of the RPL routing protocol (RFC 6550)."""

    DODAGid: int = element(UINT8)
    DODAGroot: bool = element(BOOLEAN)
    flags: int = element(UINT8)
    groundedFlag: bool = element(BOOLEAN)
    MOP: int = element(UINT8)
    PRF: int = element(UINT8)
    rank: int = element(UINT16)
    RPLInstanceID: int = element(UINT8)
    RPLSourceRoutesListLink: ListLink | None = element(ListLink, default=None)
    versionNumber: int = element(UINT8)


@wire(SEP2)
class RPLInstanceList(List):
    """RPL instances; order DODAGid, then RPLInstanceID."""

    members: list[RPLInstance] = element(RPLInstance, "RPLInstance", default_factory=list)


@wire(SEP2)
class RPLSourceRoutes(Resource):
    """A source route to an address."""

    DestAddress: str = element(HEX128)
    SourceRoute: str = element(HEX128)


@wire(SEP2)
class RPLSourceRoutesList(List):
    """Source routes; order SourceRoute, then DestAddress."""

    members: list[RPLSourceRoutes] = element(RPLSourceRoutes, "RPLSourceRoutes", default_factory=list)
