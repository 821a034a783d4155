"""`gridiface token` on the store of a stopped server."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gridiface.cli.main import app
from gridiface.errors import ConfigError, GridifaceError

RUN = CliRunner()


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("GRIDIFACE_TOKEN", raising=False)
    path = tmp_path / "g.yaml"
    path.write_text("site: small\n")
    return path


def test_first_token_is_made_listed_and_revoked(config: Path) -> None:
    made = json.loads(
        RUN.invoke(app, ["token", "create", "ops", "--scope", "admin", "--config", str(config), "--json"]).stdout
    )
    assert made["token"].startswith(f"gridiface_{made['id']}_")
    listed = RUN.invoke(app, ["token", "list", "--config", str(config), "--json"]).stdout
    assert made["token"] not in listed
    assert [(t["name"], t["scopes"], t["by"]) for t in json.loads(listed)["tokens"]] == [
        ("ops", ["admin"], f"command line, uid {os.getuid()}")
    ]
    assert "ops" in RUN.invoke(app, ["token", "list", "--config", str(config)]).stdout
    one = json.loads(RUN.invoke(app, ["token", "show", "ops", "--config", str(config), "--json"]).stdout)
    assert (one["id"], "token" in one) == (made["id"], False)
    with pytest.raises(GridifaceError, match="no such token: 'nobody'"):
        RUN.invoke(app, ["token", "show", "nobody", "--config", str(config)], catch_exceptions=False)
    assert "revoked" in RUN.invoke(app, ["token", "revoke", "ops", "--config", str(config)]).stdout
    with pytest.raises(GridifaceError, match="no token 'ops'"):
        RUN.invoke(app, ["token", "revoke", "ops", "--config", str(config)], catch_exceptions=False)


def test_file_is_its_owners_and_never_overwritten(config: Path, tmp_path: Path) -> None:
    out = tmp_path / "ops.token"
    words = ["token", "create", "ops", "--config", str(config), "--out", str(out)]
    result = RUN.invoke(app, words)
    assert result.exit_code == 0, result.output
    assert "gridiface_" not in result.stdout
    assert out.stat().st_mode & 0o777 == 0o600
    with pytest.raises(ConfigError, match="cannot be made"):
        RUN.invoke(app, words, catch_exceptions=False)
    with pytest.raises(ConfigError, match="already"):
        RUN.invoke(app, [*words[:-1], str(tmp_path / "two")], catch_exceptions=False)
    assert not (tmp_path / "two").exists()


def test_names_that_hide_something_are_refused(config: Path) -> None:
    with pytest.raises(ConfigError, match="name: must be text without line ends"):
        RUN.invoke(app, ["token", "create", "a\x1b[2J", "--config", str(config)], catch_exceptions=False)
