"""One simulated device by its requests: registers, refusals, timers, faults. No socket, time is an argument."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridiface.simulation.sunspec.config import UnitConfig
from gridiface.simulation.sunspec.device import Fault, SimulatedDevice


def device(**keys: Any) -> SimulatedDevice:
    return SimulatedDevice(UnitConfig(**({"noise": 0.0, "time_constant_s": 0.0} | keys)), 0.0)


def read(unit: SimulatedDevice, address: int, count: int, now: float = 0.0) -> bytes:
    return unit.handle(struct.pack(">BHH", 3, address, count), now)


def write(unit: SimulatedDevice, model_id: int, name: str, *words: int, now: float = 0.0) -> bytes:
    address = unit.image.address(model_id, name)
    data = struct.pack(f">{len(words)}H", *words)
    return unit.handle(struct.pack(">BHHB", 16, address, len(words), len(data)) + data, now)


def tell(unit: SimulatedDevice, watts: int, *, seconds: int = 0, now: float = 0.0) -> None:
    raw = struct.unpack(">2H", struct.pack(">i", watts))
    assert write(unit, 704, "WSet", *raw, now=now)[0] == 16
    assert write(unit, 704, "WSetRvrtTms", 0, seconds, now=now)[0] == 16
    assert write(unit, 704, "WSetEna", 1, 1, now=now)[0] == 16


def test_marker_and_reads() -> None:
    unit = device()
    assert read(unit, 40000, 2) == b"\x03\x04SunS"
    assert read(unit, 39999, 1) == b"\x83\x02"
    assert read(unit, unit.image.end - 1, 2) == b"\x83\x02"
    assert read(unit, 40000, 0) == b"\x83\x03"
    assert read(unit, 40000, 126) == b"\x83\x03"
    assert unit.handle(struct.pack(">BHH", 4, 40000, 2), 0.0)[2:] == b"SunS"


def test_a_command_moves_the_power() -> None:
    unit = device()
    tell(unit, -4000)
    unit.advance(10.0)
    assert unit.unit.w == pytest.approx(-4000)
    at = unit.image.address(701, "W")
    assert struct.unpack(">h", read(unit, at, 1, 10.0)[2:]) == (-4000,)


def test_the_timer_runs_out_where_it_should_and_physics_follows() -> None:
    unit = device(ramp_w_per_s=1e9)
    tell(unit, 3600, seconds=10, now=100.0)
    remaining = unit.image.address(704, "WSetRvrtRem")
    assert read(unit, remaining, 2, 104.0)[2:] == struct.pack(">I", 6)
    unit.advance(200.0)
    assert unit.unit.w == 0
    assert unit.image.raw(704, "WSetEna") == 0
    # 3,600 W for 10 s are 10 Wh: no more was given although nobody looked in between.
    assert unit.unit.injected_wh == pytest.approx(10, rel=1e-3)


def test_a_new_write_starts_the_timer_anew() -> None:
    unit = device()
    tell(unit, 1000, seconds=10)
    tell(unit, 1000, seconds=10, now=8.0)
    unit.advance(15.0)
    assert unit.image.raw(704, "WSetEna") == 1
    unit.advance(18.1)
    assert unit.image.raw(704, "WSetEna") == 0


def test_a_revert_value_is_taken_where_the_revert_enables() -> None:
    unit = device()
    write(unit, 704, "WMaxLimPctRvrt", 3000)
    write(unit, 704, "WMaxLimPctEnaRvrt", 1)
    write(unit, 704, "WMaxLimPctRvrtTms", 0, 5)
    write(unit, 704, "WMaxLimPct", 8000)
    write(unit, 704, "WMaxLimPctEna", 1)
    unit.advance(6.0)
    assert unit.unit.demand.ceiling_w == pytest.approx(3000)


@pytest.mark.parametrize("profile", ["1xx", "1xx_float"])
def test_older_controls_and_their_timers(profile: Any) -> None:
    unit = device(profile=profile)
    write(unit, 124, "OutWRte", 2500, (-2500) & 0xFFFF, 0, 20, 0)
    write(unit, 124, "StorCtl_Mod", 3)
    write(unit, 123, "Conn_RvrtTms", 5)
    write(unit, 123, "Conn", 0)
    unit.advance(1.0)
    assert unit.unit.demand.connected is False
    unit.advance(6.0)
    assert unit.unit.demand.connected is True
    assert unit.unit.demand.power_w == pytest.approx(2500)
    unit.advance(21.0)
    assert unit.unit.demand.power_w is None


@pytest.mark.parametrize(
    ("model_id", "name", "words", "code"),
    [
        (704, "WSetEna", (7,), 3),
        (704, "WSetRvrtRem", (1, 1), 2),
        (701, "W", (1,), 2),
        (703, "ESDlyRemTms", (0, 0), 2),
        (1, "Mn", (0x4141,), 2),
    ],
)
def test_what_may_not_be_written_is_refused_and_changes_nothing(
    model_id: int, name: str, words: tuple[int, ...], code: int
) -> None:
    unit = device()
    before = bytes(unit.image.data)
    assert write(unit, model_id, name, *words) == bytes((0x90, code))
    assert bytes(unit.image.data) == before


@pytest.mark.parametrize(
    ("fault", "answer"),
    [(Fault.REJECT, b"\x90\x04"), (Fault.BUSY, b"\x90\x06"), (Fault.NO_FUNCTION_16, b"\x90\x01")],
)
def test_refusing_faults(fault: Fault, answer: bytes) -> None:
    unit = device()
    unit.fault = fault
    assert write(unit, 704, "WSetEna", 1) == answer
    assert unit.image.raw(704, "WSetEna") == 0


def test_lying_faults() -> None:
    unit = device()
    unit.fault = Fault.IGNORE
    tell(unit, 1000)
    assert unit.image.raw(704, "WSet") == 0
    unit.fault = Fault.WRONG_VALUES
    tell(unit, 1000)
    assert unit.image.raw(704, "WSet") != 1000


def test_function_6_and_a_device_without_16() -> None:
    unit = device(function_16=False)
    at = unit.image.address(703, "ES")
    pdu = struct.pack(">BHH", 6, at, 0)
    assert unit.handle(pdu, 0.0) == pdu
    unit.advance(1.0)
    assert unit.unit.demand.connected is False
    assert write(unit, 703, "ES", 1) == b"\x90\x01"
    assert unit.handle(struct.pack(">BHH", 6, 1, 0), 0.0) == b"\x86\x02"


def test_rescaling_keeps_the_meaning() -> None:
    unit = device()
    tell(unit, 1230)
    unit.rescale()
    unit.advance(1.0)
    assert unit.image.raw(704, "WSet_SF") == -1
    assert unit.unit.demand.power_w == 1230


def test_a_power_cycle_forgets_commands_and_keeps_the_charge() -> None:
    unit = device(ramp_w_per_s=1e9)
    tell(unit, 10_000)
    unit.advance(1800.0)
    assert unit.unit.soc == pytest.approx(0.24, abs=0.01)
    unit.power_cycle(1800.0)
    assert unit.unit.demand.power_w is None
    assert unit.unit.soc == pytest.approx(0.24, abs=0.01)


@given(st.lists(st.binary(max_size=40), max_size=10))
def test_any_request_gets_an_answer(requests: list[bytes]) -> None:
    unit = device()
    for number, request in enumerate(requests):
        answer = unit.handle(request, float(number))
        assert 2 <= len(answer) <= 253


@given(st.binary(min_size=2, max_size=40), st.integers(40_000, 40_500))
def test_any_write_leaves_a_device_that_runs(data: bytes, address: int) -> None:
    unit = device(profile="both")
    data = data[: len(data) // 2 * 2]
    unit.handle(struct.pack(">BHHB", 16, address, len(data) // 2, len(data)) + data, 0.0)
    unit.advance(5.0)
    assert read(unit, 40000, 2, 5.0)[2:] == b"SunS"
    assert abs(unit.unit.w) <= 10_000.01
