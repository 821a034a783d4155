"""Configuration, register image and control lines of the simulated devices. Covers config, image, layout and server."""

from __future__ import annotations

import asyncio
import struct
from typing import Any

import pytest
from pydantic import ValidationError

from gridiface.simulation.sunspec.__main__ import obey
from gridiface.simulation.sunspec.config import SimulationConfig, UnitConfig
from gridiface.simulation.sunspec.device import Fault, SimulatedDevice
from gridiface.simulation.sunspec.image import RegisterImage, table
from gridiface.simulation.sunspec.layout import build, exponent_for, model_ids
from gridiface.simulation.sunspec.server import Listener, Simulation, _Session, fault_of


def test_copies_are_told_apart() -> None:
    config = SimulationConfig(units=(UnitConfig(name="a", copies=2, seed=5), UnitConfig(name="b")))
    assert [(u.name, u.seed, u.unit_id) for u in config.expanded()] == [("a-1", 5, 1), ("a-2", 6, 1), ("b", 0, 1)]
    shared = SimulationConfig(units=(UnitConfig(copies=5),), shared_port=True, units_per_port=2)
    assert [unit.unit_id for unit in shared.expanded()] == [1, 2, 1, 2, 1]


@pytest.mark.parametrize("keys", [{"soc_min": 0.9, "soc_max": 0.1}, {"max_w": -1}, {"what": 1}, {"profile": "9xx"}])
def test_a_wrong_unit_is_refused(keys: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        UnitConfig(**keys)


def test_derived_ratings() -> None:
    assert UnitConfig(max_w=5000).charge_w == 5000
    assert UnitConfig(kind="pv").charge_w == 0
    assert UnitConfig(max_w=5000, ramp_w_per_s=10).ramp == 10


@pytest.mark.parametrize("kind", ["battery", "pv"])
@pytest.mark.parametrize("profile", ["7xx", "1xx", "1xx_float", "both"])
def test_the_image_is_a_chain_of_models_with_an_end(profile: Any, kind: Any) -> None:
    config = UnitConfig(profile=profile, kind=kind, base_address=0)
    image = build(config)
    at, found = 4, []
    while (header := struct.unpack_from(">HH", image.data, at))[0] != 0xFFFF:
        found.append(header[0])
        at += 4 + 2 * header[1]
    assert found == model_ids(config)
    assert at + 4 == len(image.data)
    assert (124 in found or 713 in found) == (kind == "battery")


def test_points_by_name() -> None:
    image = RegisterImage(40000, [1, 704])
    assert image.raw(704, "WSet") is None
    assert image.get(704, "WSet") is None
    image.put_raw(704, "WSet_SF", 1)
    image.put(704, "WSet", -1234)
    assert (image.raw(704, "WSet"), image.get(704, "WSet")) == (-123, -1230)
    image.put(704, "WSet", 1e15)
    assert image.raw(704, "WSet") == 0x7FFFFFFF
    image.text(1, "Mn", "a name that is much longer than its thirty-two bytes")
    assert image.data[8:72].count(b"\0") > 0
    assert image.address(704, "ID") == 40000 + 2 + 68
    assert table(704)["PFWInj.PF"].scale == "PF_SF"


@pytest.mark.parametrize(("watts", "exponent"), [(5, 0), (20_000, 0), (20_001, 1), (2e6, 2)])
def test_scales_leave_room(watts: float, exponent: int) -> None:
    assert exponent_for(watts) == exponent


@pytest.mark.parametrize(
    ("line", "units", "fault", "seconds"),
    [
        ({"unit": 3, "fault": "off"}, [3], Fault.OFF, 1.0),
        ({"fault": "none"}, None, Fault.NONE, 1.0),
        ({"unit": [1, 2], "fault": "slow", "seconds": 2}, [1, 2], Fault.SLOW, 2.0),
    ],
)
def test_control_lines(line: dict[str, Any], units: Any, fault: Fault, seconds: float) -> None:
    assert fault_of(line) == (units, fault, seconds)


@pytest.mark.parametrize("line", [{"unit": "x"}, {"unit": 1.5}, {"fault": "explode"}, {"unit": ["a"]}])
def test_wrong_control_lines(line: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"unit|Fault"):
        fault_of(line)


async def test_control_lines_are_answered() -> None:
    simulation = Simulation(SimulationConfig(units=(UnitConfig(copies=2, kind="pv"),)))
    await simulation.start()
    try:
        assert await obey(simulation, {"unit": 1, "fault": "off"}) == {"ok": True, "units": 1}
        assert (await obey(simulation, {"unit": 1, "query": "state"}))["states"][0]["fault"] == "off"
        assert (await obey(simulation, {"unit": "all", "fault": "none"}))["units"] == 2
        assert (await obey(simulation, {"unit": 0, "available": 0.25}))["ok"]
        assert simulation.devices[0].unit.available == 0.25
        assert (await obey(simulation, {"unit": 0, "power_cycle": True}))["ok"]
        for wrong in ({"unit": 9, "fault": "off"}, {"unit": 0}, {"unit": "?"}, {"unit": 0, "fault": "?"}):
            assert "error" in await obey(simulation, wrong)
    finally:
        await simulation.stop()


class Transport(asyncio.Transport):
    """Collects what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.aborted = False

    def write(self, data: Any) -> None:
        self.written += data

    def abort(self) -> None:
        self.aborted = True


@pytest.fixture
def session() -> tuple[_Session, Transport]:
    """One connection in memory to one device with unit id 1."""
    listener = Listener("127.0.0.1", 0)
    listener.devices[1] = SimulatedDevice(UnitConfig(), 0.0)
    made, transport = _Session(listener), Transport()
    made.connection_made(transport)
    return made, transport


REQUEST = bytes.fromhex("000700000006 01 03 9c40 0002")
ANSWER = bytes.fromhex("000700000007 01 03 04 53756e53")


def test_frames_may_come_in_pieces_and_together(session: Any) -> None:
    made, transport = session
    for at in range(len(REQUEST)):
        made.data_received(REQUEST[at : at + 1])
    made.data_received(REQUEST + REQUEST)
    assert transport.written == ANSWER * 3


def test_an_unknown_unit_and_a_wrong_header(session: Any) -> None:
    made, transport = session
    made.data_received(REQUEST[:6] + b"\x05" + REQUEST[7:])
    assert transport.written == bytes.fromhex("000700000003 05 83 0b")
    made.data_received(b"GET / HTTP/1.1\r\n")
    assert transport.aborted


@pytest.mark.parametrize(
    "fault", [Fault.HANG, Fault.OFF, Fault.DROP, Fault.GARBAGE, Fault.WRONG_UNIT, Fault.BAD_LENGTH]
)
def test_faults_of_the_wire(fault: Fault, session: Any) -> None:
    made, transport = session
    made._listener.devices[1].fault = fault
    made.data_received(REQUEST)
    assert transport.written != ANSWER
    assert transport.aborted == (fault is Fault.DROP)
    assert bool(transport.written) == (fault in (Fault.GARBAGE, Fault.WRONG_UNIT, Fault.BAD_LENGTH))
