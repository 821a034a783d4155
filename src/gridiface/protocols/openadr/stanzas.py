"""The XMPP profile of OpenADR 2.0b as names and mappings: discovery nodes, services, errors. No stanza is sent here.

A payload travels as the child of an IQ of type set; the IQ result is what HTTP 200 is, an empty result an empty 200,
and an IQ error one of the HTTP statuses that simple HTTP has (profile: transport mechanisms, XMPP; rule 507).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gridiface.errors import RemoteProtocolError
from gridiface.protocols.openadr.exchange import DOCUMENT_LIMITS
from gridiface.protocols.openadr.payloads.envelope import Payload, decode_payload
from gridiface.protocols.openadr.payloads.namespaces import OADR
from gridiface.protocols.xmlwire import Limits

#: The child of an IQ that is ours, as `{namespace}name`.
PAYLOAD_TAG = f"{{{OADR}}}oadrPayload"

#: XEP-0030: what a VTN's JID says of itself in disco#info, and the node under which it lists its services.
FEATURE = "http://openadr.org/openadr2"
SERVICES_NODE = "http://openadr.org/openadr2#services"

SERVICES = ("EiEvent", "EiReport", "EiRegisterParty", "EiOpt")
_NODE = "http://openadr.org/OpenADR2/"


@dataclass(frozen=True, slots=True)
class StanzaError:
    """An IQ error: a defined condition of RFC 6120 section 8.3.3 and its type."""

    condition: str
    kind: str


_ERRORS: Mapping[int, StanzaError] = {
    400: StanzaError("bad-request", "modify"),
    403: StanzaError("forbidden", "auth"),
    404: StanzaError("feature-not-implemented", "cancel"),
    406: StanzaError("bad-request", "modify"),
    413: StanzaError("policy-violation", "modify"),
    501: StanzaError("feature-not-implemented", "cancel"),
    503: StanzaError("resource-constraint", "wait"),
}
_OTHER = StanzaError("internal-server-error", "cancel")

#: What an answered error means to a sender, as an HTTP status. Conditions that are not here say that nobody is there.
_STATUSES: Mapping[str, int] = {
    "bad-request": 406,
    "not-acceptable": 406,
    "jid-malformed": 406,
    "forbidden": 403,
    "not-authorized": 403,
    "not-allowed": 403,
    "policy-violation": 413,
    "feature-not-implemented": 404,
    "resource-constraint": 503,
    "internal-server-error": 500,
    "undefined-condition": 500,
}


def service_node(service: str) -> str:
    """The disco node of a service's item."""
    return _NODE + service


def services_of(items: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Service -> JID, from the (JID, node) items of a services node; the first item of a service counts."""
    found: dict[str, str] = {}
    names = {service_node(service): service for service in SERVICES}
    for jid, node in items:
        service = names.get(node)
        if service is not None:
            found.setdefault(service, jid)
    return found


def service_of_local_part(local: str) -> str:
    """The service whose name a JID's local part is, in any case of letters; "" for any other."""
    return next((service for service in SERVICES if service.lower() == local.lower()), "")


def error_of(status: int) -> StanzaError:
    """The IQ error that says what an HTTP status says."""
    return _ERRORS.get(status, _OTHER)


def status_of(condition: str) -> int | None:
    """The HTTP status that an IQ error's condition stands for; None: nobody took the payload, it may be sent again."""
    return _STATUSES.get(condition)


def payload_of(document: bytes, limits: Limits = DOCUMENT_LIMITS) -> Payload:
    """The payload of an IQ's child.

    Raises:
        RemoteProtocolError: `answer` is 406; not an OpenADR 2.0b document.
    """
    try:
        payload, _ = decode_payload(document, limits)
    except RemoteProtocolError as error:
        raise RemoteProtocolError(error.reason, answer=406 if error.answer == 400 else error.answer) from None
    return payload
