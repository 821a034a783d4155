"""Curves and droop on a device that is not ours: its registers are laid out and read by pysunspec2, served by pymodbus.

The device adopts as SunSpec has it: AdptCrvReq copies a stored curve into the first, read-only one; AdptCrvRslt tells.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from pathlib import Path
from typing import Any

import pytest
from tests.loopback.drivers.foreign_curves import (
    ALL,
    ForeignDevice,
    Opened,
    device_705,
    device_706,
    device_711,
    device_trip,
    record,
    told,
)

from gridiface.app.process.clock import SystemClock
from gridiface.domain.controls import ControlMode
from gridiface.domain.curves import CurveKind
from gridiface.domain.fleet import TRIP_CAPABILITIES, Capability
from gridiface.drivers.api import DeviceBusy
from gridiface.errors import DeviceRejected, DeviceTimeout
from gridiface.pki.folder import TestPki, write_credential
from gridiface_southbound.sunspec.driver import SunSpecDriver

VOLT_VAR = record(CurveKind.VOLT_VAR, [(93.0, 30.0), (97.0, 0.0), (103.0, 0.0), (107.0, -30.0)], 2, openLoopTms=800)
FLAT = record(CurveKind.VOLT_VAR, [(90.0, 0.0), (110.0, 0.0)], 2)
VOLT_WATT = record(CurveKind.VOLT_WATT, [(105.0, 100.0), (110.0, 20.0)], 1)
DROOP = {"dBOF": 50, "dBUF": 60, "kOF": 30, "kUF": 40, "openLoopTms": 250}

CASES = [
    (705, "", VOLT_VAR, [(93.0, 30.0), (97.0, 0.0), (103.0, 0.0), (107.0, -30.0)]),
    (706, "", VOLT_WATT, [(105.0, 100.0), (110.0, 20.0)]),
    (712, "", record(CurveKind.WATT_VAR, [(20.0, 0.0), (60.0, 10.0), (100.0, -20.0)], 2),
     [(20.0, 0.0), (60.0, 10.0), (100.0, -20.0)]),
    (707, "MustTrip", record(CurveKind.LVRT_MUST_TRIP, [(0.16, 45.0), (2.0, 70.0)], 4), [(45.0, 0.16), (70.0, 2.0)]),
    (707, "MayTrip", record(CurveKind.LVRT_MAY_TRIP, [(1.0, 50.0)], 4), [(50.0, 1.0)]),
    (707, "MomCess", record(CurveKind.LVRT_MOMENTARY_CESSATION, [(1.0, 30.0)], 4), [(30.0, 1.0)]),
    (708, "MustTrip", record(CurveKind.HVRT_MUST_TRIP, [(0.16, 120.0), (13.0, 110.0)], 4),
     [(120.0, 0.16), (110.0, 13.0)]),
    (709, "MustTrip", record(CurveKind.LFRT_MUST_TRIP, [(0.16, 56.5), (300.0, 58.5)]), [(56.5, 0.16), (58.5, 300.0)]),
    (710, "MayTrip", record(CurveKind.HFRT_MAY_TRIP, [(10.0, 61.5)]), [(61.5, 10.0)]),
]  # fmt: skip


@pytest.mark.parametrize(("model_id", "group", "asked", "points"), CASES)
async def test_a_curve_is_in_force(model_id: int, group: str, asked: Any, points: Any, opened: Opened) -> None:
    async with opened(ALL) as (device, driver):
        ack = await driver.write(told(asked))
        assert ack.verified
        assert not ack.skipped
        shown, _ = await device.curve(model_id, 0, group)
        assert shown == points
        assert (await device.seen()).models[model_id][0].Ena.value == 1


async def test_every_function_is_found(opened: Opened) -> None:
    async with opened(ALL) as (_, driver):
        plate = await driver.open()
        assert plate.capabilities >= {
            Capability.VOLT_VAR,
            Capability.VOLT_WATT,
            Capability.WATT_VAR,
            Capability.LOW_VOLTAGE_TRIP,
            Capability.HIGH_VOLTAGE_TRIP,
            Capability.LOW_FREQUENCY_TRIP,
            Capability.HIGH_FREQUENCY_TRIP,
            Capability.FREQUENCY_DROOP,
        }
        assert not plate.capabilities & {Capability.FREQ_WATT, Capability.CURVES}


async def test_of_a_trip_set_it_claims_what_is_there(opened: Opened) -> None:
    """A device without MayTrip and MomCess has their registers, not implemented."""
    model = device_trip(707, "V", 5000)
    lacking = {"ActPt": 0xFFFF, "Pt": [{"V": 0xFFFF, "Tms": 0xFFFF_FFFF} for _ in range(4)]}
    for stored in model["Crv"]:
        stored["MayTrip"] = stored["MomCess"] = lacking
    async with opened([model, device_trip(709, "Hz", 5650)]) as (device, driver):
        able = (await driver.open()).capabilities & TRIP_CAPABILITIES
        assert able == {
            Capability.LOW_VOLTAGE_TRIP,
            Capability.LOW_FREQUENCY_TRIP,
            Capability.LOW_FREQUENCY_MAY_TRIP,
            Capability.LOW_FREQUENCY_CESSATION,
        }
        with pytest.raises(DeviceRejected, match="opModLVRTMayTrip: the device has no model for it"):
            await driver.write(told(record(CurveKind.LVRT_MAY_TRIP, [(1.0, 50.0)], 4)))
        await driver.write(told(record(CurveKind.LVRT_MUST_TRIP, [(0.16, 45.0)], 4)))
        assert (await device.curve(707, 0, "MustTrip"))[0] == [(45.0, 0.16)]


async def test_what_stands_beside_the_points(opened: Opened) -> None:
    asked = {name: one | {"vRef": 10100, "autonomousVRefEnable": True} for name, one in VOLT_VAR.items()}
    async with opened(ALL) as (device, driver):
        await driver.write(told(asked))
        _, curve = await device.curve(705)
        held = {name: point.cvalue for name, point in curve.points.items()}
        assert held["DeptRef"] == 1
        assert (held["RspTms"], held["VRef"], held["VRefAutoEna"], held["VRefAutoTms"]) == (8.0, 101.0, 1, 300)
        # The utility said nothing of it: as it was.
        assert held["Pri"] == 1


async def test_one_curve_of_a_trip_set_leaves_the_others(opened: Opened) -> None:
    async with opened(ALL) as (device, driver):
        before = {group: (await device.curve(707, 0, group))[0] for group in ("MayTrip", "MomCess")}
        await driver.write(told(record(CurveKind.LVRT_MUST_TRIP, [(0.5, 40.0), (1.0, 45.0), (5.0, 60.0)], 4)))
        assert {group: (await device.curve(707, 0, group))[0] for group in before} == before


async def test_droop(opened: Opened) -> None:
    async with opened(ALL) as (device, driver):
        await driver.write(told(droop=DROOP))
        held = (await device.seen()).models[711][0].groups["Ctl"][0]
        values = {name: point.cvalue for name, point in held.points.items()}
        assert values == pytest.approx(
            {"DbOf": 0.05, "DbUf": 0.06, "KOf": 0.03, "KUf": 0.04, "RspTms": 2.5, "PMin": 0, "ReadOnly": 1}
        )


async def test_how_far_droop_may_go_down(opened: Opened) -> None:
    """Its least power is written and read back, rounded up; a droop without one gets the maker's again."""
    async with opened(ALL) as (device, driver):
        assert Capability.FREQUENCY_DROOP_LEAST in (await driver.open()).capabilities

        async def least() -> float:
            return float((await device.seen()).models[711][0].groups["Ctl"][0].PMin.cvalue)

        ack = await driver.write(told(droop={**DROOP, "minW": 2_010}))
        assert (await least(), ack.read_back["711.Ctl1.PMin"], ack.verified) == (21, 21.0, True)
        await driver.write(told(droop={**DROOP, "minW": -5_000}))  # a battery may be told to take that much
        assert await least() == -50
        await driver.write(told(droop=DROOP))
        assert await least() == 0
        await driver.write(told(droop={**DROOP, "minW": 4_000}))
        await driver.revert()
        assert await least() == 0


