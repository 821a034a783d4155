"""Certificates: judged check by check, signed by our own test CA, revoked; the roots that we trust."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, ClassVar

from aiohttp import web
from pydantic import Field
from typing_extensions import TypedDict

from gridiface.operator.api.routing import Area, Call, get, post
from gridiface.operator.certificates import Purpose
from gridiface.operator.desk import Desk
from gridiface.operator.records.audit import Entry
from gridiface.operator.schema import Asked, NoBody, NoQuery, Text
from gridiface.wording import worded

Pem = Annotated[str, Field(min_length=1, max_length=15_000, description="PEM; a chain has the peer's own first")]


class Inspect(Asked):
    """What is to be judged."""

    pem: Pem
    purpose: Purpose = Field(default="sep2", description="what it is to be: a client or server of which protocol")
    strict: bool = Field(default=False, description="true: harmless deviations from the profile fail, too")


class Sign(Asked):
    """A request to be signed."""

    pem: Pem
    profile: str = Field(
        default="device",
        pattern=worded(r"^[a-z]{1,32}$", "one of device, aggregator, utility, server"),
        description="device, aggregator, utility, server",
    )
    name: str = Field(
        pattern=worded(
            r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", "1 to 64 letters, digits and . _ -, a letter or digit first"
        ),
        description="file name; also the serial number",
    )
    hosts: list[Text] = Field(default=[], max_length=16, description="DNS names and addresses of a server")


class Revoke(Asked):
    """A certificate to be revoked."""

    pem: Pem
    reason: Text = Field(default="", description="for the list and the audit log")


class InspectAnswer(TypedDict):
    """`kind`: certificate or request; `checks`: check, clause, result (pass, note, fail), detail."""

    kind: str
    accepted: bool
    certificates: list[dict[str, Any]]
    checks: list[dict[str, Any]]


class SignAnswer(TypedDict):
    """The new chain in PEM with its names."""

    certificate: str
    lfdi: str
    sfdi: str
    sfdi_for_people: str
    openadr_fingerprint: str


class RevokeAnswer(TypedDict, total=False):
    """What is on the list now."""

    lfdi: str
    serial: str


class CertificatesArea(Area):
    """Certificates."""

    name: ClassVar[str] = "certificates"
    title: ClassVar[str] = "Certificates"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @post("/certificates/inspect", "Judge a certificate chain or a signing request, check by check", scope="read")
    async def inspect_certificate(self, call: Call[NoQuery, Inspect]) -> InspectAnswer:
        """As `gridiface pki inspect` does."""
        asked, now = call.body, call.now
        found: Any = await asyncio.to_thread(
            self._desk.certificates.inspect, asked.pem, asked.purpose, now, strict=asked.strict
        )
        return {name: found[name] for name in ("kind", "accepted", "certificates", "checks")}  # type: ignore[return-value] # the four keys

    @post(
        "/certificates/sign",
        "Sign a request with the configured CA (operator.pki)",
        scope="configure",
        done=201,
        problems=(409,),
    )
    async def sign_certificate(self, call: Call[NoQuery, Sign]) -> SignAnswer:
        """The new certificate, with the chain up to the root."""
        return await sign(self._desk, call.body, call.caller.name)

    @post("/certificates/revoke", "Put a certificate on the local revocation list", scope="configure", problems=(409,))
    async def revoke_certificate(self, call: Call[NoQuery, Revoke]) -> RevokeAnswer:
        """Listeners refuse it within seconds."""
        return await revoke(self._desk, call.body, call.caller.name)

    @get(
        "/certificates/bundle",
        "The trusted roots in PEM",
        media="application/x-pem-file",
        problems=(409,),
    )
    async def get_bundle(self, call: Call[NoQuery, NoBody]) -> web.StreamResponse:
        """For peers that want to trust us."""
        text = await asyncio.to_thread(self._desk.certificates.bundle)
        headers = {"Content-Disposition": 'attachment; filename="roots.pem"'}
        return web.Response(text=text, content_type="application/x-pem-file", headers=headers)


async def sign(desk: Desk, asked: Sign, by: str) -> SignAnswer:
    """Sign a request and note it in the audit log.

    Raises:
        Refused: as CertificateDesk.sign.
        StoreUnavailable: it was signed, and could not be noted; the certificate is in the CA's folder.
    """
    now = desk.clock.now()
    made: Any = await asyncio.to_thread(desk.certificates.sign, asked.pem, asked.profile, asked.name, asked.hosts, now)
    after = {"name": asked.name, "profile": asked.profile, "lfdi": made["lfdi"]}
    await _note(desk, Entry(at=now, who=by, what="certificate.sign", subject=made["lfdi"], after=after))
    answer: SignAnswer = made
    return answer


async def revoke(desk: Desk, asked: Revoke, by: str) -> RevokeAnswer:
    """Revoke a certificate and note it in the audit log.

    Raises:
        Refused: as CertificateDesk.revoke.
        StoreUnavailable: it is revoked, and could not be noted.
    """
    entries: Any = await asyncio.to_thread(desk.certificates.revoke, asked.pem, asked.reason)
    entry = Entry(
        at=desk.clock.now(),
        who=by,
        what="certificate.revoke",
        subject=entries["lfdi"],
        after=dict(entries),
        reason=asked.reason,
    )
    await _note(desk, entry)
    answer: RevokeAnswer = entries
    return answer


async def _note(desk: Desk, entry: Entry) -> None:
    await desk.records.commit([entry.change()])
    entry.log()
