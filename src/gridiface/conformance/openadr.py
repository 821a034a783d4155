"""OpenADR 2.0b as a VEN sees its VTN: payloads as XML in their envelope, POSTed; beside HttpSession's actions."""

from __future__ import annotations

import ssl
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gridiface.conformance.expectations import Validate, at
from gridiface.conformance.http_session import HttpSession
from gridiface.conformance.http_wire import Wire
from gridiface.conformance.runner import Failed
from gridiface.errors import ConfigError
from gridiface.pki.contexts import KeyPair, client_context

MEDIA = "application/xml"
#: responseCodes of a VTN that does not know who asks, or not by that name.
_UNKNOWN = frozenset({"452", "463"})

_NAMESPACES = (
    'xmlns:oadr="http://openadr.org/oadr-2.0b/2012/07" xmlns:ei="http://docs.oasis-open.org/ns/energyinterop/201110" '
    'xmlns:pyld="http://docs.oasis-open.org/ns/energyinterop/201110/payloads" '
    'xmlns:xcal="urn:ietf:params:xml:ns:icalendar-2.0" xmlns:strm="urn:ietf:params:xml:ns:icalendar-2.0:stream" '
    'xmlns:emix="http://docs.oasis-open.org/ns/emix/2011/06"'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAdrTarget:
    """A VTN, and the VEN that we are to it.

    Attributes:
        url: what comes before OpenADR2/Simple/2.0b.
        ven_id: the VEN's ID where it is known there; "": the VTN gives one.
        ven_name: oadrVenName.
        certificate, key, roots: for https, PEM.
        schema: the official oadr_20b.xsd; None: bodies are not validated.
    """

    url: str
    ven_id: str = ""
    ven_name: str = "gridiface conformance"
    certificate: Path | None = None
    key: Path | None = None
    roots: Path | None = None
    schema: Path | None = None
    timeout_s: float = 10.0

    @property
    def options(self) -> set[str]:
        """Names of what was given, for `needs`."""
        return {"ven-id"} if self.ven_id else set()


class OpenAdrSession(HttpSession):
    """One procedure against one VTN.

    Raises:
        ConfigError: the URL is none, or its files are missing.
    """

    def __init__(self, target: OpenAdrTarget, validate: Validate | None = None) -> None:
        parts = urlsplit(target.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ConfigError(f"{target.url!r}: write http:// or https:// and what comes before OpenADR2/Simple/2.0b")
        tls = parts.scheme == "https"
        if tls and not (target.certificate and target.key and target.roots):
            raise ConfigError("https needs --cert, --key and --ca")
        port = parts.port or (443 if tls else 80)
        wire = Wire(parts.hostname, port, (lambda: _context(target)) if tls else None, target.timeout_s)
        base = parts.path.rstrip("/") + "/OpenADR2/Simple/2.0b"
        names = {"base": base, "venID": target.ven_id, "venName": target.ven_name, "id": uuid.uuid4().hex}
        super().__init__(wire, MEDIA, validate=validate, names=names)
        self.actions |= {"payload": self.payload, "register": self.register}

    def payload(self, step: Mapping[str, Any]) -> None:
        """Arguments: service, xml (one oadr: element), expect, as: POST it in its envelope."""
        expect = {"status": 200, "valid": True, "length": True, **step.get("expect", {})}
        body = envelope(str(step["xml"]))
        self.request(
            {**step, "method": "POST", "at": f"{self.names['base']}/{step['service']}", "body": body, "expect": expect}
        )

    def register(self, step: Mapping[str, Any]) -> None:
        """Register as a pull VEN; `${venID}` and `${registrationID}` follow.

        Raises:
            Failed: the VTN does not take this VEN, with what it says and what helps.
        """
        del step
        own = f"<ei:venID>{self.names['venID']}</ei:venID>" if self.names["venID"] else ""
        self.payload(
            {
                "service": "EiRegisterParty",
                "xml": '<oadr:oadrCreatePartyRegistration ei:schemaVersion="2.0b">'
                f"<pyld:requestID>{self.names['id']}</pyld:requestID>{own}"
                "<oadr:oadrProfileName>2.0b</oadr:oadrProfileName>"
                "<oadr:oadrTransportName>simpleHttp</oadr:oadrTransportName>"
                "<oadr:oadrReportOnly>false</oadr:oadrReportOnly><oadr:oadrXmlSignature>false</oadr:oadrXmlSignature>"
                f"<oadr:oadrVenName>{self.names['venName']}</oadr:oadrVenName>"
                "<oadr:oadrHttpPullModel>true</oadr:oadrHttpPullModel></oadr:oadrCreatePartyRegistration>",
                "expect": {"has": ["//oadrCreatedPartyRegistration", "//vtnID"]},
                "as": "registered",
            }
        )
        self._refused()
        self.take({"of": "registered", "places": {"venID": "//venID", "registrationID": "//registrationID"}})

    def _refused(self) -> None:
        """Raises Failed where the answer to the registration is not a 200."""
        answer = self.document("registered")
        code = next(iter(at(answer, "//responseCode")), "nothing")
        if code == "200":
            return
        words = next(iter(at(answer, "//responseDescription")), "")
        said = f"the VTN refuses to register this VEN: {code} {words}".rstrip()
        name = self.names["venID"]
        shown = f"venID {name}" if name else f"no venID (oadrVenName {self.names['venName']})"
        if code in _UNKNOWN:
            said += (
                f". It was asked with {shown}: let it know that VEN and its certificate, "
                "or name one that it knows by --ven-id, with --cert and --key over https"
            )
        raise Failed(said)


def envelope(payload: str) -> str:
    """The document around one payload element whose prefixes are oadr, ei, pyld, xcal, strm and emix."""
    return (
        f"<oadr:oadrPayload {_NAMESPACES}><oadr:oadrSignedObject>{payload}</oadr:oadrSignedObject></oadr:oadrPayload>"
    )


def _context(target: OpenAdrTarget) -> ssl.SSLContext:
    assert target.certificate is not None
    assert target.key is not None
    assert target.roots is not None
    return client_context("openadr", key_pairs=[KeyPair(target.certificate, target.key)], roots=[target.roots])
