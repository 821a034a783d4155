"""Connections that come over REST name files of one folder only, whatever the files are called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gridiface.domain.definitions import DeviceEntry
from gridiface.drivers.registry import DriverRegistry
from gridiface.operator.api.routing import Area
from gridiface.operator.areas.fleet import FleetArea

KINDS = DriverRegistry().key_kinds


class Port:
    """Takes every definition."""

    def __init__(self) -> None:
        self.entries: dict[str, DeviceEntry] = {}

    def device(self, name: str) -> dict[str, Any] | None:
        found = self.entries.get(name)
        return None if found is None else {**found.model_dump(mode="json"), "group": None, "origin": "added"}

    async def add_device(self, entry: DeviceEntry, *_: object, **__: object) -> None:
        self.entries[entry.id] = entry

    change_device = add_device


async def asked(make_house: Any, files: Path | None, connection: dict[str, Any], driver: str = "http") -> Any:
    port: Any = Port()

    def areas(desk: Any) -> list[Area]:
        return [FleetArea(desk, port, files, key_kinds=KINDS)]

    house = await make_house(areas=areas)
    body = {"id": "d", "driver": driver, "connection": connection}
    status, said, _ = await house.ask("POST", "/api/v1/devices", scope="configure", json=body)
    await port.add_device(DeviceEntry(id="d", driver=driver))
    headers = {"If-Match": "*"}
    changed = (await house.ask("PUT", "/api/v1/devices/d/definition", scope="configure", json=body, headers=headers))[0]
    assert (changed < 300) == (status < 300)
    return status, said


@pytest.mark.parametrize(
    ("driver", "key"), [(name, key) for name in DriverRegistry().names() for key in sorted(KINDS(name).files)]
)
async def test_no_key_names_a_file_without_a_folder(make_house: Any, driver: str, key: str) -> None:
    """`ops.token` looks like no path, and lies beside the configuration."""
    status, said = await asked(make_house, None, {key: "ops.token"}, driver)
    assert (status, "REST may name none" in said["detail"]) == (422, True)


@pytest.mark.parametrize("given", ["ops.token", "keys/ca.pem", "../outside.token", "~/token", "/etc/passwd"])
async def test_only_files_of_the_folder_are_taken(make_house: Any, tmp_path: Path, given: str) -> None:
    status, said = await asked(make_house, tmp_path, {"token_file": given})
    assert (status, "is not in operator.device_files" in said["detail"]) == (422, True)
    outside = {"token_file": f"{tmp_path}/../outside"}
    assert (await asked(make_house, tmp_path, outside))[0] == 422
    assert (await asked(make_house, tmp_path, {"token_file": f"{tmp_path}/own.token"}))[0] == 201


@pytest.mark.parametrize("text", ["tables/mine.yaml", "mine.yml", "ca.pem", "\\\\host\\share"])
async def test_what_looks_like_a_file_is_none_under_other_keys(make_house: Any, text: str) -> None:
    assert (await asked(make_house, None, {"table": text}))[0] == 422


async def test_names_and_serial_lines_are_taken(make_house: Any) -> None:
    plain = {"host": "10.0.0.5", "table": "huawei-sun2000", "serial_port": "/dev/ttyUSB0"}
    assert (await asked(make_house, None, plain, "modbus"))[0] == 201
    assert (await asked(make_house, None, {"lfdi": "A" * 40}, "sep2"))[0] == 201


async def test_addresses_and_what_tables_hold_are_no_files(make_house: Any) -> None:
    table = {"requests": {"read": {"path": "/api/power"}}, "points": [{"topic": "shed/bat/power"}]}
    assert (await asked(make_house, None, {"url": "http://10.0.0.5/api", "table": table}))[0] == 201
    assert (await asked(make_house, None, {"identity": "cp1", "path": "/ocpp/v1"}, "ocpp"))[0] == 201
    for line in ("spy:///dev/ttyS0?file=/tmp/x", "/dev/watchdog", "../dev/sda"):
        assert (await asked(make_house, None, {"serial_port": line}, "modbus"))[0] == 422
