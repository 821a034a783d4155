"""What `gridiface check` finds beyond the text of a configuration."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from gridiface.app.config.load import load_config
from gridiface.app.fronts.checks import front_checks
from gridiface.cli.main import app
from gridiface.errors import ConfigError

DNP3 = """
dnp3:
  outstations:
    - {name: a, address: 10, group: fleet, masters: [{name: m, address: 1}],
       points: [{type: analog output, index: 300, action: set_w, enabled_by: nowhere}]}
  endpoints: [{listen: '127.0.0.1:0'}]
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh site."""
    folder = tmp_path_factory.mktemp("checks") / "site"
    assert CliRunner().invoke(app, ["init", str(folder)]).exit_code == 0
    return folder


def told(made: Path, *changes: tuple[str, str], more: str = "") -> list[str]:
    """The mistakes of the fresh site after changes of its text, without their file."""
    text = (made / "gridiface.yaml").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path = made / "changed.yaml"
    path.write_text(text + more)
    try:
        load_config(path, drivers=True, also=front_checks)
    except ConfigError as problem:
        return [line.removeprefix(f"{path}:") for line in str(problem).splitlines()]
    return []


def test_a_fresh_site_is_right(made: Path) -> None:
    assert told(made) == []


@pytest.mark.parametrize(
    ("written", "place"),
    [
        ("pki/server.pem", "sep2.tls.certificate"),
        ("pki/serca.pem", "sep2.tls.roots[0]"),
        ("pki/utility.pem", "sep2.clients[0].certificate"),
    ],
)
def test_a_file_that_is_not_there_is_told_once_with_its_line(made: Path, written: str, place: str) -> None:
    text = (made / "gridiface.yaml").read_text()
    line = text[: text.index(written)].count("\n") + 1
    (found,) = told(made, (written, "pki/none.pem"))
    assert found.startswith(f"{line}: {place}: {made}/pki/none.pem is not there; make it, or correct the path")


def test_what_comes_later_need_not_be_there(made: Path) -> None:
    assert told(made, ("pki/revoked.txt", "pki/none.txt"), ("operator:\n", "operator:\n  device_files: none\n")) == []


def test_a_key_that_belongs_to_another_certificate_is_told(made: Path) -> None:
    (found,) = told(made, ("pki/server.key", "pki/utility.key"))
    assert ": sep2.tls: " in found


def test_what_holds_no_certificate_is_told(made: Path) -> None:
    (found,) = told(made, ("pki/utility.pem", "pki/utility.key"))
    assert "sep2.clients[0].certificate: " in found
    assert "begins with the client's certificate" in found


def test_two_clients_are_not_one(made: Path) -> None:
    (found,) = told(made, ("pki/utility.pem", "pki/inverter1.pem"))
    assert "sep2.clients[1].certificate: the LFDI " in found
    assert "is that of sep2.clients[0] already" in found


def test_a_point_that_names_no_output_is_told_with_its_outstation(made: Path) -> None:
    (found,) = told(made, more=DNP3)
    assert "dnp3.outstations[0]: outstation a: point analog output 300: no output is named 'nowhere'" in found


def test_the_folder_of_the_database_is_there(made: Path) -> None:
    (found,) = told(made, ("sqlite:///gridiface.sqlite", "sqlite:///none/gridiface.sqlite"))
    assert "database: the folder " in found


def test_the_verb_asks_for_it(made: Path) -> None:
    told(made, ("pki/server.pem", "pki/none.pem"))
    result = CliRunner().invoke(app, ["check", str(made / "changed.yaml"), "--json"])
    assert result.exit_code == 2
    assert "pki/none.pem is not there" in result.stdout
