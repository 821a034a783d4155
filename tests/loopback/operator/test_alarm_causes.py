"""Alarms by their real causes in a whole server: raised, told by webhook and mail, acknowledged, cleared with it.

The events are made to happen: a device refuses, a battery's meter jumps, a certificate ends, a peer goes, somebody else
holds the database. No test calls an alarm.
"""

from __future__ import annotations

import asyncio
import contextlib
import email
import json
import socket
import sqlite3
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword
from tests.certificates import self_signed
from tests.waiting import until

from gridiface.app import alarms as sources
from gridiface.app.config.load import load_config
from gridiface.app.process.clock import SystemClock
from gridiface.app.wiring import GridServer
from gridiface.drivers import dispatcher
from gridiface.drivers.breaker import BreakerSettings, CircuitBreaker
from gridiface.operator.alarms import alarms
from gridiface.operator.alarms import kinds as alarm_kinds
from gridiface.operator.upkeep import Upkeep
from gridiface.pki.contexts import KeyPair, server_context
from gridiface.protocols.openadr.vtn import liveness
from gridiface.simulation.sunspec.config import SimulationConfig
from gridiface.simulation.sunspec.device import Fault
from gridiface.simulation.sunspec.server import Simulation
from gridiface.store import repository
from gridiface.store.repository import StoreOptions

CONFIG = """\
site: alarming
engine: {{period_s: 0.2, stale_after_s: 0.5, lost_after_s: 1}}
operator:
  listen: "127.0.0.1:0"
  approval_share: 0.0
  webhooks:
    - {{name: hook, url: "http://127.0.0.1:{hook}/hook", private_addresses: true, severity: info}}
    - {{name: nobody, url: "http://127.0.0.1:1/hook", private_addresses: true}}
  mails:
    - {{name: staff, host: localhost, port: {mail}, security: starttls, trust: mail.pem, user: gridiface,
        password: mail.txt, sender: "grid@example.net", to: ["night@example.net"]}}
  tls: {{certificate: page.pem, key: page.key}}
devices:
  - id: live
    driver: sunspec
    connection: {{host: 127.0.0.1, port: {modbus}, unit_id: 1, poll_period_s: 0.1, timeout_s: 0.3}}
groups:
  - {{id: fleet, members: [live]}}
openadr:
  vtn:
    vtn_id: OURS
    listen: "127.0.0.1:{vtn}"
    poll_s: 1
    vens: [{{ven_id: SELF, members: [{{device: remote}}]}}]
  vens:
    - {{name: self, url: "http://127.0.0.1:{vtn}", ven_id: SELF, poll_s: 0.2,
        programs: [{{market_context: "http://program.example/dr", group: fleet}}],
        resources: [{{id: all, group: fleet}}]}}
"""


class Settable(SystemClock):
    """The machine's clock, which somebody may set."""

    off = 0.0

    def now(self) -> float:
        return super().now() + self.off


