"""What doctor finds of a configuration that would not work: each thing, its level and what to do."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import socket
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from tests.certificates import self_signed
from typer.testing import CliRunner

from gridiface.app.config import checks
from gridiface.cli.looking import doctor
from gridiface.cli.looking.looks import Finding, looks_at
from gridiface.cli.main import app

DAY_S = 86_400.0

CONFIG = """\
operator: {listen: "127.0.0.1:0", tls: {certificate: server.pem, key: server.key}}
"""


def found(path: Path, check: str) -> list[Finding]:
    """What one look found and is not well."""
    return [one for one in looks_at(path) if one.check == check and one.level != "ok"]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    self_signed(tmp_path, "server", 400 * DAY_S)
    (tmp_path / "g.yaml").write_text(CONFIG)
    return tmp_path / "g.yaml"


def test_nothing_is_wrong_with_what_is_right(config: Path) -> None:
    assert [one for one in looks_at(config) if one.level == "error"] == []
    assert any("server.pem fits its key" in one.text for one in looks_at(config))


def test_a_folder_that_may_not_be_entered_is_one_finding_of_many(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exists = Path.exists

    def closed(path: Path, **more: Any) -> bool:
        if path.suffix in {".pem", ".key"}:
            raise PermissionError(13, "Permission denied", str(path))
        return exists(path, **more)

    monkeypatch.setattr(Path, "exists", closed)
    assert {one.text for one in found(config, "files")} == {
        f"operator.tls.{name}: {config.parent / file}: Permission denied"
        for name, file in (("certificate", "server.pem"), ("key", "server.key"))
    }
    assert {"ports", "database"} <= {one.check for one in looks_at(config)}


def test_a_driver_that_there_is_not_is_told_with_its_place(config: Path) -> None:
    config.write_text(CONFIG + "devices: [{id: inv, driver: sunspecs, rating: {max_w: 1000}}]\n")
    (only,) = found(config, "drivers")
    assert only.text == "devices[0].driver: no driver is called 'sunspecs'; did you mean 'sunspec'?"


def test_a_missing_extra_is_told_with_how_it_is_installed(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "find_spec", lambda name: None)
    config.write_text(CONFIG + 'otel: {endpoint: "http://127.0.0.1:4318"}\n')
    (one,) = found(config, "extras")
    assert (one.level, one.fix) == ("error", "pip install 'gridiface[otel]'")
    assert one.text == "otel: opentelemetry is not installed"


@pytest.mark.parametrize(
    ("begins_s", "ends_s", "level", "text"),
    [
        (-9 * DAY_S, -DAY_S, "error", "server.pem ended "),
        (DAY_S, 9 * DAY_S, "error", "UTC on only"),
        (-DAY_S, 9 * DAY_S, "warning", "server.pem ends "),
    ],
)
def test_a_certificate_out_of_its_time_is_told(
    config: Path, begins_s: float, ends_s: float, level: str, text: str
) -> None:
    self_signed(config.parent, "server", ends_s, begins_s=begins_s)
    (one,) = found(config, "certificates")
    assert one.level == level
    assert text in one.text
    assert "issued" in one.fix


def test_a_key_of_another_certificate_is_told(config: Path) -> None:
    self_signed(config.parent, "other", DAY_S)
    (config.parent / "other.key").rename(config.parent / "server.key")
    (one,) = found(config, "certificates")
    assert (one.level, "server.key" in one.text) == ("error", True)
    assert "belong together" in one.fix


def test_what_is_no_certificate_is_told(config: Path) -> None:
    (config.parent / "server.pem").write_text("a letter")
    assert {one.level for one in found(config, "certificates")} == {"error"}
    assert any("is no certificate" in one.text for one in found(config, "certificates"))


def test_files_that_are_missing_or_not_for_us_are_told(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (config.parent / "server.key").chmod(0o644)
    assert [one.level for one in found(config, "files")] == ["warning"]
    # Tests may run as root, who may read everything.
    monkeypatch.setattr(os, "access", lambda path, _: Path(path).name != "server.key")
    (one,) = found(config, "files")
    assert (one.level, "cannot be read by who asks" in one.text) == ("error", True)
    assert found(config, "certificates") == []
    monkeypatch.undo()
    (config.parent / "server.key").unlink()
    (one,) = found(config, "files")
    assert (one.level, "does not exist" in one.text) == ("error", True)


def test_each_place_that_is_listened_on_is_looked_at(config: Path) -> None:
    with contextlib.ExitStack() as stack:
        taken = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(4)]
        page, vtn, push, outstation = (f"127.0.0.1:{one.getsockname()[1]}" for one in taken)
        config.write_text(
            f"""\
