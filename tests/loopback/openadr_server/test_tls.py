"""The adapters from a configuration, over TLS with client certificates, with and without signatures, pull and push."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
import time
from contextlib import suppress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gridiface.app.config.openadr import OpenAdr
from gridiface.app.fronts.openadr_settings import openadr_vens, openadr_vtn
from gridiface.domain.controls import Setpoint
from gridiface.errors import RemoteProtocolError
from gridiface.northbound.openadr.wire.client import PayloadClient, Unreachable
from gridiface.northbound.tls_limits import Deadlines
from gridiface.pki.certificate import parse_pem_certificates
from gridiface.pki.contexts import KeyPair, client_context
from gridiface.pki.folder import revoke
from gridiface.protocols.openadr.exchange import DOCUMENT_LIMITS, REPORT_LIMITS, HttpClient
from gridiface.protocols.openadr.payloads.envelope import encode_payload
from gridiface.protocols.openadr.payloads.event import OadrDistributeEvent, OadrPoll
from gridiface.protocols.openadr.vtn import Push

pytestmark = pytest.mark.timeout(60)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def build(make_house, make_authority, folder, *, signed=False, push=False, other=False, revoked=False):
    authority = make_authority(folder)
    vtn_tls, vtn_print = authority.issue("vtn")
    ven_tls, ven_print = authority.issue("ven")
    if revoked:
        for tls in (vtn_tls, ven_tls):
            tls["revoked"] = folder / f"revoked-by-{tls['certificate'].stem}.txt"
    member = {"device": "site-a", "kind": "battery", "resource": "site", "max_w": 1e4, "rated_load_w": 1e4}
    known = {"ven_id": "VEN-A", "fingerprint": ven_print, "signatures": signed, "members": [member]}
    if other:
        known["fingerprint"] = authority.issue("other")[1]
    vtn_block = {"listen": "127.0.0.1:0", "tls": vtn_tls, "poll_s": 1, "vens": [known]}
    vtn_block["wishes"] = [{"granularity_s": 1, "back_s": 1}]
    head = make_house(batteries=False)
    vtn = openadr_vtn(
        OpenAdr.model_validate({"vtn": vtn_block}), clock=head.clock, ledger=head.ledger, registry=head.dispatch
    )
    head.dispatch.channels.append(vtn.channel)
    await head.run(vtn)
    ven_block = {
        "name": "utility",
        "url": f"https://127.0.0.1:{vtn.port}",
        "tls": ven_tls,
        "programs": [{"group": "fleet"}],
        "resources": [{"id": "site", "group": "fleet"}],
    }
    if signed:
        ven_block["signatures"] = vtn_print
    if push:
        port = free_port()
        ven_block["push"] = {"listen": f"127.0.0.1:{port}", "address": f"https://127.0.0.1:{port}"}
        ven_block["vtn_fingerprint"] = vtn_print
    site = make_house()
    site.authority, site.vtn_tls = authority, vtn_tls
    (ven,) = openadr_vens(
        OpenAdr.model_validate({"vens": [ven_block]}),
        clock=site.clock,
        ledger=site.ledger,
        inbox=site.dispatch,
        fleet=site.engine,
    )
    site.dispatch.listeners.append(ven.on_outcome)
    await site.run(ven)
    return head, vtn, site, ven


@pytest.mark.parametrize("push", [False, True], ids=["pull", "push"])
@pytest.mark.parametrize("signed", [False, True], ids=["standard", "high"])
async def test_a_ven_is_known_by_its_certificate(make_house, make_authority, tmp_path, eventually, signed, push):
    head, vtn, site, ven = await build(make_house, make_authority, tmp_path, signed=signed, push=push)
    await eventually(lambda: ven.core.registration.venID == "VEN-A", "registration")
    await eventually(lambda: vtn.members.latest("site-a"), "its telemetry")
    assert vtn.core.vens["VEN-A"].pull is not push
    nonces = [key for space, key in head.ledger.kept if key.startswith("nonce/")]
    assert bool(nonces) is signed

    now = head.clock.now()
    (delivery,) = await vtn.channel.apply(
        [Setpoint(device_id="site-a", issued=now, active_power_w=3000.0, valid_until=now + 100)], deadline=now + 5
    )
    assert delivery.outcome == "published"
    await eventually(lambda: sum(site.batteries.watts.values()) == pytest.approx(3000.0), "the set-points")


async def test_a_certificate_that_is_not_the_vens_is_refused(make_house, make_authority, tmp_path, eventually):
    _head, vtn, _site, ven = await build(make_house, make_authority, tmp_path, other=True)
    refused = []
    handle = vtn.core.handle

    def watch(*args, **more):
        result = handle(*args, **more)
        refused.append(result.reply)
        return result

    vtn.core.handle = watch
    await eventually(lambda: len(refused) >= 1, "a request")
    await eventually(lambda: refused[-1].eiResponse.responseCode == "463", "refused")
    assert ven.core.registration.registrationID is None


@pytest.mark.parametrize("push", [False, True], ids=["pull", "push"])
async def test_who_calls_refuses_a_peer_that_is_revoked_from_the_next_request_on(
    make_house, make_authority, tmp_path, eventually, push
):
    _head, vtn, _site, ven = await build(make_house, make_authority, tmp_path, push=push, revoked=True)
    await eventually(lambda: ven.core.registration.venID == "VEN-A", "registration")
    caller, callee = ("vtn", "ven") if push else ("ven", "vtn")
    (leaf, *_) = parse_pem_certificates((tmp_path / f"{callee}.pem").read_bytes())
    revoke(tmp_path / f"revoked-by-{caller}.txt", "lfdi", leaf.lfdi, "key leaked")
    if push:
        push_of = Push(
            "VEN-A", ven.settings.core.push_address, "EiEvent", OadrDistributeEvent(requestID="r", vtnID="V")
        )
        with pytest.raises(Unreachable, match="key leaked"):
            await vtn._pusher.post(push_of, vtn.core.vens["VEN-A"])
    else:
        await eventually(lambda: not ven.up, "no link any more")


async def test_only_the_vtn_may_push(make_house, make_authority, tmp_path, eventually):
    _head, vtn, site, ven = await build(make_house, make_authority, tmp_path, push=True)
    await eventually(lambda: ven.core.registration.venID == "VEN-A", "registration")
    somebody, _ = site.authority.issue("somebody")
    payload = OadrDistributeEvent(requestID="r", vtnID=vtn.settings.core.vtn_id)
    for files, status in ((somebody, 403), (site.vtn_tls, 0)):
        pair = KeyPair(files["certificate"], files["key"])
        client = PayloadClient(
            HttpClient(),
            context=lambda pair=pair: client_context("openadr", key_pairs=[pair], roots=[tmp_path / "root.pem"]),
        )
        try:
            answer = client.post(ven.settings.core.push_address, "EiEvent", payload, site.clock.now())
            if status:
                with pytest.raises(RemoteProtocolError) as refused:
                    await answer
                assert refused.value.answer == status
            else:
                assert await answer is None
        finally:
            await client.close()


ECC, RSA = "ECDHE-ECDSA-AES128-SHA256", "AES128-SHA256"


def shaken(port, files, *, ciphers=f"{ECC}:{RSA}", versions=(ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)):
    """A handshake and one request by OpenSSL's client; (version, suite, key of the server), or why not."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version, context.maximum_version = versions
    context.set_ciphers(ciphers)
    if files is not None:
        context.load_cert_chain(files["certificate"], files["key"])
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=20) as plain, context.wrap_socket(plain) as secured:
            secured.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = secured.recv(100)
            assert answer.startswith(b"HTTP/1.1 501"), answer
            key = x509.load_der_x509_certificate(secured.getpeercert(binary_form=True)).public_key()
            return secured.version(), secured.cipher()[0], type(key).__name__.strip("_")
    except (ssl.SSLError, ConnectionError) as refused:
        return str(getattr(refused, "reason", None) or refused)


