"""A utility's IEEE 2030.5 client: finds a group's program by links, posts a control, watches the responses.

Speaks to any server that lets a utility's certificate POST DERControls; knows only what it was told and what links
show. Active power: + delivered to the grid.
"""

from __future__ import annotations

import secrets
import ssl
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urljoin

import aiohttp

from gridiface.domain.clock import Instant
from gridiface.domain.quantities import to_power_of_ten
from gridiface.errors import GridifaceError
from gridiface.protocols.sep2.enums import DeviceCategory
from gridiface.protocols.sep2.resources import (
    ActivePower,
    DateTimeInterval,
    DERControl,
    DERControlBase,
    DERControlList,
    DERProgram,
    DERProgramList,
    DeviceCapability,
    EndDeviceList,
    EventStatus,
    ResponseList,
)
from gridiface.protocols.xmlwire import WireObject, decode, encode
from gridiface.streams.bodies import BodyTooLarge, whole_body

_MEDIA = "application/sep+xml"
_PAGE = 255
_MAX_BODY = 8 * 1024 * 1024

W = TypeVar("W", bound=WireObject)
L = TypeVar("L", bound=WireObject)


class UtilityFailed(GridifaceError):
    """The server answered otherwise than a utility needs; method, path and status are in the text."""


@dataclass(frozen=True, slots=True)
class Posted:
    """A control that the server has taken: where it lives, its mRID, and where its responses are."""

    href: str
    mrid: str
    reply_to: str | None


