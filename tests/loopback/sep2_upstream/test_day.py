"""A utility's day in compressed time, its server in another process: both ends' records agree at the end.

Registration in band and out of band, a nested topology, overlapping controls in the same and in independent modes,
random starts, a cancel, minutes without a link across a restart of the server, and a device that moves. In every run
with six devices; with GRIDIFACE_THOROUGH=1 also with GRIDIFACE_DAY_DEVICES (50 without) and ten minutes without a link.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from gridiface.protocols.sep2.resources import (
    ActivePower,
    DateTimeInterval,
    DERControl,
    DERControlBase,
    DERProgram,
    DERProgramList,
    DeviceCapability,
    EventStatus,
    MeterReadingList,
    ReadingSetList,
    ReadingType,
    UsagePointList,
)

MANY = int(os.environ.get("GRIDIFACE_DAY_DEVICES", "50"))


@dataclass(frozen=True)
class Plan:
    """How large and how fast a day is.

    Attributes:
        devices, speed: of the clock.
        lost_s: without a link.
        lead_s: from the posting of controls to their start, in which all that they concern must have them.
        patience_s: real seconds to wait for anything.
    """

    devices: int
    speed: float
    lost_s: float
    lead_s: float
    patience_s: float


SHORT = Plan(devices=6, speed=48.0, lost_s=300, lead_s=80, patience_s=120)
WHOLE = Plan(
    devices=MANY, speed=40.0 if MANY <= 16 else 10.0, lost_s=600, lead_s=80 + 8 * MANY, patience_s=180 + 4 * MANY
)
THOROUGH = pytest.mark.skipif(not os.environ.get("GRIDIFACE_THOROUGH"), reason="set GRIDIFACE_THOROUGH=1 to run it")


class Day:
    """What the utility sent, and how to send more."""

    def __init__(self, scene: Any, eventually: Callable[..., Any], plan: Plan) -> None:
        self.scene, self.clock, self.plan = scene, scene.clock, plan
        self._eventually = eventually
        self.sent: dict[str, Any] = {}

    async def until(self, there: Callable[[], Any], what: str) -> None:
        await self._eventually(there, what, self.plan.patience_s)

    async def program(self, node: str) -> DERProgram:
        dcap = await self.scene.utility.get("/dcap", DeviceCapability)
        found = await self.scene.utility.members(dcap.DERProgramListLink.href, DERProgramList)
        return next(program for program in found if program.description == f"each device of {node}")

    async def post(self, name: str, node: str, start: float, duration: int, base: DERControlBase, **more: Any) -> None:
        now = int(self.clock.now())
        control = DERControl(
            mRID=secrets.token_hex(12).upper() + "0000B4F3",
            description=name,
            responseRequired=3,
            creationTime=now,
            eventStatus=EventStatus(currentStatus=0, dateTime=now, potentiallySuperseded=False),
            interval=DateTimeInterval(duration=duration, start=int(start)),
            derControlBase=base,
            **more,
        )
        self.sent[name] = await self.scene.utility.post(await self.program(node), control)

    async def statuses(self, name: str, lfdi: str) -> set[int]:
        found = await self.scene.utility.responses(self.sent[name])
        return {status for status, lfdis in found.items() if lfdi in lfdis}

    async def answered(self, name: str, devices: list[str], *wanted: int) -> None:
        """Wait until exactly these responses of each device are there."""

        async def there() -> bool:
            found = await self.scene.utility.responses(self.sent[name])
            return all(
                {status for status, lfdis in found.items() if self.scene.lfdi(device) in lfdis} == set(wanted)
                for device in devices
            )

        try:
            await self.until(there, f"{name}: {wanted}")
        except AssertionError as problem:
            found = await self.scene.utility.responses(self.sent[name])
            raise AssertionError(f"{problem}; there is {found}") from None

    async def at(self, moment: float) -> None:
        await asyncio.sleep(max(0.0, moment - self.clock.now()) / self.plan.speed)


def limit(percent: int) -> DERControlBase:
    return DERControlBase(opModMaxLimW=percent * 100)


def watts(value: int) -> DERControlBase:
    return DERControlBase(opModTargetW=ActivePower(multiplier=0, value=value))


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("plan", [pytest.param(SHORT, id="short"), pytest.param(WHOLE, id="whole", marks=THOROUGH)])
async def test_a_day_of_an_aggregator(
    make_scene: Callable[..., Any], eventually: Callable[..., Any], plan: Plan
) -> None:
    known = ["d01", "d02", "d03", "d04"]
    scene = make_scene(plan.devices, speed=plan.speed, listed=4, post_rate=200)
    scene.groups = [
        {"id": "north", "members": ["d01", "d02"]},
        {"id": "south", "members": ["d03", "d04"]},
        {"id": "system", "members": ["north", "south"]},
    ]
    north, south, everybody = [*scene.names[:2], *scene.names[4:]], known[2:], scene.names
    await scene.serve()
    house = await scene.connect(**scene.subscribing(slow_poll_s=40 * plan.speed))
    session, day = house.session, Day(scene, eventually, plan)

    def programs() -> bool:
        return all(len(device["programs"]) == 3 for device in house.status()["devices"])

    await day.until(programs, "every device is registered and knows its own program and two nodes")

    base = day.clock.now() + 200 + plan.lead_s
    await day.post("limit", "north", base, 320, limit(50))
    await day.post("weaker limit", "system", base + 80, 200, limit(30))
    await day.post("connect", "system", base + 80, 200, DERControlBase(opModConnect=True))
    await day.post("random", "south", base, 200, watts(1000), randomizeStart=80, randomizeDuration=20)
    for name, devices in (("limit", north), ("weaker limit", everybody), ("connect", everybody), ("random", south)):
        await day.until(lambda n=name, d=devices: _has(day, n, d, 1), f"{name} is received")
    starts = {
        key[0]: binding.begins
        for key, binding in session.book.bindings.known.items()
        if key[1] == day.sent["random"].mrid
    }
    assert set(starts) == {scene.lfdi(device) for device in south}
    assert all(base - 2 <= start <= base + 82 for start in starts.values())
    # Chance may give two of them the same second, but not many of them few.
    assert len(set(starts.values())) > len(south) // 4

    await day.answered("weaker limit", north, 1, 14)
    await day.answered("connect", everybody, 1, 2, 3)
    await day.answered("weaker limit", south, 1, 2, 3)
    await day.answered("limit", north, 1, 2, 3)
    await day.answered("random", south, 1, 2, 3)
    for device in everybody:
        ceilings = {ceiling for _, ceiling in house.batteries.history[device] if ceiling is not None}
        assert [round(ceiling) for ceiling in ceilings] == [5000 if device in north else 3000], device
    assert all(1000.0 in {power for power, _ in house.batteries.history[device]} for device in south)

    # Minutes without a link: what was scheduled runs, and is told afterwards. Meanwhile a device has moved.
    lost = day.clock.now() + 40 + plan.lead_s
    await day.post("alone", "north", lost + 130, 200, watts(2000))
    # However slow the machine is, this one still runs when it is cancelled.
    await day.post("long", "system", lost + 60, 1_000_000, limit(80))
    for name in ("alone", "long"):
        await day.until(lambda n=name: _has(day, n, north, 1), f"{name} is received")
    await day.until(lambda: _has(day, "long", everybody, 1), "all have it")
    await day.at(lost + 80)
    await day.until(lambda: _has(day, "long", everybody, 2), "it runs")
    await scene.lose_server()
    down = day.clock.now()
    await day.until(lambda: house.status()["state"] == "unreachable", "the link is down")
    await day.until(lambda: 2000.0 in {w for w, _ in house.batteries.history["d01"]}, "the schedule goes on")
    await day.at(down + plan.lost_s)

    def over() -> bool:
        told = house.engine.setpoint("d01")
        return told is not None and told.active_power_w is None

    await day.until(over, "its time is over")
    assert house.status()["state"] == "unreachable"
    scene.groups[0]["members"], scene.groups[1]["members"] = ["d01"], ["d02", "d03", "d04"]
    await scene.serve()
    north.remove("d02")
    await day.answered("alone", north, 1, 2, 3)

    def moved() -> bool:
        device = next(one for one in house.status()["devices"] if one["id"] == "d02")
        return "each device of south" in {program["description"] for program in device["programs"]}

    await day.until(moved, "the device is on the other feeder")
    await day.post("after", "south", day.clock.now() + plan.lead_s, 240, watts(-500))
    await day.until(lambda: _has(day, "after", ["d02", *south], 1), "after is received")
    await day.answered("after", ["d02", *south], 1, 2, 3)

    await scene.utility.cancel(day.sent["long"], now=day.clock.now())
    await day.answered("long", everybody, 1, 2, 6)
    await day.until(lambda: all(house.batteries.ceilings[device] is None for device in known), "the ceiling is gone")
    await _records_agree(day, house, session)


async def _has(day: Day, name: str, devices: list[str], status: int) -> bool:
    found = await day.scene.utility.responses(day.sent[name])
    return {day.scene.lfdi(device) for device in devices} <= found.get(status, set())


async def _records_agree(day: Day, house: Any, session: Any) -> None:
    """What we say was said is what the utility has, response by response; and no reading is missing or doubled."""
    await day.until(lambda: len(session.mailbox) == 0, "everything is delivered")
    ours = {
        (binding.mrid, lfdi, status)
        for (lfdi, _), binding in session.book.bindings.known.items()
        for status in binding.told
    }
    theirs = {
        (posted.mrid, lfdi, status)
        for posted in day.sent.values()
        for status, lfdis in (await day.scene.utility.responses(posted)).items()
        for lfdi in lfdis
    }
    # d02's last answers of the node that it has left have nowhere to go.
    gone = {(m, lfdi, s) for m, lfdi, s in ours - theirs if lfdi == day.scene.lfdi("d02")}
    # Events that are over and not listed for a device any more are forgotten for it.
    kept = {answer[:2] for answer in ours}
    assert {answer for answer in theirs if answer[:2] in kept} == ours - gone
    assert {mrid for mrid, _, _ in gone} <= {day.sent["alone"].mrid}
    assert session.mailbox.counts.dropped == 0
    for point in (await day.scene.utility.get("/upt?l=255", UsagePointList)).members:
        meters = await day.scene.utility.get(point.MeterReadingListLink.href + "?l=9", MeterReadingList)
        for meter in meters.members:
            kind = await day.scene.utility.get(meter.ReadingTypeLink.href, ReadingType)
            if kind.uom != 38:
                continue
            sets = (await day.scene.utility.get(meter.ReadingSetListLink.href + "?l=255", ReadingSetList)).members
            spans = sorted((one.timePeriod.start, one.timePeriod.duration) for one in sets)
            assert len(spans) >= 5
            assert all(a + length == b for (a, length), (b, _) in itertools.pairwise(spans)), spans
