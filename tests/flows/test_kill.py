"""The server is killed in mid-event, again and again: what it acknowledged is there, and the fleet does not notice.

GRIDIFACE_KILLS sets how often (25 without it). The kills are dealt out to two worlds, which may run side by side.
"""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gridiface.protocols.sep2.resources import (
    ActivePower,
    DateTimeInterval,
    DERCapability,
    DERControl,
    DERControlBase,
    DERControlResponse,
    EndDevice,
    EventStatus,
    LogEvent,
    MirrorMeterReading,
    MirrorUsagePoint,
    Reading,
    ReadingType,
    Response,
)
from gridiface.protocols.xmlwire import WireObject, decode
from gridiface.simulation.inverter import resources
from gridiface.simulation.inverter.config import InverterConfig
from gridiface.simulation.world import WorldPlan

KILLS = int(os.environ.get("GRIDIFACE_KILLS", "25"))
BATTERIES = 6
ASKED_W = 12_000.0
#: The batteries' noise and the split's dead-band; a step would be a fifth of the event and more.
STEADY = 0.03
#: How long the power has to be there before the first kill, s: the closed loop is at rest then.
SETTLED_S = 4.0
NEWCOMERS = 3
#: Worlds that the kills are dealt out to: each is a test of its own, for a worker of its own.
PARTS = 2
#: What is acknowledged before each kill.
WRITTEN = 20
#: Readings of the clients are marked by values that nothing else has.
FIRST_MARK = 1_000_000

pytestmark = [
    pytest.mark.processes,
    pytest.mark.timeout(120 + 8 * KILLS),
]


@dataclass
class Books:
    """What the server has acknowledged: location -> what was sent, and the marks of readings."""

    registrations: dict[str, str] = field(default_factory=dict)
    controls: dict[str, DERControl] = field(default_factory=dict)
    responses: dict[str, Response] = field(default_factory=dict)
    logs: dict[str, LogEvent] = field(default_factory=dict)
    ratings: dict[str, DERCapability] = field(default_factory=dict)
    marks: list[int] = field(default_factory=list)
    sent_marks: int = 0
    unanswered: int = 0

    def since(self, earlier: Books) -> Books:
        """What was acknowledged after `earlier`, a copy of this at that time."""
        names = ("registrations", "ratings", "controls", "responses", "logs")
        fresh = {
            name: {k: v for k, v in getattr(self, name).items() if k not in getattr(earlier, name)} for name in names
        }
        return Books(**fresh, marks=self.marks)

    def copy(self) -> Books:
        """As it is now."""
        return self.since(Books())

    def count(self) -> int:
        return sum(map(len, (self.registrations, self.controls, self.responses, self.logs, self.marks)))


