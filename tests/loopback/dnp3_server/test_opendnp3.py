"""opendnp3's master against our server, and our masters against opendnp3's outstation: the C++ that SCADA masters use.

Skipped unless GRIDIFACE_OPENDNP3_PYTHON names a Python that has `dnp3-python`: its wheels end at Python 3.10.
"""

import asyncio
import contextlib
import json
import os
import socket
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from tests.waiting import until

from gridiface.domain.controls import Verdict
from gridiface.northbound.dnp3.settings import MasterEntry
from gridiface.protocols.dnp3.controls import AnalogOutput, CommandStatus, ControlRelayOutputBlock
from gridiface.protocols.dnp3.master import tasks
from gridiface.protocols.dnp3.master.settings import TimeSync
from gridiface.protocols.dnp3.outstation.settings import UnsolicitedSettings
from gridiface.protocols.dnp3.points import PointType

PYTHON = os.environ.get("GRIDIFACE_OPENDNP3_PYTHON", "")
PEER = Path(__file__).parent / "opendnp3_peer.py"
RESTART, NEED_TIME = 0x80, 0x10

pytestmark = pytest.mark.skipif(
    not PYTHON, reason="GRIDIFACE_OPENDNP3_PYTHON names no Python with dnp3-python (opendnp3; wheels up to Python 3.10)"
)


class Peer:
    """The other process: orders go in, what it tells comes out."""

    def __init__(self, process):
        self.process = process
        self.told = []
        self.changed = asyncio.Event()
        self.reader = asyncio.create_task(self.read())

    async def read(self):
        async for line in self.process.stdout:
            _, mark, text = line.decode().partition("@")
            if mark:
                self.told.append(json.loads(text))
                self.changed.set()
        self.changed.set()

    def order(self, **fields):
        self.process.stdin.write(json.dumps(fields).encode() + b"\n")

    async def until(self, found, seconds=60.0):
        """What `found` makes of all that was told, once it is true."""
        async with asyncio.timeout(seconds):
            while not (value := found(self.told)):
                assert not self.reader.done(), "the peer is gone"
                self.changed.clear()
                await self.changed.wait()
        return value

    async def do(self, **fields):
        """One order to its end; its result."""
        before = len(self.told)
        self.order(**fields)
        ended = await self.until(
            lambda told: [one for one in told[before:] if one.get("done") == fields["do"] and "result" in one]
        )
        return ended[0]["result"]

    async def operate(self, **fields):
        """Status of a command."""
        before = len(self.told)
        self.order(**fields)
        ended = await self.until(lambda told: [one for one in told[before:] if "operated" in one])
        return ended[0]["summary"], [status for _, _, status in ended[0]["statuses"]]

    def values(self, kind, *, event=None, since=0):
        """The newest value and flags by index."""
        return {
            index: (value, flags)
            for one in self.told[since:]
            if one.get("points") == kind and event in (None, one["event"])
            for index, value, flags, _ in one["values"]
        }


@pytest.fixture
def opendnp3():
    """An async context manager: opendnp3 as a master of a port, or as an outstation on it."""

    @contextlib.asynccontextmanager
    async def running(role, port, time_sync="LAN"):
        process = await asyncio.create_subprocess_exec(
            PYTHON, str(PEER), role, str(port), time_sync,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 22,
        )  # fmt: skip
        peer = Peer(process)
        try:
            await peer.until(lambda told: [one for one in told if one.get("ready") == role], 60)
            yield peer
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            await peer.reader

    return running


def completed(told, task):
    return [one for one in told if one.get("task") == task and one["result"] == "SUCCESS"]


@pytest.fixture
def stations(make_station):
    master = MasterEntry(name="iso", address=1, unsolicited=UnsolicitedSettings(), need_time=True)
    return (make_station(masters=(master,), restart_s=2.0),)


async def test_its_master_starts_up_polls_and_gets_unsolicited_events(serve, opendnp3, stations, house):
    async with serve(stations) as server:
        server.refresh(time.time())
        async with opendnp3("master", server.endpoints[0].port) as peer:
            for task in ("DISABLE_UNSOLICITED", "CLEAR_RESTART", "STARTUP_INTEGRITY_POLL", "ENABLE_UNSOLICITED"):
                await peer.until(lambda told, task=task: completed(told, task))
            assert any(one["iin"][0] & RESTART for one in peer.told if "iin" in one)
            analogs = peer.values("Analog")
            assert analogs[0] == (pytest.approx(1.25), 1)  # MW
            assert analogs[10] == (pytest.approx(60.0), 1)  # %
            assert peer.values("AnalogOutputStatus").keys() == set(range(8))
            assert peer.values("BinaryOutputStatus").keys() == set(range(5))

            seen = len(peer.told)
            house.snapshot_ = replace(house.snapshot_, w=2.5e6)
            server.refresh(time.time())
            await peer.until(lambda told: peer.values("Analog", event=True, since=seen).get(0) == (2.5, 1))

            seen = len(peer.told)
            assert await peer.do(do="classes", classes=[0]) == "SUCCESS"
            assert peer.values("Analog", event=False, since=seen)[0] == (2.5, 1)
            assert await peer.do(do="classes", classes=[1, 2, 3]) == "SUCCESS"
            seen = len(peer.told)
            assert await peer.do(do="range", group=30, variation=1, start=10, stop=12) == "SUCCESS"
            blocks = [one for one in peer.told[seen:] if "points" in one]
            assert {one["gv"] for one in blocks} == {"Group30Var1"}
            assert {index for one in blocks for index, *_ in one["values"]} == {10, 11, 12}
            assert await peer.do(do="all", group=1, variation=2) == "SUCCESS"
            assert await peer.do(do="function", code="IMMED_FREEZE", headers=[[20, 0]]) != "SUCCESS"  # no counters here
            assert not [one for one in peer.told if one.get("result", "SUCCESS") == "FAILURE_RESPONSE_TIMEOUT"]