class UtilityClient:
    """One utility over one keep-alive session. Use as an async context manager.

    Args:
        base: https://HOST:PORT of the server.
        context: TLS context with the utility's certificate.
    """

    def __init__(self, base: str, context: ssl.SSLContext) -> None:
        self._base = base
        self._context = context
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> UtilityClient:
        connector = aiohttp.TCPConnector(ssl=self._context, limit=2)
        timeout = aiohttp.ClientTimeout(total=15)
        self._session = aiohttp.ClientSession(connector=connector, timeout=timeout)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def request(self, method: str, path: str, body: bytes | None = None) -> tuple[int, dict[str, str], bytes]:
        """One exchange: status, headers (lower-case names), body.

        Raises:
            UtilityFailed: no answer, or a body beyond all reason.
        """
        assert self._session is not None
        headers = {"Accept": _MEDIA} | ({"Content-Type": _MEDIA} if body is not None else {})
        try:
            url = urljoin(self._base, path)
            async with self._session.request(method, url, data=body, headers=headers, allow_redirects=False) as answer:
                content = await whole_body(answer.content, _MAX_BODY)
                return answer.status, {name.lower(): value for name, value in answer.headers.items()}, content
        except (aiohttp.ClientError, BodyTooLarge, TimeoutError) as problem:
            raise UtilityFailed(f"{method} {path}: {problem or type(problem).__name__}") from problem

    async def get(self, path: str, expected: type[W]) -> W:
        """GET one resource.

        Raises:
            UtilityFailed: another status than 200.
            RemoteProtocolError: the body is not what the standard says.
        """
        status, _, body = await self.request("GET", path)
        if status != 200:
            raise UtilityFailed(f"GET {path} was answered with {status}")
        return decode(body, expected)

    async def program(self, name: str) -> DERProgram:
        """The program whose description is or ends with `name`, found from /dcap by links.

        Raises:
            UtilityFailed: there is none.
        """
        dcap = await self.get("/dcap", DeviceCapability)
        if dcap.DERProgramListLink is None:
            raise UtilityFailed("/dcap shows no DERProgramListLink to a utility")
        found: list[DERProgram] = await self.members(dcap.DERProgramListLink.href, DERProgramList)
        for program in found:
            if name in {program.description, (program.description or "").rpartition(" ")[2]}:
                return program
        known = ", ".join(sorted(program.description or "?" for program in found))
        raise UtilityFailed(f"no program for {name!r}; there are {known}")

    async def post_target(
        self, program: DERProgram, watts: float, *, start: Instant, duration_s: float, now: Instant, title: str
    ) -> Posted:
        """POST a DERControl with opModTargetW = `watts`, all responses wanted.

        Raises:
            UtilityFailed: it was not created.
        """
        value, multiplier = to_power_of_ten(watts)
        control = DERControl(
            mRID=secrets.token_hex(12).upper() + "0000B4F3",
            description=title,
            responseRequired=0x03,
            creationTime=int(now),
            eventStatus=EventStatus(currentStatus=0, dateTime=int(now), potentiallySuperseded=False),
            interval=DateTimeInterval(duration=int(duration_s), start=int(start)),
            derControlBase=DERControlBase(opModTargetW=ActivePower(multiplier=multiplier, value=value)),
        )
        return await self.post(program, control)

    async def post(self, program: DERProgram, control: DERControl) -> Posted:
        """POST a DERControl to a program's list.

        Raises:
            UtilityFailed: it was not created.
        """
        if program.DERControlListLink is None:
            raise UtilityFailed(f"program {program.description} shows no DERControlListLink")
        path = program.DERControlListLink.href
        status, headers, body = await self.request("POST", path, encode(control))
        if status != 201 or "location" not in headers:
            raise UtilityFailed(f"POST {path} was answered with {status}: {body[:200].decode(errors='replace')}")
        shown = await self.get(headers["location"], DERControl)
        return Posted(href=headers["location"], mrid=control.mRID, reply_to=shown.replyTo)

    async def cancel(self, posted: Posted, *, now: Instant) -> None:
        """PUT the control with status 2 (cancelled).

        Raises:
            UtilityFailed: the server refused.
        """
        shown = await self.get(posted.href, DERControl)
        shown.eventStatus.currentStatus = 2
        shown.eventStatus.dateTime = int(now)
        status, _, body = await self.request("PUT", posted.href, encode(shown))
        if status != 204:
            raise UtilityFailed(f"PUT {posted.href} was answered with {status}: {body[:200].decode(errors='replace')}")

    async def responses(self, posted: Posted) -> dict[int, set[str]]:
        """Response status -> LFDIs of the devices that sent it, for this control.

        Raises:
            UtilityFailed: the list cannot be read.
        """
        if posted.reply_to is None:
            return {}
        found: dict[int, set[str]] = {}
        for response in await self.members(posted.reply_to, ResponseList):
            if response.subject == posted.mrid and response.status is not None:
                found.setdefault(response.status, set()).add(response.endDeviceLFDI)
        return found

    async def device_lfdis(self) -> set[str]:
        """The LFDIs of all devices; those of groups, which appear as aggregated DERs, are left out.

        Raises:
            UtilityFailed: the list cannot be read.
        """
        dcap = await self.get("/dcap", DeviceCapability)
        if dcap.EndDeviceListLink is None:
            raise UtilityFailed("/dcap shows no EndDeviceListLink")
        devices = await self.members(dcap.EndDeviceListLink.href, EndDeviceList)
        mixed = DeviceCategory.VIRTUAL_OR_MIXED_DER
        return {device.lFDI for device in devices if device.lFDI and not (device.deviceCategory or 0) & mixed}

    async def members(self, href: str, kind: type[L]) -> list[Any]:
        """Every member of a list, page by page.

        Raises:
            UtilityFailed: a page cannot be read.
        """
        found: list[Any] = []
        total = 1
        while len(found) < total:
            listed: Any = await self.get(f"{href}?s={len(found)}&l={_PAGE}", kind)
            found += listed.members
            total = listed.all if listed.members else 0
        return found

    async def controls(self, program: DERProgram) -> DERControlList:
        """The program's controls, the first page.

        Raises:
            UtilityFailed: the list cannot be read.
        """
        if program.DERControlListLink is None:
            return DERControlList(all=0, results=0)
        return await self.get(f"{program.DERControlListLink.href}?l={_PAGE}", DERControlList)