@dataclass
class Mailbox:
    """What a mail server was handed, by whom."""

    letters: list[email.message.Message] = field(default_factory=list)
    users: set[str] = field(default_factory=set)

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        assert session.ssl is not None
        assert envelope.rcpt_tos == ["night@example.net"]
        content = envelope.content
        self.letters.append(email.message_from_bytes(content if isinstance(content, bytes) else b""))
        return "250 taken"

    def let_in(self, server: Any, session: Any, envelope: Any, mechanism: str, given: Any) -> AuthResult:
        if isinstance(given, LoginPassword) and (given.login, given.password) == (b"gridiface", b"secret"):
            self.users.add("gridiface")
            return AuthResult(success=True)
        return AuthResult(success=False, handled=False)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Site:
    """A server, the device behind it, and what its webhook was told."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.mailbox = Mailbox()
        self.clock = Settable()
        self.server: GridServer
        self.simulation: Simulation
        self.folder: Path
        self.tokens: list[str] = []

    async def hook(self, request: web.Request) -> web.Response:
        self.told.append(await request.json())
        return web.Response()

    async def ask(self, method: str, path: str, body: Any = None, *, second: bool = False) -> Any:
        """As an admin, or as a second one."""
        url = f"https://127.0.0.1:{self.server.ports()['operator']}/api/v1{path}"
        headers = {"Authorization": f"Bearer {self.tokens[second]}"}
        sending = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False))
        async with sending as session, session.request(method, url, json=body, headers=headers) as sent:
            found = await sent.json(content_type=None)
            assert sent.status < 400, (sent.status, found)
            return found

    async def devices(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = (await self.ask("GET", "/devices"))["devices"]
        return rows

    async def charge(self) -> float | None:
        """What is known of the device's state of charge, 0 to 1."""
        row = next(row for row in await self.devices() if row["id"] == "live")
        return None if row["soc"] is None else round(row["soc"], 2)

    async def standing(self, kind: str, subject: str = "") -> dict[str, Any] | None:
        rows = (await self.ask("GET", f"/alarms?state=standing&kind={kind}&limit=100"))["alarms"]
        return next((row for row in rows if subject in row["subject"]), None)

    async def raised(self, kind: str, subject: str = "") -> dict[str, Any]:
        """The alarm, once it stands and the webhook was told of it."""
        async with asyncio.timeout(90):
            while True:
                found = await self.standing(kind, subject)
                if found is not None and any(
                    one["alarm"]["kind"] == kind and subject in one["alarm"]["subject"] for one in self.told
                ):
                    return found
                await asyncio.sleep(0.05)

    async def cleared(self, kind: str, subject: str = "") -> None:
        async with asyncio.timeout(90):
            while await self.standing(kind, subject) is not None:
                await asyncio.sleep(0.05)


@pytest.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    quick = {name: replace(kind, after_s=min(kind.after_s, 0.2)) for name, kind in alarm_kinds.KINDS.items()}
    monkeypatch.setattr(alarms, "KINDS", quick)
    made = Site()
    app = web.Application()
    app.router.add_post("/hook", made.hook)
    # What the surface does by itself, and how long another's lock is waited for.
    monkeypatch.setitem(Upkeep.__init__.__kwdefaults__, "turn_s", 0.1)
    monkeypatch.setattr(repository, "StoreOptions", partial(StoreOptions, busy_timeout_s=0.2))
    monkeypatch.setattr(sources, "CERTIFICATES_EVERY_S", 0.2)
    monkeypatch.setattr(liveness, "LOST_AFTER", 2)
    impatient = BreakerSettings(threshold=1, cool_down_s=1.0)
    monkeypatch.setattr(dispatcher, "CircuitBreaker", lambda _: CircuitBreaker(impatient))
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    self_signed(tmp_path, "page", 86_400.0 * 300)
    self_signed(tmp_path, "mail", 86_400.0 * 300)
    (tmp_path / "mail.txt").touch(mode=0o600)
    (tmp_path / "mail.txt").write_text("secret\n")
    pair = KeyPair(tmp_path / "mail.pem", tmp_path / "mail.key")
    mail = Controller(
        made.mailbox,
        hostname="localhost",
        port=free_port(),
        tls_context=server_context("modern", key_pairs=[pair], roots=[], require_client=False),
        auth_required=True,
        authenticator=made.mailbox.let_in,
    )
    mail.start()
    made.simulation = Simulation(SimulationConfig.model_validate({"units": [{"max_w": 4000}]}))
    await made.simulation.start()
    made.folder = tmp_path
    ports = {"hook": runner.addresses[0][1], "modbus": made.simulation.places()[0]["port"], "mail": mail.port}
    config = tmp_path / "g.yaml"
    config.write_text(CONFIG.format(**ports, vtn=free_port()))
    made.server = GridServer(load_config(config), made.clock)
    await made.server.start()
    assert made.server._operator is not None
    tokens = made.server._operator.desk.tokens
    made.tokens = [
        (await tokens.create(name, ["admin"], 1.0, made.server.clock.now(), by=f"maker of {name}"))["token"]
        for name in ("root", "second")
    ]
    yield made
    await made.server.stop()
    await made.simulation.stop()
    await asyncio.to_thread(mail.stop)
    await runner.cleanup()


