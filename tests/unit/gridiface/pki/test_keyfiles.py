from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from gridiface.errors import ConfigError
from gridiface.pki.authority import new_key
from gridiface.pki.keyfiles import key_pem, make_folder, read_certificates, read_key, write_file


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_keys_are_for_their_owner_only(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "pki")
    key = new_key()
    write_file(tmp_path / "a" / "pki" / "x.key", key_pem(key), secret=True)
    assert mode(tmp_path / "a" / "pki") == 0o700
    assert mode(tmp_path / "a" / "pki" / "x.key") == 0o600
    assert read_key(tmp_path / "a" / "pki" / "x.key").public_key() == key.public_key()
    assert [path.name for path in (tmp_path / "a" / "pki").iterdir()] == ["x.key"]


def test_nothing_is_replaced_unless_asked(tmp_path: Path) -> None:
    write_file(tmp_path / "x", b"one")
    with pytest.raises(ConfigError, match="--force"):
        write_file(tmp_path / "x", b"two")
    assert (tmp_path / "x").read_bytes() == b"one"
    write_file(tmp_path / "x", b"two", secret=True, force=True)
    assert (tmp_path / "x").read_bytes() == b"two"
    assert mode(tmp_path / "x") == 0o600


def test_a_place_that_cannot_be_written_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="file"):
        make_folder(tmp_path / "file" / "pki")
    with pytest.raises(ConfigError, match="gone"):
        write_file(tmp_path / "gone" / "x", b"")


def test_keys_that_are_not_taken(tmp_path: Path) -> None:
    (tmp_path / "encrypted").write_bytes(
        new_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
    )
    (tmp_path / "ed25519").write_bytes(
        ed25519.Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    (tmp_path / "text").write_text("text")
    for name in ("encrypted", "ed25519", "text", "missing"):
        with pytest.raises(ConfigError, match=name):
            read_key(tmp_path / name)
    with pytest.raises(ConfigError, match="no readable certificate"):
        read_certificates(tmp_path / "text")
