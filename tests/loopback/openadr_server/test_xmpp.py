"""VTN and VEN over a real Prosody: discovery, SASL EXTERNAL, push both ways, hostile senders, lost servers."""

from __future__ import annotations

import datetime
import shutil
import socket
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gridiface.app.clock import SystemClock
from gridiface.domain.clock import Interval
from gridiface.domain.controls import Control, ControlMode, ModeValue, OutcomeKind, Source
from gridiface.domain.fleet import DeviceKind
from gridiface.errors import ConfigError, RemoteProtocolError, StoreUnavailable
from gridiface.northbound.openadr.client import Unreachable
from gridiface.northbound.openadr.settings import MemberSettings, VenEntry, XmppSettings
from gridiface.northbound.openadr.xmpp import VtnXmpp
from gridiface.northbound.openadr.xmpp_link import XmppLink
from gridiface.pki.contexts import KeyPair, client_context
from gridiface.protocols.openadr.payloads.envelope import encode_payload
from gridiface.protocols.openadr.payloads.event import OadrPoll
from gridiface.protocols.openadr.payloads.registration import OadrCreatePartyRegistration, OadrQueryRegistration
from gridiface.protocols.openadr.stanzas import payload_of
from gridiface.protocols.openadr.ven import VenConfig
from gridiface.protocols.openadr.vtn import ReportWish, VtnConfig

PROSODY = shutil.which("prosody")
CCERT = Path("/usr/lib/prosody/modules/mod_auth_ccert")
pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.xdist_group("prosody"),
    pytest.mark.skipif(
        PROSODY is None or not CCERT.exists(), reason="Debian's prosody and prosody-modules are not installed"
    ),
]
DOMAIN, VTN_DOMAIN, SECRET = "xmpp.test", "vtn.xmpp.test", "a shared secret"
MEMBER = MemberSettings(
    device_id="site-a",
    kind=DeviceKind.BATTERY,
    resource="site",
    max_w=20_000.0,
    rated_load_w=20_000.0,
    groups=("fleet",),
)
XMPP_ADDR = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.5")


class Issuer:
    """A root that names XMPP users in id-on-xmppAddr, as servers that know SASL EXTERNAL expect."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "XMPP test root")])
        root = self._builder(self.name, self.key.public_key())
        root = root.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.root = folder / "root.pem"
        self.root.write_bytes(root.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def _builder(self, subject, key):
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=30))
        )

    def issue(self, name: str, *, host: str | None = None, jid: str | None = None) -> KeyPair:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), key.public_key())
        if host:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        if jid:
            text = jid.encode()
            other = x509.OtherName(XMPP_ADDR, bytes([0x0C, len(text)]) + text)
            builder = builder.add_extension(x509.SubjectAlternativeName([other]), critical=False)
        certificate, private = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        certificate.write_bytes(builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        private.chmod(0o600)
        return KeyPair(certificate, private)


@dataclass
class Prosody:
    """A running server. `stop` and `start` may alternate."""

    folder: Path
    issuer: Issuer
    port: int
    component_port: int
    process: subprocess.Popen | None = None

    def configure(self):
        server = self.issuer.issue("server", host=DOMAIN)
        (self.folder / "prosody.cfg.lua").write_text(
            f"""
run_as_root = true; daemonize = false; admins = {{}}
pidfile = "{self.folder}/prosody.pid"; data_path = "{self.folder}/data"; certificates = "{self.folder}"
plugin_paths = {{ "/usr/lib/prosody/modules" }}
modules_enabled = {{ "disco", "saslauth", "tls", "ping" }}
modules_disabled = {{ "s2s", "posix" }}
c2s_require_encryption = true
c2s_interfaces = {{ "127.0.0.1" }}; c2s_ports = {{ {self.port} }}
c2s_direct_tls_ports = {{}}; s2s_ports = {{}}; http_ports = {{}}; https_ports = {{}}
component_interfaces = {{ "127.0.0.1" }}; component_ports = {{ {self.component_port} }}
log = {{ debug = "{self.folder}/prosody.log" }}
VirtualHost "{DOMAIN}"
  authentication = "ccert"
  ssl = {{ key = "{server.key}", certificate = "{server.certificate}", cafile = "{self.issuer.root}",
          verify = {{ "peer", "client_once" }}, ciphers = "ECDHE-ECDSA-AES128-SHA256:AES128-SHA256" }}
