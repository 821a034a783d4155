"""IEEE 2030.5 as a client sees it: links followed, members picked, handshakes tried; beside HttpSession's actions."""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lxml import etree

from gridiface.conformance.certificates import self_signed
from gridiface.conformance.expectations import Validate, at, check
from gridiface.conformance.http_session import HttpSession
from gridiface.conformance.http_wire import Answer, Wire, request_octets
from gridiface.conformance.runner import Failed, Inconclusive
from gridiface.errors import ConfigError, plainly
from gridiface.pki.contexts import KeyPair, client_context
from gridiface.pki.identity import format_lfdi, lfdi_from_der, sfdi_from_lfdi

MEDIA = "application/sep+xml"

#: More links of one document are not followed.
_MOST_LINKS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Sep2Target:
    """A server, and who we are to it.

    Attributes:
        url: of its DeviceCapability.
        certificate, key: a device's, PEM.
        roots: whom we trust.
        utility: a pair that may post controls; None: procedures that need one are left out.
        notify: a URI that the server may send notifications to; "": none.
        http: host:port of a plain listener; "": none.
        schema: the official sep.xsd; None: bodies are not validated.
    """

    url: str
    certificate: Path
    key: Path
    roots: Path
    utility: tuple[Path, Path] | None = None
    notify: str = ""
    http: str = ""
    schema: Path | None = None
    timeout_s: float = 10.0

    @property
    def options(self) -> set[str]:
        """Names of what was given, for `needs`."""
        given = {"utility": self.utility is not None, "http": bool(self.http), "notify": bool(self.notify)}
        return {name for name, there in given.items() if there}


