"""The audit log in the store of a stopped server, and what only that takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from gridiface.cli.places.audit_place import RemoteAudit, StoredAudit
from gridiface.cli.places.remote import Remote
from gridiface.cli.places.token_place import StoredTokens
from gridiface.errors import ConfigError
from gridiface.operator.areas.audit import AuditFilter
from gridiface.operator.areas.tokens import NewToken


def test_the_store_of_a_stopped_server(tmp_path: Path) -> None:
    config = tmp_path / "g.yaml"
    config.write_text("site: small\n")
    for name in ("a", "b"):
        StoredTokens(config).create(NewToken(name=name, scopes=["read"]))
    place = StoredAudit(config)
    assert [row["after"]["name"] for row in place.newest(AuditFilter(), 5)] == ["b", "a"]
    assert len(place.newest(AuditFilter(), 1)) == 1
    assert place.newest(AuditFilter(what="user."), 5) == []
    assert place.verified("", None)["ok"]
    assert len(place.exported(AuditFilter())["entries"]) == 2
    with pytest.raises(ConfigError, match="cannot be read"):
        place.verified("", tmp_path / "none")


def test_a_server_has_its_own_key(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="its own key"):
        RemoteAudit(Remote("http://127.0.0.1:1")).verified("", tmp_path)