class Writers:
    """Clients that write without a pause until the server is gone, and note what was acknowledged."""

    def __init__(self, site: Any, books: Books) -> None:
        self.site, self.books = site, books
        self.own = self.program = self.mirror = ""
        self.meter = secrets.token_hex(12).upper() + "0000B4F3"

    async def prepare(self) -> None:
        """The writing device registers itself and makes its mirror."""
        wire, lfdi = self.site.wire("writer"), self.site.lfdis["writer"]
        created = await wire.ask("POST", "/edev", EndDevice(lFDI=lfdi, sFDI=0, changedTime=0))
        assert created.status == 201
        self.own = created.headers["location"]
        self.books.registrations[self.own] = lfdi
        rated = InverterConfig(
            server="-", certificate=Path("-"), key=Path("-"), roots=Path("-"), max_w=5_000.0, max_charge_w=0.0
        )
        assert (await wire.ask("PUT", f"{self.own}/der/1/dercap", resources.capability(rated))).status == 204
        self.books.ratings[f"{self.own}/der/1/dercap"] = resources.capability(rated)
        listed = await wire.ask("GET", f"{self.own}/fsa/1/derp")
        self.program = listed.body.split(b'<DERProgram href="')[1].split(b'"')[0].decode()
        kind = ReadingType(
            uom=38, powerOfTenMultiplier=0, flowDirection=19, commodity=1, kind=37, accumulationBehaviour=12
        )
        made = MirrorUsagePoint(
            mRID=secrets.token_hex(12).upper() + "0000B4F3",
            deviceLFDI=lfdi,
            roleFlags=0x49,
            serviceCategoryKind=0,
            status=1,
            mirrorMeterReading=[MirrorMeterReading(mRID=self.meter, readingType=kind)],
        )
        answer = await wire.ask("POST", "/mup", made)
        assert answer.status == 201
        self.mirror = answer.headers["location"]

    async def run(self, newcomers: list[str]) -> None:
        """All of them at once, until the server dies."""
        await asyncio.gather(
            self.until_dead(self.register(newcomers)),
            self.until_dead(self.answer_controls()),
            self.until_dead(self.read()),
            self.until_dead(self.log()),
        )

    async def until_dead(self, work: Awaitable[None]) -> None:
        try:
            await work
        except OSError:
            self.books.unanswered += 1

    async def created(self, wire: Any, path: str, body: WireObject) -> str:
        answer = await wire.ask("POST", path, body)
        assert answer.status == 201, (path, answer)
        return str(answer.headers["location"])

    async def register(self, names: list[str]) -> None:
        for name in names:
            wire, lfdi = self.site.wire(name), self.site.lfdis[name]
            where = await self.created(wire, "/edev", EndDevice(lFDI=lfdi, sFDI=0, changedTime=0))
            self.books.registrations[where] = lfdi
            await wire.close()

    async def answer_controls(self) -> None:
        """The utility posts a control of tomorrow, the device answers it."""
        utility, device = self.site.wire("utility"), self.site.wire("writer")
        while True:
            now = int(time.time())
            control = DERControl(
                mRID=secrets.token_hex(12).upper() + "0000B4F3",
                responseRequired=0x03,
                creationTime=now,
                eventStatus=EventStatus(currentStatus=0, dateTime=now, potentiallySuperseded=False),
                interval=DateTimeInterval(duration=1, start=now + 86_400 + len(self.books.controls)),
                derControlBase=DERControlBase(opModTargetW=ActivePower(multiplier=0, value=len(self.books.controls))),
            )
            self.books.controls[await self.created(utility, f"{self.program}/derc", control)] = control
            lfdi = self.site.lfdis["writer"]
            for status in (1, 2, 3):
                answer = DERControlResponse(
                    endDeviceLFDI=lfdi, subject=control.mRID, status=status, createdDateTime=now
                )
                path = f"/rsps/{self.program.rpartition('/')[2]}/rsp"
                self.books.responses[await self.created(device, path, answer)] = answer

    async def read(self) -> None:
        device = self.site.wire("writer")
        while True:
            mark = FIRST_MARK + self.books.sent_marks
            self.books.sent_marks += 1
            body = MirrorMeterReading(mRID=self.meter, reading=Reading(value=mark))
            assert (await device.ask("POST", self.mirror, body)).status == 201
            self.books.marks.append(mark)

    async def log(self) -> None:
        device = self.site.wire("writer")
        while len(self.books.logs) < 190:  # a list keeps 200
            event = LogEvent(
                createdDateTime=int(time.time()),
                functionSet=11,
                logEventCode=1,
                logEventID=len(self.books.logs),
                logEventPEN=40732,
                profileID=2,
            )
            self.books.logs[await self.created(device, f"{self.own}/lel", event)] = event


