"""Drivers found by entry point, and errors that say what to do."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
import yaml

from gridiface.drivers.api import Driver
from gridiface.drivers.registry import DriverRegistry, KeyKinds
from gridiface.errors import ConfigError
from gridiface_southbound.modbus.config import ModbusConfig
from gridiface_southbound.sunspec.config import SunSpecConfig


def point(name: str, value: str) -> EntryPoint:
    return EntryPoint(name=name, value=value, group="gridiface.drivers")


REGISTRY = DriverRegistry(
    [
        point("sunspec", "gridiface_southbound.sunspec.driver:SunSpecDriver"),
        point("missing", "no_such_package.driver:Driver"),
        point("nonsense", "json:JSONDecoder"),
    ]
)


def test_it_makes_a_driver_from_its_keys(virtual_clock: Any) -> None:
    driver = REGISTRY.create("sunspec", "b1", {"host": "10.0.0.5", "unit_id": 3}, clock=virtual_clock)
    assert isinstance(driver, Driver)
    assert driver.device_id == "b1"
    assert driver.connection is None
    assert REGISTRY.factory("sunspec") is REGISTRY.factory("sunspec")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("sunspek", "did you mean 'sunspec'"),
        ("x", "installed: missing, nonsense, sunspec"),
        ("missing", "needs no_such_package, which is not installed; look at what no_such_package.driver imports"),
        ("nonsense", "has no Config model"),
    ],
)
def test_a_wrong_driver_is_explained(name: str, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        REGISTRY.factory(name)


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({}, "devices.yaml:4: driver sunspec: host: Field required"),
        ({"host": "h", "pott": 1}, "unknown key 'pott', did you mean 'port'"),
        ({"host": "h", "zzzzzz": 1}, "unknown key 'zzzzzz'; known: adopt_timeout_s"),
        ({"host": "h", "port": 70000}, "port: Input should be less than or equal to 65535"),
    ],
)
def test_a_wrong_key_is_explained(keys: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        REGISTRY.config("sunspec", keys, place="devices.yaml:4")


def test_a_driver_whose_extra_is_not_installed_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("gridiface_southbound.mqtt")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "aiomqtt", None)  # as if it were not there
    with pytest.raises(ConfigError) as caught:
        DriverRegistry().factory("mqtt")
    text = "driver 'mqtt' needs aiomqtt, which is not installed; pip install 'gridiface[mqtt]'"
    assert str(caught.value) == text


def test_the_installed_drivers_are_found() -> None:
    assert "sunspec" in DriverRegistry().names()


@pytest.mark.parametrize("given", ["keys/ca.pem", "/etc/keys/ca.pem", "~/ca.pem"])
def test_relative_paths_begin_in_the_folder_of_the_configuration(given: str, tmp_path: Path) -> None:
    placed = DriverRegistry(folder=tmp_path).config("sunspec", {"host": "10.0.0.5", "tls": True, "ca_file": given})
    assert isinstance(placed, SunSpecConfig)
    assert placed.ca_file == tmp_path / Path(given).expanduser()
    unplaced = REGISTRY.config("sunspec", {"host": "10.0.0.5", "tls": True, "ca_file": given})
    assert isinstance(unplaced, SunSpecConfig)
    assert unplaced.ca_file == Path(given).expanduser()


def test_keys_that_name_files_are_known() -> None:
    kinds = DriverRegistry().key_kinds
    assert kinds("sunspec").files == {"ca_file", "cert_file", "key_file"}
    assert kinds("http").files >= {"token_file", "password_file", "ca_file"}
    assert kinds("http").texts >= {"url", "token_url", "scope"}
    assert kinds("mqtt").texts == {"status_topic"}
    assert kinds("ocpp").texts == {"path"}
    assert kinds("dnp3").files >= {"update_key"}
    assert kinds("sep2") == KeyKinds()


def test_a_table_is_read_from_the_folder_of_the_configuration(tmp_path: Path) -> None:
    points = [{"name": "p", "meaning": "w", "address": 1, "type": "int16", "unit": "W", "positive": "delivered"}]
    table = {"kind": "battery", "address_base": 0, "nameplate": {"max_w": 5000}, "points": points}
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "mine.yaml").write_text(yaml.safe_dump(table))
    keys = {"host": "10.0.0.5", "table": "tables/mine.yaml"}
    found = DriverRegistry(folder=tmp_path).config("modbus", keys)
    assert isinstance(found, ModbusConfig)
    assert [point.name for point in found.table.points] == ["p"]
    with pytest.raises(ConfigError, match=f"{tmp_path}/tables/none.yaml cannot be read"):
        DriverRegistry(folder=tmp_path).config("modbus", keys | {"table": "tables/none.yaml"})
    with pytest.raises(ConfigError, match=r"tables/mine\.yaml cannot be read"):
        DriverRegistry().config("modbus", keys)