operator: {{listen: "{page}"}}
openadr:
  vtn: {{listen: "{vtn}"}}
  vens:
    - name: a
      url: "http://127.0.0.1:1"
      push: {{listen: "{push}", address: "http://127.0.0.1:2"}}
      programs: [{{group: g}}]
dnp3:
  outstations: [{{name: o, address: 10, group: g, profile: iso-gateway, masters: [{{name: m, address: 1}}]}}]
  endpoints: [{{listen: "{outstation}"}}]
groups: [{{id: g, members: []}}]
"""
        )
        told = [one.text.split()[0] for one in found(config, "ports")]
    assert sorted(told) == [
        "dnp3.endpoints[0].listen",
        "openadr.vens[0].push.listen",
        "openadr.vtn.listen",
        "operator.listen",
    ]


def test_a_folder_that_is_not_there_or_not_ours_cannot_hold_the_database(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text("database: sqlite:///no/folder/g.sqlite\noperator: null\n")
    (one,) = found(config, "database")
    assert (one.level, one.text.endswith("no/folder is not there")) == ("error", True)
    (config.parent / "no" / "folder").mkdir(parents=True)
    assert found(config, "database") == []
    monkeypatch.setattr(os, "access", lambda _, mode: mode != os.W_OK)
    (one,) = found(config, "database")
    assert "cannot be written" in one.text


def test_mistakes_of_the_configuration_are_findings(config: Path) -> None:
    config.write_text("sitte: a\n")
    (one,) = looks_at(config)
    assert (one.check, one.level) == ("configuration", "error")


@pytest.mark.parametrize(("kept", "level"), [(True, "ok"), (None, "ok"), (False, "warning")])
def test_a_clock_that_nothing_keeps_is_told(monkeypatch: pytest.MonkeyPatch, kept: Any, level: str) -> None:
    monkeypatch.setattr(doctor, "_is_kept", lambda: kept)
    assert doctor._clock().level == level


def test_the_system_is_asked_whether_its_clock_is_kept() -> None:
    assert doctor._is_kept() in {True, False, None}


@pytest.mark.parametrize(("free", "level"), [(500_000_000, "warning"), (4_096, "error")])
def test_a_disk_without_room_is_told(config: Path, monkeypatch: pytest.MonkeyPatch, free: int, level: str) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**12, 10**12 - free, free))
    (one,) = found(config, "disk")
    assert (one.level, one.fix) == (level, "make room, or move the database")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A fresh site with a test PKI; any free ports."""
    made = CliRunner().invoke(app, ["init", str(tmp_path / "site"), "--listen", "127.0.0.1:0", "--page", "127.0.0.1:0"])
    assert made.exit_code == 0
    return tmp_path / "site" / "gridiface.yaml"


def test_clients_trust_the_certificate_of_a_fresh_site(site: Path) -> None:
    assert found(site, "certificates") == []


def test_a_server_whose_certificate_no_client_trusts_is_told_so(site: Path) -> None:
    self_signed(site.parent / "pki", "server", 400 * DAY_S)
    (one,) = found(site, "certificates")
    assert one.level == "warning"
    assert "server.pem: clients that trust sep2.tls.roots refuse it: " in one.text
    assert "gridiface pki inspect" in one.fix


@pytest.mark.parametrize(
    ("number", "level", "fix"),
    [
        (errno.EADDRINUSE, "warning", "stop what uses it"),
        (errno.EADDRNOTAVAIL, "error", "name an address of this machine"),
        (errno.EACCES, "error", "choose a port from 1024 on"),
        (errno.EAFNOSUPPORT, "error", "name one of the other family"),
    ],
)
def test_why_a_place_cannot_be_listened_on_decides_what_to_do(
    config: Path, monkeypatch: pytest.MonkeyPatch, number: int, level: str, fix: str
) -> None:
    def refused(self: socket.socket, address: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(socket.socket, "bind", refused)
    (one,) = found(config, "ports")
    assert one.level == level
    assert fix in one.fix


def test_a_database_of_another_program_or_a_damaged_one_is_told_as_such(config: Path) -> None:
    file = config.parent / "gridiface.sqlite"
    with contextlib.closing(sqlite3.connect(file)) as other:
        other.execute("CREATE TABLE customers (a INTEGER)")
    (one,) = found(config, "database")
    assert "is not gridiface's" in one.text
    assert one.fix.startswith("name another in `database`")
    file.write_bytes(file.read_bytes()[:100] + b"x" * 8000)
    (one,) = found(config, "database")
    assert "db restore" in one.fix