async def test_its_master_commands(serve, opendnp3, stations, house):
    async with serve(stations) as server, opendnp3("master", server.endpoints[0].port) as peer:
        await peer.until(lambda told: completed(told, "ENABLE_UNSOLICITED"))
        success = ("SUCCESS", ["SUCCESS"])
        for variation, value in ((3, 1.5), (4, 1.25), (1, 2), (2, -1)):
            for how in ("select", "direct"):
                assert await peer.operate(do=how, index=0, variation=variation, value=value) == success
        assert await peer.operate(do="select", index=1, code="close") == success
        assert await peer.operate(do="direct", index=1, code="trip") == success
        assert await peer.operate(do="direct", index=0, code="latch off") == success  # AGC off
        assert await peer.operate(do="direct", index=2, code="pulse on") == ("SUCCESS", ["BLOCKED"])
        assert await peer.operate(do="direct", index=3, variation=3, value=-1) == ("SUCCESS", ["OUT_OF_RANGE"])
        assert await peer.operate(do="select", index=99, variation=3, value=1) == ("SUCCESS", ["NOT_SUPPORTED"])
        house.verdict = Verdict.SUPERSEDED
        assert await peer.operate(do="direct", index=2, variation=3, value=0.5) == ("SUCCESS", ["AUTOMATION_INHIBIT"])
        await peer.until(lambda told: peer.values("AnalogOutputStatus").get(0, (None,))[0] is not None)
        watts = [next(iter(one.values.values())).value for one in house.controls_seen.values()]
        assert -1e6 in watts or house.cancelled


@pytest.mark.parametrize("way", ["LAN", "NonLAN"])
async def test_its_master_sets_the_time_and_asks_for_restarts(serve, opendnp3, stations, way):
    async with serve(stations) as server, opendnp3("master", server.endpoints[0].port, way) as peer:
        await peer.until(lambda told: completed(told, "ENABLE_UNSOLICITED"))
        await peer.until(lambda told: [one for one in told if "TIME" in one.get("task", "")])
        seen = len(peer.told)
        assert await peer.do(do="classes", classes=[1]) == "SUCCESS"
        assert any(one["iin"][0] & NEED_TIME for one in peer.told[:seen] if "iin" in one)
        assert not [one for one in peer.told[seen:] if "iin" in one and one["iin"][0] & NEED_TIME]
        for kind in ("COLD", "WARM"):
            seen = len(peer.told)
            peer.order(do="restart", kind=kind)
            answer = await peer.until(lambda told, seen=seen: [one for one in told[seen:] if "restart" in one])
            assert answer[0]["restart"] == "SUCCESS"
            assert answer[0]["ms"] == 2000
            # what its restart bit asks for begins anew
            await peer.until(lambda told, seen=seen: completed(told[seen:], "STARTUP_INTEGRITY_POLL"))


#: What this version of its master can parse: groups and their variations.
OBJECTS = {
    **dict.fromkeys((1, 10, 13), range(3)), **dict.fromkeys((2,), range(4)), **dict.fromkeys((3, 11), (0, 2)),
    **dict.fromkeys((20, 22), (0, 1, 2, 5, 6)), **dict.fromkeys((21,), (0, 1, 2, 5, 6, 9, 10)), 23: (0, 1, 2, 5, 6),
    30: range(7), 40: range(5), **dict.fromkeys((32, 42), range(9)), 43: range(1, 9), 50: (1,), 60: (1, 2, 3, 4),
}  # fmt: skip
FUNCTIONS = (
    ("IMMED_FREEZE", [[20, 0]]),
    ("FREEZE_CLEAR", [[20, 0]]),
    ("ASSIGN_CLASS", [[60, 2], [1, 0], [60, 3], [30, 0], [20, 0]]),
    ("DISABLE_UNSOLICITED", [[60, 2], [60, 3], [60, 4]]),
    ("ENABLE_UNSOLICITED", [[60, 2]]),
    ("RECORD_CURRENT_TIME", []),
)
REFUSED = (("SAVE_CONFIGURATION", [], 1), ("INITIALIZE_DATA", [[60, 1]], 1), ("FREEZE_AT_TIME", [[20, 0]], 4))


