"""What a subscriber makes of notifications; the whole way is in tests/flows/test_demo.py."""

from __future__ import annotations

import ssl
from typing import Any

import aiohttp
import pytest

from gridiface.protocols.sep2.resources import (
    DateTimeInterval,
    DERControl,
    DERControlBase,
    DERControlList,
    EndDevice,
    EndDeviceList,
    EventStatus,
    Notification,
)
from gridiface.protocols.xmlwire import encode
from gridiface.simulation.subscriber import Subscriber
from gridiface.simulation.utility import Posted, UtilityFailed


class Client:
    """A session that knows one list."""

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: Any) -> None:
        return None

    async def get(self, path: str, expected: Any) -> Any:
        return EndDeviceList(all=1, results=1, members=[EndDevice(sFDI=1, changedTime=0)])


def notification(status: int) -> bytes:
    control = DERControl(
        mRID="A1", creationTime=0, derControlBase=DERControlBase(), interval=DateTimeInterval(duration=1, start=0),
        eventStatus=EventStatus(currentStatus=status, dateTime=0, potentiallySuperseded=False),
    )  # fmt: skip
    listed = DERControlList(all=1, results=1, members=[control])
    return encode(
        Notification(
            subscribedResource="/derp/1/derc", status=0, subscriptionURI="https://u/edev/1/sub/1", resource=listed
        )
    )


async def test_statuses_are_kept_in_the_order_in_which_they_were_told(monkeypatch: pytest.MonkeyPatch) -> None:
    client: Any = Client()
    plain: Any = None  # the listener's TLS is the server's, tested where both are
    async with Subscriber(client, plain) as subscriber, aiohttp.ClientSession() as session:
        uri = f"http://127.0.0.1:{subscriber._port}/ntfy"
        for status in (0, 1, 1, 4):
            async with session.post(uri, data=notification(status)) as reply:
                assert reply.status == 201
        async with session.post(uri, data=b"<x/>") as reply:
            assert reply.status == 400
        seen = subscriber._seen(Posted("/derp/1/derc/1", "A1", None))
        assert [status.name for status in seen] == ["SCHEDULED", "ACTIVE", "SUPERSEDED"]
        assert subscriber._seen(Posted("/derp/1/derc/2", "B2", None)) == []
        assert len(subscriber.notifications) == 4
        assert await subscriber._until(lambda: False, 0.01) is False


async def test_a_missing_link_is_told() -> None:
    client: Any = Client()
    with pytest.raises(UtilityFailed, match="no assignments"):
        await Subscriber(client, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)).subscribe()
