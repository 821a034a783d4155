"""One XMPP connection: log in, stay, be there, find services, carry payloads in IQs both ways. Knows no payload.

Owns the socket through slixmpp and everything of XMPP (RFC 6120, 6121; XEP-0030, XEP-0114, XEP-0199). Needs the
extra `xmpp`; nothing else imports this file before an installation asks for XMPP.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any
from xml.etree import ElementTree

from slixmpp import JID, ClientXMPP, ComponentXMPP, Iq, Message
from slixmpp.basexmpp import BaseXMPP
from slixmpp.exceptions import IqError, IqTimeout
from slixmpp.xmlstream import StanzaBase
from slixmpp.xmlstream.handler import CoroutineCallback
from slixmpp.xmlstream.matcher import MatchXPath

from gridiface.errors import ConfigError, RemoteProtocolError
from gridiface.northbound.openadr.settings import XmppSettings
from gridiface.northbound.openadr.wire.client import Unreachable
from gridiface.protocols.openadr.exchange import DOCUMENT_LIMITS, HttpRefused
from gridiface.protocols.openadr.stanzas import FEATURE, PAYLOAD_TAG, SERVICES_NODE, error_of, services_of, status_of

_log = logging.getLogger("gridiface.openadr")

#: Pings towards the server, s, and how long an answer may take (XEP-0199).
_PING_S, _PING_WITHIN_S = 60, 20

#: Between two attempts to come back, s; the wait doubles in between.
_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 120.0

#: More items of a domain are not asked whether they are a VTN.
_MOST_ITEMS = 50

_NOT_YET = "not connected yet"

_CONDITIONS = "{urn:ietf:params:xml:ns:xmpp-stanzas}"

#: What answers a payload: its document, the sender's full JID, the local part of the JID it was sent to.
Answer = Callable[[bytes, str, str], Awaitable[bytes | None]]


class XmppLink:
    """One login. Call `start` first, `stop` last.

    Args:
        settings: who we are and where the server is.
        answer: answers a payload that came; RemoteProtocolError from it becomes an IQ error.
        offers: service -> JID, told to who asks for our services; empty for a VEN.
        on_up: called at each login.
        most_at_once: payloads under way; more are refused with resource-constraint.
    """

    def __init__(
        self,
        settings: XmppSettings,
        answer: Answer,
        *,
        offers: Mapping[str, str] | None = None,
        on_up: Callable[[], None] | None = None,
        most_at_once: int = 1000,
    ) -> None:
        self._settings = settings
        self._answer = answer
        self._offers = dict(offers or {})
        self._on_up = on_up
        self._most = most_at_once
        self._running = 0
        self._stream: BaseXMPP | None = None
        self._stopping = False
        self._failures = 0
        self._again: asyncio.TimerHandle | None = None
        self.up = False
        self.trouble = _NOT_YET

    # -- life ------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin to connect; the login itself comes when the server is there.

        Raises:
            ConfigError: a TLS file or a secret cannot be used.
        """
        self._stream = stream = self._make()
        for name in ("xep_0030", "xep_0199"):
            stream.register_plugin(name)
        stream.add_event_handler("session_start", self._session_start)
        stream.add_event_handler("disconnected", self._disconnected)
        stream.add_event_handler("failed_all_auth", self._no_login)
        stream.add_event_handler("ssl_invalid_chain", self._no_tls)
        # Pings fail before TCP does; slixmpp then disconnects, and we come back.
        stream.plugin["xep_0199"].timeout = _PING_WITHIN_S
        stream.plugin["xep_0199"].enable_keepalive(interval=_PING_S, timeout=_PING_WITHIN_S)
        for kind in ("iq", "message"):
            matcher = MatchXPath(f"{{{stream.default_ns}}}{kind}/{PAYLOAD_TAG}")
            stream.register_handler(CoroutineCallback(f"OpenADR {kind}", matcher, self._on_stanza))
        self._advertise(stream)
        self._connect()

    async def stop(self) -> None:
        """Say that we are unavailable, and end."""
        self._stopping = True
        if self._again is not None:
            self._again.cancel()
        stream, self._stream = self._stream, None
        if stream is None:
            return
        stream.cancel_connection_attempt()
        if self.up and isinstance(stream, ClientXMPP):
            stream.send_presence(ptype="unavailable")
        if stream.is_connected():
            with suppress(TimeoutError):
                async with asyncio.timeout(3.0):
                    await stream.disconnect(wait=1.0)
        stream.abort()
        # slixmpp leaves its sending task behind.
        filters = stream._run_out_filters
        if filters is not None:
            filters.cancel()
            await asyncio.gather(filters, return_exceptions=True)
        self.up = False

    @property
    def jid(self) -> str:
        """Our full JID as the server bound it; as configured before that."""
        return str(self._stream.boundjid) if self._stream is not None and self.up else self._settings.jid

    # -- out -------------------------------------------------------------------------------------------------------

    async def request(self, to: str, document: bytes, timeout_s: float, *, sender: str = "") -> bytes | None:
        """Send a payload and wait for its answer; None for an empty result.

        Args:
            to: JID of who shall answer.
            document: the payload's document.
            timeout_s: how long to wait.
            sender: JID to send from, which a component must name; "": our own.

        Raises:
            Unreachable: not logged in, nobody there under that JID, or no answer in time.
            HttpRefused: answered with an IQ error; `answer` is the HTTP status it stands for.
        """
        if self._stream is None or not self.up:
            raise Unreachable(f"XMPP: {self.trouble}")
        try:
            iq = self._stream.make_iq_set(sub=ElementTree.fromstring(document), ito=JID(to), ifrom=sender or None)  # noqa: S314 - our own
        except ValueError as problem:
            raise Unreachable(f"XMPP: {to!r} is no JID") from problem
        try:
            answer = await iq.send(timeout=timeout_s)  # type: ignore[no-untyped-call]  # as in _reply
        except IqTimeout as problem:
            raise Unreachable(f"XMPP: {to} did not answer in {timeout_s:g} s") from problem
        except IqError as problem:
            condition = _condition(problem.iq.xml)
            status = status_of(condition)
            if status is None:
                raise Unreachable(f"XMPP: {to}: {condition}") from problem
            raise HttpRefused(f"{to} answered {condition}", answer=status) from problem
        return _document(answer.xml)

    async def services(self, timeout_s: float) -> dict[str, str]:
        """Service -> JID, as the server's domain, or the first VTN among its items, tells (XEP-0030).

        Raises:
            Unreachable: nobody there offers OpenADR.
        """
        start = self._settings.directory or JID(self._settings.jid).domain
        found = await self._services_at(start, timeout_s)
        for jid in [] if found else await self._items(start, None, timeout_s):
            if await self._is_vtn(jid[0], timeout_s):
                found = await self._services_at(jid[0], timeout_s)
            if found:
                break
        if not found:
            raise Unreachable(f"XMPP: nothing at {start} offers OpenADR services")
        return found

    async def _services_at(self, jid: str, timeout_s: float) -> dict[str, str]:
        return services_of(await self._items(jid, SERVICES_NODE, timeout_s))

    async def _items(self, jid: str, node: str | None, timeout_s: float) -> list[tuple[str, str]]:
        reply = await self._disco("get_items", jid, node, timeout_s)
        items = [] if reply is None else list(reply["disco_items"]["items"])
        return [(str(item[0]), item[1] or "") for item in items[:_MOST_ITEMS]]

    async def _is_vtn(self, jid: str, timeout_s: float) -> bool:
        reply = await self._disco("get_info", jid, None, timeout_s)
        return reply is not None and FEATURE in reply["disco_info"]["features"]

    async def _disco(self, call: str, jid: str, node: str | None, timeout_s: float) -> Any:
        if self._stream is None or not self.up:
            raise Unreachable(f"XMPP: {self.trouble}")
        try:
            return await getattr(self._stream.plugin["xep_0030"], call)(
                jid=JID(jid), node=node, timeout=timeout_s, local=False
            )
        except (IqError, IqTimeout, ValueError):
            return None

    # -- in --------------------------------------------------------------------------------------------------------

    async def _on_stanza(self, stanza: StanzaBase) -> None:
        if isinstance(stanza, Iq):
            await self._on_iq(stanza)
        elif isinstance(stanza, Message):
            await self._on_message(stanza)

    async def _on_iq(self, iq: Iq) -> None:
        # Results match as well; they belong to who waits for them.
        if iq["type"] != "set":
            return
        try:
            answer = await self._take(iq)
        except RemoteProtocolError as problem:
            _log.info("XMPP: refused %s with %d: %s", iq["from"], problem.answer, problem.reason)
            self._refuse(iq, problem.answer, problem.reason)
        except Exception:  # the sender waits, and the link must live on
            _log.exception("XMPP: a payload of %s failed", iq["from"])
            self._refuse(iq, 500, "failed")
        else:
            reply = _reply(iq)
            if answer is not None:
                reply.append(ElementTree.fromstring(answer))  # noqa: S314 - our own document
            reply.send()  # type: ignore[no-untyped-call]  # as in _reply

    async def _on_message(self, message: Message) -> None:
        """A payload that needs no reply may come in a message; what it would be answered with is dropped."""
        if message["type"] == "error":
            return
        try:
            await self._take(message)
        except RemoteProtocolError as problem:
            _log.info("XMPP: a message of %s is dropped: %s", message["from"], problem.reason)

    async def _take(self, stanza: Iq | Message) -> bytes | None:
        if self._running >= self._most:
            raise RemoteProtocolError("overloaded", answer=503)
        self._running += 1
        try:
            return await self._answer(_document(stanza.xml) or b"", str(stanza["from"]), stanza["to"].local)
        finally:
            self._running -= 1

    def _refuse(self, iq: Iq, status: int, reason: str) -> None:
        error = error_of(status)
        reply = _reply(iq)
        reply["type"] = "error"
        reply["error"]["condition"] = error.condition
        reply["error"]["type"] = error.kind
        reply["error"]["text"] = reason
        reply.send()  # type: ignore[no-untyped-call]  # as in _reply

    # -- the connection --------------------------------------------------------------------------------------------

    def _make(self) -> BaseXMPP:
        settings = self._settings
        if settings.component:
            return _component(settings.jid, settings.secret, host=settings.host, port=settings.port)
        external = settings.context is not None and not settings.secret
        client = _Client(settings.jid, settings.secret, sasl_mech="EXTERNAL" if external else None)
        client.enable_direct_tls = settings.direct_tls
        client.enable_starttls = not settings.direct_tls
        client.enable_plaintext = False
        if settings.context is None:
            raise ConfigError("an XMPP login without TLS is not made: give `tls`, or use a component on this machine")
        client.ssl_context = settings.context()
        return client

    def _advertise(self, stream: BaseXMPP) -> None:
        disco = stream.plugin["xep_0030"]
        if not self._offers:
            return
        own = JID(self._settings.jid)
        for where in (own, None):
            disco.add_feature(FEATURE, jid=where)
            for service, jid in self._offers.items():
                disco.add_item(
                    jid=jid,
                    node=SERVICES_NODE,
                    ijid=where,
                    name=service,
                    subnode=f"http://openadr.org/OpenADR2/{service}",
                )
        disco.add_identity(category="automation", itype="vtn", name="OpenADR 2.0b VTN", jid=own)

    def _connect(self) -> None:
        self._again = None
        if self._stream is not None and not self._stopping:
            self._stream.connect(self._settings.host, self._settings.port)

    async def _session_start(self, _: object) -> None:
        stream = self._stream
        if stream is None:
            return
        if isinstance(stream, ClientXMPP):
            bound = str(stream.boundjid)
            if bound != self._settings.jid:
                # The VTN was told another address; two of us are logged in, or the server hands out names of its own.
                self.trouble = f"the server bound {bound} instead of {self._settings.jid}"
                _log.warning("XMPP: %s", self.trouble)
                await stream.disconnect(wait=1.0)
                return
            stream.send_presence()
        self.up, self._failures, self.trouble = True, 0, ""
        _log.info("XMPP: logged in as %s", stream.boundjid)
        if self._on_up is not None:
            self._on_up()

    def _no_login(self, _: object) -> None:
        self.trouble = "the server does not accept our login"
        _log.warning("XMPP: %s as %s", self.trouble, self._settings.jid)

    def _no_tls(self, problem: object) -> None:
        self.trouble = f"TLS with the server failed: {problem}"
        _log.warning("XMPP: %s", self.trouble)
        if self._stream is not None:
            self._stream.abort()

    def _disconnected(self, reason: object) -> None:
        was_up, self.up = self.up, False
        if was_up or not self.trouble or self.trouble == _NOT_YET:
            self.trouble = f"connection lost: {reason or 'closed'}"
        if self._stopping or self._stream is None or self._again is not None:
            return
        wait = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2.0 ** min(self._failures, 10)) * random.uniform(0.9, 1.1)  # noqa: S311
        self._failures += 1
        _log.info("XMPP: %s; again in %.0f s", self.trouble, wait)
        self._again = asyncio.get_running_loop().call_later(wait, self._connect)


