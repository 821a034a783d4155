from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from gridiface.cli.pki import app
from gridiface.errors import ConfigError
from gridiface.pki.keyfiles import read_certificates


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    assert run("init", "--dir", tmp_path / "pki").exit_code == 0
    return tmp_path / "pki"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def told(*arguments: object, code: int = 0) -> dict[str, Any]:
    result = run(*arguments, "--json")
    assert result.exit_code == code, result.output
    data = json.loads(result.stdout)
    assert isinstance(data, dict)
    return data


def test_from_nothing_to_the_lfdi_of_a_device(folder: Path) -> None:
    issued = told("issue", "device", "--dir", folder, "--name", "inv1")
    shown = told("lfdi", folder / "inv1.pem")["certificates"][0]
    assert issued["lfdi"] == shown["lfdi"]
    assert len(shown["lfdi"]) == 40
    assert shown["sfdi_for_people"].replace("-", "").lstrip("0") == shown["sfdi"]
    assert stat.S_IMODE((folder / "inv1.key").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_text_for_people_says_what_to_do_next(tmp_path: Path) -> None:
    made = run("init", "--dir", tmp_path / "pki", "--depth", "4")
    assert "gridiface pki issue device" in made.stdout
    issued = run("issue", "device", "--dir", tmp_path / "pki", "--name", "inv1")
    assert "openssl s_client" in issued.stdout
    assert "curl" in issued.stdout
    assert "LFDI" in run("lfdi", tmp_path / "pki" / "inv1.pem").stdout
    assert len(read_certificates(tmp_path / "pki" / "inv1.pem")) == 3
    server = run("issue", "server", "--dir", tmp_path / "pki", "--name", "server", "--host", "localhost")
    assert "s_client" not in server.stdout


@pytest.mark.parametrize("profile", ["device", "aggregator", "utility", "operator"])
def test_what_is_issued_is_accepted(profile: str, folder: Path) -> None:
    told("issue", profile, "--dir", folder, "--name", "x")
    report = told("inspect", folder / "x.pem", "--strict")
    assert report["accepted"] is True
    assert all(check["result"] == "pass" for check in report["checks"])


def test_a_server_is_judged_as_a_server(folder: Path) -> None:
    told("issue", "server", "--dir", folder, "--name", "s", "--host", "localhost", "--host", "127.0.0.1")
    report = told("inspect", folder / "s.pem", "--server")
    assert report["certificates"][0]["hosts"] == ["localhost", "127.0.0.1"]


def test_inspect_fails_with_the_reason(folder: Path, tmp_path: Path) -> None:
    told("issue", "device", "--dir", folder, "--name", "inv1")
    other = tmp_path / "other"
    told("init", "--dir", other)
    report = told("inspect", folder / "inv1.pem", "--roots", other / "serca.pem", code=1)
    failed = [check for check in report["checks"] if check["result"] == "fail"]
    assert [check["check"] for check in failed] == ["trust-anchor"]
    text = run("inspect", folder / "inv1.pem", "--roots", other / "serca.pem")
    assert text.exit_code == 1
    assert "FAIL  trust-anchor" in text.stdout
    assert text.stdout.rstrip().endswith("refused")


def test_inspect_shows_a_ca_and_a_good_chain(folder: Path) -> None:
    told("issue", "device", "--dir", folder, "--name", "inv1")
    assert run("inspect", folder / "serca.pem").stdout.rstrip().endswith("accepted")
    text = run("inspect", folder / "inv1.pem").stdout
    assert "serial 'inv1'" in text
    assert run("inspect", folder / "inv1.pem", "--rules", "openadr").exit_code == 0
    assert isinstance(run("inspect", folder / "inv1.pem", "--rules", "odd").exception, ConfigError)


def test_a_request_is_certified(folder: Path) -> None:
    made = told("csr", "--dir", folder, "--name", "inv2", "--named")
    issued = told("issue", "device", "--dir", folder, "--name", "inv2", "--csr", made["request"])
    assert issued["key"] is None
    bundle = Path(told("bundle", "inv2", "--dir", folder)["bundle"])
    assert stat.S_IMODE(bundle.stat().st_mode) == 0o600
    assert bundle.read_bytes().count(b"BEGIN CERTIFICATE") == 3
    assert bundle.read_bytes().startswith(b"-----BEGIN PRIV")


def test_revoking_by_file_by_lfdi_and_by_fingerprint(folder: Path) -> None:
    told("issue", "device", "--dir", folder, "--name", "inv1")
    crl = folder / "mica.crl"
    first = told("revoke", folder / "inv1.pem", "--dir", folder, "--reason", "stolen", "--crl", crl)
    assert first["added"] is True
    assert "@" in first["serial"]
    assert told("revoke", first["lfdi"], "--dir", folder)["added"] is False
    assert told("revoke", "AB" * 32, "--dir", folder)["fingerprint"] == "AB" * 32
    assert "revoked" in run("revoke", folder / "inv1.pem", "--dir", folder, "--crl", crl).stdout
    report = told("inspect", folder / "inv1.pem", code=1)
    assert [check["check"] for check in report["checks"] if check["result"] == "fail"] == ["revoked"]
    elsewhere = folder / "sent" / "inv1.pem"
    elsewhere.parent.mkdir()
    elsewhere.write_bytes((folder / "inv1.pem").read_bytes())
    told("inspect", elsewhere, "--roots", folder / "serca.pem")
    report = told("inspect", elsewhere, "--roots", folder / "serca.pem", "--revoked", folder / "revoked.txt", code=1)
    assert [check["check"] for check in report["checks"] if check["result"] == "fail"] == ["revoked"]
    missing = run("inspect", elsewhere, "--roots", folder / "serca.pem", "--revoked", folder / "nothing.txt")
    assert isinstance(missing.exception, ConfigError)


def test_wrong_use_is_exit_code_two_and_one_line(folder: Path, tmp_path: Path) -> None:
    told("issue", "device", "--dir", folder, "--name", "inv1")
    (tmp_path / "text").write_text("text")
    (folder / "other.pem").write_bytes((folder / "inv1.pem").read_bytes())
    (folder / "other.key").write_bytes((folder / "mica.key").read_bytes())
    for arguments in (
        ("init", "--dir", folder),
        ("init", "--dir", tmp_path / "p5", "--depth", "5"),
        ("issue", "device", "--dir", folder, "--name", "inv1"),
        ("issue", "device", "--dir", tmp_path / "nowhere", "--name", "x"),
        ("issue", "toaster", "--dir", folder, "--name", "x"),
        ("issue", "server", "--dir", folder, "--name", "x"),
        ("issue", "device", "--dir", folder, "--name", "../x"),
        ("issue", "device", "--dir", folder, "--name", "x", "--csr", tmp_path / "text"),
        ("csr", "--dir", folder, "--name", "inv1"),
        ("lfdi", tmp_path / "missing.pem"),
        ("inspect", tmp_path / "text"),
        ("revoke", "what", "--dir", folder),
        ("revoke", "AB" * 20, "--dir", folder, "--crl", folder / "x.crl"),
        ("revoke", folder / "inv1.pem", "--dir", folder, "--crl", tmp_path / "text"),
        ("bundle", "nobody", "--dir", folder),
        ("bundle", "other", "--dir", folder),
        ("issue",),
    ):
        result = run(*arguments)
        if arguments == ("issue",):
            assert result.exit_code == 2, result.output
            continue
        # What the entry point ends with code 2.
        assert isinstance(result.exception, ConfigError), (arguments, result.output)
        assert str(result.exception).count("\n") == 0


@pytest.mark.parametrize("verb", ["init", "issue", "csr", "lfdi", "inspect", "revoke", "bundle"])
def test_every_verb_shows_an_example(verb: str) -> None:
    result = run(verb, "--help")
    assert result.exit_code == 0
    assert f"gridiface pki {verb}" in result.stdout