async def test_a_limit_of_droop_that_a_device_cannot_hold_leaves_the_whole_droop(opened: Opened) -> None:
    plain = device_711()
    for stored in plain["Ctl"]:
        stored["PMin"] = -0x8000  # not implemented
    async with opened([plain]) as (device, driver):
        plate = await driver.open()
        assert plate.capabilities >= {Capability.FREQUENCY_DROOP}
        assert Capability.FREQUENCY_DROOP_LEAST not in plate.capabilities
        with pytest.raises(DeviceRejected, match="no PMin"):
            await driver.write(told(droop={**DROOP, "minW": 1_000}))
        assert device.writes == []
    async with opened([device_711()]) as (device, driver):
        with pytest.raises(DeviceRejected, match="no point for the most power"):
            await driver.write(told(droop={**DROOP, "maxW": 8_000}))
        assert device.writes == []


async def test_it_ends_and_everything_is_as_it_was(opened: Opened) -> None:
    async with opened(ALL) as (device, driver):
        before = {model_id: (await device.curve(model_id))[0] for model_id in (705, 706)}
        await driver.write(told(VOLT_VAR, VOLT_WATT, droop=DROOP))
        await driver.revert()
        seen = await device.seen()
        assert {model_id: (await device.curve(model_id))[0] for model_id in before} == before
        assert seen.models[705][0].Ena.value == 0
        assert seen.models[706][0].Ena.value == 1
        assert seen.models[711][0].groups["Ctl"][0].DbOf.cvalue == pytest.approx(0.036)


