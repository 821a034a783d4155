"""The master behind the verbs that speak DNP3: how its options are read, and which of them are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from gridiface.cli.dnp3.peer import master_for, tls_context
from gridiface.errors import ConfigError, GridifaceError


def test_a_place_is_a_host_and_a_port() -> None:
    assert master_for("[::1]:20000") is not None
    for place in ("localhost", "localhost:", "localhost:dnp3"):
        with pytest.raises(ConfigError, match="write HOST:PORT"):
            master_for(place)


def test_tls_is_whole_or_not_at_all_and_not_for_datagrams(tmp_path: Path) -> None:
    assert tls_context(None, None, None) is None
    with pytest.raises(GridifaceError, match="TLS needs --certificate, --key and --roots"):
        tls_context(tmp_path / "cert.pem", None, None)
    with pytest.raises(ConfigError, match="TLS is for TCP"):
        master_for("127.0.0.1:20000", udp=True, roots=tmp_path / "roots.pem")


def test_a_key_that_is_none_is_refused(tmp_path: Path) -> None:
    key = tmp_path / "user.key"
    with pytest.raises(ConfigError):
        master_for("127.0.0.1:20000", user_key=key)
    key.write_text("00" * 5)
    with pytest.raises(ConfigError):
        master_for("127.0.0.1:20000", user_key=key)
