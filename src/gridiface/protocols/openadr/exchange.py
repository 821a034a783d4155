"""Simple HTTP as the profile has it: request bytes -> payload, payload -> status, headers and bytes.

Owns URIs, methods, content types, encodings and the HTTP statuses (404, 406, 413, 501, 503, 403); both ends.
Does not own sockets, TLS or any answer inside a payload. Signatures are checked and made here when they are asked for.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from lxml import etree

from gridiface.deadlines import pause_asked
from gridiface.errors import LocalProtocolError, RemoteProtocolError
from gridiface.protocols.openadr.payloads.envelope import Payload, decode_payload, encode_payload
from gridiface.protocols.openadr.payloads.event import OadrPoll, OadrResponse
from gridiface.protocols.openadr.payloads.profile_a import decode_a, encode_a
from gridiface.protocols.openadr.signature import Signer, Trust, Verifier
from gridiface.protocols.xmlwire import Limits

MEDIA_TYPE = "application/xml"
#: Of a document: a set of all events (rule 50) may hold days of prices, a report weeks of history.
DOCUMENT_LIMITS = Limits(octets=1024 * 1024, tags=100_000)
#: Of what a VEN that is known may say: there are some that tell months of history in one piece.
REPORT_LIMITS = Limits(octets=4 * 1024 * 1024, tags=400_000)
#: Of what a VEN takes of the VTN that it chose: our own VTN lets an event have 20 signals of 1,000 intervals.
EVENTS_LIMITS = Limits(octets=8 * 1024 * 1024, tags=600_000)
#: What a peer may say that it takes; "*" is what one language's own client says.
_ACCEPTED = frozenset({MEDIA_TYPE, "text/xml", "application/*", "text/*", "*/*", "*", ""})
_SERVICES = ("EiEvent", "EiReport", "EiRegisterParty", "EiOpt")
_B_PATH = "OpenADR2/Simple/2.0b/"
_A_PATH = "OpenADR2/Simple/"
_CHARSET = re.compile(r'charset\s*=\s*"?([^";\s]+)"?', re.IGNORECASE)
_RETRY_AFTER = "30"
#: That a peer may ask for by its own Retry-After.
_LONGEST_PAUSE_S = 86_400.0
_TAKEN = frozenset({200, 201, 202, 204})


#: What is kept of polls and empty answers, entries and octets of a poll.
_MOST_KEPT, _LONGEST_KEPT = 20_000, 2048
_K = TypeVar("_K")
_T = TypeVar("_T")


class HttpRefused(RemoteProtocolError):
    """The peer answered with another status than 200, which is `answer`.

    `pause_s`: it wants to be left alone so long.
    """

    def __init__(self, reason: str, *, answer: int, pause_s: float = 0.0) -> None:
        super().__init__(reason, answer=answer)
        self.pause_s = pause_s


@dataclass(frozen=True, slots=True)
class HttpMessage:
    """A request or an answer as bytes. `status` is 0 in requests, `method` and `path` are empty in answers."""

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    method: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class Inbound:
    """A request that was understood. `signer` is the fingerprint of a verified signature, "" without one."""

    payload: Payload
    service: str
    profile: str = "2.0b"
    encoding: str = ""
    signer: str = ""


@dataclass(frozen=True, slots=True)
class Security:
    """What signs and verifies; both None for the Standard level. `nonce` gives a new nonce each time."""

    signer: Signer | None = None
    verifier: Verifier | None = None
    nonce: Callable[[], str] = str

    def seal(self, payload: Payload, now: float) -> bytes:
        """The document of `payload`, signed where a signer is set."""
        return self.signer.sign(payload, now, self.nonce()) if self.signer else encode_payload(payload)

    def check(self, root: etree._Element, trust: Trust | None, now: float, *, required: bool) -> str:
        """The signer's fingerprint, "" where none is required.

        Raises:
            RemoteProtocolError: answer 403; unsigned or not valid although a signature is required.
            LocalProtocolError: it is required and nothing was set up to verify it.
        """
        if not required:
            return ""
        if self.verifier is None or trust is None:
            raise LocalProtocolError("signatures are required without anything to verify them")
        return self.verifier.verify(root, trust, now)


class HttpServer:
    """The receiving end, of a VTN or of a push VEN.

    Args:
        role: "vtn" or "ven"; only a VTN has OadrPoll, the A profile and content encodings.
        prefix: path before OpenADR2, without slashes at its ends.
        security: signatures.
        limits: caps on documents.
    """

    def __init__(
        self,
        role: str,
        *,
        prefix: str = "",
        security: Security | None = None,
        limits: Limits = DOCUMENT_LIMITS,
    ) -> None:
        self._is_vtn = role == "vtn"
        self._security = security or Security()
        self._limits = limits
        self.most_octets = limits.octets
        # Polls are most of the traffic, and a VEN's poll is the same octets each time; nobody changes a payload.
        self._polls: dict[bytes, Payload] = {}
        self._empties: dict[tuple[str, str, str, str], bytes] = {}
        start = f"/{prefix.strip('/')}/" if prefix.strip("/") else "/"
        services = (*_SERVICES, "OadrPoll") if self._is_vtn else _SERVICES
        self._paths = {start + _B_PATH + service: (service, "2.0b") for service in services}
        if self._is_vtn:
            self._paths[start + _A_PATH + "EiEvent"] = ("EiEvent", "2.0a")

    def receive(
        self,
        request: HttpMessage,
        now: float,
        *,
        trust: Trust | None = None,
        signed: bool = False,
        overloaded: bool = False,
    ) -> Inbound:
        """Understand a request.

        Args:
            request: method, path, headers and body; header names in any case.
            now: the time, for signatures.
            trust: whether a certificate may sign for the peer.
            signed: a valid signature is required.
            overloaded: the shell cannot take more now.

        Raises:
            RemoteProtocolError: `answer` is the HTTP status; hand it to `refuse`.
        """
        headers = {name.lower(): value for name, value in request.headers.items()}
        service, profile = self._route(request)
        if overloaded:
            raise RemoteProtocolError("overloaded", answer=503)
        _check_headers(headers)
        encoding = _wanted_encoding(headers.get("accept-encoding", "")) if self._is_vtn else ""
        known = None if signed else self._polls.get(request.body)
        if known is not None and service == "OadrPoll":
            return Inbound(known, service, profile, encoding, "")
        payload, root = self._decode(request.body, profile)
        # The A profile has no signatures.
        signer = "" if profile == "2.0a" else self._security.check(root, trust, now, required=signed)
        if isinstance(payload, OadrPoll) and not signed:
            _remember(self._polls, request.body, payload)
        return Inbound(payload, service, profile, encoding, signer)

    def reply(self, inbound: Inbound, payload: Payload | None, now: float) -> HttpMessage:
        """The answer to a request; None is an acknowledgement without a payload: 200 and no body."""
        if payload is None:
            return HttpMessage(200, {"Content-Length": "0"})
        body = encode_a(payload) if inbound.profile == "2.0a" else self._sealed(payload, now)
        headers = {"Content-Type": f"{MEDIA_TYPE}; charset=utf-8"}
        if inbound.encoding == "gzip":
            body = gzip.compress(body, compresslevel=6, mtime=0)
        elif inbound.encoding == "deflate":
            body = zlib.compress(body)
        if inbound.encoding:
            headers["Content-Encoding"] = inbound.encoding
        return HttpMessage(200, {**headers, "Content-Length": str(len(body))}, body)

    def _sealed(self, payload: Payload, now: float) -> bytes:
        """The document; of the answer to an empty poll, which is the same each time, from memory."""
        if self._security.signer is not None or not isinstance(payload, OadrResponse):
            return self._security.seal(payload, now)
        answer = payload.eiResponse
        key = (payload.venID or "", answer.responseCode, answer.responseDescription or "", answer.requestID)
        body = self._empties.get(key)
        if body is None:
            body = self._security.seal(payload, now)
            if not answer.requestID:
                _remember(self._empties, key, body)
        return body

    @staticmethod
    def refuse(error: RemoteProtocolError) -> HttpMessage:
        """The answer to a request that was not understood; its body means nothing (rule: transport errors)."""
        headers = {"Content-Length": "0"}
        if error.answer == 503:
            headers["Retry-After"] = _RETRY_AFTER
        if error.answer == 501:
            headers["Allow"] = "POST"
        return HttpMessage(error.answer, headers)

    def _route(self, request: HttpMessage) -> tuple[str, str]:
        if request.method.upper() != "POST":
            raise RemoteProtocolError("only POST is implemented", answer=501)
        found = self._paths.get(normal_path(request.path))
        if found is None:
            raise RemoteProtocolError("there is no such service", answer=404)
        return found

    def _decode(self, body: bytes, profile: str) -> tuple[Payload, etree._Element]:
        try:
            return (decode_a if profile == "2.0a" else decode_payload)(body, self._limits)
        except RemoteProtocolError as error:
            if error.answer == 400:
                raise RemoteProtocolError(error.reason, answer=406, detail=error.detail) from None
            raise


class HttpClient:
    """The sending end: of a VEN, or of a VTN that pushes."""

    def __init__(
        self, *, security: Security | None = None, limits: Limits = DOCUMENT_LIMITS, gzip_: bool = False
    ) -> None:
        self._security = security or Security()
        self._limits = limits
        self.most_octets = limits.octets
        self._gzip = gzip_

    def request(self, service: str, payload: Payload, now: float) -> HttpMessage:
        """The POST of a payload; `path` is relative to the base address."""
        body = self._security.seal(payload, now)
        headers = {"Content-Type": f"{MEDIA_TYPE}; charset=utf-8", "Content-Length": str(len(body))}
        headers["Accept"] = MEDIA_TYPE
        if self._gzip:
            headers["Accept-Encoding"] = "gzip"
        return HttpMessage(0, headers, body, "POST", _B_PATH + service)

    def response(
        self, response: HttpMessage, now: float, *, trust: Trust | None = None, signed: bool = False
    ) -> Payload | None:
        """The payload of an answer; None for an empty acknowledgement. Its content type is not looked at.

        The body is taken as it came from the wire, still encoded as its Content-Encoding says.

        Raises:
            HttpRefused: another status than 200.
            RemoteProtocolError: `answer` 406 or 403: not a payload, or not signed as it must be.
        """
        # 201, 202 and 204 are how some servers say 200 without a payload.
        headers = {name.lower(): value for name, value in response.headers.items()}
        if response.status not in _TAKEN:
            pause = pause_asked(headers.get("retry-after", ""), headers.get("date", ""), _LONGEST_PAUSE_S) or 0.0
            raise HttpRefused(f"answered with HTTP {response.status}", answer=response.status, pause_s=pause)
        body = _unpacked(response.body, headers.get("content-encoding", ""), self._limits.octets)
        if not body.strip():
            return None
        payload, root = decode_payload(body, self._limits)
        self._security.check(root, trust, now, required=signed)
        return payload


def _remember(memory: dict[_K, _T], key: _K, value: _T) -> None:
    """Keep it, within bounds that no peer can pass."""
    if isinstance(key, bytes) and len(key) > _LONGEST_KEPT:
        return
    if len(memory) >= _MOST_KEPT:
        memory.clear()
    memory[key] = value


@lru_cache(1024)
def service_url(address: str, path: str) -> str:
    """Where a payload goes: `path` of a request behind an address.

    The profile has the address end before OpenADR2/Simple/2.0b; several implementations tell, and call, one that ends
    behind it. Both lead to the same service.
    """
    return f"{address.rstrip('/').removesuffix('/' + _B_PATH.rstrip('/')).rstrip('/')}/{path}"


@lru_cache(1024)
def normal_path(target: str) -> str:
    """The path of a request target after RFC 3986 normalisation: no authority, query, escapes or dot segments."""
    try:
        path = urlsplit(target).path if "://" in target else target.partition("?")[0].partition("#")[0]
    except ValueError:
        return ""
    segments: list[str] = []
    for segment in unquote(path, errors="replace").split("/"):
        if segment == "..":
            segments = segments[:-1]
        elif segment not in {"", "."}:
            segments.append(segment)
    return "/" + "/".join(segments)


def _check_headers(headers: Mapping[str, str]) -> None:
    media, _, parameters = headers.get("content-type", "").partition(";")
    if media.strip().lower() != MEDIA_TYPE:
        raise RemoteProtocolError("the content type is not application/xml", answer=406)
    charset = _CHARSET.search(parameters)
    if charset and charset[1].lower() not in {"utf-8", "utf8"}:
        raise RemoteProtocolError("the charset is not utf-8", answer=406)
    if headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
        raise RemoteProtocolError("requests are not compressed", answer=406)
    accepted = {part.partition(";")[0].strip().lower() for part in headers.get("accept", "*/*").split(",")}
    if not accepted & _ACCEPTED:
        raise RemoteProtocolError("application/xml is not accepted", answer=406)


def _wanted_encoding(header: str) -> str:
    for part in header.lower().split(","):
        name, _, quality = part.partition(";")
        refused = re.fullmatch(r"\s*q\s*=\s*0(\.0*)?\s*", quality)
        if name.strip() in {"gzip", "deflate"} and not refused:
            return name.strip()
    return ""


def _unpacked(body: bytes, encoding: str, most: int) -> bytes:
    encoding = encoding.strip().lower()
    if encoding in {"", "identity"}:
        return body
    if encoding not in {"gzip", "x-gzip", "deflate"}:
        raise RemoteProtocolError("the content encoding is not known", answer=406)
    # One octet more than is allowed is enough to see that it is too much, whatever a bomb would unfold to.
    unpack = zlib.decompressobj(wbits=47)
    try:
        plain = unpack.decompress(body, most + 1)
    except zlib.error:
        raise RemoteProtocolError("the content encoding is wrong", answer=406) from None
    if not unpack.eof and len(plain) <= most:
        raise RemoteProtocolError("the encoded content is cut off", answer=406)
    return plain
