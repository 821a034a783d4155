"""openleadr 0.5.36 as the utility's VTN: its events become controls of a real engine, its reports show the power."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from gridiface.domain.controls import ControlMode
from gridiface.protocols.openadr.ven import VenConfig

pytestmark = [pytest.mark.processes, pytest.mark.timeout(90)]
SCRIPT = Path(__file__).parents[1] / "openadr" / "openleadr_vtn.py"


class Process:
    """The VTN in its own Python; JSON lines in and out."""

    def __init__(self):
        self.lines = []

    async def start(self, python):
        self._process = await asyncio.create_subprocess_exec(
            python,
            str(SCRIPT),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        self._task = asyncio.create_task(self._read())

    async def _read(self):
        while line := await self._process.stdout.readline():
            if line.startswith(b"{"):
                self.lines.append(json.loads(line))

    def say(self, **command):
        self._process.stdin.write(json.dumps(command).encode() + b"\n")

    def heard(self, kind):
        return [line for line in self.lines if line["kind"] == kind]

    async def stop(self):
        self._process.kill()
        await self._process.wait()
        await self._task
        self._process._transport.close()


@pytest.fixture
async def openleadr(openleadr_python):
    process = Process()
    await process.start(openleadr_python)
    yield process
    await process.stop()


async def test_an_event_of_openleadr_reaches_the_batteries_and_its_report_shows_it(openleadr, make_house, eventually):
    await eventually(lambda: openleadr.heard("listening"), "the VTN", 60.0)
    site = make_house()
    # openleadr reads one value of an interval only, and breaks at the values of a status report.
    core = VenConfig(name="gridiface", one_point_each=True)
    ven = site.ven(openleadr.heard("listening")[0]["url"], core=core, status=False)
    await site.run(ven)
    await eventually(lambda: ven.core.registration.venID == "VEN-1", "registration", 60.0)
    await eventually(lambda: openleadr.heard("data"), "a report", 60.0)

    openleadr.say(do="event", id="E1", delay=1, duration=60, value=-4000, signal="LOAD_DISPATCH", type="setpoint")
    await eventually(lambda: openleadr.heard("answer"), "the answer", 60.0)
    assert openleadr.heard("answer")[0] == {"kind": "answer", "event": "E1", "opt": "optIn"}
    (control,) = site.ledger.live()
    assert control.values[ControlMode.SET_W].value == 4000.0
    await eventually(lambda: sum(site.batteries.watts.values()) == pytest.approx(4000.0), "the set-points", 60.0)
    await eventually(
        lambda: openleadr.heard("data")[-1]["values"][-1] == pytest.approx(-4000.0), "the delivered power", 20.0
    )
    openleadr.say(do="cancel", id="E1")
    await eventually(lambda: not site.ledger.live(), "no control is left", 60.0)
