"""`gridiface user` on the store of a stopped server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gridiface.cli.main import app
from gridiface.errors import ConfigError, GridifaceError

RUN = CliRunner()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.delenv("GRIDIFACE_TOKEN", raising=False)
    path = tmp_path / "g.yaml"
    path.write_text("site: small\n")

    def verb(*words: str) -> Any:
        result = RUN.invoke(app, ["user", *words, "--config", str(path), "--json"], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    verb.config = str(path)  # type: ignore[attr-defined] # for calls without --json
    return verb


def test_a_user_is_made_changed_and_removed(run: Any) -> None:
    made = run("create", "ann", "--role", "operator", "--group", "feeder")
    assert (made["user"]["role"], made["user"]["groups"], made["user"]["state"]) == ("operator", ["feeder"], "invited")
    assert len(made["ticket"]) == 43
    assert run("invite", "Ann")["ticket"] != made["ticket"]
    row = run("change", "ann", "--role", "engineer", "--whole-fleet", "--disable", "--reason", "new duties")
    assert (row["role"], row["groups"], row["state"]) == ("engineer", None, "disabled")
    assert run("change", "ann", "--enable")["state"] == "invited"
    assert run("sign-out", "ann")["name"] == "ann"
    listed = RUN.invoke(app, ["user", "list", "--config", run.config])
    assert "the whole fleet" in listed.stdout
    assert [row["name"] for row in run("list")["users"]] == ["ann"]
    assert run("remove", "ann")["name"] == "ann"
    assert run("list") == {"users": []}


def test_the_link_is_the_only_thing_on_standard_output(run: Any) -> None:
    result = RUN.invoke(app, ["user", "create", "ann", "--config", run.config])
    link, _, ticket = result.stdout.strip().partition("#")
    assert link == "http://127.0.0.1:8080/setup"
    assert len(ticket) == 43


@pytest.mark.parametrize("verb", ["invite", "change", "sign-out", "remove"])
def test_unknown_users_are_named(run: Any, verb: str) -> None:
    with pytest.raises(GridifaceError, match="no user 'bob'"):
        run(verb, "bob")


def test_what_cannot_be_a_user_is_refused(run: Any) -> None:
    run("create", "ann")
    for words, said in [
        (["ann"], "already"),
        (["a b"], "no user name"),
        (["x", "--role", "admin", "--group", "g"], "groups"),
    ]:
        with pytest.raises(ConfigError, match=said):
            run("create", *words)