Component "{VTN_DOMAIN}"
  component_secret = "{SECRET}"
"""
        )

    def start(self):
        self.process = subprocess.Popen(  # in the foreground, so that it ends with us
            [PROSODY, "-F", "--config", str(self.folder / "prosody.cfg.lua")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for port in (self.port, self.component_port):
            end = time.monotonic() + 30
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError:
                    assert time.monotonic() < end, self.log()
                    assert self.process.poll() is None, self.log()
                    time.sleep(0.05)

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def log(self):
        path = self.folder / "prosody.log"
        return path.read_text() if path.exists() else "prosody wrote no log"

    def login(self, user: str, **more) -> XmppSettings:
        pair = self.issuer.issue(user, jid=f"{user}@{DOMAIN}")
        return XmppSettings(
            jid=f"{user}@{DOMAIN}/client",
            host="127.0.0.1",
            port=self.port,
            context=lambda: client_context("openadr", key_pairs=(pair,), roots=(self.issuer.root,)),
            **more,
        )

    def component(self, secret: str = SECRET) -> XmppSettings:
        return XmppSettings(jid=VTN_DOMAIN, host="127.0.0.1", port=self.component_port, secret=secret, component=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def prosody(tmp_path):
    server = Prosody(tmp_path, Issuer(tmp_path), free_port(), free_port())
    server.configure()
    server.start()
    yield server
    server.stop()


def vtn_of(house, prosody, *entries, settings=None, **core):
    config = VtnConfig(
        vtn_id="VTN-1",
        profiles={"2.0b": ("simpleHttp", "xmpp")},
        reply_timeout=2.0,
        attempts=20,
        wishes=(ReportWish(name="TELEMETRY_USAGE", granularity=1, back=1),),
        **core,
    )
    return house.vtn(vens=entries, core=config, xmpp=settings or prosody.component())


def ven_of(house, prosody, user="ven1", **more):
    settings = prosody.login(user, **more)
    core = VenConfig(name=user, ven_id="VEN-A", transport="xmpp", push_address=settings.jid)
    return house.ven("", core=core, xmpp=settings)


def control(fleet, name, watts, now):
    return Control(
        id=name,
        source=Source(protocol="test"),
        target=fleet,
        values={ControlMode.SET_W: ModeValue(watts)},
        interval=Interval(now, 600.0),
        created=now,
    )


ENTRY = VenEntry(ven_id="VEN-A", jid=f"ven1@{DOMAIN}", members=(MEMBER,))


async def settle_a_control(head, site, fleet, eventually, name="C"):
    now = head.clock.now()
    answer = await head.dispatch.submit(control(fleet, name, 5000.0, now), now)
    assert answer.will_run
    await eventually(lambda: abs(sum(site.batteries.watts.values()) - 5000.0) < 50.0, "the devices behind the VEN")
    kinds = {OutcomeKind.RECEIVED, OutcomeKind.STARTED}
    await eventually(
        lambda: kinds <= {o.kind for o in head.ledger.outcomes if o.control_id == name and o.device_id},
        "the VEN's word on it",
    )


async def test_r507_r515_a_control_reaches_the_devices_behind_a_ven_that_finds_its_vtn_by_discovery(
    prosody, make_house, fleet, eventually
):
    head, site = make_house(batteries=False), make_house()
    vtn, ven = vtn_of(head, prosody, ENTRY), ven_of(site, prosody)
    await head.run(vtn)
    await site.run(ven)
    await eventually(lambda: ven.up and head.engine.device("site-a") is not None, "registration")
    known = vtn.core.vens["VEN-A"]
    assert (known.transport, known.address, known.pull) == ("xmpp", f"ven1@{DOMAIN}/client", False)
    await eventually(lambda: vtn.members.latest("site-a"), "telemetry by oadrUpdateReport")
    await settle_a_control(head, site, fleet, eventually)


async def test_a_vtn_that_is_a_user_of_the_server_is_found_where_the_directory_says(
    prosody, make_house, fleet, eventually
):
    head, site = make_house(batteries=False), make_house()
    vtn = vtn_of(head, prosody, ENTRY, settings=prosody.login("vtn"))
    ven = ven_of(site, prosody, directory=f"vtn@{DOMAIN}/client")
    await head.run(vtn)
    await site.run(ven)
    await eventually(lambda: ven.up and head.engine.device("site-a") is not None, "registration")
    await settle_a_control(head, site, fleet, eventually)


async def test_both_come_back_when_the_server_was_away(prosody, make_house, fleet, eventually):
    head, site = make_house(batteries=False), make_house()
    vtn, ven = vtn_of(head, prosody, ENTRY), ven_of(site, prosody)
    await head.run(vtn)
    await site.run(ven)
    await eventually(lambda: ven.up and head.engine.device("site-a") is not None, "registration")
    await eventually(lambda: vtn.members.latest("site-a"), "telemetry")
    prosody.stop()
    await eventually(lambda: not vtn._xmpp.up, "the VTN sees that the server is gone")
    prosody.start()
    await eventually(lambda: vtn._xmpp.up, "the VTN is back")
    await settle_a_control(head, site, fleet, eventually, "after")


async def test_a_vtn_that_dies_after_a_commit_goes_on_when_it_is_back(prosody, make_house, fleet, eventually):
    head, site = make_house(batteries=False), make_house()
    await head.run(vtn_of(head, prosody, ENTRY))
    ven = ven_of(site, prosody)
    await site.run(ven)
    await eventually(lambda: ven.up and head.engine.device("site-a") is not None, "registration")
    # What is stored next is durable, and nothing of it leaves.
    head.ledger.commits, head.ledger.die_at, head.ledger.dies_after = 0, 0, True
    now = head.clock.now()
    with suppress(StoreUnavailable):
        await head.dispatch.submit(control(fleet, "C", 5000.0, now), now)
    await eventually(head.ledger.dead.is_set, "its death")
    await head.stop()
    head.adapters.clear()
    again = make_house(head.ledger.revived(), batteries=False)
    vtn = vtn_of(again, prosody, ENTRY)
    await again.run(vtn)
    await eventually(lambda: vtn._xmpp.up, "the login of the next one")
    await settle_a_control(again, site, fleet, eventually, "after")
    assert len(vtn.core.vens) == 1


async def test_a_user_whom_nobody_listed_is_not_registered(prosody, make_house, eventually):
    head = make_house(batteries=False)
    vtn = vtn_of(head, prosody, ENTRY)
    await head.run(vtn)
    await eventually(lambda: vtn._xmpp.up, "the VTN's login")
    async with link(prosody.login("mallory"), eventually) as mallory:
        where = await mallory.services(10.0)
        assert set(where) == {"EiEvent", "EiReport", "EiRegisterParty", "EiOpt"}
        asked = OadrCreatePartyRegistration(
            requestID="q",
            venID="VEN-A",
            oadrProfileName="2.0b",
            oadrTransportName="xmpp",
            oadrTransportAddress=f"mallory@{DOMAIN}/client",
            oadrReportOnly=False,
            oadrXmlSignature=False,
        )
        answer = payload_of(await mallory.request(where["EiRegisterParty"], encode_payload(asked), 10.0))
        assert answer.eiResponse.responseCode == "463"
    assert list(vtn.core.vens) == ["VEN-A"]
    assert vtn.core.vens["VEN-A"].registrationID is None


async def test_what_is_no_payload_gets_bad_request_and_a_poll_is_refused(prosody, make_house, eventually):
    head = make_house(batteries=False)
    vtn = vtn_of(head, prosody, ENTRY)
    await head.run(vtn)
    await eventually(lambda: vtn._xmpp.up, "the VTN's login")
    async with link(prosody.login("ven1"), eventually) as ven:
        where = await ven.services(10.0)
        broken = b'<oadrPayload xmlns="http://openadr.org/oadr-2.0b/2012/07"><nothing/></oadrPayload>'
        with pytest.raises(RemoteProtocolError) as refused:
            await ven.request(where["EiEvent"], broken, 10.0)
        assert refused.value.answer == 406
        # Rule 500: polls belong to simple HTTP.
        answer = payload_of(await ven.request(where["EiEvent"], encode_payload(OadrPoll(venID="VEN-A")), 10.0))
        assert answer.eiResponse.responseCode != "200"
        with pytest.raises(Unreachable):
            await ven.request(f"nobody@{DOMAIN}/here", broken, 10.0)


async def test_a_ven_listens_to_its_vtn_only(prosody, make_house, eventually):
    head, site = make_house(batteries=False), make_house()
    vtn, ven = vtn_of(head, prosody, ENTRY), ven_of(site, prosody)
    await head.run(vtn)
    await site.run(ven)
    await eventually(lambda: ven.up, "registration")
    async with link(prosody.login("mallory"), eventually) as mallory:
        with pytest.raises(RemoteProtocolError) as refused:
            await mallory.request(f"ven1@{DOMAIN}/client", encode_payload(OadrQueryRegistration(requestID="q")), 10.0)
        assert refused.value.answer == 403


async def test_a_push_goes_to_the_jid_of_the_ven_and_to_no_other(prosody, make_house, fleet, eventually):
    head = make_house(batteries=False)
    vtn = vtn_of(head, prosody, ENTRY)
    await head.run(vtn)
    await eventually(lambda: vtn._xmpp.up, "the VTN's login")
    ven = vtn.core.vens["VEN-A"]
    ven.transport = "xmpp"
    with pytest.raises(Unreachable, match="is not its JID"):
        vtn._sender(ven, f"mallory@{DOMAIN}/client", signed=False)
    assert vtn._sender(ven, f"ven1@{DOMAIN}/client", signed=False) is vtn._xmpp


async def test_a_server_of_another_root_is_not_logged_in_to(prosody, tmp_path, eventually):
    other = tmp_path / "other"
    other.mkdir()
    stranger = Issuer(other)
    pair = prosody.issuer.issue("ven9", jid=f"ven9@{DOMAIN}")
    settings = XmppSettings(
        jid=f"ven9@{DOMAIN}/client",
        host="127.0.0.1",
        port=prosody.port,
        context=lambda: client_context("openadr", key_pairs=(pair,), roots=(stranger.root,)),
    )
    ven = XmppLink(settings, nobody)
    await ven.start()
    try:
        await eventually(lambda: ven.trouble != "not connected yet", "the refusal")
        assert not ven.up
        with pytest.raises(Unreachable):
            await ven.request(VTN_DOMAIN, b"<a/>", 1.0)
    finally:
        await ven.stop()


async def test_a_component_with_a_wrong_secret_stays_outside(prosody, eventually):
    vtn = VtnXmpp(prosody.component("wrong"), {}, nobody, SystemClock(), 5.0)
    await vtn.start()
    try:
        await eventually(lambda: "connection lost" in vtn._link.trouble, "the refusal")
        assert not vtn.up
    finally:
        await vtn.close()


async def test_a_login_without_tls_is_not_made():
    with pytest.raises(ConfigError, match="without TLS"):
        await XmppLink(XmppSettings(jid="a@b/c", host="127.0.0.1", port=1), nobody).start()


async def nobody(*_):
    raise AssertionError("nothing is sent here")


class link:  # noqa: N801 - reads as a verb
    """A login of somebody who only asks."""

    def __init__(self, settings, eventually):
        self._link, self._eventually = XmppLink(settings, nobody), eventually

    async def __aenter__(self):
        await self._link.start()
        await self._eventually(lambda: self._link.up, f"login: {self._link.trouble}")
        return self._link

    async def __aexit__(self, *_):
        await self._link.stop()
