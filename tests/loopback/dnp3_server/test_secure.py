"""Secure authentication and files over the whole shell."""

import json
import time
from dataclasses import replace

import pytest
from lxml import etree

from gridiface.northbound.dnp3.settings import MasterEntry, SecureAuthentication
from gridiface.northbound.dnp3.shown.station_files import DEVICE_PROFILE, FRAME_LOG
from gridiface.protocols.dnp3.authentication.algorithms import AuthenticationSettings, User, UserOperation
from gridiface.protocols.dnp3.authentication.users import Authority
from gridiface.protocols.dnp3.controls import AnalogOutput, CommandStatus
from gridiface.protocols.dnp3.master.authentication import MasterAuthentication
from gridiface.protocols.dnp3.master.files import read_file, write_file
from gridiface.protocols.dnp3.master.tasks import activate_config
from gridiface.protocols.dnp3.points import PointType
from gridiface.simulation.dnp3.client import MasterFailed

KEY, OTHER = bytes(range(16)), bytes(16)
AUTHORITY = Authority(bytes(range(32)))


def secure(role=32_768, authority_key=None):
    users = (User(1, "control room", KEY, role),)
    return SecureAuthentication(settings=AuthenticationSettings(authority_key=authority_key), users=users)


def as_user(key, number=1, name="control room"):
    return MasterAuthentication(AuthenticationSettings(), User(number, name, key))


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


async def test_what_an_authority_changes_is_there_after_a_restart(serve, dial, make_station, house):
    station = make_station(authentication=secure(authority_key=bytes(range(32))))
    mine, hers = b"\x11" * 32, b"\x22" * 32
    async with serve([station]) as server, dial(server.port, authentication=as_user(KEY)) as master:
        own = master.core.authentication
        await master.run("add", own.change_user(AUTHORITY.certify(UserOperation.ADD, "bo", 1, role=1)))
        await master.run("key", own.change_update_key(AUTHORITY, "bo", hers))
        await master.run("key", own.change_update_key(AUTHORITY, "control room", mine))
        assert await master.operate(0, AnalogOutput(1.0)) is CommandStatus.SUCCESS
    async with serve([station]) as server:
        for user in (as_user(mine), as_user(hers, 2, "bo")):
            async with dial(server.port, authentication=user) as master:
                assert await master.operate(0, AnalogOutput(2.0)) is CommandStatus.SUCCESS
        async with dial(server.port, authentication=as_user(KEY), response_timeout=0.5) as master:
            with pytest.raises(MasterFailed):
                await master.operate(0, AnalogOutput(3.0))
        async with dial(server.port, authentication=as_user(mine)) as master:
            # the sequence of the change before is used up, also after a restart
            with pytest.raises(MasterFailed):
                await master.run("again", as_user(mine).change_user(AUTHORITY.certify(UserOperation.ADD, "cy", 1)))


async def test_a_key_that_cannot_be_kept_is_not_acknowledged_and_the_old_one_stays(serve, dial, make_station, house):
    station = make_station(authentication=secure(authority_key=bytes(range(32))))
    async with serve([station], store_pause_s=0.0) as server:
        async with dial(server.port, authentication=as_user(KEY), response_timeout=0.5) as master:
            house.broken = True
            with pytest.raises(MasterFailed):
                await master.run("key", as_user(KEY).change_update_key(AUTHORITY, "control room", OTHER * 2))
            house.broken = False
        async with dial(server.port, authentication=as_user(KEY)) as master:
            assert await master.operate(0, AnalogOutput(1.0)) is CommandStatus.SUCCESS
            own = master.core.authentication
            await master.run("key", own.change_update_key(AUTHORITY, "control room", OTHER * 2))
            assert await master.operate(0, AnalogOutput(2.0)) is CommandStatus.SUCCESS


async def test_the_device_profile_and_the_frame_log_are_read_as_files(serve, dial, make_station):
    async with serve([make_station(files=True)]) as server, dial(server.port) as master:
        document = (await master.run("file", read_file(DEVICE_PROFILE))).value
        assert etree.fromstring(document).findall(".//analogInput")
        log = (await master.run("file", read_file(FRAME_LOG))).value
        assert b"OPEN_FILE" in log
        with pytest.raises(MasterFailed):
            await master.run("file", read_file("secrets"))


async def test_a_configuration_is_written_activated_and_there_after_a_restart(serve, dial, make_station, house):
    engineer = secure(role=2)
    station = make_station(files=True, configuration_writes=True, authentication=engineer)
    change = b'{"points": [{"name": "net power", "event_class": 1, "deadband": 0.75, "event_variation": 5}]}'
    async with serve([station]) as server, dial(server.port, authentication=as_user(KEY)) as master:
        before = (await master.run("read", read_file("points.json"))).value
        assert (await master.run("write", write_file("points.json", change))).failure is None
        assert (await master.run("read", read_file("points.json"))).value == before
        await master.run("activate", activate_config(["points.json"]))
        after = json.loads((await master.run("read", read_file("points.json"))).value)
        assert {"name": "net power", "event_class": 1, "deadband": 0.75} in [
            {key: row[key] for key in ("name", "event_class", "deadband")} for row in after["points"]
        ]
        one = server.stations["gateway"]
        await master.poll()
        house.snapshot_ = replace(house.snapshot_, w=house.snapshot_.w + 0.7e6)
        one.refresh(time.time())
        assert not one.outstation.associations[1].state.buffer.waiting(1)
        house.snapshot_ = replace(house.snapshot_, w=house.snapshot_.w + 0.7e6)
        one.refresh(time.time())
        await master.poll((1,))
        assert master.events[-1].point == 0
        with pytest.raises(MasterFailed):
            await master.run("write", write_file("points.json", b"nonsense"))
        with pytest.raises(MasterFailed):
            await master.run("write", write_file("frames.log", b"nothing"))
    async with serve([station]) as server:
        column = server.stations["gateway"].database.columns[PointType.ANALOG_INPUT]
        assert (column.deadbands[0], column.event_variations[0]) == (0.75, 5)
        assert server.stations["gateway"].outstation.associations[1].state.classes[PointType.ANALOG_INPUT][0] == 1


@pytest.mark.parametrize("more", [{}, {"configuration_writes": True, "role": 1}])
async def test_without_leave_no_configuration_is_written_nor_activated(serve, dial, make_station, house, more):
    role = more.pop("role", 2)
    station = make_station(files=True, authentication=secure(role=role), **more)
    async with (
        serve([station]) as server,
        dial(server.port, authentication=as_user(KEY), response_timeout=0.5) as master,
    ):
        with pytest.raises(MasterFailed):
            await master.run("write", write_file("points.json", b'{"points": []}'))
        with pytest.raises(MasterFailed):
            await master.run("activate", activate_config(["points.json"]))


async def test_a_configuration_that_cannot_be_kept_is_not_acknowledged(serve, dial, make_station, house):
    station = make_station(files=True, configuration_writes=True)
    change = b'{"points": [{"name": "net power", "event_class": 3}]}'
    async with serve([station]) as server, dial(server.port, response_timeout=0.5) as master:
        await master.run("write", write_file("points.json", change))
        house.broken = True
        with pytest.raises(MasterFailed):
            await master.run("activate", activate_config(["points.json"]))
        assert server.stations["gateway"].configuration.staged


async def test_a_master_that_may_not_control_reads_no_files(serve, dial, make_station):
    masters = [MasterEntry(name="eye", address=1, may_control=False)]
    async with serve([make_station(files=True, masters=masters)]) as server, dial(server.port) as master:
        with pytest.raises(MasterFailed):
            await master.run("file", read_file(FRAME_LOG))
