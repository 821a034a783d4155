"""openleadr verifies what we sign, and we verify what it signs."""

from __future__ import annotations

import datetime as dt
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from gridiface.errors import RemoteProtocolError
from gridiface.protocols.openadr.payloads.envelope import decode_payload
from gridiface.protocols.openadr.payloads.event import OadrPoll
from gridiface.protocols.openadr.replay import NonceMemory
from gridiface.protocols.openadr.signature import Signer, Verifier

pytestmark = [pytest.mark.processes, pytest.mark.timeout(60)]
PEM = serialization.Encoding.PEM


def mint(key):
    """A self-signed certificate, PEM, and the key, PEM."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ven")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return certificate, certificate.public_bytes(PEM), secret


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
async def test_signatures_pass_both_ways(kind, start_process, eventually):
    key = rsa.generate_private_key(65537, 2048) if kind == "rsa" else ec.generate_private_key(ec.SECP256R1())
    certificate, public, secret = mint(key)
    peer = await start_process("openleadr_sign.py")

    # What openleadr verifies may be five seconds old: it has to be up first, and a busy machine may need tries.
    peer.say(do="sign", certificate=public.decode(), key=secret.decode())
    await eventually(lambda: peer.heard("signed"), "a signed document")

    signer = Signer.from_pem(secret, public)
    verdicts: list[bool] = []
    while verdicts != [True, False] and len(peer.heard("verified")) < 20:
        nonce = f"nonce-{len(peer.heard('verified'))}"
        good = signer.sign(OadrPoll(venID="ven 1 & more"), time.time(), nonce).decode()
        bad = signer.sign(OadrPoll(venID="ven 1"), time.time(), nonce + "b").decode().replace("ven 1", "ven 2")
        heard = len(peer.heard("verified"))
        for document in (good, bad):
            peer.say(do="verify", xml=document)
        await eventually(lambda heard=heard: len(peer.heard("verified")) == heard + 2, "two verdicts")
        verdicts = [line["good"] for line in peer.heard("verified")[heard:]]
        # What was changed on its way is never taken, however often it is sent.
        assert verdicts[1] is False
    assert verdicts == [True, False]

    payload, root = decode_payload(peer.heard("signed")[0]["xml"].encode())
    assert payload.venID == "ven-1"
    verifier = Verifier(NonceMemory())
    der = certificate.public_bytes(serialization.Encoding.DER)
    assert verifier.verify(root, lambda seen: seen == der, time.time())
    with pytest.raises(RemoteProtocolError, match="received before"):
        verifier.verify(root, lambda seen: seen == der, time.time())
