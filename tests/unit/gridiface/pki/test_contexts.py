from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from gridiface.errors import ConfigError
from gridiface.pki.authority import Credential, new_key, sign, subject_of
from gridiface.pki.contexts import PROFILES, KeyPair, client_context, peer_chain, pem_files, server_context
from gridiface.pki.faults import FaultBench
from gridiface.pki.folder import TestPki, write_credential


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, pki: TestPki, bench: FaultBench, now: float) -> Path:
    folder = tmp_path_factory.mktemp("contexts")
    pki.save(folder)
    write_credential(folder, "server", pki.issue("server", "s", now=now, hosts=["localhost"]))
    write_credential(folder, "inv1", pki.issue("device", "inv1", now=now))
    return folder


def pair(folder: Path, name: str) -> KeyPair:
    return KeyPair(folder / f"{name}.pem", folder / f"{name}.key")


def handshake(server: ssl.SSLContext, client: ssl.SSLContext) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        client.wrap_bio(to_client, to_server, server_hostname="localhost"),
        server.wrap_bio(to_server, to_client, server_side=True),
    )
    waiting = list(ends)
    for _ in range(10):
        for end in list(waiting):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            waiting.remove(end)
        if not waiting:
            break
    assert not waiting
    return ends


@pytest.mark.parametrize(
    ("ours", "theirs", "cipher"),
    [
        ("strict", "strict", "ECDHE-ECDSA-AES128-CCM8"),
        ("compatible", "strict", "ECDHE-ECDSA-AES128-CCM8"),
        ("compatible", "compatible", "ECDHE-ECDSA-AES128-CCM8"),
        ("openadr", "openadr", "ECDHE-ECDSA-AES128-SHA256"),
    ],
)
def test_both_ends_agree_and_know_each_other(ours: str, theirs: str, cipher: str, files: Path, pki: TestPki) -> None:
    server = server_context(ours, key_pairs=[pair(files, "server")], roots=[files / "serca.pem"])
    client = client_context(theirs, key_pairs=[pair(files, "inv1")], roots=[files / "serca.pem"])
    at_client, at_server = handshake(server, client)
    chosen = at_server.cipher()
    assert chosen is not None
    assert (chosen[0], at_server.version()) == (cipher, "TLSv1.2")
    chain = peer_chain(at_server)
    assert chain[0] == at_server.getpeercert(binary_form=True)
    assert len(chain) == 4
    assert peer_chain(at_client)[0] == at_client.getpeercert(binary_form=True)


def test_a_compatible_listener_takes_gcm_and_a_strict_one_does_not(files: Path) -> None:
    client = client_context("compatible", key_pairs=[pair(files, "inv1")], roots=[files / "serca.pem"])
    client.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
    trusted = {"key_pairs": [pair(files, "server")], "roots": [files / "serca.pem"]}
    assert handshake(server_context("compatible", **trusted), client)[1].version() == "TLSv1.2"
    with pytest.raises(ssl.SSLError, match="NO_SHARED_CIPHER"):
        handshake(server_context("strict", **trusted), client)


def test_tls_1_3_is_for_people_and_where_a_deployment_says_so(files: Path) -> None:
    client = client_context("modern", key_pairs=[pair(files, "inv1")], roots=[files / "serca.pem"])
    modern = server_context("modern", key_pairs=[pair(files, "server")], roots=[], require_client=False)
    assert handshake(modern, client)[0].version() == "TLSv1.3"
    assert {row.highest for name, row in PROFILES.items() if name not in {"modern", "openadr-wide"}} == {
        ssl.TLSVersion.TLSv1_2
    }


def test_the_wide_suites_hold_the_profiles_two() -> None:
    assert PROFILES["openadr-wide"].ciphers[:2] == PROFILES["openadr"].ciphers
    assert set(PROFILES["openadr-wide"].ciphers[2:]) == set(PROFILES["modern"].ciphers)


