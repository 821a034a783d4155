"""Payloads over XMPP, for our VEN and for our VTN: who may speak, to which JID a service goes, answers as payloads.

Stands where the simple HTTP client and listener stand; the connection is xmpp_link's. The XMPP server authenticates
who sends (SASL EXTERNAL, the certificate's name as user name) and stamps the sender's JID, which we hold against what
we know: a VEN listens to its VTN's services only, and the VTN knows each VEN by its bare JID. No signatures here: a
stanza is written anew on its way, so that the text that was signed does not arrive (High security is optional).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from gridiface.domain.clock import Clock, Instant
from gridiface.domain.traffic import Tap
from gridiface.errors import ConfigError, GridifaceError, RemoteProtocolError, StoreUnavailable
from gridiface.northbound.openadr.settings import XmppSettings
from gridiface.northbound.openadr.wire.client import Unreachable
from gridiface.northbound.openadr.wire.telling import over_xmpp
from gridiface.protocols.openadr.payloads.envelope import Payload, encode_payload
from gridiface.protocols.openadr.signature import Trust
from gridiface.protocols.openadr.stanzas import SERVICES, payload_of, service_of_local_part

if TYPE_CHECKING:
    from gridiface.northbound.openadr.wire.xmpp_link import XmppLink

#: What a VEN makes of a payload that its VTN sent.
TakePush = Callable[[Payload], Awaitable[Payload | None]]

#: What a VTN makes of a payload: the payload, the sender's name, the service it was sent to ("" where none is told).
TakeRequest = Callable[[Payload, str, str], Awaitable[Payload | None]]


def bare_jid(jid: str) -> str:
    """A JID without its resource, in lower case."""
    return jid.partition("/")[0].lower()


def peer_name(jid: str, fingerprints: Mapping[str, str]) -> str:
    """What the VTN's core knows an XMPP peer by: its certificate's fingerprint where that is on file, else its JID."""
    bare = bare_jid(jid)
    return fingerprints.get(bare) or f"xmpp:{bare}"


class VenXmpp:
    """Our VEN's way to its VTN. `post` as of PayloadClient; call `start` first, `close` last.

    Args:
        settings: the login.
        take: what comes from the VTN.
        on_up: called at each login.
        clock: when a payload passed, for who listens in.
        timeout_s: of one request.
    """

    def __init__(
        self, settings: XmppSettings, take: TakePush, on_up: Callable[[], None], clock: Clock, timeout_s: float
    ) -> None:
        self._take = take
        self._timeout = timeout_s
        self._clock = clock
        self._services: dict[str, str] = {}
        #: Told of every payload and its answer; None: nobody listens.
        self.tap: Tap | None = None
        self._link = _link(settings, self._inbound, on_up=on_up)

    async def start(self) -> None:
        """Begin to connect.

        Raises:
            ConfigError: the login cannot be made.
        """
        await self._link.start()

    async def close(self) -> None:
        """Log out."""
        await self._link.stop()

    async def post(
        self, base: str, service: str, payload: Payload, now: float, *, trust: Trust | None = None
    ) -> Payload | None:
        """The answer to a payload; None for an empty one. `base` and `trust` belong to simple HTTP.

        Raises:
            Unreachable: no answer came.
            RemoteProtocolError: `answer` is the HTTP status that the IQ error stands for, or 406 for a bad answer.
        """
        del base, trust
        jid = (await self._known()).get(service)
        if jid is None:
            raise RemoteProtocolError(f"the VTN offers no {service} over XMPP", answer=404)
        try:
            document = await _asked(
                self.tap, self._link, jid, encode_payload(payload), self._timeout, bare_jid(jid), now
            )
        except Unreachable:
            # It may have moved: it is looked for again.
            self._services = {}
            raise
        return None if document is None else payload_of(document)

    async def _known(self) -> dict[str, str]:
        if not self._services:
            self._services = await self._link.services(self._timeout)
        return self._services

    async def _inbound(self, document: bytes, sender: str, to: str) -> bytes | None:
        return await _answered(self.tap, self._answer, document, sender, to, bare_jid(sender), self._clock.now())

    async def _answer(self, document: bytes, sender: str, to: str) -> bytes | None:
        del to
        try:
            known = {bare_jid(jid) for jid in (await self._known()).values()}
        except Unreachable as problem:
            raise RemoteProtocolError(str(problem), answer=503) from problem
        if bare_jid(sender) not in known:
            raise RemoteProtocolError(f"{sender} is not our VTN", answer=403)
        try:
            reply = await self._take(payload_of(document))
        except StoreUnavailable as problem:
            raise RemoteProtocolError("the store cannot write", answer=503) from problem
        return None if reply is None else encode_payload(reply)


class VtnXmpp:
    """Our VTN at an XMPP server. `post` as of PayloadClient; call `start` first, `close` last.

    Args:
        settings: the login: as a component, whose services are JIDs of its domain, or as a user.
        fingerprints: bare JID -> what the VEN of that JID is known by in the core.
        take: what comes from VENs.
        clock: when a payload passed, for who listens in.
        timeout_s: of one request.
    """

    def __init__(
        self, settings: XmppSettings, fingerprints: Mapping[str, str], take: TakeRequest, clock: Clock, timeout_s: float
    ) -> None:
        self._fingerprints = dict(fingerprints)
        self._take = take
        self._timeout = timeout_s
        self._clock = clock
        #: Told of every payload and its answer; None: nobody listens.
        self.tap: Tap | None = None
        self._component = settings.component
        # A component has a JID for each service; a user has one for all.
        self._offers = offers = {
            service: f"{service.lower()}@{settings.jid}" if settings.component else settings.jid for service in SERVICES
        }
        self._link = _link(settings, self._inbound, offers=offers)

    async def start(self) -> None:
        """Begin to connect.

        Raises:
            ConfigError: the login cannot be made.
        """
        await self._link.start()

    async def close(self) -> None:
        """Log out."""
        await self._link.stop()

    @property
    def up(self) -> bool:
        """Whether we are logged in."""
        return self._link.up

    def name_of(self, jid: str) -> str:
        """What the core knows the VEN of a JID by."""
        return peer_name(jid, self._fingerprints)

    async def post(
        self, base: str, service: str, payload: Payload, now: float, *, trust: Trust | None = None
    ) -> Payload | None:
        """Push a payload to a VEN's full JID (`base`); the rest as VenXmpp.post."""
        del trust
        sender = self._offers.get(service, "") if self._component else ""
        asked, peer = encode_payload(payload), self.name_of(base)
        document = await _asked(self.tap, self._link, base, asked, self._timeout, peer, now, sender=sender)
        return None if document is None else payload_of(document)

    async def _inbound(self, document: bytes, sender: str, to: str) -> bytes | None:
        return await _answered(self.tap, self._answer, document, sender, to, self.name_of(sender), self._clock.now())

    async def _answer(self, document: bytes, sender: str, to: str) -> bytes | None:
        service = service_of_local_part(to) if self._component else ""
        reply = await self._take(payload_of(document), self.name_of(sender), service)
        return None if reply is None else encode_payload(reply)


