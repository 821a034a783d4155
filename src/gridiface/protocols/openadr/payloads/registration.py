"""Payloads of EiRegisterParty."""

from __future__ import annotations

from gridiface.protocols.openadr.payloads.common import EiResponse
from gridiface.protocols.openadr.payloads.namespaces import (
    DURATION,
    EI,
    OADR,
    PYLD,
    SCHEMA_VERSION,
    SCHEMA_VERSIONS,
    XCAL,
    V,
    oadr,
    token,
)
from gridiface.protocols.xmlwire import WireObject, attribute, element, wire
from gridiface.protocols.xmlwire.primitives import BOOLEAN, STRING

PROFILES = ("2.0a", "2.0b")
TRANSPORTS = ("simpleHttp", "xmpp")
SERVICES = ("EiEvent", "EiOpt", "EiReport", "EiRegisterParty", "OadrPoll")
_PROFILE_NAME = token("oadrProfileType", PROFILES)
_TRANSPORT_NAME = token("oadrTransportType", TRANSPORTS)
_SERVICE_NAME = token("oadrServiceNameType", SERVICES)


@oadr
class OadrTransports(WireObject):
    """Names of transports."""

    oadrTransport: list[str] = element(_TRANSPORT_NAME, inside="oadrTransportName", default_factory=list, at_least=1)


@oadr
class OadrProfile(WireObject):
    """One profile and the transports it is offered on."""

    oadrProfileName: str = element(_PROFILE_NAME)
    oadrTransports: OadrTransports = element(OadrTransports)


@oadr
class OadrProfiles(WireObject):
    """All that the VTN offers."""

    oadrProfile: list[OadrProfile] = element(OadrProfile, default_factory=list, at_least=1)


@wire(V, ns=OADR, name="oadrInfo")
class OadrInfo(WireObject):
    """A key and its value."""

    oadrKey: str = element(STRING)
    oadrValue: str = element(STRING)


@oadr
class OadrService(WireObject):
    """Facts about one service."""

    oadrServiceName: str = element(_SERVICE_NAME)
    oadrInfo: list[OadrInfo] = element(OadrInfo, default_factory=list, at_least=1)


@oadr
class OadrServiceSpecificInfo(WireObject):
    """Facts about services."""

    oadrService: list[OadrService] = element(OadrService, default_factory=list)


@oadr
class OadrExtension(WireObject):
    """An extension that both sides have agreed on."""

    oadrExtensionName: str = element(STRING)
    oadrInfo: list[OadrInfo] = element(OadrInfo, default_factory=list)


@oadr
class OadrExtensions(WireObject):
    """Extensions."""

    oadrExtension: list[OadrExtension] = element(OadrExtension, default_factory=list)


@oadr
class OadrQueryRegistration(WireObject):
    """Ask what the VTN offers."""

    schemaVersion: str | None = attribute(SCHEMA_VERSIONS, default=SCHEMA_VERSION, ns=EI)
    requestID: str = element(STRING, ns=PYLD, assumed=str)


@oadr
class OadrCreatePartyRegistration(WireObject):
    """Register, or with both IDs register again."""

    schemaVersion: str | None = attribute(SCHEMA_VERSIONS, default=SCHEMA_VERSION, ns=EI)
    requestID: str = element(STRING, ns=PYLD, assumed=str)
    registrationID: str | None = element(STRING, default=None, ns=EI)
    venID: str | None = element(STRING, default=None, ns=EI)
    oadrProfileName: str = element(_PROFILE_NAME)
    oadrTransportName: str = element(_TRANSPORT_NAME)
    oadrTransportAddress: str | None = element(STRING, default=None)
    oadrReportOnly: bool = element(BOOLEAN, assumed=bool)
    oadrXmlSignature: bool = element(BOOLEAN, assumed=bool)
    oadrVenName: str | None = element(STRING, default=None)
    oadrHttpPullModel: bool | None = element(BOOLEAN, default=None)


@oadr
class OadrCreatedPartyRegistration(WireObject):
    """What the VTN offers, and once registered the IDs."""

    schemaVersion: str | None = attribute(SCHEMA_VERSIONS, default=SCHEMA_VERSION, ns=EI)
    eiResponse: EiResponse = element(EiResponse, ns=EI)
    registrationID: str | None = element(STRING, default=None, ns=EI)
    venID: str | None = element(STRING, default=None, ns=EI)
    vtnID: str = element(STRING, ns=EI)
    oadrProfiles: OadrProfiles = element(OadrProfiles)
    oadrRequestedOadrPollFreq: int | None = element(DURATION, default=None, inside=("duration", XCAL), unit="s")
    oadrServiceSpecificInfo: OadrServiceSpecificInfo | None = element(OadrServiceSpecificInfo, default=None)
    oadrExtensions: OadrExtensions | None = element(OadrExtensions, default=None)


@oadr
class OadrCancelPartyRegistration(WireObject):
    """End a registration, from either side."""

    schemaVersion: str | None = attribute(SCHEMA_VERSIONS, default=SCHEMA_VERSION, ns=EI)
    requestID: str = element(STRING, ns=PYLD, assumed=str)
    registrationID: str = element(STRING, ns=EI)
    venID: str | None = element(STRING, default=None, ns=EI)


@oadr
class OadrCanceledPartyRegistration(WireObject):
    """Answer to oadrCancelPartyRegistration."""

    schemaVersion: str | None = attribute(SCHEMA_VERSIONS, default=SCHEMA_VERSION, ns=EI)
    eiResponse: EiResponse = element(EiResponse, ns=EI)
    registrationID: str | None = element(STRING, default=None, ns=EI)
    venID: str | None = element(STRING, default=None, ns=EI)


@oadr
class OadrRequestReregistration(WireObject):
    """The VTN wants the VEN to register again."""

    schemaVersion: str | None = attribute(SCHEMA_VERSIONS, default=SCHEMA_VERSION, ns=EI)
    venID: str = element(STRING, ns=EI)