async def test_of_two_curves_one_ends(opened: Opened) -> None:
    """What is handed on is all that stands: a curve that is no longer among it is over."""
    async with opened(ALL) as (device, driver):
        before = (await device.curve(706))[0]
        await driver.write(told(VOLT_VAR, VOLT_WATT))
        await driver.write(told(VOLT_VAR))
        assert (await device.curve(706))[0] == before
        assert len((await device.curve(705))[0]) == 4
        await driver.write(told(let_go=frozenset({ControlMode.CURVE})))
        assert (await device.seen()).models[705][0].Ena.value == 0


async def test_what_was_there_is_known_after_a_restart(opened: Opened) -> None:
    async with opened(ALL) as (device, driver):
        kept: list[bytes] = []

        async def keep(body: bytes) -> None:
            kept.append(body)

        driver.recall(b"", keep)
        before = (await device.curve(705))[0]
        await driver.write(told(FLAT))
        await driver.close()
        config = SunSpecDriver.Config(host="127.0.0.1", port=device.port, rating_w=1)
        later = SunSpecDriver.create("foreign", config, clock=SystemClock())
        later.recall(kept[-1], keep)
        await later.open()
        await later.write(told(release=True, let_go=frozenset({ControlMode.CURVE})))
        assert (await device.curve(705))[0] == before
        assert (await device.seen()).models[705][0].Ena.value == 0
        assert kept[-1] == b""
        await later.close()


async def test_it_waits_until_the_device_has_adopted_it(opened: Opened) -> None:
    async with opened(ALL, adopt_timeout_s=5) as (device, driver):
        device.adopts = 4
        await driver.write(told(FLAT))
        assert device.adopts == 1
        assert len((await device.curve(705))[0]) == 2


async def test_a_device_that_never_gets_ready_is_busy(opened: Opened) -> None:
    async with opened(ALL) as (device, driver):
        device.adopts = 1_000_000
        with pytest.raises(DeviceBusy, match="not adopted after"):
            await driver.write(told(FLAT))
        assert (await device.seen()).models[705][0].Ena.value == 0
        device.adopts = 1
        await driver.write(told(FLAT))


async def test_a_device_that_fails_is_refused_and_asked_again_later(opened: Opened) -> None:
    async with opened(ALL) as (device, driver):
        device.adopts = None
        with pytest.raises(DeviceRejected, match="did not adopt stored curve"):
            await driver.write(told(FLAT))
        assert (await device.seen()).models[705][0].Ena.value == 0
        device.adopts = 3  # it still says that it failed until it is through
        await driver.write(told(FLAT))
        assert len((await device.curve(705))[0]) == 2


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (record(CurveKind.VOLT_WATT, [(100.0 + at, 50.0) for at in range(5)], 1), "5 points, the device takes 4"),
        (record(CurveKind.VOLT_WATT, [(105.0, 100.0), (110.0, 20.0)], 3), "no y axis of reference type 3"),
        (record(CurveKind.VOLT_VAR, [(93.0, 30.0), (700.0, 0.0)], 2), "does not fit its register"),
        (record(CurveKind.FREQ_WATT, [(60.0, 100.0), (61.0, 0.0)], 1), "opModFreqWatt: the device has no model"),
        ({"opModVoltVar": {"curveType": 12, "curveData": []}}, "curveType 12"),
        ({"opModVoltVar": {"curveData": [{"xvalue": "1"}]}}, "xvalue is no number"),
    ],
)
async def test_what_the_device_cannot_hold_is_refused(asked: Any, reason: str, opened: Opened) -> None:
    async with opened([device_705(), device_706(4)]) as (device, driver):
        with pytest.raises(DeviceRejected, match=reason):
            await driver.write(told(asked))
        assert device.writes == []