async def _asked(
    tap: Tap | None,
    link: XmppLink,
    jid: str,
    asked: bytes,
    timeout_s: float,
    peer: str,
    at: Instant,
    *,
    sender: str = "",
) -> bytes | None:
    """Send a payload, and tell the trace what came of it."""
    try:
        said = await link.request(jid, asked, timeout_s, sender=sender)
    except GridifaceError as problem:
        if tap is not None:
            tap(over_xmpp(asked, None, peer, jid, at=at, received=False, problem=str(problem)))
        raise
    if tap is not None:
        tap(over_xmpp(asked, said, peer, jid, at=at, received=False))
    return said


async def _answered(
    tap: Tap | None,
    answer: Callable[[bytes, str, str], Awaitable[bytes | None]],
    asked: bytes,
    sender: str,
    to: str,
    peer: str,
    at: Instant,
) -> bytes | None:
    """Answer a payload, and tell the trace."""
    try:
        said = await answer(asked, sender, to)
    except GridifaceError as problem:
        if tap is not None:
            tap(over_xmpp(asked, None, peer, sender, at=at, received=True, problem=str(problem)))
        raise
    if tap is not None:
        tap(over_xmpp(asked, said, peer, sender, at=at, received=True))
    return said


def _link(
    settings: XmppSettings,
    answer: Callable[[bytes, str, str], Awaitable[bytes | None]],
    *,
    offers: Mapping[str, str] | None = None,
    on_up: Callable[[], None] | None = None,
) -> XmppLink:
    try:
        from gridiface.northbound.openadr.wire.xmpp_link import XmppLink  # noqa: PLC0415 - slixmpp is an extra
    except ModuleNotFoundError as problem:
        raise ConfigError("OpenADR over XMPP needs slixmpp: pip install 'gridiface[xmpp]'") from problem
    return XmppLink(settings, answer, offers=offers, on_up=on_up)
