"""The verbs that start nothing: version and init, and the entry point's exit codes."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gridiface import __version__
from gridiface.app.config.load import load_config
from gridiface.cli import main, reference
from gridiface.cli.main import app
from gridiface.errors import ConfigError

RUN = CliRunner()


def test_version_names_what_matters_on_the_wire() -> None:
    found = json.loads(RUN.invoke(app, ["version", "--json"]).stdout)
    assert {"gridiface", "python", "openssl", "aiohttp"} <= set(found)
    assert "gridiface" in RUN.invoke(app, ["version"]).stdout


def test_the_version_alone_is_an_option_before_the_verb() -> None:
    told = RUN.invoke(app, ["--version"])
    assert (told.exit_code, told.stdout) == (0, f"gridiface {__version__}\n")


def test_init_writes_a_configuration_that_check_accepts(site: Path) -> None:
    result = RUN.invoke(app, ["check", str(site / "gridiface.yaml"), "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {"ok": True, "site": "s", "devices": 1, "groups": 1, "sep2": True}


def test_a_site_is_called_as_its_folder_where_that_can_be_a_name(tmp_path: Path) -> None:
    for folder, site in (("depot-7", "depot-7"), ("my site", "my-site")):
        assert RUN.invoke(app, ["init", str(tmp_path / folder), "--no-pki"]).exit_code == 0
        assert load_config(tmp_path / folder / "gridiface.yaml").site == site


def test_init_switches_other_protocols_on_and_what_stands_as_a_comment_is_right_too(tmp_path: Path) -> None:
    result = RUN.invoke(app, ["init", str(tmp_path / "a"), "--with", "dnp3", "--with", "openadr", "--no-pki"])
    assert result.exit_code == 0, result.output
    assert "gridiface serve" not in result.output  # it could not start
    assert "gridiface check" in result.output
    loaded = load_config(tmp_path / "a" / "gridiface.yaml")
    assert loaded.dnp3 is not None
    assert loaded.openadr is not None
    assert loaded.openadr.vtn is not None
    RUN.invoke(app, ["init", str(tmp_path / "b"), "--no-pki"])
    text = (tmp_path / "b" / "gridiface.yaml").read_text()
    assert load_config(tmp_path / "b" / "gridiface.yaml").dnp3 is None
    for block in ("openadr:", "dnp3:"):
        begin = text.index(f"# {block}")
        end = text.index("\n\n", begin)
        text = text[:begin] + re.sub(r"(?m)^# ", "", text[begin:end]) + text[end:]
    (tmp_path / "b" / "gridiface.yaml").write_text(text)
    again = load_config(tmp_path / "b" / "gridiface.yaml")
    assert (again.dnp3, again.openadr) == (loaded.dnp3, loaded.openadr)
    with pytest.raises(Exception, match="there are openadr, dnp3"):
        RUN.invoke(app, ["init", str(tmp_path / "c"), "--with", "modbus"], catch_exceptions=False)


def test_init_for_a_service_or_a_container_names_its_database_and_a_page_for_others(tmp_path: Path) -> None:
    words = [
        "--database",
        "sqlite:////var/lib/gridiface/g.sqlite",
        "--page",
        "0.0.0.0:8080",
        "--listen",
        "0.0.0.0:8443",
    ]
    result = RUN.invoke(app, ["init", str(tmp_path / "a"), *words, "--site", "0123", "--json"])
    assert result.exit_code == 0, result.output
    loaded = load_config(tmp_path / "a" / "gridiface.yaml")
    assert (loaded.database, loaded.site) == ("sqlite:////var/lib/gridiface/g.sqlite", "0123")
    assert loaded.operator is not None
    assert loaded.operator.tls is not None
    assert loaded.operator.tls.certificate == tmp_path / "a" / "pki" / "server.pem"
    with pytest.raises(ConfigError, match=r"operator\.listen"):
        RUN.invoke(app, ["init", str(tmp_path / "b"), "--page", "nowhere"], catch_exceptions=False)
    assert not (tmp_path / "b").exists()


def test_init_keeps_keys_to_their_owner_and_never_overwrites(site: Path) -> None:
    keys = list((site / "pki").glob("*.key"))
    assert keys
    assert all(key.stat().st_mode & 0o077 == 0 for key in keys)
    before = (site / "gridiface.yaml").read_text()
    with pytest.raises(Exception, match="--force"):
        RUN.invoke(app, ["init", str(site)], catch_exceptions=False)
    assert (site / "gridiface.yaml").read_text() == before


def test_expected_errors_end_in_one_line_and_a_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["gridiface", "check", str(tmp_path / "none.yaml")])
    with pytest.raises(SystemExit) as caught:
        main.main()
    assert caught.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_reference_lists_every_verb() -> None:
    page = reference.cli_page(app)
    for verb in ("gridiface demo", "gridiface pki init", "gridiface db backup", "gridiface bench allocate"):
        assert f"## {verb}\n" in page


def test_a_folder_that_cannot_be_made_is_told_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    result = RUN.invoke(app, ["init", str(tmp_path / "file" / "site"), "--no-pki"])
    assert isinstance(result.exception, ConfigError)
    assert "cannot be made: Not a directory" in str(result.exception)


def test_a_configuration_that_is_not_there_or_no_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such file; `gridiface init` writes one"):
        load_config(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"site: \xe9\n")
    with pytest.raises(ConfigError, match="save it as UTF-8"):
        load_config(tmp_path / "latin.yaml")


def test_a_question_is_asked_beside_the_answer() -> None:
    result = RUN.invoke(app, ["sep2", "reset", "--json", "--url", "http://127.0.0.1:1"], input="n\n")
    assert result.exit_code != 0
    # What the runner types stands on standard output, too.
    assert ("Go on?" in result.stdout, "Go on?" in result.stderr) == (False, True)
