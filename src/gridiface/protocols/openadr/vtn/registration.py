"""EiRegisterParty of a VTN: query, create, re-register, cancel from either side, request re-registration.

Owns who is registered and which identity a request has (rules 400 to 407, 517). Does not own certificates: the shell
says which fingerprint a peer showed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from gridiface.addresses import Scope, scope_of
from gridiface.protocols.openadr.answers import Code, Refusal, ok, request_id_of, succeeded, ven_id_of
from gridiface.protocols.openadr.payloads.common import EiResponse
from gridiface.protocols.openadr.payloads.envelope import Payload
from gridiface.protocols.openadr.payloads.event import OadrResponse
from gridiface.protocols.openadr.payloads.registration import (
    OadrCanceledPartyRegistration,
    OadrCancelPartyRegistration,
    OadrCreatedPartyRegistration,
    OadrCreatePartyRegistration,
    OadrProfile,
    OadrProfiles,
    OadrQueryRegistration,
    OadrRequestReregistration,
    OadrTransports,
)
from gridiface.protocols.openadr.vtn import mailbox as box
from gridiface.protocols.openadr.vtn.entities import Ven
from gridiface.protocols.openadr.vtn.mailbox import Mailbox
from gridiface.protocols.openadr.vtn.notices import CertificateDropped, VenCancelled, VenRegistered
from gridiface.protocols.openadr.vtn.state import State


@dataclass(frozen=True, slots=True)
class Peer:
    """Who sent a request, as the transport knows.

    Attributes:
        fingerprint: of the client certificate; "" only where TLS is off, which is for tests.
        profile: "2.0a" on the A profile's URL.
        version_lost: whether what carries the payloads drops their schemaVersion: servers of XMPP write the prefixes of
            a stanza anew and lose attributes that have one, so nobody can be held to it there.
    """

    fingerprint: str = ""
    profile: str = "2.0b"
    version_lost: bool = False


class Registrar:
    """Registrations of one VTN."""

    def __init__(self, state: State, mailbox: Mailbox, leave_out: Callable[[str], None]) -> None:
        self._state = state
        self._mailbox = mailbox
        self._leave_out = leave_out

    def identify(self, payload: Payload, peer: Peer) -> Ven:
        """The registered VEN that sent `payload`.

        Raises:
            Refusal: 463 not registered, or the certificate is not that VEN's; 452 a venID that is not its own;
                459 no venID where only the venID could tell.
        """
        named = ven_id_of(payload)
        known = self._state.vens.get(named) if named else None
        if peer.fingerprint:
            return self._identify_by_certificate(named, known, peer.fingerprint)
        if named is None:
            raise Refusal(Code.COMPLIANCE, "the venID is missing")
        if known is None:
            raise Refusal(Code.INVALID_ID, "the venID is not known")
        if known.fingerprint or not known.registered:
            raise Refusal(Code.NOT_REGISTERED, "this VEN is not registered or not authorized")
        return known

    def _identify_by_certificate(self, named: str | None, known: Ven | None, fingerprint: str) -> Ven:
        ven = self._state.by_fingerprint(fingerprint)
        if ven is None or not ven.registered:
            raise Refusal(Code.NOT_REGISTERED, "this VEN is not registered")
        if named is not None and named != ven.venID:
            if known is not None:
                raise Refusal(Code.NOT_REGISTERED, "the certificate is not that of the VEN named")
            raise Refusal(Code.INVALID_ID, "the venID is not the one given at registration")
        return ven

    def created(self, answer: EiResponse, ven: Ven | None = None) -> OadrCreatedPartyRegistration:
        """What the VTN offers; with `ven` its IDs and, for pull, the poll frequency (rules 403, 404)."""
        config = self._state.config
        profiles = [
            OadrProfile(oadrProfileName=name, oadrTransports=OadrTransports(oadrTransport=list(transports)))
            for name, transports in sorted(config.profiles.items())
        ]
        pull = ven is None or ven.pull
        return OadrCreatedPartyRegistration(
            eiResponse=answer,
            registrationID=ven.registrationID if ven else None,
            venID=ven.venID if ven else None,
            vtnID=config.vtn_id,
            oadrProfiles=OadrProfiles(oadrProfile=profiles),
            oadrRequestedOadrPollFreq=config.poll_frequency if pull else None,
        )

    def query(self, payload: OadrQueryRegistration, peer: Peer) -> Payload:
        """Answer oadrQueryRegistration; anybody may ask."""
        ven = self._state.by_fingerprint(peer.fingerprint)
        return self.created(ok(payload.requestID), ven if ven and ven.registrationID else None)

    def create(self, payload: OadrCreatePartyRegistration, peer: Peer, now: float) -> Payload:
        """Register or register again.

        Raises:
            Refusal: details that cannot be, a party that may not register, or IDs that are not those of a registration.
        """
        self._check_details(payload, over_tls=bool(peer.fingerprint))
        ven = self._party(payload, peer)
        again = payload.registrationID is not None
        if again and (ven.registrationID != payload.registrationID or payload.venID is None):
            raise Refusal(Code.INVALID_ID, "the registrationID and venID are not those of a registration")
        _take_details(ven, payload)
        if not again:
            # A create without IDs is a full restart, whatever was before (rule 406).
            self.erase(ven.venID)
            ven.registrationID = self._state.new_id()
            ven.registered_at = now
            self._mailbox.post(ven.venID, box.REGISTER_REPORT)
            if self._state.events_of(ven.venID):
                self._mailbox.post(ven.venID, box.EVENTS)
        ven.last_seen = now
        self._state.save("ven", ven.venID)
        self._mailbox.withdraw(ven.venID, box.REREGISTER, box.CANCEL_REGISTRATION)
        self._state.notices.append(VenRegistered(venID=ven.venID, registrationID=ven.registrationID or "", again=again))
        return self.created(ok(payload.requestID), ven)

    def cancel(self, payload: OadrCancelPartyRegistration, ven: Ven) -> Payload:
        """The VEN cancels; everything of it is forgotten (rule 407).

        Raises:
            Refusal: the registrationID is not its own.
        """
        if payload.registrationID != ven.registrationID:
            raise Refusal(Code.INVALID_ID, "the registrationID is not known")
        registration = ven.registrationID
        self.end(ven, "ven")
        return OadrCanceledPartyRegistration(
            eiResponse=ok(payload.requestID), registrationID=registration, venID=ven.venID
        )

    def canceled(self, payload: OadrCanceledPartyRegistration, ven: Ven) -> Payload:
        """The VEN answers our cancellation.

        Raises:
            Refusal: none was asked for.
        """
        entry = self._mailbox.answered(ven.venID, box.CANCEL_REGISTRATION, request_id=payload.eiResponse.requestID)
        if entry is None:
            raise Refusal(Code.INVALID_ID, "no cancellation was asked for")
        # A VEN whose first answer was lost is not registered any more, and says so.
        if succeeded(payload.eiResponse) or int(payload.eiResponse.responseCode) == Code.NOT_REGISTERED:
            self.end(ven, "vtn")
        return OadrResponse(eiResponse=ok(request_id_of(payload)), venID=ven.venID)

    def end(self, ven: Ven, by: str) -> None:
        """End a registration without a word to the VEN."""
        self.erase(ven.venID)
        ven.registrationID = None
        self._state.save("ven", ven.venID)
        self._state.notices.append(VenCancelled(venID=ven.venID, by=by))

    def erase(self, ven_id: str) -> None:
        """Forget reports, opts, deliveries and what waits for a VEN; the VEN itself and its events stay."""
        self._mailbox.clear(ven_id)
        for kind in ("reports", "opts", "delivery"):
            self._state.forget(kind, ven_id)

    def drop(self, ven_id: str) -> None:
        """Forget a VEN wholly; its events go on without it."""
        self.erase(ven_id)
        self._leave_out(ven_id)
        self._state.forget("ven", ven_id)
        self._state.notices.append(CertificateDropped(venID=ven_id))

    def cancellation(self, ven: Ven, request_id: str) -> Payload | None:
        """Our oadrCancelPartyRegistration; None when there is no registration."""
        if ven.registrationID is None:
            return None
        return OadrCancelPartyRegistration(requestID=request_id, registrationID=ven.registrationID, venID=ven.venID)

    @staticmethod
    def reregistration(ven: Ven) -> Payload:
        """Our oadrRequestReregistration."""
        return OadrRequestReregistration(venID=ven.venID)

    def _party(self, payload: OadrCreatePartyRegistration, peer: Peer) -> Ven:
        """Who wants to register: known by certificate, by venID, or new where that is allowed."""
        named = self._state.vens.get(payload.venID) if payload.venID else None
        if peer.fingerprint:
            return self._party_by_certificate(payload, named, peer.fingerprint)
        if named is not None:
            if named.fingerprint:
                raise Refusal(Code.NOT_REGISTERED, "this VEN must show its certificate")
            return named
        if payload.venID or payload.registrationID:
            raise Refusal(Code.INVALID_ID, "the venID is not known")
        # Without certificates a name is all that tells a VEN that starts anew from a new one.
        same = [v for v in self._state.vens.values() if v.name and v.name == payload.oadrVenName and not v.fingerprint]
        return same[0] if len(same) == 1 else self._newcomer("")

    def _party_by_certificate(self, payload: OadrCreatePartyRegistration, named: Ven | None, fingerprint: str) -> Ven:
        known = self._state.by_fingerprint(fingerprint)
        if known is not None:
            if payload.venID and payload.venID != known.venID:
                raise Refusal(Code.INVALID_ID, "the venID is not that of the certificate")
            return known
        if named is not None:
            raise Refusal(Code.NOT_REGISTERED, "the certificate is not that of the VEN named")
        if payload.venID or payload.registrationID:
            raise Refusal(Code.INVALID_ID, "the venID is not known")
        return self._newcomer(fingerprint)

    def _newcomer(self, fingerprint: str) -> Ven:
        config = self._state.config
        if config.open_registration and len(self._state.vens) >= config.most_vens:
            self._make_room()
        if not config.open_registration or len(self._state.vens) >= config.most_vens:
            raise Refusal(Code.NOT_REGISTERED, "this VEN is not known here")
        ven = Ven(venID=self._state.new_id(), fingerprint=fingerprint, newcomer=True)
        self._state.add("ven", ven.venID, ven)
        return ven

    def _make_room(self) -> None:
        """Forget newcomers that have cancelled their registration, those first that were not seen for the longest."""
        left = [ven for ven in self._state.vens.values() if ven.newcomer and not ven.registered]
        # A hundredth at a time: who fills the list looks through it no more often than that.
        most = max(1, self._state.config.most_vens // 100)
        for ven in sorted(left, key=lambda one: one.last_seen or 0.0)[:most]:
            self.drop(ven.venID)

    def _check_details(self, payload: OadrCreatePartyRegistration, *, over_tls: bool) -> None:
        transports = self._state.config.profiles.get(payload.oadrProfileName)
        if transports is None or payload.oadrTransportName not in transports:
            raise Refusal(Code.INVALID_DATA, "this profile or transport is not offered")
        if not _pulls(payload) and _address(payload) is None:
            raise Refusal(Code.COMPLIANCE, "push needs an oadrTransportAddress")
        if payload.oadrTransportName == "simpleHttp" and not _pulls(payload) and not _leads_somewhere(payload):
            raise Refusal(Code.INVALID_DATA, "the oadrTransportAddress is not an http or https address")
        if over_tls and not _pulls(payload) and _is_clear(_address(payload) or ""):
            raise Refusal(Code.INVALID_DATA, "the oadrTransportAddress has to be an https address (rule 67)")


def _pulls(payload: OadrCreatePartyRegistration) -> bool:
    return payload.oadrTransportName == "simpleHttp" and payload.oadrHttpPullModel is not False


def _address(payload: OadrCreatePartyRegistration) -> str | None:
    # One VEN implementation sends the text None for no address.
    said = (payload.oadrTransportAddress or "").strip()
    return None if said in {"", "None"} else said


def _leads_somewhere(payload: OadrCreatePartyRegistration) -> bool:
    try:
        parts = urlsplit(_address(payload) or "")
        # The service's path goes behind it, which a query or fragment would swallow.
        plain = not (parts.query or parts.fragment)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0 and plain
    except ValueError:
        return False


def _is_clear(address: str) -> bool:
    """Whether what is sent there leaves this machine without TLS."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    return parts.scheme == "http" and host != "localhost" and scope_of(host) is not Scope.LOOPBACK


def _take_details(ven: Ven, payload: OadrCreatePartyRegistration) -> None:
    ven.profile = payload.oadrProfileName
    ven.transport = payload.oadrTransportName
    ven.pull = _pulls(payload)
    ven.address = None if ven.pull else _address(payload)
    ven.report_only = payload.oadrReportOnly
    ven.signature = payload.oadrXmlSignature
    ven.name = payload.oadrVenName or ven.name
