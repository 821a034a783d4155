"""Notices: queued durably, sent with growing pauses, given up after a day; by webhook and mail, over real sockets."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from gridiface.errors import ConfigError, StoreUnavailable
from gridiface.operator.alarms.alarms import AlarmBook
from gridiface.operator.alarms.mail import Mail
from gridiface.operator.alarms.notices import FIRST_S, GIVEN_UP_S, LONGEST_S, PILE, Notice, Notices, Undelivered
from gridiface.operator.alarms.webhook import Judge, Webhook


@dataclass
class Fake:
    """A target that fails as often as it is told to."""

    name: str = "ops"
    severity: str = "warning"
    kinds: tuple[str, ...] = ()
    fails: int = 0
    final: bool = False
    got: list[Notice] = field(default_factory=list)

    async def send(self, notice: Notice) -> None:
        if self.fails:
            self.fails -= 1
            raise Undelivered("down", final=self.final)
        self.got.append(notice)


def queue(house: Any, *targets: Any) -> tuple[AlarmBook, Notices]:
    notices = Notices(house.records, targets, "plant")
    return AlarmBook(house.records, [notices.on_alarm]), notices


async def test_each_target_gets_what_it_asked_for_once(house: Any) -> None:
    all_of_it, only, bad = Fake("all", "info"), Fake("only", "info", ("breaker_open",)), Fake("bad", "critical")
    book, notices = queue(house, all_of_it, only, bad)
    book.observe("breaker_open", {"a": "failed"}, 100.0)
    book.observe("certificate_expired", {"c.pem": "ended"}, 100.0)
    book.observe("breaker_open", {}, 101.0)
    await notices.deliver(101.0)
    await notices.deliver(102.0)
    assert sorted((n.event, n.alarm["subject"]) for n in all_of_it.got) == [
        ("alarm.cleared", "a"),
        ("alarm.raised", "a"),
        ("alarm.raised", "c.pem"),
    ]
    assert [n.alarm["kind"] for n in only.got] == ["breaker_open"] * 2
    assert [n.alarm["kind"] for n in bad.got] == ["certificate_expired"]
    assert notices.waiting == 0
    assert not [key for key in house.records.kept if key[0] == "operator/notice"]
    assert all_of_it.got[0].alarm["site"] == "plant"


async def test_failures_are_tried_again_with_growing_pauses_also_after_a_restart(house: Any) -> None:
    target = Fake(fails=3)
    book, notices = queue(house, target)
    book.observe("breaker_open", {"a": "failed"}, 100.0)
    await notices.deliver(100.0)
    assert notices.failing == {"ops": "down"}
    await notices.deliver(100.0 + FIRST_S - 1)
    assert target.fails == 2
    await notices.deliver(100.0 + FIRST_S)
    await notices.deliver(100.0 + FIRST_S)
    _, again = queue(house, target)
    await again.load()
    assert again.waiting == 1
    await again.deliver(100.0 + 3 * FIRST_S)
    assert target.fails == 0
    await again.deliver(100.0 + 3 * FIRST_S + LONGEST_S)
    assert [n.event for n in target.got] == ["alarm.raised"]
    assert (again.waiting, again.failing) == (0, {})


async def test_what_waits_is_tried_again_when_the_clock_was_set_back(house: Any) -> None:
    target = Fake(fails=1)
    book, notices = queue(house, target)
    book.observe("breaker_open", {"a": "failed"}, 10_000.0)
    await notices.deliver(10_000.0)
    await notices.deliver(10_000.0 - 3600.0)
    assert [n.event for n in target.got] == ["alarm.raised"]


@pytest.mark.parametrize("final", [True, False])
async def test_given_up_when_it_is_final_or_after_a_day(house: Any, *, final: bool) -> None:
    target = Fake(fails=10_000, final=final)
    book, notices = queue(house, target)
    book.observe("breaker_open", {"a": "failed"}, 100.0)
    await notices.deliver(100.0)
    assert notices.waiting == (0 if final else 1)
    await notices.deliver(101.0 + GIVEN_UP_S)
    assert notices.waiting == 0


async def test_what_cannot_be_written_is_sent_all_the_same(house: Any) -> None:
    target = Fake()
    book, notices = queue(house, target)
    book.observe("breaker_open", {"a": "failed"}, 100.0)
    assert notices.waiting == 1
    removed = Notices(house.records, [], "plant")
    await notices.deliver(100.0)
    await removed.load()
    assert removed.waiting == 0


async def test_a_store_that_cannot_write_keeps_nobody_from_being_told(house: Any, monkeypatch: Any) -> None:
    target = Fake()
    book, notices = queue(house, target)
    book.observe("breaker_open", {"a": "failed"}, 100.0)

    async def full(_: Any) -> None:
        raise StoreUnavailable("the disk is full")

    with monkeypatch.context() as trouble:
        trouble.setattr(house.records, "commit", full)
        with pytest.raises(StoreUnavailable):
            await notices.deliver(100.0)
    assert len(target.got) == 1
    await notices.deliver(101.0)
    assert len(target.got) == 1
    assert notices.waiting == 0


async def test_a_lost_feeder_is_no_mail_storm(house: Any) -> None:
    target = Fake()
    book, notices = queue(house, target)
    book.observe("breaker_open", {f"d{n}": "failed" for n in range(500)}, 100.0)
    at = 100.0
    while notices.waiting or at < 105.0:
        at += 1
        await notices.deliver(at)
    assert len(target.got) == PILE + 1
    assert target.got[-1].alarm["subject"] == "490 more"


# --- webhooks -------------------------------------------------------------------------------------------------------


@dataclass
class Hook:
    """A receiver on loopback."""

    url: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        self.got.append((dict(request.headers), await request.read()))
        return web.Response(status=self.status, headers=self.headers)


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    made = Hook()
    app = web.Application()
    app.router.add_post("/", made.take)
    app.router.add_get("/", made.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    yield made
    await runner.cleanup()


NOTICE = Notice("n1", "ops", "alarm.raised", {"kind": "breaker_open", "subject": "a"}, 100.0, 100.0)


async def test_webhook_is_signed(hook: Hook) -> None:
    await Webhook(name="ops", url=hook.url, secret=b"s3cret", private=True).send(NOTICE)
    ((headers, body),) = hook.got
    assert json.loads(body) == {"event": "alarm.raised", "id": "n1", "alarm": NOTICE.alarm}
    signed = hmac.new(b"s3cret", b"100." + body, hashlib.sha256).hexdigest()
    assert headers["X-Gridiface-Signature"] == f"sha256={signed}"
    assert headers["X-Gridiface-Delivery"] == "n1"


@pytest.mark.parametrize(("status", "final"), [(500, False), (429, False), (302, False), (404, True), (410, True)])
async def test_what_is_not_taken_is_told_and_redirects_lead_nowhere(hook: Hook, status: int, *, final: bool) -> None:
    hook.status, hook.headers = status, {"Location": hook.url}
    with pytest.raises(Undelivered) as caught:
        await Webhook(name="ops", url=hook.url, private=True).send(NOTICE)
    assert caught.value.final is final
    assert len(hook.got) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "0x7f000001", "2130706433", "127.1"])
async def test_this_machine_is_not_notified_unless_that_is_allowed(hook: Hook, host: str) -> None:
    url = hook.url.replace("127.0.0.1", host).replace("http:", "https:")
    with pytest.raises(Undelivered):
        await Webhook(name="ops", url=url).send(NOTICE)
    assert not hook.got


@pytest.mark.parametrize(
    ("address", "public", "private"),
    [
        ("8.8.8.8", True, True),
        ("2001:4860:4860::8888", True, True),
        ("10.1.2.3", False, True),
        ("127.0.0.1", False, True),
        ("::1", False, True),
        ("::ffff:127.0.0.1", False, True),
        ("169.254.169.254", False, False),
        ("64:ff9b::a9fe:a9fe", False, False),
        ("2002:a00:1::1", False, True),
        ("fe80::1", False, False),
        ("0.0.0.0", False, False),
        ("224.0.0.1", False, False),
        ("100.64.0.1", False, False),
        ("nonsense", False, False),
    ],
)
def test_addresses_are_judged(address: str, *, public: bool, private: bool) -> None:
    assert (Judge(private=False).allows(address), Judge(private=True).allows(address)) == (public, private)


@pytest.mark.parametrize("url", ["http://example.org/", "ftp://example.org/", "https:///x"])
def test_addresses_that_are_none_are_named_at_the_start(url: str) -> None:
    with pytest.raises(ConfigError, match="https"):
        Webhook(name="ops", url=url)


# --- mail -----------------------------------------------------------------------------------------------------------


async def smtp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, got: list[str], code: int) -> None:
    """As much of RFC 5321 as a client needs."""

    async def say(text: str) -> None:
        writer.write(text.encode() + b"\r\n")
        await writer.drain()

    await say("220 here")
    in_data = False
    while line := (await reader.readline()).decode().rstrip("\r\n"):
        word = line[:4].upper()
        got.append(line)
        if word in {"EHLO", "HELO", "MAIL", "RCPT"}:
            await say(f"{code} {line}" if word == "RCPT" and "bob" not in line else "250 fine")
        elif word == "DATA":
            in_data = True
            break
        elif word in {"QUIT", "RSET"}:
            await say("250 bye")
    if in_data:
        await say("354 go on")
        while (line := (await reader.readline()).decode().rstrip("\r\n")) != ".":
            got.append(line)
        await say("250 taken")
        await reader.readline()
        await say("221 bye")
    writer.close()


@pytest.mark.parametrize(("code", "final"), [(250, None), (550, True), (451, False)])
async def test_mail_reaches_a_server(code: int, *, final: bool | None) -> None:
    got: list[str] = []
    server = await asyncio.start_server(lambda r, w: smtp(r, w, got, code), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    mail = Mail(
        name="ops", host="127.0.0.1", port=port, security="none", sender="grid@example.org", to=("ann@example.org",)
    )
    notice = Notice(
        "n1", "ops", "alarm.raised", {**NOTICE.alarm, "severity": "warning", "state": "raised"}, 100.0, 100.0
    )
    try:
        if final is None:
            await mail.send(notice)
            assert "rcpt to:<ann@example.org>" in [line.lower() for line in got]
            assert any(line.startswith("Subject:") and "breaker_open a" in line for line in got)
        else:
            with pytest.raises(Undelivered, match=f"refused ann@example.org .{code}.") as caught:
                await mail.send(notice)
            assert caught.value.final is final
    finally:
        server.close()
        await server.wait_closed()


async def test_mail_that_reaches_some_is_not_sent_again_and_names_the_others(caplog: pytest.LogCaptureFixture) -> None:
    got: list[str] = []
    server = await asyncio.start_server(lambda r, w: smtp(r, w, got, 550), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    to = ("ann@example.org", "bob@example.org")
    mail = Mail(name="ops", host="127.0.0.1", port=port, security="none", sender="grid@example.org", to=to)
    alarm = {**NOTICE.alarm, "severity": "warning", "state": "raised"}
    try:
        await mail.send(Notice("n1", "ops", "alarm.raised", alarm, 100.0, 100.0))
    finally:
        server.close()
        await server.wait_closed()
    assert any(line.startswith("Subject:") for line in got)
    assert "refused ann@example.org (550)" in caplog.text


def test_each_try_of_a_notice_is_the_same_message() -> None:
    mail = Mail(name="ops", host="h", port=25, security="none", sender="grid@example.org", to=("ann@example.org",))
    alarm = {**NOTICE.alarm, "severity": "warning", "state": "raised"}
    first, again, other = (
        mail.message(Notice(name, "ops", "alarm.raised", alarm, 1_796_013_416.8, at))
        for name, at in (("n1", 1.0), ("n1", 2.0), ("n2", 1.0))
    )
    assert first["Date"] == "Mon, 30 Nov 2026 04:36:56 +0000"
    assert first["Message-ID"] == again["Message-ID"] != other["Message-ID"]
    assert first["Message-ID"].endswith("@example.org>")


def test_names_from_devices_cannot_add_headers() -> None:
    mail = Mail(name="ops", host="h", port=25, security="none", sender="grid@example.org", to=("ann@example.org",))
    alarm = {"kind": "k", "subject": "a\r\nBcc: eve@example.org", "severity": "warning", "state": "raised"}
    made = mail.message(Notice("n", "ops", "alarm.raised", alarm, 100.0, 100.0))
    assert made["Bcc"] is None
    assert "\n" not in made["Subject"]
