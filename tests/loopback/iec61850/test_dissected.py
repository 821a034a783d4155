"""tshark dissects what the driver and its core put onto the wire: an opinion that nobody here wrote."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gridiface.domain.controls import Setpoint
from gridiface_southbound.iec61850.driver import Iec61850Driver

pytestmark = pytest.mark.skipif(
    shutil.which("tshark") is None, reason="tshark, the independent decoder, is not installed"
)
RECORDED = Path(__file__).parents[2] / "vectors" / "mms" / "libiec61850.txt"


ELEMENTS = (
    "confirmed_RequestPDU_element", "confirmed_ResponsePDU_element", "confirmed_ErrorPDU_element",
    "unconfirmed_PDU_element", "initiate_RequestPDU_element", "initiate_ResponsePDU_element",
    "conclude_RequestPDU_element", "conclude_ResponsePDU_element",
)  # fmt: skip


def capture(path: Path, talks: dict[int, list[tuple[bool, bytes]]]) -> None:
    """A file of raw IP packets, by the client's port: True went to the device at port 102, False came from it."""
    out = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 101)]
    for port, talk in talks.items():
        sequence = {True: 1, False: 1}
        for number, (ours, octets) in enumerate(talk):
            ports = (port, 102) if ours else (102, port)
            tcp = struct.pack(">HHIIBBHHH", *ports, sequence[ours], sequence[not ours], 0x50, 0x18, 65_535, 0, 0)
            sequence[ours] += len(octets)
            ends = (b"\x7f\0\0\1", b"\x7f\0\0\2") if ours else (b"\x7f\0\0\2", b"\x7f\0\0\1")
            size = 20 + len(tcp) + len(octets)
            ip = struct.pack(">BBHHHBBH", 0x45, 0, size, number, 0, 64, 6, 0) + b"".join(ends)
            out.append(struct.pack("<IIII", number, 0, size, size) + ip + tcp + octets)
    path.write_bytes(b"".join(out))


def dissected(path: Path) -> dict[int, Counter[str]]:
    """What tshark finds, by the client's port: units by their names, and "fault" for whatever it complains of."""
    fields = ["tcp.port", "_ws.malformed", "_ws.expert.severity", *(f"mms.{element}" for element in ELEMENTS)]
    command = ["tshark", "-r", str(path), "-o", "tcp.desegment_tcp_streams:TRUE", "-T", "fields"]
    for field in fields:
        command += ["-e", field]
    run = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)
    found: dict[int, Counter[str]] = {}
    for line in run.stdout.splitlines():
        ports, malformed, severity, *elements = line.split("\t")
        port = max(map(int, ports.split(",")))
        units = Counter({name: len(told.split(",")) for name, told in zip(ELEMENTS, elements, strict=True) if told})
        units["fault"] = bool(malformed) + any(int(one) >= 0x600000 for one in severity.split(",") if one)
        found[port] = found.get(port, Counter()) + units
    return found


async def test_a_driven_device_and_a_recorded_one_are_dissected_without_fault(
    battery: Any, driver_for: Callable[..., Iec61850Driver], tmp_path: Path
) -> None:
    driver = driver_for(battery.port)
    try:
        await driver.open()
        await driver.read()
        await driver.write(Setpoint(device_id="b1", issued=0.0, active_power_w=1000.0, connect=True))
    finally:
        await driver.close()
    lines = [line for line in RECORDED.read_text().splitlines() if line[0] != "#"]
    recorded = [(line[0] == ">", bytes.fromhex(line[2:])) for line in lines]
    path = tmp_path / "talks.pcap"
    capture(path, {40_000: battery.talk, 40_001: recorded})
    found = dissected(path)
    assert set(found) == {40_000, 40_001}
    for units in found.values():
        assert units["fault"] == 0
        answers = units["confirmed_ResponsePDU_element"] + units["confirmed_ErrorPDU_element"]
        assert units["confirmed_RequestPDU_element"] == answers >= 10
        assert all(units[one] for one in ELEMENTS if not one.startswith("confirmed"))
