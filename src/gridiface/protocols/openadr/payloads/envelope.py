"""The envelope: oadrPayload around oadrSignedObject around one of the 23 payloads; and the bare A-profile payloads.

Owns bytes <-> payload without signatures; signature.py adds those to the same bytes.
"""

from __future__ import annotations

from typing import Any

from lxml import etree

from gridiface.errors import RemoteProtocolError
from gridiface.protocols.openadr.payloads import event, opt, registration, report
from gridiface.protocols.openadr.payloads.namespaces import DS, EI, OADR, TOKEN_ID, oadr
from gridiface.protocols.openadr.payloads.partly import UnreadEvent, decode_partly, partly_read
from gridiface.protocols.xmlwire import (
    DEFAULT_LIMITS,
    Limits,
    WireObject,
    attribute,
    decode_rearranged,
    element,
    encode,
)
from gridiface.protocols.xmlwire import parse as parse_xml
from gridiface.protocols.xmlwire.primitives import RAW_XML

Payload = (
    event.OadrDistributeEvent
    | event.OadrCreatedEvent
    | event.OadrRequestEvent
    | event.OadrResponse
    | opt.OadrCancelOpt
    | opt.OadrCanceledOpt
    | opt.OadrCreateOpt
    | opt.OadrCreatedOpt
    | report.OadrCancelReport
    | report.OadrCanceledReport
    | report.OadrCreateReport
    | report.OadrCreatedReport
    | report.OadrRegisterReport
    | report.OadrRegisteredReport
    | report.OadrUpdateReport
    | report.OadrUpdatedReport
    | registration.OadrCancelPartyRegistration
    | registration.OadrCanceledPartyRegistration
    | registration.OadrCreatePartyRegistration
    | registration.OadrCreatedPartyRegistration
    | registration.OadrRequestReregistration
    | registration.OadrQueryRegistration
    | event.OadrPoll
)

#: The payloads in the order of the schema's choice.
PAYLOADS: tuple[type[WireObject], ...] = (
    event.OadrDistributeEvent,
    event.OadrCreatedEvent,
    event.OadrRequestEvent,
    event.OadrResponse,
    opt.OadrCancelOpt,
    opt.OadrCanceledOpt,
    opt.OadrCreateOpt,
    opt.OadrCreatedOpt,
    report.OadrCancelReport,
    report.OadrCanceledReport,
    report.OadrCreateReport,
    report.OadrCreatedReport,
    report.OadrRegisterReport,
    report.OadrRegisteredReport,
    report.OadrUpdateReport,
    report.OadrUpdatedReport,
    registration.OadrCancelPartyRegistration,
    registration.OadrCanceledPartyRegistration,
    registration.OadrCreatePartyRegistration,
    registration.OadrCreatedPartyRegistration,
    registration.OadrRequestReregistration,
    registration.OadrQueryRegistration,
    event.OadrPoll,
)

#: The Id that a signature refers to; also what other implementations use.
SIGNED_OBJECT_ID = "oadrSignedObject"


@oadr
class OadrSignedObject(WireObject):
    """The part of the envelope that a signature covers."""

    Id: str | None = attribute(TOKEN_ID, default=None, ns=OADR)
    payload: Payload = element(PAYLOADS)


@oadr
class OadrPayload(WireObject):
    """The root of every B-profile document."""

    Signature: bytes | None = element(RAW_XML, default=None, ns=DS)
    oadrSignedObject: OadrSignedObject = element(OadrSignedObject)


_VERSION = f"{{{EI}}}schemaVersion"
_PAYLOAD_TAGS = frozenset(f"{{{OADR}}}{cls.__name__[0].lower()}{cls.__name__[1:]}" for cls in PAYLOADS)
_ROOTS: tuple[type[WireObject], ...] = (OadrPayload, *PAYLOADS)


def encode_payload(payload: Payload) -> bytes:
    """The unsigned document of `payload`.

    Raises:
        LocalProtocolError: the payload is not valid.
    """
    return encode(OadrPayload(oadrSignedObject=OadrSignedObject(Id=SIGNED_OBJECT_ID, payload=payload)))


def decode_payload(data: bytes, limits: Limits = DEFAULT_LIMITS) -> tuple[Payload, etree._Element]:
    """The payload of a document, and the document's tree, which a signature check needs.

    A payload without its envelope is taken as it is: it is what several peers send that do not sign. So are elements
    that do not stand in the schema's order or carry another namespace of the profile than theirs. Where a payload
    does not say its schemaVersion, which the schema allows and rule 509 does not, that is None. Where single events of
    an oadrDistributeEvent cannot be read, it is a PartlyRead with the others.

    Raises:
        RemoteProtocolError: not an OpenADR 2.0b document; answers as xmlwire's.
    """
    root = parse_xml(data, limits)
    unread: list[UnreadEvent] = []
    try:
        found, read = decode_rearranged(root, _ROOTS)
    except RemoteProtocolError:
        partly = decode_partly(root, _ROOTS)
        if partly is None:
            raise
        found, read, unread = partly
    if not isinstance(found, OadrPayload):
        payload: Any = found
        element_ = read
    else:
        payload = found.oadrSignedObject.payload
        (element_,) = (child for child in read[-1] if child.tag in _PAYLOAD_TAGS)
    if _VERSION not in element_.attrib and "schemaVersion" not in element_.attrib:
        payload.schemaVersion = None
    return partly_read(payload, unread) if unread else payload, root