async def test_beside_what_it_can_do_it_is_told_what_it_could_not(opened: Opened) -> None:
    """A curve that fits and two that do not: written is the one, and of the others nothing was done."""
    long = record(CurveKind.VOLT_WATT, [(100.0 + at, 50.0) for at in range(5)], 1)
    other = record(CurveKind.FREQ_WATT, [(60.0, 100.0), (61.0, 0.0)], 1)
    async with opened([device_705(), device_706(4)]) as (device, driver):
        ack = await driver.write(told(FLAT, long, other, droop=DROOP))
        assert ack.undone == {"curve:opModVoltWatt", "curve:opModFreqWatt", "frequency_droop"}
        assert len(ack.skipped) == 3
        assert len((await device.curve(705))[0]) == 2


async def test_nothing_to_write_to(opened: Opened) -> None:
    model = device_705(sets=2)
    model["Crv"][1]["ReadOnly"] = 1
    async with opened([model]) as (device, driver):
        with pytest.raises(DeviceRejected, match="lets no stored curve be written"):
            await driver.write(told(FLAT))
        assert device.writes == []


async def test_the_only_curve_is_no_function(opened: Opened) -> None:
    async with opened([device_705(sets=1)]) as (_, driver):
        assert Capability.VOLT_VAR not in (await driver.open()).capabilities


async def test_the_timer_goes_back_to_what_was_there(opened: Opened) -> None:
    """706 was enabled: its curve is stored where RvrtCrv points. 705 was not: nothing to go back to, no timer."""
    async with opened(ALL, revert_s=90) as (device, driver):
        before = (await device.curve(706))[0]
        ack = await driver.write(told(VOLT_WATT))
        head = (await device.seen()).models[706][0]
        assert (head.RvrtTms.value, ack.revert_s) == (90, 90.0)
        assert (await device.curve(706, head.RvrtCrv.value - 1))[0] == before
        assert (await driver.write(told(VOLT_WATT, VOLT_VAR))).revert_s == 90.0
        assert (await device.seen()).models[705][0].RvrtTms.value == 0


async def test_told_again_it_is_not_written_again(opened: Opened) -> None:
    async with opened(ALL, revert_s=None) as (device, driver):
        await driver.write(told(VOLT_VAR))
        device.writes.clear()
        ack = await driver.write(told(VOLT_VAR))
        assert [address for address, _ in device.writes] == [
            device.register(705, "RvrtTms"),
            device.register(705, "Ena"),
        ]
        assert ack.read_back["705.Ena"] == 1.0


async def test_registers_one_by_one(opened: Opened) -> None:
    async with opened(ALL) as (device, driver):
        device.single = True
        await driver.write(told(VOLT_VAR))
        assert {len(values) for _, values in device.writes} == {1}
        assert len((await device.curve(705))[0]) == 4


async def test_over_tls_both_sides_show_a_certificate(tmp_path: Path) -> None:
    """Modbus/TCP Security: the MBAP message inside TLS; the device asks for a certificate, too (R-44)."""
    now = time.time()
    pki = TestPki.create(depth=3, now=now)
    pki.save(tmp_path)
    write_credential(tmp_path, "server", pki.issue("server", "s", now=now, hosts=["localhost", "127.0.0.1"]))
    write_credential(tmp_path, "client", pki.issue("utility", "c", now=now))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(tmp_path / "serca.pem")
    async with ForeignDevice([device_705()], context) as device:
        where = {
            "host": "127.0.0.1",
            "port": device.port,
            "tls": True,
            "ca_file": tmp_path / "serca.pem",
            "rating_w": 1,
        }
        mine = {"cert_file": tmp_path / "client.pem", "key_file": tmp_path / "client.key"}
        driver = SunSpecDriver.create("foreign", SunSpecDriver.Config(**where, **mine), clock=SystemClock())
        assert Capability.VOLT_VAR in (await driver.open()).capabilities
        await driver.write(told(FLAT))
        await driver.close()
        nobody = SunSpecDriver.create("foreign", SunSpecDriver.Config(**where), clock=SystemClock())
        with pytest.raises(DeviceTimeout):
            await nobody.open()
        await nobody.close()
        await asyncio.sleep(0.05)
