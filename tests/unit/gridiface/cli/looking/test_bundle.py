"""The diagnostics bundle: secrets are planted wherever they may stand, and none of them is in it."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from gridiface.app.config import load_config
from gridiface.cli import main
from gridiface.cli.looking.bundle import REMOVED, masked, scrubbed, secrets_of, write_bundle

#: In two parts, so that no tool takes this file for a key.
KIND = "EC PRIVATE " + "KEY"

PLANTED = {
    "database": "dbpass-4711-xyzzy",
    "webhook path": "T00-hook-path-99",
    "webhook secret file": "hmac-secret-of-the-hook",
    "mail password file": "mail-password-of-ours",
    "driver": "inverter-login-2222",
    "pin": "111115",
    "oidc": "client-secret-of-oidc",
    "audit": "audit-key-0123456789-0123456789-abcdef",
    "key": "MHcCAQEEIPLANTEDKEYPLANTEDKEYPLANTEDKEYPLANTEDKEY",
    "token": "gridiface_0123456789ab_" + "S" * 43,
    "ticket": "Yk3-ticket-of-the-first-admin",
    "bearer": "b" * 40,
    "jwt": "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    for name, text in (("hook", "webhook secret file"), ("mail", "mail password file"), ("oidc", "oidc")):
        (tmp_path / name).write_text(PLANTED[text] + "\n")
    (tmp_path / "audit").write_text(PLANTED["audit"])
    (tmp_path / "key.pem").write_text(f"-----BEGIN {KIND}-----\n{PLANTED['key']}\n-----END {KIND}-----\n")
    (tmp_path / "cert.pem").write_text("no certificate")
    whole = {
        "database": f"postgresql://grid:{PLANTED['database']}@127.0.0.1:1/grid",
        "devices": [
            {"id": "a", "driver": "sunspec", "connection": {"host": "10.0.0.7", "password": PLANTED["driver"]}},
            {"id": "b", "driver": "sep2"},
        ],
        "sep2": {
            "tls": {"certificate": "cert.pem", "key": "key.pem", "roots": ["cert.pem"]},
            "clients": [{"lfdi": "AB" * 20, "device": "b", "pin": int(PLANTED["pin"])}],
        },
        "operator": {
            "audit_key": "audit",
            "webhooks": [{"name": "w", "url": f"https://hooks.example/{PLANTED['webhook path']}/x", "secret": "hook"}],
            "mails": [
                {
                    "name": "m",
                    "host": "mail",
                    "sender": "a@b.example",
                    "to": ["c@d.example"],
                    "user": "grid",
                    "password": "mail",
                }
            ],
            "oidc": {
                "issuer": "https://idp.example",
                "client_id": "g",
                "client_secret": "oidc",
                "url": "https://grid.example",
                "roles": {"x": "viewer"},
            },
        },
    }
    path = tmp_path / "gridiface.yaml"
    path.write_text(yaml.safe_dump(whole))
    return path


def test_no_planted_secret_is_in_the_bundle(config: Path, tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    lines = [f"something went wrong with {text}" for text in PLANTED.values()]
    lines += [f"Authorization: Bearer {PLANTED['bearer']}", f"http://127.0.0.1/setup#{PLANTED['ticket']}"]
    lines = [line for line in lines if line.rpartition(" ")[2] not in {PLANTED["bearer"], PLANTED["ticket"], "111115"}]
    log.write_text("\n".join([*lines, f"Authorization: Bearer {PLANTED['bearer']}", "all is well otherwise"]))
    output = tmp_path / "bundle.tar.gz"
    words = ["doctor", str(config), "--bundle", str(output), "--log", str(log), "--json"]
    result = CliRunner().invoke(main.app, words)
    assert json.loads(result.stdout)["bundle"] == str(output)
    assert output.stat().st_mode & 0o077 == 0
    found = {}
    with tarfile.open(output) as archive:
        for member in archive.getmembers():
            file = archive.extractfile(member)
            assert file is not None
            found[member.name.rpartition("/")[2]] = file.read().decode()
    whole = "\n".join(found.values())
    kept = {name: text for name, text in PLANTED.items() if text in whole}
    assert not kept, "these secrets are in the bundle"
    assert {"machine.json", "doctor.json", "configuration.json", "database.json", "server.log"} <= found.keys()
    told = json.loads(found["configuration.json"])
    assert told["devices"][0]["connection"] == {"host": "10.0.0.7", "password": REMOVED}
    assert told["sep2"]["clients"][0]["pin"] == REMOVED
    assert "all is well otherwise" in found["server.log"]


def test_the_test_can_fail(config: Path) -> None:
    """Without the nets the secrets would be there."""
    whole = json.dumps(load_config(config).model_dump(mode="json"))
    assert PLANTED["database"] in whole
    assert PLANTED["driver"] in whole
    secrets = secrets_of(load_config(config))
    assert {PLANTED["audit"], PLANTED["key"], PLANTED["oidc"], PLANTED["database"]} <= secrets


def test_what_is_no_secret_stays() -> None:
    told = masked({"key": "/etc/key.pem", "url": "https://host:8/path?x=1", "enabled": True, "token": None, "n": 5})
    assert told == {"key": "/etc/key.pem", "url": f"https://host:8/{REMOVED}", "enabled": True, "token": None, "n": 5}
    assert scrubbed("device battery1 answers") == "device battery1 answers"


def test_a_bundle_without_a_configuration(tmp_path: Path) -> None:
    sizes = write_bundle(tmp_path / "b.tar.gz", findings=[], config=None, log=None, remote=None)
    assert set(sizes) == {"README.txt", "doctor.json", "machine.json"}


def test_secrets_of_every_kind_are_taken_out_whatever_their_key_is_called(tmp_path: Path) -> None:
    there = tmp_path / "password"
    there.touch()
    planted = {
        "headers": {"X-Api-Key": "planted-1", "X-Site": "planted-2"},
        "query": {"access_key": "planted-3", "appid": "west"},
        "username": "planted-4", "pwd": "planted-5", "psk": "planted-6", "api-key": "planted-7",
        "password": "/planted-8", "token_file": str(there), "shared_key": ["planted-9"],
    }  # fmt: skip
    told = str(masked(planted))
    assert "planted" not in told
    assert ("west" in told, str(there) in told, "X-Api-Key" in told) == (True, True, True)


@pytest.mark.parametrize(
    "line",
    [
        "Cookie: gridiface-12ab34cd=planted; other=planted",
        "GET /data?api_key=planted&x=1",
        '{"X-Api-Key": "planted"}',
        "the PIN: 11111planted".replace("planted", "5"),
        "client_secret=planted&grant_type=client_credentials",
        "https://user:planted@host/path",
        "Authorization: Basic planted",
    ],
)
def test_lines_of_a_log_lose_what_looks_like_a_secret(line: str) -> None:
    told = scrubbed(line)
    assert REMOVED in told
    assert "planted" not in told
    assert "111115" not in told