class Sep2Session(HttpSession):
    """One procedure against one server.

    Raises:
        ConfigError: a file of the target cannot be used, or its URL is none.
    """

    def __init__(self, target: Sep2Target, validate: Validate | None = None) -> None:
        parts = urlsplit(target.url)
        if parts.scheme != "https" or not parts.hostname:
            raise ConfigError(f"{target.url!r}: write https://HOST:PORT/dcap")
        self._target = target
        self._host, self._port = parts.hostname, parts.port or 443
        wire = Wire(self._host, self._port, lambda: self._context(target.certificate, target.key), target.timeout_s)
        lfdi = _lfdi(target.certificate)
        names = {
            "dcap": parts.path or "/dcap",
            "lfdi": format_lfdi(lfdi),
            "sfdi": str(sfdi_from_lfdi(lfdi)),
            "now": str(int(time.time())),
            "notify": target.notify,
        }
        super().__init__(wire, MEDIA, validate=validate, names=names)
        self._utility: HttpSession | None = None
        self.actions |= {
            "follow": self.follow,
            "pick": self.pick,
            "every_link": self.every_link,
            "handshake": self.handshake,
            "as_utility": self.as_utility,
            "plain": self.plain,
            "near_now": self.near_now,
            "wait": self.wait,
        }

    def close(self) -> None:
        """End all connections."""
        super().close()
        if self._utility is not None:
            self._utility.close()

    def follow(self, step: Mapping[str, Any]) -> None:
        """Arguments: from (a kept document), link (its element), query, expect, as: GET what the link names.

        Raises:
            Failed: the answer is not as expected.
            Inconclusive: the document has no such link.
        """
        document = self.document(str(step["from"]))
        found = at(document, f"{step['link']}/@href")
        if not found:
            raise Inconclusive(f"{step['from']} has no {step['link']}")
        query = f"?{step['query']}" if step.get("query") else ""
        self.names["href"] = _path(found[0])
        expect = {"status": 200, "valid": True, **step.get("expect", {})}
        self.request({**step, "at": _path(found[0]) + query, "expect": expect})

    def pick(self, step: Mapping[str, Any]) -> None:
        """Arguments: of (a kept list), member (a name), where (place -> text), as: the first; `${as.href}`.

        Raises:
            Inconclusive: the list has no such member.
        """
        document = self.document(str(step["of"]))
        where = {path: str(text).upper() for path, text in step.get("where", {}).items()}
        for member in document.iterfind(f"{{*}}{step['member']}"):
            if all(text in [found.upper() for found in at(member, path)] for path, text in where.items()):
                name = str(step["as"])
                self.documents[name] = member
                self.names[f"{name}.href"] = _path(member.get("href", ""))
                return
        wanted = ", ".join(f"{path} {text}" for path, text in step.get("where", {}).items())
        raise Inconclusive(f"{step['of']} has no {step['member']}{' with ' + wanted if wanted else ''}")

    def every_link(self, step: Mapping[str, Any]) -> None:
        """Arguments: of (a kept document): each link below it answers 200 with a valid body that names its own href.

        Raises:
            Failed: one does not.
            Inconclusive: the document was not kept.
        """
        links = [
            (etree.QName(element).localname, _path(element.get("href", "")))
            for element in self.document(str(step["of"])).iter("{*}*")
            if etree.QName(element).localname.endswith("Link") and element.get("href")
        ]
        for name, href in links[:_MOST_LINKS]:
            try:
                self.request({"at": href, "expect": {"status": 200, "valid": True, "has": ["@href"]}, "as": "_link"})
            except Failed as problem:
                raise Failed(f"{name} {href}: {problem}") from problem
            shown = _path(self.document("_link").get("href", ""))
            if shown.split("?")[0] != href.split("?")[0]:
                raise Failed(f"{name} {href}: the body says that it is {shown}")

    def handshake(self, step: Mapping[str, Any]) -> None:
        """Arguments: certificate (own, none, self-signed), suites, suite, version (1.2, 1.3), expect.

        Raises:
            Failed: the handshake ends otherwise than expected.
            Inconclusive: what is expected has no meaning, or this OpenSSL has no such suites.
        """
        wanted, allowed = str(step.get("expect", "accepted")), {"accepted", "refused"}
        if wanted not in allowed:
            raise Inconclusive(f"handshake expects one of {', '.join(sorted(allowed))}")
        what = self._handshake(step)
        self.evidence.append(f"handshake: {what or 'accepted'}")
        if wanted == "accepted" and what:
            raise Failed(f"the handshake was refused: {what}")
        if wanted == "refused" and not what:
            raise Failed("the server took the handshake and answered")

    def _handshake(self, step: Mapping[str, Any]) -> str:
        """Why it was refused; "" where a request was answered with anything but 403."""
        context = self._offer(step)
        try:
            with self.wire.connect(context) as connection:
                cipher = getattr(connection, "cipher", lambda: None)()
                octets = request_octets("GET", self.names["dcap"], {"Host": self.wire.authority, "Accept": MEDIA})
                connection.sendall(octets)
                first = connection.recv(64)
        except OSError as problem:
            return str(problem)
        if step.get("suite") and (cipher is None or cipher[0] != step["suite"]):
            raise Failed(f"the suite is {cipher and cipher[0]} instead of {step['suite']}")
        if not first:
            return "the connection was closed"
        return "HTTP 403" if b" 403 " in first[:16] else ""

    def _offer(self, step: Mapping[str, Any]) -> ssl.SSLContext:
        certificate = str(step.get("certificate", "own"))
        if certificate == "own":
            context = self._context(self._target.certificate, self._target.key)
        else:
            context = client_context("strict", roots=[self._target.roots])
            if certificate == "self-signed":
                self_signed(context)
        if step.get("suites"):
            try:
                context.set_ciphers(f"{step['suites']}:@SECLEVEL=0")
            except ssl.SSLError as problem:
                raise Inconclusive(f"this OpenSSL has no {step['suites']}") from problem
        if step.get("version") == "1.3":
            context.maximum_version = ssl.TLSVersion.TLSv1_3
            context.minimum_version = ssl.TLSVersion.TLSv1_3
        return context

    def as_utility(self, step: Mapping[str, Any]) -> None:
        """The same arguments as `request`, said with the utility's certificate.

        Raises:
            Failed: the answer is not as expected.
            Inconclusive: there is no such certificate.
        """
        if self._target.utility is None:
            raise Inconclusive("needs --utility")
        if self._utility is None:
            pair = self._target.utility
            wire = Wire(self._host, self._port, lambda: self._context(*pair), self._target.timeout_s)
            self._utility = HttpSession(wire, MEDIA, validate=self.validate)
            self._utility.evidence = self.evidence
            self._utility.names, self._utility.documents = self.names, self.documents
            self._utility.answers = self.answers
        self._utility.request(step)

    def plain(self, step: Mapping[str, Any]) -> None:
        """Arguments: at, expect: GET from the plain HTTP listener."""
        host, _, port = self._target.http.rpartition(":")
        wire = Wire(host.strip("[]"), int(port), None, self._target.timeout_s)
        try:
            headers = {"Host": wire.authority, "Accept": MEDIA}
            answer: Answer = wire.exchange(request_octets("GET", str(step["at"]), headers), "GET")
        finally:
            wire.close()
        check(answer, step.get("expect", {}))
        self.keep(step.get("as"), answer)

    def near_now(self, step: Mapping[str, Any]) -> None:
        """Arguments: of, place, within (s): a time that is ours within so many seconds.

        Raises:
            Failed: there is no such time, or it is further from ours.
            Inconclusive: the document was not kept.
        """
        found = at(self.document(str(step["of"])), str(step["place"]))
        if not found:
            raise Failed(f"there is no {step['place']}")
        apart = abs(int(found[0]) - time.time())
        if apart > float(step["within"]):
            raise Failed(f"{step['place']} is {apart:.0f} s from our clock")

    def wait(self, step: Mapping[str, Any]) -> None:
        """Arguments: for (at, expect), within (s): ask again each half second until the answer is as expected."""
        asked, end = step["for"], time.monotonic() + min(float(step["within"]), 60.0)
        while True:
            try:
                self.request(asked)
            except Failed:
                if time.monotonic() >= end:
                    raise
                time.sleep(0.5)
            else:
                return

    def _context(self, certificate: Path, key: Path) -> ssl.SSLContext:
        return client_context("strict", key_pairs=[KeyPair(certificate, key)], roots=[self._target.roots])


def _lfdi(certificate: Path) -> bytes:
    try:
        text = certificate.read_text(encoding="ascii")
        first = text[text.index("-----BEGIN CERT") : text.index("-----END CERTIFICATE-----") + 25]
        return lfdi_from_der(ssl.PEM_cert_to_DER_cert(first))
    except (OSError, ValueError) as problem:
        raise ConfigError(f"{certificate}: no PEM certificate: {plainly(problem)}") from problem


def _path(href: str) -> str:
    parts = urlsplit(href)
    return parts.path + (f"?{parts.query}" if parts.query else "")
