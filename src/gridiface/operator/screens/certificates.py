"""Upload or paste a certificate or a request: every check with its clause; sign it, revoke it."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web
from pydantic import ValidationError

from gridiface.operator.areas.certificates import Revoke, Sign, revoke, sign
from gridiface.operator.certificates import Purpose
from gridiface.operator.problems import Refused
from gridiface.operator.screens.forms import acting, form_of
from gridiface.operator.screens.house import House
from gridiface.operator.server import Page
from gridiface.wording import said

_PURPOSES: dict[str, Purpose] = {
    "sep2": "sep2",
    "sep2-server": "sep2-server",
    "openadr": "openadr",
    "openadr-server": "openadr-server",
}


class CertificatesScreen:
    """`/certificates`."""

    def __init__(self, house: House) -> None:
        self._house = house

    def pages(self) -> list[Page]:
        """All routes."""
        page = self._house.page
        return [
            page("/certificates", self.show),
            page("/certificates", self.inspect, method="POST"),
            page("/certificates/sign", self.sign, scope="configure", method="POST"),
            page("/certificates/revoke", self.revoke, scope="configure", method="POST"),
        ]

    async def show(self, request: web.Request) -> web.StreamResponse:
        """The empty form, or what a peer's certificate is judged as, by `lfdi`."""
        seen = self._house.desk.certificates.seen(request.query.get("lfdi", "")[:40])
        if seen is None:
            return self._page(request, "", "sep2", strict=False)
        return self._page(
            request, seen["pem"], "sep2", strict=False, found=await self._judged(seen["pem"], "sep2", strict=False)
        )

    async def inspect(self, request: web.Request) -> web.StreamResponse:
        """The form with what was found."""
        form = await form_of(request)
        pem, purpose = form.lines("pem"), _PURPOSES.get(form.text("purpose", "sep2"), "sep2")
        strict = form.ticked("strict")
        try:
            found = await self._judged(pem, purpose, strict=strict)
        except Refused as refused:
            return self._page(request, pem, purpose, strict=strict, refused=refused)
        return self._page(request, pem, purpose, strict=strict, found=found)

    async def sign(self, request: web.Request) -> web.StreamResponse:
        """Sign the request in the form."""
        form, pem = await form_of(request), ""
        try:
            pem = form.lines("pem")
            hosts = form.text("hosts", most=1000).replace(",", " ").split()
            asked = Sign.model_validate(
                {"pem": pem, "profile": form.text("profile", "device"), "name": form.text("name"), "hosts": hosts}
            )
            made = await sign(self._house.desk, asked, acting(request, "configure").name)
        except ValidationError as error:
            refused = Refused(422, f"the form is not right: {said(error.errors()[0])}", "correct the name")
            return self._page(request, pem, "sep2", strict=False, refused=refused)
        except Refused as refused:
            return self._page(request, pem, "sep2", strict=False, refused=refused)
        found = await self._judged(made["certificate"], "sep2", strict=False)
        return self._page(request, made["certificate"], "sep2", strict=False, found=found, done="It is signed.")

    async def revoke(self, request: web.Request) -> web.StreamResponse:
        """Revoke the certificate in the form."""
        form = await form_of(request)
        pem = form.lines("pem")
        try:
            asked = Revoke.model_validate({"pem": pem, "reason": form.text("reason")})
            await revoke(self._house.desk, asked, acting(request, "configure").name)
            found = await self._judged(pem, "sep2", strict=False)
        except ValidationError:
            refused = Refused(422, "the form holds no certificate", "paste one")
            return self._page(request, pem, "sep2", strict=False, refused=refused)
        except Refused as refused:
            return self._page(request, pem, "sep2", strict=False, refused=refused)
        done = "It is revoked; listeners refuse it within seconds."
        return self._page(request, pem, "sep2", strict=False, found=found, done=done)

    async def _judged(self, pem: str, purpose: Purpose, *, strict: bool) -> dict[str, Any]:
        desk = self._house.desk
        return await asyncio.to_thread(desk.certificates.inspect, pem, purpose, desk.clock.now(), strict=strict)

    def _page(
        self,
        request: web.Request,
        pem: str,
        purpose: Purpose,
        *,
        strict: bool,
        found: dict[str, Any] | None = None,
        refused: Refused | None = None,
        done: str = "",
    ) -> web.Response:
        desk = self._house.desk.certificates
        return self._house.frame.page(
            request,
            "certificates.html",
            status=200 if refused is None else refused.status,
            pem=pem,
            purpose=purpose,
            strict=strict,
            found=found,
            refused=refused,
            done=done,
            signs=desk.authority is not None,
            revokes=desk.revoked is not None,
        )