async def test_alarms_are_raised_by_their_causes_and_cleared_with_them(site: Site) -> None:
    """A quarantine, notices that nobody takes, a waiting approval, a set clock; acknowledged, cleared."""
    await site.ask("POST", "/devices/live/quarantine", {"reason": "a test"})
    alarm = await site.raised("quarantined", "live")
    assert (alarm["severity"], alarm["state"]) == ("critical", "raised")
    seen = await site.ask("POST", f"/alarms/{alarm['id']}/acknowledge", {"reason": "looking"})
    assert (seen["state"], seen["acknowledged"] is not None) == ("acknowledged", True)
    await site.raised("notice_undelivered", "nobody")
    await site.ask("POST", "/devices/live/release", {"reason": "it was well"})
    await site.cleared("quarantined", "live")

    body = {"target": {"kind": "group", "id": "fleet"}, "values": {"set_w": 100.0}, "duration_s": 60}
    waiting = await site.ask("POST", "/controls", body)
    assert waiting["verdict"] == "pending"
    await site.raised("approval_waiting")
    (pending,) = (await site.ask("GET", "/approvals"))["approvals"]
    await site.ask("POST", f"/approvals/{pending['control']}/reject", {"reason": "no"})
    await site.cleared("approval_waiting")

    site.clock.off = 3600.0
    jump = await site.raised("clock_jump")
    assert float(jump["text"].split()[5]) == pytest.approx(3600.0, abs=60.0)
    assert (await site.ask("POST", f"/alarms/{jump['id']}/acknowledge", {"reason": "NTP"}))["state"] == "cleared"


async def test_a_device_that_goes_away_and_comes_back(site: Site) -> None:
    engine = site.server.engine
    await until(lambda: engine.device("live") is not None and engine.qualities()["live"] is not None)
    assert await site.standing("device_lost") is None
    await site.simulation.stop()
    lost = await site.raised("device_lost", "live")
    assert json.loads(json.dumps(lost))["state"] == "raised"
    assert "bad" in lost["text"] or "stale" in lost["text"]
    await site.ask("POST", "/devices/live/block", {"reason": "works"})
    await site.cleared("device_lost", "live")
    assert next(one["event"] for one in site.told if one["alarm"]["kind"] == "device_lost")


async def test_a_device_that_never_answered_is_seen_with_the_reason(site: Site) -> None:
    """A wrong address; the group that it is in goes on with the others."""
    place = {"host": "127.0.0.1", "port": free_port(), "timeout_s": 0.3}
    made = {"id": "absent", "driver": "sunspec", "connection": place, "group": "fleet"}
    await site.ask("POST", "/devices", made)
    lost = await site.raised("device_lost", "absent")
    assert "cannot be reached" in lost["text"]
    seen = await site.ask("GET", "/devices/absent")
    assert "cannot be reached" in seen["why"]
    assert (seen["quality"], seen["nameplate"]["max_w"], seen["nameplate"]["capabilities"]) == ("bad", 0.0, [])
    control = {"target": {"kind": "group", "id": "fleet"}, "values": {"set_w": 1000.0}, "duration_s": 60}
    said = await site.ask("POST", "/controls", control | {"preview": True})
    assert (said["will_run"], said["feasible_W"]) == (True, 1000.0)


