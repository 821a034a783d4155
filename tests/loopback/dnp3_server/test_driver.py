"""Our driver drives our own outstation: the set of an ISO's gateway, seen from both ends."""

import time

import pytest

from gridiface.app.clock import SystemClock
from gridiface.domain.controls import ControlMode, Setpoint, Verdict
from gridiface.domain.telemetry import Quality
from gridiface.errors import DeviceRejected
from gridiface.northbound.dnp3.settings import MasterEntry, SecureAuthentication
from gridiface.protocols.dnp3.authentication import AuthenticationSettings, User
from gridiface_southbound.dnp3.driver import Dnp3Driver


def driver_for(port, **more):
    keys = {"host": "127.0.0.1", "port": port, "profile": "iso-gateway", "timeout_s": 5.0, "revert_s": 120.0, **more}
    return Dnp3Driver.create("plant", Dnp3Driver.Config.model_validate(keys), clock=SystemClock())


async def test_a_gateway_is_a_member_of_another_fleet(serve, house):
    async with serve() as server:
        driver = driver_for(server.port)
        plate = await driver.open()
        assert (plate.max_w, plate.max_charge_w) == (5e6, 4e6)
        seen = await driver.read()
        assert (seen.w, seen.soc, seen.quality) == (pytest.approx(1.25e6), pytest.approx(0.6), Quality.GOOD)
        ack = await driver.write(Setpoint(device_id="plant", issued=time.time(), active_power_w=-2.5e6))
        assert (ack.active_power_w, ack.revert_s) == (pytest.approx(-2.5e6), 120.0)
        (control,) = house.controls_seen.values()
        assert control.values[ControlMode.SET_W].value == pytest.approx(-2.5e6)
        assert control.interval.duration == 120.0
        await driver.revert()
        assert not house.controls_seen
        house.verdict = Verdict.SUPERSEDED
        with pytest.raises(DeviceRejected, match="AUTOMATION_INHIBIT"):
            await driver.write(Setpoint(device_id="plant", issued=time.time(), active_power_w=1e6))
        await driver.close()


async def test_with_secure_authentication(serve, house, make_station, tmp_path):

    key = bytes(range(16))
    path = tmp_path / "update.key"
    path.write_text(key.hex())
    secure = SecureAuthentication(settings=AuthenticationSettings(), users=(User(1, "gridiface", key, 32_768),))
    station = make_station(masters=(MasterEntry(name="iso", address=1),), authentication=secure)
    async with serve([station]) as server:
        driver = driver_for(server.port, update_key=path, unsolicited=False)
        await driver.open()
        await driver.write(Setpoint(device_id="plant", issued=time.time(), active_power_w=1e6))
        assert len(house.controls_seen) == 1
        await driver.close()
        other = driver_for(server.port, unsolicited=False, timeout_s=0.5)
        await other.open()
        with pytest.raises(DeviceRejected):
            await other.write(Setpoint(device_id="plant", issued=time.time(), active_power_w=2e6))
        await other.close()
    assert len(house.controls_seen) == 1
