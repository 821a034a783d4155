"""Stored curves of simulated units: laid out as pysunspec2 reads them, adopted, and what they ask."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from sunspec2.modbus.client import SunSpecModbusClientModel

from gridiface.simulation.sunspec.config import UnitConfig
from gridiface.simulation.sunspec.curves import STORED, adopt, request_of, result_of, volt_var, volt_watt, watt_var
from gridiface.simulation.sunspec.device import Fault, SimulatedDevice


def device(**config: Any) -> SimulatedDevice:
    return SimulatedDevice(UnitConfig(curves=True, noise=0, **config), 0.0)


def put(one: SimulatedDevice, model_id: int, name: str, raw: int, now: float = 0.0) -> int:
    """Write a point of one register; the exception code."""
    address = one.image.address(model_id, name)
    reply = one.handle(struct.pack(">BHH", 6, address, raw), now)
    return reply[1] if reply[0] & 0x80 else 0


def read(one: SimulatedDevice, model_id: int, name: str, now: float) -> int:
    """Read a point of one register over Modbus."""
    reply = one.handle(struct.pack(">BHH", 3, one.image.address(model_id, name), 1), now)
    return int.from_bytes(reply[2:], "big")


@pytest.mark.parametrize("model_id", STORED)
def test_the_layout_is_that_of_pysunspec2(model_id: int) -> None:
    image = device().image
    at = image.places[model_id]
    length = int.from_bytes(image.data[at + 2 : at + 4], "big")
    data = bytes(image.data[at : at + 2 * (length + 2)])
    model = SunSpecModbusClientModel(model_id=model_id, data=data)
    assert model.error_info == ""
    stored = model.groups[STORED[model_id]]
    assert len(stored) == 3
    assert [one.points["ReadOnly"].value for one in stored] == [1, 0, 0]


def test_only_stored_curves_can_be_written() -> None:
    one = device()
    assert put(one, 705, "Crv1.Pt1.V", 9000) == 2
    assert put(one, 705, "Crv2.ReadOnly", 1) == 2
    assert put(one, 705, "Crv2.Pt1.V", 9000) == 0
    assert put(one, 705, "Crv2.DeptRef", 9) == 3


def test_it_takes_its_time_to_adopt() -> None:
    one = device(adopt_s=2.0)
    put(one, 705, "Crv2.Pt1.V", 9000)
    put(one, 705, request_of(705), 2)
    assert read(one, 705, result_of(705), 1.0) == 0
    assert read(one, 705, "Crv1.Pt1.V", 1.0) == 9200
    assert read(one, 705, result_of(705), 2.5) == 1
    assert read(one, 705, "Crv1.Pt1.V", 2.5) == 9000


@pytest.mark.parametrize("number", [0, 4, 65_000])
def test_a_set_that_is_not_there_fails(number: int) -> None:
    one = device()
    put(one, 705, request_of(705), number)
    assert read(one, 705, result_of(705), 0.1) == 2


def test_the_fault_fails_whatever_it_is() -> None:
    one = device()
    one.fault = Fault.ADOPT_FAILS
    put(one, 711, request_of(711), 2)
    assert read(one, 711, result_of(711), 0.1) == 2


def test_the_timer_goes_back_to_a_stored_curve() -> None:
    one = device()
    put(one, 706, "Crv2.Pt2.W", 0)
    put(one, 706, request_of(706), 2)
    read(one, 706, "Ena", 0.0)
    put(one, 706, "RvrtCrv", 3)
    address = one.image.address(706, "RvrtTms")
    one.handle(struct.pack(">BHHBI", 16, address, 2, 4, 10), 0.0)
    put(one, 706, "Ena", 1)
    assert read(one, 706, "Crv1.Pt2.W", 9.0) == 0
    one.advance(11.0)
    assert read(one, 706, "Crv1.Pt2.W", 11.0) == 2000
    assert read(one, 706, "Ena", 11.0) == 1


def test_what_curves_ask() -> None:
    image = device().image
    assert volt_var(image, 105.0, max_w=1000, max_var=440) is None
    for model_id in (705, 706, 712):
        image.put_raw(model_id, "Ena", 1)
    assert volt_var(image, 105.0, max_w=1000, max_var=440) == pytest.approx(-0.22 * 440)
    assert volt_var(image, 80.0, max_w=1000, max_var=440) == pytest.approx(0.44 * 440)
    assert volt_var(image, 120.0, max_w=1000, max_var=440) == pytest.approx(-0.44 * 440)
    assert volt_watt(image, 108.0, max_w=1000) == pytest.approx(600)
    assert watt_var(image, 75.0, max_w=1000, max_var=440) == pytest.approx(-0.22 * 440)
    image.put_raw(705, "Crv1.ActPt", 0)
    assert volt_var(image, 105.0, max_w=1000, max_var=440) is None


def test_a_device_follows_its_curves() -> None:
    one = device(kind="pv", grid_percent=108.0, time_constant_s=0.0, available=1.0)
    one.advance(5.0)
    assert (one.unit.w, one.unit.var) == (pytest.approx(10_000), 0.0)
    put(one, 705, "Ena", 1, 5.0)
    put(one, 706, "Ena", 1, 5.0)
    one.advance(20.0)
    assert one.unit.w == pytest.approx(6_000)
    assert one.unit.var == pytest.approx(-0.44 * 4_400)


def test_adopting_copies_all_but_who_may_write() -> None:
    image = device().image
    image.put(707, "Crv3.MayTrip.Pt1.Tms", 7)
    assert adopt(image, 707, 3)
    assert image.get(707, "Crv1.MayTrip.Pt1.Tms") == 7
    assert image.raw(707, "Crv1.ReadOnly") == 1
    assert not adopt(image, 707, 0)
