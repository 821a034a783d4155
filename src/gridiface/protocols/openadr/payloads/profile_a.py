"""The A profile: bare payloads in a namespace of their own, made from and turned into those of the B profile.

Owns what must be left out towards an A VEN: everything but one SIMPLE signal, four kinds of targets, no
modification texts, no baselines, no units (A profile; rules 7, 113). The ei, pyld and xcal parts are the same.
"""

from __future__ import annotations

import dataclasses

from lxml import etree

from gridiface.errors import LocalProtocolError
from gridiface.protocols.openadr.payloads import event
from gridiface.protocols.openadr.payloads.common import EiResponse, EiTarget
from gridiface.protocols.openadr.payloads.envelope import Payload
from gridiface.protocols.openadr.payloads.event import CurrentValue, EiCreatedEvent, EiEvent, EiRequestEvent
from gridiface.protocols.openadr.payloads.namespaces import EI, OADR_A, PYLD, V_A
from gridiface.protocols.openadr.payloads.stream import PayloadFloat
from gridiface.protocols.xmlwire import (
    DEFAULT_LIMITS,
    Limits,
    WireObject,
    decode_rearranged,
    element,
    encode,
    parse,
    plain,
    wire,
)
from gridiface.protocols.xmlwire.primitives import STRING, enumeration

_RESPONSE_REQUIRED = enumeration("ResponseRequiredType", ("always", "never"))


@wire(V_A, ns=OADR_A, name="oadrEvent")
class OadrEventA(WireObject):
    """One event and whether it must be answered."""

    eiEvent: EiEvent = element(EiEvent, ns=EI)
    oadrResponseRequired: str = element(_RESPONSE_REQUIRED)


@wire(V_A, ns=OADR_A, name="oadrDistributeEvent")
class OadrDistributeEventA(WireObject):
    """All events that concern a VEN."""

    eiResponse: EiResponse | None = element(EiResponse, default=None, ns=EI)
    requestID: str = element(STRING, ns=PYLD)
    vtnID: str = element(STRING, ns=EI)
    oadrEvent: list[OadrEventA] = element(OadrEventA, default_factory=list)


@wire(V_A, ns=OADR_A, name="oadrRequestEvent")
class OadrRequestEventA(WireObject):
    """Ask for the events; the A profile's poll."""

    eiRequestEvent: EiRequestEvent = element(EiRequestEvent, ns=PYLD)


@wire(V_A, ns=OADR_A, name="oadrCreatedEvent")
class OadrCreatedEventA(WireObject):
    """The VEN's answer to a distribute."""

    eiCreatedEvent: EiCreatedEvent = element(EiCreatedEvent, ns=PYLD)


@wire(V_A, ns=OADR_A, name="oadrResponse")
class OadrResponseA(WireObject):
    """The answer where no other is defined; without venID."""

    eiResponse: EiResponse = element(EiResponse, ns=EI)


_RECEIVED = (OadrRequestEventA, OadrCreatedEventA, OadrResponseA, OadrDistributeEventA)


def decode_a(data: bytes, limits: Limits = DEFAULT_LIMITS) -> tuple[Payload, etree._Element]:
    """The B payload that means the same as the A document `data`, and the document's tree.

    Raises:
        RemoteProtocolError: not such a document; answers as xmlwire's.
    """
    root = parse(data, limits)
    return _to_b(decode_rearranged(root, _RECEIVED)[0]), root


def _to_b(found: WireObject) -> Payload:
    payload: Payload
    if isinstance(found, OadrRequestEventA):
        payload = event.OadrRequestEvent(eiRequestEvent=found.eiRequestEvent)
    elif isinstance(found, OadrCreatedEventA):
        payload = event.OadrCreatedEvent(eiCreatedEvent=found.eiCreatedEvent)
    elif isinstance(found, OadrResponseA):
        payload = event.OadrResponse(eiResponse=found.eiResponse)
    elif isinstance(found, OadrDistributeEventA):
        payload = event.OadrDistributeEvent(
            eiResponse=found.eiResponse,
            requestID=found.requestID,
            vtnID=found.vtnID,
            oadrEvent=[
                event.OadrEvent(eiEvent=one.eiEvent, oadrResponseRequired=one.oadrResponseRequired)
                for one in found.oadrEvent
            ],
        )
    else:
        raise LocalProtocolError(f"{type(found).__name__} is no payload of the A profile")
    return payload


def encode_a(payload: Payload) -> bytes:
    """The A document of a B payload; events without a SIMPLE signal are left out, as an A VEN cannot have them.

    Raises:
        LocalProtocolError: the A profile has no such payload.
    """
    made: WireObject
    match payload:
        case event.OadrDistributeEvent():
            made = OadrDistributeEventA(
                eiResponse=payload.eiResponse,
                requestID=payload.requestID,
                vtnID=payload.vtnID,
                oadrEvent=[reduced for one in payload.oadrEvent if (reduced := _reduce(one)) is not None],
            )
        case event.OadrResponse():
            made = OadrResponseA(eiResponse=payload.eiResponse)
        case event.OadrCreatedEvent():
            made = OadrCreatedEventA(eiCreatedEvent=payload.eiCreatedEvent)
        case event.OadrRequestEvent():
            made = OadrRequestEventA(eiRequestEvent=payload.eiRequestEvent)
        case _:
            raise LocalProtocolError(f"the A profile has no {type(payload).__name__}")
    return encode(made)


def _reduce(one: event.OadrEvent) -> OadrEventA | None:
    whole = one.eiEvent
    simple = next((s for s in whole.eiEventSignals.eiEventSignal if s.signalName in {"SIMPLE", "simple"}), None)
    if simple is None:
        return None
    signal = dataclasses.replace(
        simple,
        signalName="simple",
        eiTarget=None,
        itemBase=None,
        currentValue=simple.currentValue or CurrentValue(payloadFloat=PayloadFloat(value=0.0)),
    )
    target = EiTarget(
        groupID=whole.eiTarget.groupID,
        resourceID=whole.eiTarget.resourceID,
        venID=whole.eiTarget.venID,
        partyID=whole.eiTarget.partyID,
    )
    if target.is_empty() and not whole.eiTarget.is_empty():
        return None  # It would become an event for everything the VEN has.
    descriptor = dataclasses.replace(plain(whole.eventDescriptor), modificationDateTime=None, modificationReason=None)
    reduced = dataclasses.replace(
        whole,
        eventDescriptor=descriptor,
        eiActivePeriod=plain(whole.eiActivePeriod),
        eiEventSignals=event.EiEventSignals(eiEventSignal=[signal]),
        eiTarget=target,
    )
    return OadrEventA(eiEvent=reduced, oadrResponseRequired=one.oadrResponseRequired)
