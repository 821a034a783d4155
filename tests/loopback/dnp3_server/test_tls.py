"""TLS on both sides: who is let in, and that a stranger gets no DNP3 octet."""

import asyncio
import contextlib
import math
import ssl
import time
from dataclasses import replace

import pytest

from gridiface.northbound.dnp3.settings import Deadlines, EndpointSettings, MasterEntry, Mode, TlsSettings, Transport
from gridiface.northbound.dnp3.wire import endpoint as endpoint_module
from gridiface.pki.contexts import KeyPair, client_context, server_context
from gridiface.pki.faults import FAULTS, FaultBench
from gridiface.pki.folder import REVOKED, TestPki, revoke, write_credential
from gridiface.pki.identity import fingerprint
from gridiface.protocols.dnp3.link import Frame, encode
from gridiface.protocols.dnp3.points import PointType
from gridiface.simulation.dnp3.client import MasterFailed

CLASS_0 = encode(Frame(0xC4, 10, 1, bytes.fromhex("c0 c0 01 3c 01 06")))


class Site:
    """A PKI with a server, a master that is listed and one that is not, and a master of another root."""

    def __init__(self, folder):
        now = time.time()
        self.folder = folder
        pki = self.pki = TestPki.create(depth=4, now=now)
        pki.save(folder)
        self.credentials = {}
        for profile, name in (("server", "server"), ("device", "other")):
            credential = pki.issue(profile, name, now=now, hosts=["localhost", "127.0.0.1", f"{name}.example"])
            write_credential(folder, name, credential)
            self.credentials[name] = credential
        self.device = pki.issue("device", "scada", now=now)
        write_credential(folder, "scada", self.device)
        stranger = TestPki.create(depth=3, now=now)
        write_credential(folder, "stranger", stranger.issue("device", "stranger", now=now))

    def pair(self, name):
        return KeyPair(self.folder / f"{name}.pem", self.folder / f"{name}.key")

    def client(self, name, highest=ssl.TLSVersion.TLSv1_3):
        context = client_context(
            "modern", key_pairs=[self.pair(name)] if name else [], roots=[self.folder / "serca.pem"]
        )
        context.maximum_version = highest
        return context

    @property
    def endpoint(self):
        tls = TlsSettings(
            key_pair=self.pair("server"), roots=(self.folder / "serca.pem",), revocation_list=self.folder / REVOKED
        )
        return EndpointSettings(port=0, transport=Transport.TLS, tls=tls)

    @property
    def master(self):
        return MasterEntry(name="iso", address=1, fingerprints=(fingerprint(self.device.der).hex().upper(),))


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_listed_certificate_polls(serve, dial, make_station, site, version):
    async with (
        serve([make_station(masters=[site.master])], [site.endpoint]) as server,
        dial(server.port, tls=site.client("scada", version)) as master,
    ):
        await master.poll()
        assert master.value(PointType.ANALOG_INPUT, 0) == pytest.approx(1.25)