async def listener(make_house, folder, authority, **more):
    """Our VTN with both kinds of chains."""
    ecc, _ = authority.issue("vtn")
    rsa_files, _ = authority.issue("vtn-rsa", key=rsa.generate_private_key(65537, 2048))
    tls = {**ecc, "also": {"certificate": rsa_files["certificate"], "key": rsa_files["key"]}, **more}
    head = make_house(batteries=False)
    vtn = openadr_vtn(
        OpenAdr.model_validate({"vtn": {"listen": "127.0.0.1:0", "tls": tls}}),
        clock=head.clock,
        ledger=head.ledger,
        registry=head.dispatch,
    )
    await head.run(vtn)
    return vtn


async def test_02_r67_r68_tls_12_with_one_of_the_two_suites_and_the_chain_that_fits_it(
    make_house, make_authority, tmp_path
):
    authority = make_authority(tmp_path)
    vtn = await listener(make_house, tmp_path, authority)
    ecc, _ = authority.issue("ecc")
    rsa_files, _ = authority.issue("rsa", key=rsa.generate_private_key(65537, 2048))
    for files in (ecc, rsa_files):
        for ciphers, expected in (
            (ECC, ("TLSv1.2", ECC, "ECPublicKey")),
            (RSA, ("TLSv1.2", RSA, "RSAPublicKey")),
            (f"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256:{RSA}", ("TLSv1.2", RSA, "RSAPublicKey")),
        ):
            found = await asyncio.to_thread(shaken, vtn.port, files, ciphers=ciphers)
            assert found == expected
    for ciphers in ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256", "AES256-SHA256"):
        assert "HANDSHAKE_FAILURE" in await asyncio.to_thread(shaken, vtn.port, ecc, ciphers=ciphers)
    only_13 = (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_3)
    assert "PROTOCOL_VERSION" in await asyncio.to_thread(shaken, vtn.port, ecc, versions=only_13)


