from __future__ import annotations

import stat
from pathlib import Path

import pytest

from gridiface.errors import ConfigError
from gridiface.pki.authority import Credential
from gridiface.pki.folder import CA_BUNDLE, REVOKED, TestPki, file_name, revoke, write_credential
from gridiface.pki.keyfiles import read_certificates
from gridiface.pki.revocation import load_revocation


@pytest.mark.parametrize(("depth", "words"), [(2, ["serca"]), (3, ["serca", "mica"]), (4, ["serca", "mca", "mica"])])
def test_a_pki_is_kept_and_found_again(depth: int, words: list[str], now: float, tmp_path: Path) -> None:
    made = TestPki.create(depth=depth, now=now)
    made.save(tmp_path / "pki")
    found = TestPki.load(tmp_path / "pki")
    assert list(found.authorities) == words
    assert found.issue("device", "inv1", now=now).issuers == made.issue("device", "inv2", now=now).issuers
    assert len(read_certificates(tmp_path / "pki" / CA_BUNDLE)) == depth - 1
    assert all(stat.S_IMODE((tmp_path / "pki" / f"{word}.key").stat().st_mode) == 0o600 for word in words)


def test_existing_files_are_kept_whole(now: float, tmp_path: Path) -> None:
    TestPki.create(now=now).save(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ConfigError, match="--force"):
        TestPki.create(depth=4, now=now).save(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    TestPki.create(depth=4, now=now).save(tmp_path, force=True)
    assert (tmp_path / "serca.pem").read_bytes() != before[tmp_path / "serca.pem"]


def test_a_credential_is_written_with_its_chain(pki: TestPki, now: float, tmp_path: Path) -> None:
    made = pki.issue("device", "inv1", now=now)
    certificate, key = write_credential(tmp_path, "inv1", made)
    assert len(read_certificates(certificate)) == 3
    assert key is not None
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    certificate.unlink()
    with pytest.raises(ConfigError, match="inv1"):
        write_credential(tmp_path, "inv1", made)
    assert not certificate.exists()
    assert write_credential(tmp_path, "other", Credential(made.certificate, None, made.issuers))[1] is None


def test_files_that_do_not_belong_together(now: float, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="gridiface pki init"):
        TestPki.load(tmp_path)
    TestPki.create(now=now).save(tmp_path)
    (tmp_path / "mica.key").write_bytes((tmp_path / "serca.key").read_bytes())
    with pytest.raises(ConfigError, match="not the key"):
        TestPki.load(tmp_path)


def test_wrong_wishes_are_told(pki: TestPki, now: float) -> None:
    with pytest.raises(ConfigError, match="2, 3 or 4"):
        TestPki.create(depth=5, now=now)
    with pytest.raises(ConfigError, match="CA profile"):
        pki.issue("mica", "x", now=now)
    for name in ("", "../x", "serca", "a b", ".hidden", "x" * 65):
        with pytest.raises(ConfigError, match="name"):
            file_name(name)
    assert file_name("inv-1.a") == "inv-1.a"


def test_a_revocation_is_added_once_and_read_back(tmp_path: Path) -> None:
    file = tmp_path / REVOKED
    assert revoke(file, "lfdi", "A" * 40, "stolen\n# from site 12")
    assert not revoke(file, "lfdi", "A" * 40, "again")
    file.write_text(file.read_text().rstrip())
    assert revoke(file, "fingerprint", "B" * 64, "")
    entries = load_revocation(file, ()).entries
    assert entries == {("lfdi", "A" * 40): "stolen from site 12", ("fingerprint", "B" * 64): ""}
