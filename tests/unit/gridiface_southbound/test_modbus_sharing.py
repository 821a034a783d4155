"""Which link a configuration asks for, alike for the two Modbus drivers, and who shares one."""

from __future__ import annotations

from pathlib import Path

import pytest

from gridiface.errors import DeviceRejected
from gridiface_southbound.modbus.config import ModbusConfig
from gridiface_southbound.modbus_link import TcpLink
from gridiface_southbound.modbus_sharing import SharedLink, shared_link, tcp_link
from gridiface_southbound.sunspec.config import SunSpecConfig


async def test_a_port_has_one_shared_link_per_loop() -> None:
    first, second, other = shared_link("h", 1), shared_link("h", 1), shared_link("h", 2)
    assert first._link is second._link
    assert first._link is not other._link
    for link in (first, second, other):
        await link.close()
    again = shared_link("h", 1)
    assert again._link is not first._link
    await again.close()


async def test_both_drivers_behind_one_gateway_share_its_connection() -> None:
    inverter = tcp_link(SunSpecConfig(host="h", shared_connection=True, pipeline=False))
    meter = tcp_link(ModbusConfig(table="example-meter", host="h", shared_connection=True))
    assert isinstance(inverter, SharedLink)
    assert isinstance(meter, SharedLink)
    assert inverter._link is meter._link
    assert (inverter._link.host, inverter._link.port, inverter._link.pipelined) == ("h", 502, False)
    await inverter.close()
    await meter.close()


async def test_a_link_of_ones_own() -> None:
    keys = SunSpecConfig(host="h", port=1502)
    first, second = tcp_link(keys), tcp_link(keys)
    assert isinstance(first, TcpLink)
    assert first is not second
    assert (first.host, first.port, first.pipelined, first.connects) == ("h", 1502, True, 0)


async def test_tls_files_that_are_not_there_are_told(tmp_path: Path) -> None:
    for keys in (
        SunSpecConfig(host="h", tls=True, ca_file=tmp_path / "none.pem"),
        ModbusConfig(table="example-meter", host="h", carrier="tls", ca_file=tmp_path / "none.pem"),
    ):
        with pytest.raises(DeviceRejected, match=r"none\.pem"):
            tcp_link(keys)