async def test_50_a_ven_with_either_chain_may_connect_and_offers_both_suites(make_house, make_authority, tmp_path):
    authority = make_authority(tmp_path)
    files, name = authority.issue("ven", key=rsa.generate_private_key(65537, 2048))
    context = client_context("openadr", key_pairs=[KeyPair(files["certificate"], files["key"])], roots=files["roots"])
    offered = {cipher["name"] for cipher in context.get_ciphers() if cipher["protocol"] == "TLSv1.2"}
    assert offered == {ECC, RSA}
    assert context.maximum_version is ssl.TLSVersion.TLSv1_2
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert len(name) == 29


async def test_r68_r516_a_certificate_that_is_not_good_ends_the_handshake(make_house, make_authority, tmp_path):
    authority = make_authority(tmp_path)
    revoked = tmp_path / "revoked.txt"
    revoked.write_text("")
    vtn = await listener(make_house, tmp_path, authority, revoked=revoked)
    stranger = make_authority(tmp_path, root="stranger.pem")
    leaf_key = ec.generate_private_key(ec.SECP256R1())
    not_a_ca = make_authority.__new__(make_authority)
    not_a_ca.folder, not_a_ca.key = tmp_path, leaf_key
    not_a_ca.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "leaf")])
    authority.issue("leaf", key=leaf_key)
    odd = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.32473.99"), b"\x05\x00")
    ca = x509.BasicConstraints(ca=True, path_length=None)
    bad = {
        "none": None,
        "of an unknown root with the same name": stranger.issue("a")[0],
        "expired": authority.issue("b", days=(-30, -1))[0],
        "not valid yet": authority.issue("c", days=(1, 30))[0],
        "for servers only": authority.issue("d", purposes=[ExtendedKeyUsageOID.SERVER_AUTH])[0],
        "for signing code": authority.issue("e", purposes=[ExtendedKeyUsageOID.CODE_SIGNING])[0],
        "RSA of 1024 bits": authority.issue("f", key=rsa.generate_private_key(65537, 1024))[0],
        "on another curve": authority.issue("g", key=ec.generate_private_key(ec.SECP256K1()))[0],
        "with an unknown critical extension": authority.issue("h", more=[(odd, True)])[0],
        "of an issuer that is none": authority.issue("i", authority=not_a_ca)[0],
        "a CA itself": authority.issue("j", more=[(ca, True)], usage=False)[0],
    }
    for why, files in bad.items():
        found = await asyncio.to_thread(_weakly, vtn.port, files)
        assert isinstance(found, str), (why, found)
    good, _ = authority.issue("good")
    assert isinstance(await asyncio.to_thread(shaken, vtn.port, good), tuple)


