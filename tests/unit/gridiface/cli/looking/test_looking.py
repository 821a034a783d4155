"""`gridiface check` and `gridiface doctor`: what they say of a site, without starting anything."""

from __future__ import annotations

import json
import socket
from pathlib import Path

from typer.testing import CliRunner

from gridiface.cli.main import app

RUN = CliRunner()


def test_doctor_finds_nothing_wrong_with_a_fresh_site(site: Path) -> None:
    result = RUN.invoke(app, ["doctor", str(site / "gridiface.yaml"), "--json"])
    found = json.loads(result.stdout)
    assert result.exit_code == 0, found
    assert {f["check"] for f in found["findings"]} >= {"clock", "tls", "drivers", "certificates", "ports", "database"}


def test_doctor_names_a_missing_file_with_its_fix(site: Path, tmp_path: Path) -> None:
    config = tmp_path / "g.yaml"
    config.write_text((site / "gridiface.yaml").read_text())
    result = RUN.invoke(app, ["doctor", str(config)])
    assert result.exit_code == 1
    assert "does not exist" in result.stdout
    assert "fix:" in result.stdout


def test_doctor_looks_at_the_port_that_a_driver_listens_on(tmp_path: Path) -> None:
    config = tmp_path / "g.yaml"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        point = f"{{listen: '{listen}', charge_point: c, security_profile: 0, max_charge_w: 11000}}"
        config.write_text(f"devices:\n  - {{id: charger, driver: ocpp, connection: {point}}}\n")
        result = RUN.invoke(app, ["doctor", str(config), "--json"])
    found = [one for one in json.loads(result.stdout)["findings"] if f" {listen}:" in one["text"]]
    assert [(one["check"], one["level"]) for one in found] == [("ports", "warning")]
    assert found[0]["text"].startswith("devices.charger.connection.listen ")
    assert "choose another" in found[0]["fix"]


def test_doctor_without_configuration_looks_at_the_machine() -> None:
    assert RUN.invoke(app, ["doctor"]).exit_code == 0


def test_check_prints_mistakes_as_json(tmp_path: Path) -> None:
    config = tmp_path / "g.yaml"
    config.write_text("sitte: x\n")
    result = RUN.invoke(app, ["check", str(config), "--json"])
    assert result.exit_code == 2
    assert "did you mean 'site'?" in json.loads(result.stdout)["mistakes"][0]
