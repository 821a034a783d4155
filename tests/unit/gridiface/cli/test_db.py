"""`gridiface db`: words, JSON and exit codes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gridiface.cli import db
from gridiface.cli.terminal.failing import code_of
from gridiface.errors import ConfigError, GridifaceError


def run(*arguments: str | Path, code: int = 0, env: dict[str, str] | None = None) -> str:
    result = CliRunner().invoke(db.app, [str(argument) for argument in arguments], env=env)
    error = result.exception
    if isinstance(error, GridifaceError):  # what the entry point ends with
        assert code_of(error) == code, error
        return str(error)
    assert result.exit_code == code, result.output
    return result.output


def run_json(*arguments: str | Path, code: int = 0) -> dict[str, Any]:
    found = json.loads(run(*arguments, "--json", code=code))
    assert isinstance(found, dict)
    return found


@pytest.fixture
def database(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'g.db'}"


@pytest.fixture(autouse=True)
def own_resolver() -> Iterator[None]:
    db.use_resolver(db.database_of_yaml)
    yield
    db.use_resolver(db.database_of_configuration)


@pytest.mark.parametrize("command", ["upgrade", "backup", "restore", "check"])
def test_each_help_has_an_example(command: str) -> None:
    assert f"Example: gridiface db {command}" in run(command, "--help")


def test_the_whole_round_in_json(database: str, tmp_path: Path) -> None:
    assert run_json("upgrade", "--database", database)["before"] is None
    assert run_json("check", "--database", database)["ok"] is True
    for kind in ("sqlite", "archive"):
        saved = run_json("backup", tmp_path / kind, "--kind", kind, "--database", database)
        restored = run_json("restore", tmp_path / kind, "--database", tmp_path / f"{kind}.db")
        checked = run_json("check", "--hash", "--database", tmp_path / f"{kind}.db")
        assert saved["sha256"] == restored["sha256"] == checked["sha256"]
        assert saved["kind"] == kind


def test_the_whole_round_in_words(database: str, tmp_path: Path) -> None:
    assert "from nothing" in run("upgrade", "--database", database)
    assert "already" in run("upgrade", "--database", database)
    assert "0 readings" in run("backup", tmp_path / "b", "--database", database)
    assert "restored from schema" in run("restore", tmp_path / "b", "--database", tmp_path / "r.db")
    assert "all is well" in run("check", "--hash", "--database", database)


def test_the_database_is_named_as_the_argument_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "g.yaml"
    config.write_text(f"database: sqlite:///{tmp_path / 'g.db'}\n")
    assert run_json("upgrade", config)["before"] is None
    named = str(tmp_path / "g.db")
    monkeypatch.setenv("GRIDIFACE_DATABASE", f"sqlite:///{tmp_path / 'other.db'}")
    for place in (config, named, f"sqlite:///{named}"):
        assert run_json("check", place)["database"] == f"sqlite:///{named}"
    assert "give one of them" in run("check", named, "--config", config, code=2)


def test_errors_end_with_the_code_of_their_kind(database: str, tmp_path: Path) -> None:
    assert "there is no database" in run("check", "--database", database, code=3)
    assert "say which database" in run("check", code=2)
    (tmp_path / "b").write_text("no backup")
    assert "no backup of gridiface" in run("restore", tmp_path / "b", "--database", database, code=2)
    said = run("check", tmp_path / "b", code=3)
    assert f"{tmp_path / 'b'}: DatabaseError: file is not a database; name another file" in said
    (tmp_path / "empty.db").touch()
    report = run_json("check", "--database", tmp_path / "empty.db", code=1)
    assert report["ok"] is False
    assert "problem: schema none" in run("check", "--database", tmp_path / "empty.db", code=1)


def test_the_database_comes_from_the_environment_or_a_configuration(database: str, tmp_path: Path) -> None:
    run("upgrade", env={"GRIDIFACE_DATABASE": database})
    config = tmp_path / "gridiface.yaml"
    config.write_text(f"database: {database}\n")
    assert "all is well" in run("check", "--config", config)
    config.write_text(f"database:\n  url: {database}\n")
    assert "all is well" in run("check", "--config", config, env={"GRIDIFACE_DATABASE": "none.db"})


def test_the_application_may_bring_its_own_reader(database: str, tmp_path: Path) -> None:
    run("upgrade", "--database", database)
    asked: list[Path] = []

    def resolver(path: Path) -> str:
        asked.append(path)
        return database

    db.use_resolver(resolver)
    assert "all is well" in run("check", "--config", tmp_path / "any.toml")
    assert asked == [tmp_path / "any.toml"]


@pytest.mark.parametrize("text", ["", "[]", "database: 5", "database: {}", "a: [", "database: ''"])
def test_configurations_without_a_database_say_what_to_add(text: str, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError):
        db.database_of_yaml(path)


def test_a_configuration_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        db.database_of_yaml(tmp_path / "none.yaml")
