from __future__ import annotations

import logging
from pathlib import Path

import pytest

from gridiface.errors import ConfigError
from gridiface.pki.certificate import Certificate, parse_certificate
from gridiface.pki.contexts import KeyPair
from gridiface.pki.credentials import ChainPolicy, TlsFiles, TlsKeeper, load_roots
from gridiface.pki.folder import REVOKED, TestPki, revoke, write_credential
from gridiface.pki.rules import sep2_rules


@pytest.fixture
def files(tmp_path: Path, pki: TestPki, now: float) -> TlsFiles:
    pki.save(tmp_path)
    write_credential(tmp_path, "server", pki.issue("server", "s", now=now, hosts=["localhost"]))
    return TlsFiles(
        key_pairs=(KeyPair(tmp_path / "server.pem", tmp_path / "server.key"),),
        roots=(tmp_path / "serca.pem",),
        revocation_list=tmp_path / REVOKED,
    )


def test_nothing_happens_while_nothing_changes(files: TlsFiles) -> None:
    keeper = TlsKeeper(files, rules=sep2_rules())
    state = keeper.state
    assert not keeper.reload_if_changed()
    assert keeper.state is state


def test_a_revocation_takes_effect(files: TlsFiles, pki: TestPki, now: float) -> None:
    keeper = TlsKeeper(files, rules=sep2_rules())
    chain = pki.issue("device", "inv1", now=now).chain_der
    assert keeper.state.policy.check(chain, now=now).accepted
    assert files.revocation_list is not None
    revoke(files.revocation_list, "lfdi", parse_certificate(chain[0]).lfdi, "stolen")
    assert keeper.reload_if_changed()
    refusal = keeper.state.policy.check(chain, now=now).refusal
    assert refusal is not None
    assert refusal.name == "revoked"


def test_new_roots_and_a_new_server_certificate_take_effect(
    files: TlsFiles, pki: TestPki, pkis: dict[int, TestPki], now: float
) -> None:
    keeper = TlsKeeper(files, rules=sep2_rules())
    context = keeper.state.context
    chain = pkis[3].issue("device", "inv1", now=now).chain_der
    assert not keeper.state.policy.check(chain, now=now).accepted
    files.roots[0].write_bytes(pki.root.root_pem + pkis[3].root.root_pem)
    assert keeper.reload_if_changed()
    assert keeper.state.policy.check(chain, now=now).accepted
    assert keeper.state.context is not context


def test_a_broken_file_changes_nothing(
    files: TlsFiles, pki: TestPki, now: float, caplog: pytest.LogCaptureFixture
) -> None:
    keeper = TlsKeeper(files, rules=sep2_rules())
    state = keeper.state
    good = files.key_pairs[0].certificate.read_bytes()
    with caplog.at_level(logging.WARNING, "gridiface.tls"):
        files.key_pairs[0].certificate.write_bytes(good[:100])
        assert not keeper.reload_if_changed()
        assert not keeper.reload_if_changed()
    assert keeper.state is state
    assert caplog.text.count("server.pem") == 1
    files.key_pairs[0].certificate.write_bytes(good)
    assert keeper.reload_if_changed()


def test_a_fault_that_passes_by_itself_is_tried_again(
    files: TlsFiles, pki: TestPki, now: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = TlsKeeper(files, rules=sep2_rules())
    chain = pki.issue("device", "inv1", now=now).chain_der
    assert files.revocation_list is not None
    revoke(files.revocation_list, "lfdi", parse_certificate(chain[0]).lfdi, "stolen")

    def no_descriptor(self: Path) -> bytes:
        raise OSError(24, "too many open files")

    with monkeypatch.context() as broken:
        broken.setattr(Path, "read_bytes", no_descriptor)
        assert not keeper.reload_if_changed()
    assert keeper.state.policy.check(chain, now=now).accepted
    assert keeper.reload_if_changed()
    assert not keeper.state.policy.check(chain, now=now).accepted


def test_an_acceptance_is_remembered_no_longer_than_it_is_valid(
    pki: TestPki, roots: list[Certificate], now: float, bench: object
) -> None:
    policy = ChainPolicy(sep2_rules(), roots)
    chain = pki.issue("device", "inv1", now=now).chain_der
    first = policy.check(chain, now=now)
    again = policy.check(chain, now=now)
    assert first.accepted
    assert again.accepted
    assert again.identity == first.identity
    assert policy.check(chain, now=now) is again
    assert not policy.check(chain, now=first.valid_until + 1).accepted
    assert not policy.check(chain[:1], now=now).accepted


def test_the_memory_of_acceptances_is_bounded(
    pki: TestPki, roots: list[Certificate], now: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gridiface.pki.credentials._REMEMBERED_VERDICTS", 2)
    policy = ChainPolicy(sep2_rules(), roots)
    chains = [pki.issue("device", f"inv{number}", now=now).chain_der for number in range(4)]
    assert all(policy.check(chain, now=now).accepted for chain in chains)
    assert len(policy._accepted) <= 2


def test_missing_files_are_told_at_the_start(files: TlsFiles, tmp_path: Path) -> None:
    files.roots[0].unlink()
    with pytest.raises(ConfigError, match=r"serca\.pem"):
        TlsKeeper(files, rules=sep2_rules())
    (tmp_path / "empty.pem").write_text("")
    with pytest.raises(ConfigError, match=r"empty\.pem"):
        load_roots([tmp_path / "empty.pem"])


def test_contexts_are_renewed_before_they_hold_many_sessions(files: TlsFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = TlsKeeper(files, rules=sep2_rules())
    monkeypatch.setattr("gridiface.pki.credentials._MAX_SESSIONS", -1)
    context, policy = keeper.state.context, keeper.state.policy
    assert not keeper.reload_if_changed()
    assert keeper.state.context is not context
    assert keeper.state.policy is policy
