"""A verb works on the store where a configuration is named and there is no token, else at the server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gridiface.cli.places.audit_place import RemoteAudit, StoredAudit, audit_at
from gridiface.cli.places.fleet_place import RemoteFleet, StoredFleet, place_of
from gridiface.cli.places.place import chosen
from gridiface.cli.places.remote import Remote
from gridiface.cli.places.token_place import RemoteTokens, StoredTokens, tokens_at
from gridiface.cli.places.user_place import RemoteUsers, StoredUsers, users_at


def test_the_place_is_chosen_in_one_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRIDIFACE_TOKEN", raising=False)
    config = tmp_path / "g.yaml"
    config.write_text("operator: {listen: 127.0.0.1:9999}\n")
    places: tuple[Callable[[str | None, Path | None, Path | None], object], ...]
    places = (users_at, tokens_at, audit_at, place_of)
    assert chosen(None, config, None) == config
    assert chosen("http://127.0.0.1:1", None, None) == Remote("http://127.0.0.1:1")
    stored: list[type] = [StoredUsers, StoredTokens, StoredAudit, StoredFleet]
    assert [type(at(None, config, None)) for at in places] == stored
    monkeypatch.setenv("GRIDIFACE_TOKEN", "x")
    assert chosen(None, config, None) == Remote("http://127.0.0.1:9999", "x")
    served: list[type] = [RemoteUsers, RemoteTokens, RemoteAudit, RemoteFleet]
    assert [type(at(None, config, None)) for at in places] == served