def _weakly(port, files):
    """As `shaken`, with a client that would use any key of its own."""
    return shaken(port, files, ciphers=f"{ECC}:{RSA}:@SECLEVEL=0")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1:DeprecationWarning")
async def test_a_scan_of_the_listener_finds_the_two_suites_and_nothing_else(make_house, make_authority, tmp_path):
    authority = make_authority(tmp_path)
    vtn = await listener(make_house, tmp_path, authority)
    ecc, _ = authority.issue("ecc")
    everything = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    everything.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    suites = [cipher["name"] for cipher in everything.get_ciphers() if cipher["protocol"] != "TLSv1.3"]
    assert {ECC, RSA} < set(suites)

    def scan():
        found = {suite: shaken(vtn.port, ecc, ciphers=f"{suite}:@SECLEVEL=0") for suite in suites}
        for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_3):
            found[version.name] = shaken(vtn.port, ecc, ciphers="ALL:@SECLEVEL=0", versions=(version, version))
        return {name for name, got in found.items() if isinstance(got, tuple)}

    assert await asyncio.to_thread(scan) == {ECC, RSA}


HEAD = b"POST /OpenADR2/Simple/2.0b/OadrPoll HTTP/1.1\r\nHost: x\r\nContent-Type: application/xml\r\n"


