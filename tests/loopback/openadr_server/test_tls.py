"""The adapters from a configuration, over TLS with client certificates, with and without signatures, pull and push."""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gridiface.app.config.openadr import OpenAdr
from gridiface.app.openadr import openadr_vens, openadr_vtn
from gridiface.domain.controls import Setpoint
from gridiface.errors import RemoteProtocolError
from gridiface.northbound.openadr.client import PayloadClient
from gridiface.pki.contexts import KeyPair, client_context
from gridiface.pki.identity import openadr_fingerprint
from gridiface.protocols.openadr.exchange import HttpClient
from gridiface.protocols.openadr.payloads.event import OadrDistributeEvent

pytestmark = pytest.mark.timeout(60)


class Authority:
    """A root and what it issues, in a folder."""

    def __init__(self, folder):
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "root")])
        ca = x509.BasicConstraints(ca=True, path_length=None)
        self.root = self._sign(self.name, self.key.public_key(), [(ca, True), (_usage(sign=True), True)])
        (folder / "root.pem").write_bytes(self.root.public_bytes(Encoding.PEM))

    def _sign(self, name, public, extensions):
        now = dt.datetime.now(dt.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self.name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(days=30))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(self.key, hashes.SHA256())

    def issue(self, name):
        """Files of a new certificate; returns the block for a configuration and its fingerprint."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        both = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH])
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        extensions = [(names, False), (both, False), (_usage(sign=False), True)]
        made = self._sign(subject, key.public_key(), extensions)
        certificate, keyfile = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        certificate.write_bytes(made.public_bytes(Encoding.PEM))
        keyfile.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        keyfile.chmod(0o600)
        block = {"certificate": certificate, "key": keyfile, "roots": [self.folder / "root.pem"]}
        return block, openadr_fingerprint(made.public_bytes(Encoding.DER))


def _usage(*, sign):
    return x509.KeyUsage(
        digital_signature=not sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=not sign,
        key_cert_sign=sign,
        crl_sign=sign,
        encipher_only=False,
        decipher_only=False,
    )


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def build(make_house, folder, *, signed=False, push=False, other=False):
    authority = Authority(folder)
    vtn_tls, vtn_print = authority.issue("vtn")
    ven_tls, ven_print = authority.issue("ven")
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
async def test_a_ven_is_known_by_its_certificate(make_house, tmp_path, eventually, signed, push):
    head, vtn, site, ven = await build(make_house, tmp_path, signed=signed, push=push)
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


async def test_a_certificate_that_is_not_the_vens_is_refused(make_house, tmp_path, eventually):
    _head, vtn, _site, ven = await build(make_house, tmp_path, other=True)
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


async def test_only_the_vtn_may_push(make_house, tmp_path, eventually):
    _head, vtn, site, ven = await build(make_house, tmp_path, push=True)
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
            answer = client.post(f"https://127.0.0.1:{ven.push_port}", "EiEvent", payload, site.clock.now())
            if status:
                with pytest.raises(RemoteProtocolError) as refused:
                    await answer
                assert refused.value.answer == status
            else:
                assert await answer is None
        finally:
            await client.close()
