"""Notifications over mutual TLS with CCM8, to a receiver with a certificate of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from tests.tls_requests import peer_of, watch_requests
from tests.waiting import until

from gridiface.app.config.model import Sep2
from gridiface.app.fronts.sep2_settings import notifier_context
from gridiface.northbound.sep2.settings import NotificationSettings
from gridiface.northbound.sep2.wire.notification_target import TargetRules
from gridiface.northbound.sep2.wire.notifier import HttpsNotifier
from gridiface.pki.contexts import KeyPair, server_context
from gridiface.protocols.sep2.resources import DERControlList, Notification
from gridiface.protocols.xmlwire import decode

NS = 'xmlns="urn:ieee:std:2030.5:ns"'


@dataclass
class Receiver:
    """A notification listener; `status` is what it answers, `location` where it would send the sender."""

    port: int = 0
    status: int = 201
    location: str = ""
    peers: list[str] = field(default_factory=list)
    got: list[Notification] = field(default_factory=list)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        peer = peer_of(request)
        assert peer is not None
        self.peers.append(request.headers["Content-Type"])
        assert (request.headers["User-Agent"], request.headers["Accept-Encoding"]) == ("gridiface", "identity")
        self.got.append(decode(await request.read(), Notification))
        return web.Response(status=self.status, headers={"Location": self.location} if self.location else {})

    async def wait_for(self, count: int) -> list[Notification]:
        deadline = time.monotonic() + 10
        while len(self.got) < count and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        return self.got


@pytest_asyncio.fixture(params=["server"])
async def receiver(site: Any, request: pytest.FixtureRequest) -> AsyncIterator[Receiver]:
    """The receiver, which shows the certificate that the parameter names."""
    found = Receiver()
    server = web.Server(watch_requests(found.handle))
    listener = site.listener(server, request.param)
    await listener.start("127.0.0.1", 0)
    found.port = listener.addresses[0][1]
    yield found
    listener.stop_accepting()
    await server.shutdown(1.0)
    await listener.close()


def notifications(site: Any, **rules: Any) -> NotificationSettings:
    allowed = TargetRules(**({"loopback": True} | rules))
    tls = {"certificate": site.folder / "server.pem", "key": site.folder / "server.key"}
    sep2 = Sep2.model_validate({"listen": "127.0.0.1:0", "tls": tls | {"roots": [site.folder / "serca.pem"]}})
    return NotificationSettings(
        make=lambda: HttpsNotifier(lambda demand: notifier_context(sep2, demand), allowed),
        rules=allowed,
        spacing_s=0.0,
    )


async def subscribe(running: Any, resource: str, uri: str) -> tuple[int, str]:
    edev = running.server.core.state.by_device["inv-1"].path
    body = (
        f"<Subscription {NS}><subscribedResource>{resource}</subscribedResource><encoding>0</encoding>"
        f"<level>-S1</level><limit>5</limit><notificationURI>{uri}</notificationURI></Subscription>"
    )
    status, headers, _ = await running.send("POST", f"{edev}/sub", body, by="inverter")
    return status, headers.get("Location", "")


async def post_control(running: Any, mrid: str) -> str:
    path = running.server.core.state.program_of_device("inv-1").path
    body = (
        f"<DERControl {NS}><mRID>{mrid}</mRID><creationTime>{int(time.time())}</creationTime>"
        "<EventStatus><currentStatus>0</currentStatus><dateTime>0</dateTime>"
        "<potentiallySuperseded>false</potentiallySuperseded></EventStatus>"
        f"<interval><duration>60</duration><start>{int(time.time()) + 900}</start></interval>"
        "<DERControlBase><opModConnect>false</opModConnect></DERControlBase></DERControl>"
    )
    assert (await running.send("POST", f"{path}/derc", body))[0] == 201
    return f"{path}/derc"


Start = Callable[..., Awaitable[Any]]


async def test_a_change_is_posted_to_the_subscriber_over_mutual_tls(
    start: Start, site: Any, receiver: Receiver
) -> None:
    running = await start(notifications=notifications(site))
    path = running.server.core.state.program_of_device("inv-1").path + "/derc"
    status, place = await subscribe(running, path, f"https://127.0.0.1:{receiver.port}/n")
    assert status == 201
    await post_control(running, "A1" * 16)
    (found,) = await receiver.wait_for(1)
    assert receiver.peers == ["application/sep+xml"]
    assert (found.subscribedResource, found.status) == (path, 0)
    assert found.subscriptionURI == f"https://127.0.0.1:{running.server.port}{place}"
    assert isinstance(found.resource, DERControlList)
    _, _, body = await running.send("GET", f"{path}?l=5", by="inverter")
    assert found.resource == decode(body, DERControlList)
    assert running.server.cancel_subscription(place)
    assert not running.server.cancel_subscription(place)
    assert (await receiver.wait_for(2))[1].status == 1


@pytest.mark.parametrize("receiver", ["inverter"], indirect=True)
async def test_a_device_that_listens_with_its_own_certificate_is_known_by_its_lfdi(
    start: Start, site: Any, receiver: Receiver
) -> None:
    running = await start(notifications=notifications(site))
    path = running.server.core.state.program_of_device("inv-1").path + "/derc"
    assert (await subscribe(running, path, f"https://127.0.0.1:{receiver.port}/n"))[0] == 201
    await post_control(running, "A1" * 16)
    assert (await receiver.wait_for(1))[0].subscribedResource == path


@pytest.mark.parametrize("receiver", ["stranger"], indirect=True)
async def test_a_device_that_is_not_the_subscriber_is_told_nothing(
    start: Start, site: Any, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "gridiface.sep2")
    running = await start(notifications=notifications(site))
    path = running.server.core.state.program_of_device("inv-1").path + "/derc"
    assert (await subscribe(running, path, f"https://127.0.0.1:{receiver.port}/n"))[0] == 201
    await post_control(running, "A1" * 16)
    deadline = time.monotonic() + 10
    while "is not the subscriber's, and it does not name 127.0.0.1" not in caplog.text:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    assert site.lfdi["stranger"] in caplog.text
    assert receiver.got == []


async def test_delete_the_subscription_after_a_400_answer_keep_it_after_5xx(
    start: Start, site: Any, receiver: Receiver
) -> None:
    running = await start(notifications=notifications(site))
    path = running.server.core.state.program_of_device("inv-1").path + "/derc"
    _, place = await subscribe(running, path, f"https://127.0.0.1:{receiver.port}/n")
    receiver.status = 503
    await post_control(running, "A1" * 16)
    await receiver.wait_for(1)
    again = await start(running.house, notifications=notifications(site))
    subscriber = again.server.core.subscriptions.get(place)
    assert subscriber is not None
    receiver.status = 400
    await post_control(again, "B1" * 16)
    subscriber.due = 0.0
    again.server.handle_timer(time.time())
    await receiver.wait_for(2)
    deadline = time.monotonic() + 10
    while (await again.send("GET", place, by="inverter"))[0] != 404:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def test_redirects_are_not_followed_and_other_addresses_are_refused(
    start: Start, site: Any, receiver: Receiver
) -> None:
    running = await start(notifications=notifications(site))
    path = running.server.core.state.program_of_device("inv-1").path + "/derc"
    for uri in (
        "https://10.1.2.3:8443/n",
        "https://169.254.169.254/",
        "http://127.0.0.1:8080/n",
        "https://localhost/n",
    ):
        assert (await subscribe(running, path, uri))[0] == 400
    receiver.status, receiver.location = 307, f"https://127.0.0.1:{receiver.port}/elsewhere"
    await subscribe(running, path, f"https://127.0.0.1:{receiver.port}/n")
    await post_control(running, "A1" * 16)
    await receiver.wait_for(1)
    deadline = time.monotonic() + 10
    while not running.server.core.subscriptions.counts.given_up:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    assert len(receiver.got) == 1


async def test_this_machine_is_no_receiver_unless_allowed(start: Start, site: Any, receiver: Receiver) -> None:
    running = await start(notifications=notifications(site, loopback=False))
    assert (await subscribe(running, "/edev", f"https://127.0.0.1:{receiver.port}/n"))[0] == 400


async def whole_request(reader: asyncio.StreamReader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    await reader.readexactly(int(length.split(b":")[1]))


ODD_ANSWERS = {
    "no length, and the connection stays open": b"HTTP/1.1 201 Created\r\n\r\n",
    "more announced than comes": b"HTTP/1.1 201 Created\r\nContent-Length: 50\r\n\r\nhalf",
    "chunks that never end": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    "hints before the answer": b"HTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n"
    b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n",
    "a version of old": b"HTTP/1.0 201 Created\r\n\r\n",
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
}


@pytest.mark.parametrize("name", sorted(ODD_ANSWERS))
@pytest.mark.parametrize("closing", [False, True])
async def test_a_status_is_an_answer_whatever_comes_behind_it(
    start: Start, site: Any, name: str, *, closing: bool
) -> None:
    got: list[float] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await whole_request(reader)
                got.append(time.monotonic())
                writer.write(ODD_ANSWERS[name])
                await writer.drain()
                if closing:
                    break
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()

    key_pair = KeyPair(site.folder / "server.pem", site.folder / "server.key")
    context = server_context("strict", key_pairs=[key_pair], roots=[site.folder / "serca.pem"])
    odd = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    try:
        running = await start(notifications=notifications(site))
        path = running.server.core.state.program_of_device("inv-1").path + "/derc"
        await subscribe(running, path, f"https://127.0.0.1:{odd.sockets[0].getsockname()[1]}/n")
        counts = running.server.core.subscriptions.counts
        for number, mrid in enumerate(("A1", "A2"), start=1):
            await post_control(running, mrid * 16)
            await until(lambda number=number: counts.delivered == number, "it is delivered", 30)
        assert len(got) == 2
    finally:
        odd.close()