async def answer_to(port, context):
    """What a peer gets for a class 0 poll: octets, or nothing."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    except (ssl.SSLError, ConnectionError):
        return b""
    octets = b""
    with contextlib.suppress(ssl.SSLError, ConnectionError):
        writer.write(CLASS_0)
        octets = await asyncio.wait_for(reader.read(4096), 60)
    writer.transport.abort()
    return octets


@pytest.mark.parametrize("name", ["stranger", "", "other"])
async def test_58_who_is_not_listed_gets_no_dnp3_octet(serve, make_station, site, name):
    async with serve([make_station(masters=[site.master])], [site.endpoint]) as server:
        assert await answer_to(server.port, site.client(name)) == b""
        assert await answer_to(server.port, site.client("scada")) != b""


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_58_what_is_older_than_tls_1_2_gets_no_dnp3_octet(serve, make_station, site):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.load_verify_locations(site.folder / "serca.pem")
    context.load_cert_chain(site.folder / "scada.pem", site.folder / "scada.key")
    async with serve([make_station(masters=[site.master])], [site.endpoint]) as server:
        assert await answer_to(server.port, context) == b""
        assert await answer_to(server.port, site.client("scada")) != b""


async def test_plain_tcp_gets_no_dnp3_octet(serve, dial, make_station, site):
    async with serve([make_station(masters=[site.master])], [site.endpoint]) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(CLASS_0)
        with contextlib.suppress(ConnectionError):
            assert b"\x05\x64" not in await asyncio.wait_for(reader.read(4096), 60)
        writer.close()


async def test_a_revoked_certificate_is_refused(serve, dial, make_station, site):
    digits = fingerprint(site.device.der).hex().upper()
    revoke(site.folder / REVOKED, "lfdi", digits[:40], "lost")
    async with serve([make_station(masters=[site.master])], [site.endpoint]) as server:
        assert await answer_to(server.port, site.client("scada")) == b""
        with pytest.raises(MasterFailed):
            async with dial(server.port, tls=site.client("scada")) as master:
                await master.poll()


def revoke_only(site):
    (site.folder / REVOKED).unlink()
    revoke(site.folder / REVOKED, "lfdi", fingerprint(site.device.der).hex().upper()[:40], "lost")


async def until(reached):
    while not reached():
        await asyncio.sleep(0.01)


async def test_a_master_that_is_called_and_revoked_gets_no_dnp3_octet(serve, make_station, site):
    """Also while the list cannot be read; where nobody is revoked it polls."""
    heard = asyncio.Queue()

    async def take(reader, writer):
        writer.write(CLASS_0)
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            heard.put_nowait(await reader.read(4096))
        writer.transport.abort()

    context = server_context("modern", key_pairs=[site.pair("scada")], roots=[site.folder / "serca.pem"])
    master = await asyncio.start_server(take, "127.0.0.1", 0, ssl=context)
    endpoint = replace(
        site.endpoint,
        mode=Mode.CONNECT,
        peer=("127.0.0.1", master.sockets[0].getsockname()[1]),
        deadlines=Deadlines(reconnect=0.05),
    )
    async with serve([make_station(masters=[site.master])], [endpoint]) as server:
        async with asyncio.timeout(60):
            assert (await heard.get())[:2] == b"\x05\x64"
            (site.folder / REVOKED).write_text("what is this\n")
            (at,) = server.endpoints
            await until(lambda: at.counters["unreachable"])
            revoke_only(site)
            while not heard.empty():
                heard.get_nowait()
            before = at.counters["unreachable"]
            await until(lambda: at.counters["unreachable"] > before + 1)
            assert heard.empty()
    master.close()


@pytest.mark.parametrize("why", ["revoked", "ended"])
async def test_a_master_that_was_called_is_let_go_of_when_it_may_not_be_called_any_more(
    serve, make_station, site, monkeypatch, why
):
    """Revoked, or its certificate ends; not by files that cannot be used."""
    monkeypatch.setattr(endpoint_module, "_LOOK_S", 0.02)
    left_s = {"revoked": math.inf, "ended": 0.3}[why]
    monkeypatch.setattr(endpoint_module, "end_of", lambda der: time.time() + left_s)
    closed = asyncio.Event()

    async def take(reader, writer):
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            while await reader.read(4096):
                pass
        closed.set()
        writer.transport.abort()

    context = server_context("modern", key_pairs=[site.pair("scada")], roots=[site.folder / "serca.pem"])
    master = await asyncio.start_server(take, "127.0.0.1", 0, ssl=context)
    peer = ("127.0.0.1", master.sockets[0].getsockname()[1])
    calling = replace(site.endpoint, mode=Mode.CONNECT, peer=peer, deadlines=Deadlines(reconnect=0.05))
    async with serve([make_station(masters=[site.master])], [calling]) as server, asyncio.timeout(60):
        (at,) = server.endpoints
        await until(lambda: at.sessions)
        if why == "revoked":
            (site.folder / REVOKED).write_text("what is this\n")
            await asyncio.sleep(0.2)
            assert (closed.is_set(), len(at.sessions)) == (False, 1)
            revoke_only(site)
        await closed.wait()
        if why == "revoked":
            await until(lambda: at.counters["unreachable"])
            assert not at.sessions
    master.close()


#: Classes of certificates that break a rule of IEEE 2030.5's PKI, not one of IEC 62351-3.
NO_FAULT_HERE = frozenset(
    {
        "p-384",
        "rsa-2048",
        "no-policy",
        "wrong-policy",
        "no-extensions",
        "name-constraints",
        "policy-mappings",
        "critical-eku-client-auth-on-mica",
    }
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_58_a_bad_certificate_gets_no_dnp3_octet_though_it_is_listed(serve, make_station, tmp_path, fault):
    """R12 on DNP3 over TLS: the allow-list names the very certificate; only what is wrong with it refuses it."""
    site = Site(tmp_path)
    bench = FaultBench(site.pki, now=float(int(time.time())))
    credential = fault.make(bench)
    listed = [site.device] if credential is None else [site.device, credential]
    prints = tuple(fingerprint(one.der).hex().upper() for one in listed)
    master = MasterEntry(name="iso", address=1, fingerprints=prints)
    context = site.client("")
    if credential is not None:
        write_credential(tmp_path, "bad", credential)
        context = weak_client(tmp_path)
    if fault.revoke:
        revoke(tmp_path / REVOKED, "lfdi", fingerprint(credential.der).hex().upper()[:40], "stolen")
    async with serve([make_station(masters=[master])], [site.endpoint]) as server:
        got = await answer_to(server.port, context)
        assert (got != b"") is (fault.name in NO_FAULT_HERE)
        assert await answer_to(server.port, site.client("scada")) != b""


def weak_client(folder):
    """A client that shows whatever certificate it has, however weak."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(folder / "serca.pem")
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.load_cert_chain(folder / "bad.pem", folder / "bad.key")
    return context
