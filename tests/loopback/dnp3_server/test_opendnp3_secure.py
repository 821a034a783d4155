"""Secure authentication with opendnp3 2.1, both ways: the one open peer that ever spoke it.

Skipped unless GRIDIFACE_OPENDNP3_SECURE names the program made of opendnp3_secure_peer.cpp (docs/developer/testing.md
tells how). Its update key is 16 octets FF, its authority's 32 octets AA.
"""

import asyncio
import contextlib
import os
import socket

import pytest

from gridiface.northbound.dnp3.settings import MasterEntry, SecureAuthentication
from gridiface.protocols.dnp3.authentication import AuthenticationSettings, User, UserOperation
from gridiface.protocols.dnp3.authentication_master import MasterAuthentication
from gridiface.protocols.dnp3.authentication_users import Authority
from gridiface.protocols.dnp3.controls import AnalogOutput, CommandStatus
from gridiface.protocols.dnp3.settings import Trigger, UnsolicitedSettings

PEER = os.environ.get("GRIDIFACE_OPENDNP3_SECURE", "")
UPDATE_KEY, AUTHORITY_KEY = b"\xff" * 16, b"\xaa" * 32

pytestmark = pytest.mark.skipif(
    not PEER, reason="GRIDIFACE_OPENDNP3_SECURE names no program made of opendnp3_secure_peer.cpp"
)


class Peer:
    """The other process: orders go in, what it tells comes out."""

    def __init__(self, process):
        self.process = process
        self.told = []
        self.log = []
        self.changed = asyncio.Event()
        self.reader = asyncio.create_task(self.read())

    async def read(self):
        async for line in self.process.stdout:
            text = line.decode(errors="replace").rstrip()
            self.log.append(text)
            if text.startswith("@ "):
                self.told.append(text[2:])
            self.changed.set()
        self.changed.set()

    def order(self, text):
        self.process.stdin.write(text.encode() + b"\n")

    async def until(self, *words, since=0, seconds=15.0):
        """The first thing told from a place on that begins with one of some words."""
        async with asyncio.timeout(seconds):
            while not (found := [text for text in self.told[since:] if text.startswith(words)]):
                assert not self.reader.done(), "the peer is gone"
                self.changed.clear()
                await self.changed.wait()
        return found[0]

    async def do(self, text, *words):
        """One order and what is told of it."""
        since = len(self.told)
        self.order(text)
        return await self.until(*words, since=since)


@pytest.fixture
def opendnp3():
    """An async context manager: opendnp3 with secure authentication as a master of a port, or an outstation on it."""

    @contextlib.asynccontextmanager
    async def running(role, port, *more):
        process = await asyncio.create_subprocess_exec(
            PEER, role, str(port), *more, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        peer = Peer(process)
        try:
            await peer.until(f"ready {role}")
            yield peer
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            await peer.reader
            print("\n".join(peer.log))

    return running


@pytest.fixture
def secured(make_station):
    settings = AuthenticationSettings(authority_key=AUTHORITY_KEY, name="gateway")
    users = (User(1, "common", UPDATE_KEY),)
    # its master signs the confirm of a report in place of the request that is challenged: no report in between
    later = UnsolicitedSettings(triggers={number: Trigger(1000, 60.0) for number in (1, 2, 3)})
    masters = (MasterEntry(name="iso", address=1, unsolicited=later),)
    return (make_station(masters=masters, authentication=SecureAuthentication(settings=settings, users=users)),)


SUCCESS = "command SUCCESS SUCCESS"


async def test_its_master_is_challenged_and_operates(serve, opendnp3, secured, house):
    async with serve(secured) as server, opendnp3("master", server.endpoints[0].port) as peer:
        # its start-up writes IIN1.7 and enables unsolicited messages, both critical
        await peer.until("task ENABLE_UNSOLICITED SUCCESS")
        assert await peer.do("operate 1 0 1.5", "command") == SUCCESS
        assert await peer.do("direct 1 0 2.5", "command") == SUCCESS
        assert [next(iter(one.values.values())).value for one in house.controls_seen.values()]


async def test_its_authority_adds_a_user_who_operates_and_is_deleted(serve, opendnp3, secured, house):
    async with serve(secured) as server, opendnp3("master", server.endpoints[0].port) as peer:
        await peer.until("task ENABLE_UNSOLICITED SUCCESS")
        assert await peer.do("status 1 0 1 365 jim", "task USER_TASK") == "task USER_TASK SUCCESS"
        assert await peer.do("key jim gateway 17", "changed", "task USER_TASK FAIL") == "changed jim 2"
        assert await peer.do("direct 2 0 2.5", "command") == SUCCESS
        # an authority's sequence is used once
        assert await peer.do("status 2 0 1 365 jim", "task USER_TASK") != "task USER_TASK SUCCESS"
        assert await peer.do("status 2 1 1 365 jim", "task USER_TASK") == "task USER_TASK SUCCESS"


@pytest.fixture
def outstation(opendnp3, dial):
    """An async context manager: its outstation, and our master on it."""

    @contextlib.asynccontextmanager
    async def both(key=UPDATE_KEY, number=1, name="common", **more):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        user = MasterAuthentication(AuthenticationSettings(aggressive=False, name="gateway"), User(number, name, key))
        async with opendnp3("outstation", port, "gateway") as peer:
            async with asyncio.timeout(30):
                while True:
                    with contextlib.suppress(OSError):
                        async with dial(port, authentication=user, **more) as master:
                            yield peer, master
                            return
                    await asyncio.sleep(0.05)

    return both


async def test_our_master_answers_its_challenges(outstation):
    async with outstation() as (peer, master):
        assert await master.operate(3, AnalogOutput(1.5), select=True) is CommandStatus.SUCCESS
        assert await peer.until("operated") == "operated 3"


async def test_our_authority_adds_a_user_to_it(outstation):
    async with outstation() as (peer, master):
        own, authority = master.core.authentication, Authority(AUTHORITY_KEY)
        await master.run("add", own.change_user(authority.certify(UserOperation.ADD, "bo", 5)))
        assert await peer.until("sequence") == "sequence 6"
        done = await master.run("key", own.change_update_key(authority, "bo", b"\x22" * 32))
        assert await peer.until("user") == f"user bo {done.value.number}"
        await master.run("delete", own.change_user(authority.certify(UserOperation.DELETE, "bo", 6)))
        assert await peer.until("deleted") == "deleted bo"
