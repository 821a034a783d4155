"""Our driver drives our own outstation: the set of an ISO's gateway, seen from both ends."""

import asyncio
import contextlib
import time

import pytest

from gridiface.app.process.clock import SystemClock
from gridiface.domain.controls import ControlMode, Setpoint, Verdict
from gridiface.domain.telemetry import Quality
from gridiface.errors import DeviceRejected, DeviceTimeout
from gridiface.northbound.dnp3.settings import EndpointSettings, MasterEntry, SecureAuthentication, Transport
from gridiface.protocols.dnp3.authentication.algorithms import AuthenticationSettings, MacAlgorithm, User
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


@pytest.mark.parametrize("mac", ["hmac-sha-256-8", "aes-gmac-12", "hmac-sha-1-10"])
async def test_with_a_weaker_algorithm_only_where_it_is_allowed(serve, house, make_station, tmp_path, mac):
    key = bytes(range(16))
    path = tmp_path / "update.key"
    path.write_text(key.hex())
    algorithm = MacAlgorithm[mac.upper().replace("-", "_")]
    own = AuthenticationSettings(mac=algorithm, allow_sha_1="sha-1-" in mac)
    secure = SecureAuthentication(settings=own, users=(User(1, "gridiface", key, 32_768),))
    station = make_station(masters=(MasterEntry(name="iso", address=1),), authentication=secure)
    async with serve([station]) as server:
        driver = driver_for(server.port, update_key=path, unsolicited=False, mac=mac)
        await driver.open()
        await driver.write(Setpoint(device_id="plant", issued=time.time(), active_power_w=1e6))
        await driver.close()
        assert len(house.controls_seen) == 1
        strict = driver_for(server.port, update_key=path, unsolicited=False, timeout_s=0.5)
        with contextlib.suppress(DeviceTimeout, DeviceRejected):
            await strict.open()
            await strict.write(Setpoint(device_id="plant", issued=time.time(), active_power_w=2e6))
        await strict.close()
    assert len(house.controls_seen) == 1


async def test_over_udp_with_datagrams_that_are_lost_and_doubled(serve, house, make_station):
    """Between the two stands a network that doubles every datagram and loses the first."""
    endpoint = EndpointSettings(port=0, transport=Transport.UDP)
    async with serve([make_station()], [endpoint]) as server, poor_network(server.port) as port:
        driver = driver_for(port, udp=True, timeout_s=2.0)
        plate = await driver.open()
        assert plate.max_w == 5e6
        assert (await driver.read()).w == pytest.approx(1.25e6)
        for power in (-2.5e6, 1e6):
            await driver.write(Setpoint(device_id="plant", issued=time.time(), active_power_w=power))
        wanted = [one.values[ControlMode.SET_W].value for one in house.controls_seen.values()]
        assert wanted == [-2.5e6, 1e6]  # each once
        await driver.close()


@contextlib.asynccontextmanager
async def poor_network(port):
    """A port whose datagrams go to another one, doubled; the first one is lost."""
    loop = asyncio.get_running_loop()
    ways, under_way = {}, set()

    class Far(asyncio.DatagramProtocol):
        def __init__(self, peer):
            self.peer = peer

        def datagram_received(self, data, addr):
            for _ in range(2):
                near.sendto(data, self.peer)

    class Near(asyncio.DatagramProtocol):
        lost = 0

        def datagram_received(self, data, addr):
            if not self.lost:
                Near.lost += 1
                return
            under_way.add(loop.create_task(self.forward(data, addr)))

        async def forward(self, data, addr):
            async with turn:
                if addr not in ways:
                    ways[addr], _ = await loop.create_datagram_endpoint(
                        lambda: Far(addr), remote_addr=("127.0.0.1", port)
                    )
            for _ in range(2):
                ways[addr].sendto(data)

    turn = asyncio.Lock()
    near, _ = await loop.create_datagram_endpoint(Near, local_addr=("127.0.0.1", 0))
    try:
        yield near.get_extra_info("sockname")[1]
    finally:
        for way in (near, *ways.values()):
            way.close()