class Steadiness:
    """Watches the batteries' real power all the time."""

    def __init__(self, site: Any, share_w: float) -> None:
        self.site, self.share_w = site, share_w
        self.worst = 0.0
        self.samples = 0

    async def __aenter__(self) -> Steadiness:
        self._task = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            for watts in (await self.site.powers())[BATTERIES // 2 :]:
                self.worst = max(self.worst, abs(watts - self.share_w) / self.share_w)
                self.samples += 1
            await asyncio.sleep(0.1)


async def check(site: Any, books: Books) -> None:
    """Everything acknowledged can be fetched with the content that was sent."""
    wire = site.wire("utility")

    async def fetch(path: str, kind: type[Any]) -> Any:
        answer = await wire.ask("GET", path)
        assert answer.status == 200, f"{path} was acknowledged and is gone: {answer.status}"
        return decode(answer.body, kind)

    for path, lfdi in books.registrations.items():
        assert (await fetch(path, EndDevice)).lFDI == lfdi
    for path, sent in books.ratings.items():
        got = await fetch(path, DERCapability)
        assert (got.rtgMaxW, got.modesSupported, got.type) == (sent.rtgMaxW, sent.modesSupported, sent.type)
    for path, sent in books.controls.items():
        got = await fetch(path, DERControl)
        assert (got.mRID, got.interval, got.derControlBase, got.creationTime) == (
            sent.mRID,
            sent.interval,
            sent.derControlBase,
            sent.creationTime,
        )
    for path, sent in books.responses.items():
        got = await fetch(path, DERControlResponse)
        assert (got.subject, got.status, got.endDeviceLFDI) == (sent.subject, sent.status, sent.endDeviceLFDI)
    for path, sent in books.logs.items():
        got = await fetch(path, LogEvent)
        assert (got.logEventID, got.createdDateTime) == (sent.logEventID, sent.createdDateTime)
    found = site.rows(
        "SELECT value, COUNT(*) FROM readings WHERE quantity = 'W' AND value >= ? GROUP BY value", FIRST_MARK
    )
    counts = {int(value): count for value, count in found}
    assert not set(books.marks) - set(counts), "readings were acknowledged and are gone"
    assert set(counts.values()) <= {1}, "a reading is there twice"
    await wire.close()


@pytest.mark.parametrize("part", range(PARTS))
async def test_kills_in_mid_event_lose_nothing_and_step_nothing(
    part: int, site_class: Any, eventually: Callable[..., Awaitable[float]]
) -> None:
    chance = random.Random(20305 + part)
    kills = (KILLS + part) // PARTS
    if not kills:
        pytest.skip("no kill is dealt to it")
    plan = WorldPlan(
        batteries=BATTERIES, inverters=1, inverter_w=6_000.0, page_port=0, in_band=True, log_level="warning"
    )
    async with site_class(plan) as site:
        await site.start()
        await site.fleet_is_up()
        names = ["writer", *(f"new{number}" for number in range(kills * NEWCOMERS))]
        site.lfdis = dict(zip(names, await site.issue(*names), strict=True))
        async with site.utility() as utility:
            south = await utility.program("south")
            now = time.time()
            # Half of the batteries are in the group; the inverter and those that register are in the other one.
            posted = await utility.post_target(
                south, ASKED_W / 2, start=now, duration_s=600 + 10 * kills, now=now, title="killed in"
            )
        share = ASKED_W / 2 / (BATTERIES - BATTERIES // 2)

        async def settled() -> bool:
            powers = (await site.powers())[BATTERIES // 2 :]
            return all(abs(watts - share) < STEADY * share for watts in powers)

        since = [time.monotonic()]

        async def settled_for_long() -> bool:
            if not await settled():
                since[0] = time.monotonic()
            return time.monotonic() - since[0] > SETTLED_S

        await eventually(settled_for_long, 30.0, "the event runs")
        books = Books()
        writers = Writers(site, books)
        await writers.prepare()
        restarts = []
        async with Steadiness(site, share) as watch:
            for number in range(kills):
                known, before = books.copy(), books.count()
                fresh = names[1 + number * NEWCOMERS :][:NEWCOMERS]
                work = asyncio.create_task(writers.run(fresh))
                # Enough is under way, and the blow falls at any point of what follows.
                while books.count() < before + WRITTEN and not work.done():
                    await asyncio.sleep(0.01)
                await asyncio.sleep(chance.uniform(0.0, 0.4))
                await site.kill_server()
                await work
                began = time.monotonic()
                await site.start_server()
                restarts.append(time.monotonic() - began)
                # All that is new each time, everything now and then: the work would grow with the square otherwise.
                await check(site, books if number % 8 == 7 else books.since(known))
                shown = await site.wire("utility").ask("GET", posted.href)
                assert decode(shown.body, DERControl).eventStatus.currentStatus == 1
                assert await settled(), await site.powers()
        await check(site, books)
        assert watch.samples > 10 * kills
        assert watch.worst < STEADY, "a set-point was stepped"
        assert books.count() >= WRITTEN * kills
        async with site.utility() as utility:
            await utility.cancel(posted, now=time.time())

            async def all_told() -> bool:
                return len((await utility.responses(posted)).get(6, set())) >= BATTERIES // 2

            await eventually(all_told, 10.0, "the batteries answer that the event was cancelled")
        print(f"{kills} kills, {books.count()} acknowledged, slowest restart {max(restarts):.2f} s")