def _reply(iq: Iq) -> Iq:
    reply: Iq = iq.reply()  # type: ignore[no-untyped-call]  # slixmpp types only a part of itself
    return reply


def _document(stanza: ElementTree.Element) -> bytes | None:
    child = stanza.find(PAYLOAD_TAG)
    return None if child is None else ElementTree.tostring(child, encoding="utf-8")


def _condition(stanza: ElementTree.Element) -> str:
    """The defined condition of an error (RFC 6120 section 8.3.3); "" where it has none.

    slixmpp looks for the error in the namespace of clients' streams: on a component's it finds none, and adds one that
    says feature-not-implemented.
    """
    own = f"{stanza.tag.rpartition('}')[0]}}}error"
    tags = [child.tag for part in stanza if part.tag == own for child in part]
    found = (tag.removeprefix(_CONDITIONS) for tag in tags if tag.startswith(_CONDITIONS))
    return next((name for name in found if name != "text"), "")


class _Capped:
    """Ends a stream in which one stanza is larger than any payload may be."""

    _octets = 0
    xml_depth: int

    def data_received(self, data: bytes | str) -> None:
        """Count what comes between two ends of stanzas."""
        self._octets += len(data)
        super().data_received(data)  # type: ignore[misc]  # of slixmpp's XMLStream, beside which this class stands
        if self.xml_depth <= 1:
            self._octets = 0
        elif self._octets > 2 * DOCUMENT_LIMITS.octets:
            self._octets = 0
            _log.warning("XMPP: a stanza without end, the connection is closed")
            self.abort()  # type: ignore[attr-defined]  # likewise


class _Client(_Capped, ClientXMPP):
    """A login as a user."""


class _Component(_Capped, ComponentXMPP):
    """A login as an external component of the server (XEP-0114)."""


_component: Callable[..., BaseXMPP] = _Component
