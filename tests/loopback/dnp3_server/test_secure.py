"""Secure authentication and files over the whole shell."""

import pytest
from lxml import etree

from gridiface.northbound.dnp3.settings import MasterEntry, SecureAuthentication
from gridiface.northbound.dnp3.station_files import DEVICE_PROFILE, FRAME_LOG
from gridiface.protocols.dnp3.authentication import AuthenticationSettings, User
from gridiface.protocols.dnp3.authentication_master import MasterAuthentication
from gridiface.protocols.dnp3.controls import AnalogOutput, CommandStatus
from gridiface.protocols.dnp3.master_files import read_file
from gridiface.simulation.dnp3.client import MasterFailed

KEY, OTHER = bytes(range(16)), bytes(16)


def secure(role=32_768):
    users = (User(1, "control room", KEY, role),)
    return SecureAuthentication(settings=AuthenticationSettings(), users=users)


def as_user(key):
    return MasterAuthentication(AuthenticationSettings(), User(1, "control room", key))


async def test_a_master_with_the_key_operates(serve, dial, make_station, house):
    async with (
        serve([make_station(authentication=secure())]) as server,
        dial(server.port, authentication=as_user(KEY)) as master,
    ):
        for value in (1.0, 2.0):
            assert await master.operate(0, AnalogOutput(value), select=True) is CommandStatus.SUCCESS
        assert len(house.controls_seen) == 2


@pytest.mark.parametrize("key", [OTHER, None])
async def test_without_the_key_nothing_is_operated(serve, dial, make_station, house, key):
    authentication = None if key is None else as_user(key)
    async with (
        serve([make_station(authentication=secure())]) as server,
        dial(server.port, authentication=authentication, response_timeout=0.5) as master,
    ):
        with pytest.raises(MasterFailed):
            await master.operate(0, AnalogOutput(1.0))
        assert not house.controls_seen


async def test_a_role_that_may_only_look(serve, dial, make_station, house):
    async with (
        serve([make_station(authentication=secure(role=0))]) as server,
        dial(server.port, authentication=as_user(KEY), response_timeout=0.5) as master,
    ):
        with pytest.raises(MasterFailed):
            await master.operate(0, AnalogOutput(1.0))
        assert not house.controls_seen
        await master.poll()


async def test_only_the_masters_named_are_challenged(serve, dial, make_station, house):
    masters = [MasterEntry(name=name, address=number) for number, name in ((1, "safe"), (2, "legacy"))]
    only = SecureAuthentication(settings=AuthenticationSettings(), users=secure().users, masters=("safe",))
    async with (
        serve([make_station(masters=masters, authentication=only)]) as server,
        dial(server.port, address=2) as legacy,
    ):
        assert await legacy.operate(0, AnalogOutput(1.0)) is CommandStatus.SUCCESS


async def test_the_device_profile_and_the_frame_log_are_read_as_files(serve, dial, make_station):
    async with serve([make_station(files=True)]) as server, dial(server.port) as master:
        document = (await master.run("file", read_file(DEVICE_PROFILE))).value
        assert etree.fromstring(document).findall(".//analogInput")
        log = (await master.run("file", read_file(FRAME_LOG))).value
        assert b"OPEN_FILE" in log
        with pytest.raises(MasterFailed):
            await master.run("file", read_file("secrets"))


async def test_a_master_that_may_not_control_reads_no_files(serve, dial, make_station):
    masters = [MasterEntry(name="eye", address=1, may_control=False)]
    async with serve([make_station(files=True, masters=masters)]) as server, dial(server.port) as master:
        with pytest.raises(MasterFailed):
            await master.run("file", read_file(FRAME_LOG))