async def test_its_master_reads_every_object_and_every_function_is_answered(serve, opendnp3, make_station):
    master = MasterEntry(name="iso", address=1, unsolicited=UnsolicitedSettings())
    async with serve((make_station(masters=(master,), points="der"),)) as server:
        server.refresh(time.time())
        async with opendnp3("master", server.endpoints[0].port) as peer:
            await peer.until(lambda told: completed(told, "ENABLE_UNSOLICITED"))
            seen = len(peer.told)
            for group, variations in OBJECTS.items():
                for variation in variations:
                    assert await peer.do(do="all", group=group, variation=variation) == "SUCCESS", (group, variation)
            for code, headers in FUNCTIONS:
                assert await peer.do(do="function", code=code, headers=headers) == "SUCCESS", code
            errors = {one["iin"][1] for one in peer.told[seen:] if "iin" in one}
            assert errors <= {0, 2}  # double-bit inputs (g3) are not there
            for code, headers, error in REFUSED:
                seen = len(peer.told)
                assert await peer.do(do="function", code=code, headers=headers) == "FAILURE_BAD_RESPONSE", code
                # beside it a report may have come: its indications are told as well
                await peer.until(
                    lambda told, since=seen, error=error: [
                        one for one in told[since:] if "iin" in one and one["iin"][1] == error
                    ]
                )


# --- its outstation ---------------------------------------------------------------------------------------------------


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def listening(port):
    """Until it listens, by the kernel's list: a connection that only looks can cost the next one its first request."""

    def seen():
        rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return any(row[1].endswith(f":{port:04X}") and row[3] == "0A" for row in rows)

    await until(seen, "it listens")


async def test_our_poll_reads_its_outstation(opendnp3):
    port = free_port()
    async with opendnp3("outstation", port) as peer:
        await peer.do(do="update", analog=[[0, 35], [19, -225]], binary=[[2, 1]], counter=[[1, 7]])
        command = [
            sys.executable,
            "-c",
            "from gridiface.cli.main import main; main()",
            "dnp3",
            "poll",
            f"127.0.0.1:{port}",
            "--json",
        ]
        shown = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        out, _ = await asyncio.wait_for(shown.communicate(), 60)
        assert shown.returncode == 0
        found = json.loads(out)
        points = {(one["type"], one["index"]): one["value"] for one in found["points"]}
        assert points["analog input", 0] == 35
        assert points["analog input", 19] == -225
        assert points["binary input", 2] == 1
        assert points["counter", 1] == 7
        assert "DEVICE_RESTART" in found["iin"]


async def test_our_master_does_all_it_can_with_its_outstation(opendnp3, dial):
    port = free_port()
    async with opendnp3("outstation", port) as peer:
        await listening(port)
        async with dial(port, startup_integrity=True, enable_classes=(1, 2, 3), time_sync=TimeSync.NON_LAN) as ours:
            await ours.until(lambda: "enable unsolicited" in ours.done or ours.failed, 60)
            assert ours.failed == []
            stamp = int(time.time() * 1000)
            await peer.do(do="update", analog=[[index, 7 * index] for index in range(20)], time=stamp)
            await ours.until(lambda: ours.value(PointType.ANALOG_INPUT, 19) == 133)
            assert [item.value for item in ours.events if item.type is PointType.ANALOG_INPUT][-20:] == [
                7 * index for index in range(20)
            ]
            await ours.run("range", tasks.range_poll(30, 1, 3, 5))
            done = CommandStatus.SUCCESS
            for variation in (1, 2, 3, 4):
                for select in (True, False):
                    assert await ours.operate(1, AnalogOutput(7, variation), select=select) is done
            assert await ours.operate(2, ControlRelayOutputBlock(0x41, 1, 100, 100), select=True) is done
            assert await ours.operate(9, AnalogOutput(7, 3)) is CommandStatus.NOT_SUPPORTED
            assert await ours.operate(1, AnalogOutput(1001, 3), select=True) is CommandStatus.OUT_OF_RANGE
            await ours.run("time", tasks.synchronise(TimeSync.NON_LAN, ours.core.clock))
            times = await peer.until(lambda told: [one["time"] for one in told if "time" in one])
            assert abs(times[-1] - time.time() * 1000) < 20_000
            await ours.run("restart", tasks.restart(warm=False))
            await peer.until(lambda told: [one for one in told if one.get("restarted") == "cold"])
        commanded = [(one["commanded"], one["type"], one["value"]) for one in peer.told if "commanded" in one]
        kinds = [kind for index, kind, value in commanded if (index, value) == (1, 7)]
        assert kinds == [
            kind
            for kind in ("AnalogOutputInt32", "AnalogOutputInt16", "AnalogOutputFloat32", "AnalogOutputDouble64")
            for _ in range(2)
        ]
