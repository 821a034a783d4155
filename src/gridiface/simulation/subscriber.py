"""An inverter's maker who subscribes to its controls and sees one superseded: over mutual TLS, by notifications alone.

Finds the subscription list and the program by links, listens for notifications with a certificate of its own, and
polls nothing. Used by the demo.
"""

from __future__ import annotations

import asyncio
import secrets
import ssl
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from aiohttp import web

from gridiface.errors import RemoteProtocolError
from gridiface.httpname import name_ourselves
from gridiface.protocols.sep2.enums import EventStatusCode
from gridiface.protocols.sep2.resources import (
    DateTimeInterval,
    DERControl,
    DERControlBase,
    DERControlList,
    DERProgram,
    DERProgramList,
    EndDeviceList,
    EventStatus,
    FunctionSetAssignmentsList,
    Notification,
    Subscription,
)
from gridiface.protocols.xmlwire import decode, encode
from gridiface.simulation.utility import Posted, UtilityClient, UtilityFailed

_LIMIT = 20
_LEAD_S = 2
_MOST_OCTETS = 256 * 1024


class Subscriber:
    """Listens for notifications. Use as an async context manager.

    Args:
        client: a session with the inverter's certificate.
        listen: TLS context of the listener.
    """

    def __init__(self, client: UtilityClient, listen: ssl.SSLContext) -> None:
        self._client, self._listen = client, listen
        self._runner: web.AppRunner | None = None
        self._port = 0
        self._news = asyncio.Event()
        self.notifications: list[Notification] = []

    async def __aenter__(self) -> Subscriber:
        await self._client.__aenter__()
        name_ourselves()
        app = web.Application(client_max_size=_MOST_OCTETS)
        app.router.add_post("/ntfy", self._take)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._listen)
        await site.start()
        self._port = int(self._runner.addresses[0][1])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        await self._client.__aexit__(kind, problem, trace)

    async def _take(self, request: web.Request) -> web.Response:
        try:
            self.notifications.append(decode(await request.read(), Notification))
        except RemoteProtocolError:
            return web.Response(status=400)
        self._news.set()
        return web.Response(status=201)

    async def subscribe(self) -> DERProgram:
        """Subscribe to the controls of the inverter's own program, and return that.

        Raises:
            UtilityFailed: a link is missing, or the server refused.
        """
        own = (await self._client.get("/edev?l=1", EndDeviceList)).members[0]
        if own.FunctionSetAssignmentsListLink is None or own.SubscriptionListLink is None:
            raise UtilityFailed("the inverter's EndDevice has no assignments or no subscriptions")
        assigned = await self._client.get(own.FunctionSetAssignmentsListLink.href, FunctionSetAssignmentsList)
        link = assigned.members[0].DERProgramListLink
        if link is None:
            raise UtilityFailed("the inverter is assigned no programs")
        program = (await self._client.get(link.href, DERProgramList)).members[0]
        if program.DERControlListLink is None:
            raise UtilityFailed("the inverter's program has no controls")
        wish = Subscription(
            subscribedResource=program.DERControlListLink.href,
            encoding=0,
            level="-S1",
            limit=_LIMIT,
            notificationURI=f"https://127.0.0.1:{self._port}/ntfy",
        )
        status, _, _ = await self._client.request("POST", own.SubscriptionListLink.href, encode(wish))
        if status not in {201, 204}:
            raise UtilityFailed(f"the subscription was answered with {status}")
        return program

    async def see_superseded(self, utility: UtilityClient, patience_s: float) -> dict[str, Any]:
        """Let the utility post two ceilings that overlap, and wait until notifications have told the whole story.

        Returns:
            How many notifications came, and the statuses that they showed of the older and the newer control.

        Raises:
            UtilityFailed: the server refused something.
        """
        program = await self.subscribe()
        now = int(time.time())
        # A time of making that lies ahead counts as the time of receipt: the older one is made a second ago.
        older = await _ceiling(utility, program, "older ceiling", 9500, now - 1, now + _LEAD_S)
        newer = await _ceiling(utility, program, "newer ceiling", 9000, now, now + 2 * _LEAD_S)
        superseded = await self._until(
            lambda: EventStatusCode.SUPERSEDED in self._seen(older) and EventStatusCode.ACTIVE in self._seen(newer),
            patience_s,
        )
        await utility.cancel(newer, now=int(time.time()))
        cancelled = await self._until(lambda: EventStatusCode.CANCELLED in self._seen(newer), patience_s)
        return {
            "notifications": len(self.notifications),
            "older": [status.name for status in self._seen(older)],
            "newer": [status.name for status in self._seen(newer)],
            "ok": superseded and cancelled,
        }

    def _seen(self, control: Posted) -> list[EventStatusCode]:
        """The statuses of a control in the order in which notifications told them."""
        told = [
            EventStatusCode(member.eventStatus.currentStatus)
            for notification in self.notifications
            if isinstance(notification.resource, DERControlList)
            for member in notification.resource.members
            if member.mRID == control.mrid
        ]
        return list(dict.fromkeys(told))

    async def _until(self, holds: Callable[[], bool], patience_s: float) -> bool:
        try:
            async with asyncio.timeout(patience_s):
                while not holds():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return False
        return True


async def _ceiling(
    utility: UtilityClient, program: DERProgram, title: str, hundredths: int, made: int, start: int
) -> Posted:
    control = DERControl(
        mRID=secrets.token_hex(12).upper() + "0000B4F3",
        description=title,
        responseRequired=0x03,
        creationTime=made,
        eventStatus=EventStatus(currentStatus=0, dateTime=made, potentiallySuperseded=False),
        interval=DateTimeInterval(duration=600, start=start),
        derControlBase=DERControlBase(opModMaxLimW=hundredths),
    )
    return await utility.post(program, control)
