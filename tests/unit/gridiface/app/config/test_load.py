"""The configuration file: places and fixes of mistakes, paths, duplicates."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gridiface.app.config.load import certificates_in, load_config, parse_config, paths_of
from gridiface.errors import ConfigError

GOOD = """\
site: plant
database: sqlite:///state.sqlite
sep2:
  listen: 127.0.0.1:0
  tls: {certificate: pki/server.pem, key: pki/server.key, roots: [pki/root.pem]}
  clients:
    - {lfdi: 3e4f45ab31edfe5b67e343e5e4562e31984e23e5, role: device, device: inv1, pin: 111115}
devices:
  - {id: bat1, driver: sunspec, connection: {host: 127.0.0.1, port: 502}}
  - {id: inv1, driver: sep2}
groups:
  - {id: fleet, members: [feeder, inv1]}
  - {id: feeder, members: [bat1]}
"""


def test_good_file_is_read_and_paths_are_resolved(tmp_path: Path) -> None:
    path = tmp_path / "g.yaml"
    path.write_text(GOOD)
    config = load_config(path)
    assert config.sep2 is not None
    assert config.sep2.tls.certificate == tmp_path / "pki" / "server.pem"
    assert config.database == f"sqlite:///{tmp_path}/state.sqlite"
    assert config.sep2.clients[0].lfdi == "3E4F45AB31EDFE5B67E343E5E4562E31984E23E5"
    assert ("sep2", "tls", "roots", 0) in paths_of(config)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("driver: sunspec", "drivver: sunspec"), "g.yaml:9: devices[0].drivver: unknown key; did you mean 'driver'?"),
        (("id: bat1,", ""), "g.yaml:9: devices[0].id: missing"),
        (
            ("members: [bat1]", "members: [bat2]"),
            "groups[1].members[0]: no device or group 'bat2'; did you mean 'bat1'?",
        ),
        (("listen: 127.0.0.1:0", "listen: here"), "g.yaml:4: sep2.listen: write HOST:PORT"),
        (("lfdi: 3e4f", "lfdi: 3e4"), "an LFDI has 40 hex digits"),
        (("role: device,", "role: boss,"), "sep2.clients[0].role"),
        (("device: inv1, pin", "device: inv2, pin"), "no device 'inv2'"),
        (("members: [bat1]", "members: [fleet]"), "contains itself"),
        (("id: feeder,", "id: bat1,"), "used more than once"),
        (("pin: 111115", "manages: [bat1]"), "only role aggregator manages devices"),
        (("site: plant", "site: plant\nsite: other"), "the key 'site' stands twice"),
        (("site: plant", "site: [plant"), "not valid YAML"),
    ],
)
def test_mistake_is_named_with_place_and_fix(change: tuple[str, str], expected: str) -> None:
    assert change[0] in GOOD
    with pytest.raises(ConfigError) as caught:
        parse_config(GOOD.replace(change[0], change[1], 1), Path("g.yaml"))
    assert expected in str(caught.value)


def test_a_database_by_a_plain_name_lies_beside_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    path = tmp_path / "g.yaml"
    path.write_text("database: state.sqlite\n")
    assert load_config(path).database == f"sqlite:///{tmp_path}/state.sqlite"
    path.write_text("database: 'sqlite:///:memory:'\n")
    assert load_config(path).database == "sqlite:///:memory:"
    path.write_text("database: postgresql://me@here/it\n")
    assert load_config(path).database == "postgresql://me@here/it"


def test_missing_file_points_to_init(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="gridiface init"):
        load_config(tmp_path / "none.yaml")


def test_a_list_is_not_a_configuration() -> None:
    with pytest.raises(ConfigError, match="keys and values"):
        parse_config("- a\n", Path("g.yaml"))


def test_python_tags_are_refused() -> None:
    with pytest.raises(ConfigError, match="not valid YAML"):
        parse_config("site: !!python/object/apply:os.system ['true']\n", Path("g.yaml"))


@pytest.mark.parametrize(
    "text",
    [
        "a: 2020-99-99",
        "? [1]\n: x",
        "[" * 5000,
        "[" * 200_000,
        "- " * 200_000,
        "a: &a [*a]",
        "site: *nowhere",
        "? {a: 1}\n: x",
    ],
)
def test_strange_yaml_is_a_configuration_error(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_config(text, Path("g.yaml"))


def test_a_flood_of_mistakes_is_told_in_part() -> None:
    for text in (
        "".join(f"wrong{number}: 1\n" for number in range(300)),
        GOOD.replace("members: [bat1]", f"members: [{', '.join(f'bta{number}' for number in range(300))}]", 1),
    ):
        with pytest.raises(ConfigError) as caught:
            parse_config(text, Path("g.yaml"))
        lines = str(caught.value).splitlines()
        assert len(lines) == 51
        assert lines[-1] == "and more mistakes"


def test_every_certificate_of_a_configuration_is_looked_at(tmp_path: Path) -> None:
    config = tmp_path / "g.yaml"
    config.write_text(
        "operator: {listen: '127.0.0.1:0', tls: {certificate: a.pem, key: a.key}}\n"
        "sep2: {tls: {certificate: b.pem, key: b.key, roots: [r.pem]}, clients: [{certificate: c.pem}]}\n"
    )
    assert {path.name for path in certificates_in(load_config(config))} == {"a.pem", "b.pem", "c.pem"}


def test_a_drivers_files_lie_beside_the_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    points = [{"name": "p", "meaning": "w", "address": 1, "type": "int16", "unit": "W", "positive": "delivered"}]
    (tmp_path / "table.yaml").write_text(
        json.dumps({"kind": "battery", "address_base": 0, "nameplate": {"max_w": 5000}, "points": points})
    )
    device = {"id": "b1", "driver": "modbus", "connection": {"host": "192.0.2.1", "table": "table.yaml"}}
    text = json.dumps({"devices": [device]})
    config = parse_config(text, tmp_path / "gridiface.yaml", drivers=True)
    assert config.folder == tmp_path
    with pytest.raises(ConfigError, match=r"none/table\.yaml cannot be read"):
        parse_config(text, tmp_path / "none" / "gridiface.yaml", drivers=True)