async def test_a_good_ven_is_served_beside_many_slow_ones(make_house, make_authority, tmp_path, monkeypatch):
    short = Deadlines(handshake=1.0, header=1.0, body=1.0, write=1.0, idle=60.0)
    monkeypatch.setattr("gridiface.northbound.tls_listener.Deadlines", lambda: short)
    authority = make_authority(tmp_path)
    vtn = await listener(make_house, tmp_path, authority)
    files, _ = authority.issue("ven")

    async def opened():
        pair = KeyPair(files["certificate"], files["key"])
        context = client_context("openadr", key_pairs=[pair], roots=files["roots"])
        context.check_hostname = False
        return await asyncio.open_connection("127.0.0.1", vtn.port, ssl=context)

    async def asked(streams):
        reader, writer = streams
        body = encode_payload(OadrPoll(venID="nobody"))
        writer.write(HEAD + b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
        return head[:12], await reader.readexactly(length)

    slow = [await asyncio.open_connection("127.0.0.1", vtn.port) for _ in range(20)]
    for sent in (HEAD, HEAD + b"Content-Length: 100\r\n\r\n<"):
        for _ in range(5):
            slow.append(await opened())
            slow[-1][1].write(sent)
    good = await opened()
    for _ in range(10):
        status, answer = await asked(good)
        assert status == b"HTTP/1.1 200"
        assert b"463" in answer
    for reader, _ in slow:
        with suppress(ConnectionError, ssl.SSLError):
            # Some are told that they were too slow before the connection ends.
            await asyncio.wait_for(reader.read(), 20)
    assert (await asked(good))[0] == b"HTTP/1.1 200"
    counters = vtn._listener._tls.counters
    assert [counters[f"deadline_{what}"] for what in ("handshake", "header", "body")] == [20, 5, 5]
    for _, writer in (*slow, good):
        writer.close()


@pytest.mark.parametrize("tls", [True, False], ids=["TLS", "plain"])
async def test_running_out_of_descriptors_is_survived(make_house, make_authority, tmp_path, monkeypatch, tls):
    authority = make_authority(tmp_path)
    if tls:
        vtn = await listener(make_house, tmp_path, authority)
        files, _ = authority.issue("ven")
    else:
        head = make_house(batteries=False)
        vtn = head.vtn()
        await head.run(vtn)
    accept, left = socket.socket.accept, [3]

    def failing(self):
        if left[0]:
            left[0] -= 1
            raise OSError(errno.EMFILE, "too many open files")
        return accept(self)

    monkeypatch.setattr(socket.socket, "accept", failing)
    if tls:
        for garbage in (b"\x16\x03\x01\x00\x05hello", b"", b"GET / HTTP/1.1\r\n\r\n") * 10:
            _, writer = await asyncio.open_connection("127.0.0.1", vtn.port)
            writer.write(garbage)
            writer.transport.abort()
        assert isinstance(await asyncio.to_thread(shaken, vtn.port, files), tuple)
    else:
        reader, writer = await asyncio.open_connection("127.0.0.1", vtn.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await asyncio.wait_for(reader.readline(), 20)).startswith(b"HTTP/1.1 501")
        writer.close()
    assert left == [0]


async def test_r516_72_nothing_is_exchanged_with_a_peer_whose_certificate_has_ended(
    make_house, make_authority, tmp_path, eventually, caplog
):
    caplog.set_level("INFO", "gridiface.openadr")
    _head, vtn, _site, ven = await build(make_house, make_authority, tmp_path)
    await eventually(lambda: ven.core.registration.venID == "VEN-A", "registration")
    now = vtn._clock.now()
    for book, who in ((vtn.peers, "VEN VEN-A"), (ven.peers, "the VTN of utility")):
        assert who in book.ending(now)
        assert who in book.ended(now + 40 * 86_400)
    assert "the certificate of VEN VEN-A ends at" in caplog.text
    assert "the certificate of the VTN of utility ends at" in caplog.text

    # The connection is open and was judged when the certificates were good; now they are not.
    class Later:
        def now(self):
            return time.time() + 40 * 86_400

        def monotonic(self):
            return time.monotonic()

    vtn._clock = Later()
    await eventually(lambda: not ven.up, "refused")
    assert "refused with 403: the certificate has ended" in caplog.text
    seen = vtn.core.vens["VEN-A"].last_seen
    assert seen is None or seen < now + 86_400
    # Who was removed is not spoken of any more.
    assert "VEN VEN-A" in vtn.peers.ended(Later().now())
    await vtn.do(lambda core, _: core.drop_ven("VEN-A"))
    assert vtn.peers.ended(Later().now()) == {}


async def test_only_who_is_known_may_tell_long_reports(make_house, make_authority, tmp_path):
    """Some VENs tell months of history in one piece; a stranger of the same root has nothing to tell."""
    _head, vtn, site, _ven = await build(make_house, make_authority, tmp_path)
    known = {name: tmp_path / f"ven.{kind}" for name, kind in (("certificate", "pem"), ("key", "key"))}
    stranger = site.authority.issue("stranger")[0]
    long, longer = DOCUMENT_LIMITS.octets + 1, REPORT_LIMITS.octets + 1
    for files, octets, status in ((known, long, b"406"), (known, longer, b"413"), (stranger, long, b"413")):
        pair = KeyPair(files["certificate"], files["key"])
        context = client_context("openadr", key_pairs=[pair], roots=[tmp_path / "root.pem"])
        reader, writer = await asyncio.open_connection("127.0.0.1", vtn.port, ssl=context)
        lines = ("POST /OpenADR2/Simple/2.0b/EiReport HTTP/1.1", "Host: vtn", "Content-Type: application/xml")
        head = "\r\n".join((*lines, f"Content-Length: {octets}", "", ""))
        writer.write(head.encode() + b" " * octets)
        try:
            assert (await reader.readline()).split()[1] == status
        finally:
            writer.transport.abort()