def test_an_openadr_listener_serves_ecc_and_rsa_at_once(files: Path, bench: FaultBench, now: float) -> None:
    key = rsa.generate_private_key(65537, 2048)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    made: Credential = sign(subject_of("vtn"), key.public_key(), [(names, False)], now=now, issuer=bench.mica, key=key)
    write_credential(files, "rsa", made)
    server = server_context(
        "openadr", key_pairs=[pair(files, "server"), pair(files, "rsa")], roots=[files / "serca.pem"]
    )
    chosen = {}
    for cipher in ("ECDHE-ECDSA-AES128-SHA256", "AES128-SHA256"):
        client = client_context("openadr", key_pairs=[pair(files, "inv1")], roots=[files / "serca.pem"])
        client.set_ciphers(cipher + ":@SECLEVEL=0")
        at_client, at_server = handshake(server, client)
        negotiated = at_server.cipher()
        assert negotiated is not None
        chosen[negotiated[0]] = at_client.getpeercert(binary_form=True)
    assert chosen["AES128-SHA256"] == made.der
    assert chosen["ECDHE-ECDSA-AES128-SHA256"] != made.der


def test_a_listener_may_know_intermediates_for_clients_that_send_only_their_own(
    files: Path, pki: TestPki, now: float
) -> None:
    lonely = pki.issue("device", "inv2", now=now)
    (files / "lonely.pem").write_bytes(lonely.certificate.public_bytes(Encoding.PEM))
    (files / "lonely.key").write_bytes(lonely.key_pem)
    client = client_context(key_pairs=[pair(files, "lonely")], roots=[files / "serca.pem"])
    trusted = {"key_pairs": [pair(files, "server")], "roots": [files / "serca.pem"]}
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server_context(**trusted), client)
    helped = server_context(**trusted, intermediates=[files / "ca.pem"])
    assert len(peer_chain(handshake(helped, client)[1])) == 4


def test_unusable_files_are_configuration_errors(files: Path, tmp_path: Path) -> None:
    good = pair(files, "server")
    encrypted = tmp_path / "encrypted.key"
    encrypted.write_bytes(
        new_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    )
    (tmp_path / "text.pem").write_text("text")
    root = [files / "serca.pem"]
    cases = [
        ("encrypted", {"key_pairs": [KeyPair(good.certificate, encrypted)], "roots": root}),
        ("inv1", {"key_pairs": [KeyPair(good.certificate, files / "inv1.key")], "roots": root}),
        ("no such file", {"key_pairs": [good], "roots": [tmp_path / "gone.pem"]}),
        ("text", {"key_pairs": [good], "roots": [tmp_path / "text.pem"]}),
        ("at least one root", {"key_pairs": [good], "roots": []}),
        ("certificate and its key", {"key_pairs": [], "roots": root}),
    ]
    for message, arguments in cases:
        with pytest.raises(ConfigError, match=message):
            server_context(**arguments)
    with pytest.raises(ConfigError, match="at least one root"):
        client_context(roots=[])
    with pytest.raises(ConfigError, match="strict, compatible"):
        client_context("odd", roots=root)


def test_a_folder_of_roots_gives_its_certificate_files(tmp_path: Path) -> None:
    for name in ("b.pem", "a.crt", "c.key", "readme.txt"):
        (tmp_path / name).write_text("")
    assert [path.name for path in pem_files([tmp_path, tmp_path / "c.key"])] == ["a.crt", "b.pem", "c.key"]


@pytest.mark.parametrize("lost", ["certificate", "key"])
def test_a_file_that_is_not_there_is_named_alone_with_what_makes_one(lost: str, files: Path) -> None:
    both = {"certificate": files / "server.pem", "key": files / "server.key"} | {lost: files / "none"}
    told = rf"none: the {lost} cannot be read: No such file or directory; correct its name.*pki issue"
    with pytest.raises(ConfigError, match=told):
        server_context("strict", key_pairs=[KeyPair(**both)], roots=[files / "serca.pem"])
