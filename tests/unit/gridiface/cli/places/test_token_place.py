"""Tokens in the store of a stopped server; at a running one the verbs' own tests ask."""

from __future__ import annotations

from pathlib import Path

import pytest

from gridiface.cli.places.token_place import StoredTokens
from gridiface.errors import GridifaceError
from gridiface.operator.areas.tokens import NewToken


def test_a_token_is_made_found_and_revoked(tmp_path: Path) -> None:
    config = tmp_path / "g.yaml"
    config.write_text("site: small\n")
    place = StoredTokens(config)
    made = place.create(NewToken(name="robot", scopes=["read"], groups=["feeder"]))
    assert made["token"].startswith("gridiface_")
    assert (place.one("robot"), place.one(made["id"])) == (place.rows()[0], place.rows()[0])
    assert (place.rows()[0]["groups"], "token" in place.rows()[0]) == (["feeder"], False)
    assert place.revoke("robot")["id"] == made["id"]
    for act in (place.one, place.revoke):
        with pytest.raises(GridifaceError, match=r"no .*token"):
            act("robot")