@contextlib.contextmanager
def held(database: Path) -> Iterator[None]:
    """Another program holds the database's write lock."""
    with contextlib.closing(sqlite3.connect(database, isolation_level=None, timeout=30)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


async def test_a_database_that_somebody_else_holds(site: Site) -> None:
    """Entries of the audit log wait for their seal, and nothing can be recorded; both end with the lock."""
    chain = site.server._operator.desk.chain  # type: ignore[union-attr]
    for number in range(100):
        await site.ask("POST", "/devices/live/block", {"reason": f"entry {number}"})
        with held(site.folder / "gridiface.sqlite"):
            # The seal may have been quicker than the lock: then there is nothing to seal, and the next entry is tried.
            if chain.waiting:
                assert "have no seal" in (await site.raised("audit_unsealed"))["text"]
                trouble = await site.raised("store_trouble", "store")
                assert trouble["severity"] == "critical"
                break
    else:
        pytest.fail("each of a hundred seals was quicker than the lock")
    await site.cleared("audit_unsealed")
    await site.cleared("store_trouble")
    assert (await site.ask("GET", "/audit/verify"))["ok"]


async def test_a_device_that_refuses_and_a_battery_whose_meter_jumps(site: Site) -> None:
    """Writes fail until the breaker opens, the charge is not what the device's own power explains; both are mended."""
    unit = site.simulation.devices[0].unit
    async with asyncio.timeout(90):
        while "live" not in {row["id"] for row in await site.devices()} or await site.charge() != 0.5:
            await asyncio.sleep(0.05)
    unit.soc = 0.9
    await site.raised("soc_residual", "live")
    # It agrees with itself from here on; at rest that shows nothing, so somebody says that it is true.
    await site.ask("POST", "/devices/live/release", {"reason": "it was calibrated"})
    await site.cleared("soc_residual", "live")
    await site.simulation.set_fault(0, Fault.REJECT)
    body = {"target": {"kind": "device", "id": "live"}, "values": {"set_w": 500.0}, "duration_s": 600}
    await site.ask("POST", "/controls", body)
    (asked,) = (await site.ask("GET", "/approvals"))["approvals"]
    await site.ask("POST", f"/approvals/{asked['control']}/approve", {"reason": "seen"}, second=True)
    await site.raised("breaker_open", "live")
    await site.simulation.set_fault(0, Fault.NONE)
    await site.cleared("breaker_open", "live")


async def test_a_certificate_that_ends_is_told_of_by_mail_until_it_is_replaced(site: Site) -> None:
    """Signed in over STARTTLS to a mail server of somebody else's make."""
    self_signed(site.folder, "page", 4.0)
    await site.raised("certificate_expiring", "page.pem")
    await site.raised("certificate_expired", "page.pem")
    self_signed(site.folder, "page", 86_400.0 * 300)
    await site.cleared("certificate_expired", "page.pem")
    await site.cleared("certificate_expiring", "page.pem")
    said = [letter["Subject"] for letter in site.mailbox.letters]
    await until(lambda: any("certificate_expired" in str(letter["Subject"]) for letter in site.mailbox.letters)), said
    assert site.mailbox.users == {"gridiface"}
    letter = next(one for one in site.mailbox.letters if "certificate_expired" in str(one["Subject"]))
    assert (letter["From"], letter["To"]) == ("grid@example.net", "night@example.net")
    assert "have a new one issued" in str(letter.get_payload())


async def test_links_to_utilities_and_vens_that_go_and_come_back(site: Site) -> None:
    """The server's own VEN at its own VTN: first the VEN is silent, then the VTN does not answer."""
    (ven,), vtn = site.server.vens, site.server.vtn
    assert vtn is not None
    await until(lambda: ven.up and vtn.core.vens["SELF"].registered)
    await ven.stop()
    await site.raised("ven_lost", "SELF")
    await ven.start()
    await site.cleared("ven_lost", "SELF")
    await vtn.stop()
    await site.raised("northbound_link_lost", "VTN of self")
    await vtn.start()
    await site.cleared("northbound_link_lost", "VTN of self")
