"""A client that judges its server in the handshake: what OpenSSL lets pass is refused before a request leaves."""

from __future__ import annotations

import ssl
import time
from pathlib import Path

import pytest

from gridiface.pki import judged
from gridiface.pki.certificate import parse_pem_certificates
from gridiface.pki.contexts import KeyPair, client_context, server_context
from gridiface.pki.credentials import ChainPolicy, load_roots
from gridiface.pki.folder import TestPki, write_credential
from gridiface.pki.identity import PeerIdentity
from gridiface.pki.judged import judge_server, names_host, refuse_revoked
from gridiface.pki.revocation import Revocation
from gridiface.pki.rules import SERVER_AUTH, sep2_rules


def shake(client: ssl.SSLContext, server: ssl.SSLContext, host: str = "localhost") -> None:
    """Both ends in memory, until both are done."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(down, up, server_hostname=host),
        server.wrap_bio(up, down, server_side=True),
    ]
    waiting = list(ends)
    while waiting:
        for end in list(waiting):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            waiting.remove(end)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    now = float(int(time.time()))
    pki = TestPki.create(depth=3, now=now)
    pki.save(tmp_path)
    write_credential(tmp_path, "server", pki.issue("server", "s", now=now, hosts=["localhost"]))
    write_credential(tmp_path, "device", pki.issue("device", "d", now=now))
    return tmp_path


def contexts(
    folder: Path, refusal: str = "", clock: float | None = None
) -> tuple[ssl.SSLContext, ssl.SSLContext, list[str]]:
    roots = [folder / "serca.pem"]
    seen: list[str] = []

    def demand(identity: PeerIdentity, _connection: ssl.SSLObject) -> str:
        seen.append(identity.lfdi)
        return refusal

    client = judge_server(
        client_context("strict", key_pairs=[KeyPair(folder / "device.pem", folder / "device.key")], roots=roots),
        ChainPolicy(sep2_rules(purpose=SERVER_AUTH), load_roots(roots)),
        demand,
        wall_clock=(lambda: clock) if clock is not None else time.time,
    )
    server = server_context("strict", key_pairs=[KeyPair(folder / "server.pem", folder / "server.key")], roots=roots)
    return client, server, seen


def test_a_good_server_is_taken_and_known_by_its_lfdi(folder: Path) -> None:
    client, server, seen = contexts(folder)
    shake(client, server)
    assert len(seen[0]) == 40


def test_a_server_that_the_caller_does_not_want_is_refused_with_the_reason(folder: Path) -> None:
    client, server, _ = contexts(folder, refusal="another LFDI is wanted")
    with pytest.raises(ssl.SSLCertVerificationError, match="another LFDI is wanted") as told:
        shake(client, server)
    assert told.value.verify_message == "another LFDI is wanted"


@pytest.mark.parametrize("place", [None, 0, 1], ids=["nobody", "the server", "a CA above it"])
def test_a_server_that_is_revoked_or_hangs_below_who_is_ends_the_handshake(folder: Path, place: int | None) -> None:
    chain = parse_pem_certificates((folder / "server.pem").read_bytes())
    entries = {} if place is None else {("lfdi", chain[place].lfdi): "key leaked"}
    pair = KeyPair(folder / "device.pem", folder / "device.key")
    client = refuse_revoked(
        client_context("strict", key_pairs=[pair], roots=[folder / "serca.pem"]), Revocation(entries=entries)
    )
    _, server, _ = contexts(folder)
    if place is None:
        shake(client, server)
        return
    with pytest.raises(ssl.SSLCertVerificationError, match="is revoked: key leaked"):
        shake(client, server)


def test_who_cannot_be_looked_up_is_refused_as_openssl_refuses(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judged, "peer_chain", lambda _: [b"no certificate"])
    pair = KeyPair(folder / "device.pem", folder / "device.key")
    client = refuse_revoked(client_context("strict", key_pairs=[pair], roots=[folder / "serca.pem"]), Revocation())
    with pytest.raises(ssl.SSLCertVerificationError, match="cannot be read"):
        shake(client, contexts(folder)[1])


def test_our_own_policy_is_asked_too(folder: Path) -> None:
    client, server, seen = contexts(folder, clock=1.0)
    with pytest.raises(ssl.SSLCertVerificationError, match="validity"):
        shake(client, server)
    assert seen == []


@pytest.mark.parametrize(
    ("host", "named"),
    [
        ("localhost", True),
        ("LocalHost", True),
        ("127.0.0.1", True),
        ("127.0.0.2", False),
        ("::1", True),
        ("agg.example.org", True),
        ("a.agg.example.org", False),
        ("example.org", False),
        ("localhost.example", False),
    ],
)
def test_a_certificate_names_hosts_and_addresses(folder: Path, host: str, named: bool) -> None:
    now = float(int(time.time()))
    pki = TestPki.load(folder)
    hosts = ["localhost", "127.0.0.1", "::1", "*.example.org"]
    write_credential(folder, "named", pki.issue("server", "n", now=now, hosts=hosts))
    roots = [folder / "serca.pem"]
    found: list[bool] = []

    def demand(_identity: PeerIdentity, connection: ssl.SSLObject) -> str:
        found.append(names_host(connection))
        return ""

    client = judge_server(
        client_context("strict", roots=roots, check_hostname=False),
        ChainPolicy(sep2_rules(purpose=SERVER_AUTH), load_roots(roots)),
        demand,
    )
    pair = KeyPair(folder / "named.pem", folder / "named.key")
    shake(client, server_context("strict", key_pairs=[pair], roots=roots, require_client=False), host)
    assert found == [named]


def test_the_certificate_of_a_device_names_no_host(folder: Path) -> None:
    roots = [folder / "serca.pem"]
    found: list[bool] = []

    def demand(_identity: PeerIdentity, connection: ssl.SSLObject) -> str:
        found.append(names_host(connection))
        return ""

    client = judge_server(
        client_context("strict", roots=roots, check_hostname=False),
        ChainPolicy(sep2_rules(purpose=SERVER_AUTH), load_roots(roots)),
        demand,
    )
    pair = KeyPair(folder / "device.pem", folder / "device.key")
    shake(client, server_context("strict", key_pairs=[pair], roots=roots, require_client=False))
    assert found == [False]
