"""Two utilities at once: the stronger one takes the device, the weaker one is told, limits stand together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gridiface.domain.controls import ControlMode
from gridiface.northbound.sep2.upstream.upstreams import Upstreams
from gridiface.protocols.sep2.resources import DERControlBase, DERControlResponse

Make = Callable[..., Any]


async def two(make_stage: Make, **second: Any) -> tuple[Any, Any, Upstreams]:
    """Sessions east and west over one house and one clock."""
    east = await make_stage(name="east")
    west = await make_stage(name="west", **second)
    west.clock, west.server.clock = east.clock, east.clock
    west.session._clock = west.session.book._clock = east.clock
    for part in (west.session.book._inbox, west.house):
        part.__dict__.update(east.house.__dict__)
    ports = {"clock": east.clock, "ledger": east.house, "inbox": east.house, "fleet": east.house}
    both = Upstreams([], **ports, history=east.house)  # type: ignore[arg-type]
    both.sessions = {"east": east.session, "west": west.session}
    for session in both.sessions.values():
        session.on_step = lambda step, session=session: both._stepped(session, step)  # type: ignore[misc]
    return east, west, both


async def pass_time(seconds: int, east: Any, west: Any) -> None:
    for _ in range(seconds):
        east.clock.advance(1)
        for stage in (east, west, east):
            await stage.settle()


def statuses(stage: Any) -> list[int]:
    return [response.status for response in stage.server.bodies(DERControlResponse)]


async def test_the_server_with_more_authority_takes_a_device_that_both_control(make_stage: Make, event: Make) -> None:
    east, west, both = await two(make_stage, authority_base=300.0)
    now = east.clock.now()
    east.server.controls = [event(now + 10, mrid="E1")]
    west.server.controls = [event(now + 20, mrid="B1")]
    await pass_time(25, east, west)
    assert statuses(east) in ([1, 7], [1, 13])
    assert statuses(west) == [1]
    assert {control.extra["mRID"].lstrip("0") for control in west.house.live().values()} >= {"B1"}
    assert [row["name"] for row in both.status()] == ["east", "west"]


async def test_an_event_that_is_weaker_does_not_begin(make_stage: Make, event: Make) -> None:
    east, west, _ = await two(make_stage, authority_base=200.0)
    now = east.clock.now()
    east.server.controls = [event(now + 10, mrid="E1")]
    west.server.controls = [event(now + 20, mrid="B1")]
    await pass_time(25, east, west)
    assert statuses(east) == [1]
    assert statuses(west) == [1, 13]


async def test_limits_of_both_stand(make_stage: Make, event: Make) -> None:
    east, west, _ = await two(make_stage, authority_base=300.0)
    now = east.clock.now()
    for stage, mrid in ((east, "E1"), (west, "B1")):
        stage.server.controls = [event(now + 10, mrid=mrid, derControlBase=DERControlBase(opModMaxLimW=5000))]
    await pass_time(25, east, west)
    assert (statuses(east), statuses(west)) == ([1], [1])
    held = [c for stage in (east, west) for c in stage.house.live().values() if ControlMode.MAX_W_PERCENT in c.values]
    assert len({control.id for control in held}) == 2


async def test_views_and_reading_anew(make_stage: Make, event: Make) -> None:
    east, west, both = await two(make_stage)
    east.server.controls = [event(east.clock.now() + 10)]
    await pass_time(3, east, west)
    (row,) = both.events("east")
    assert (row["target"], row["phase"], row["answered"], row["modes"]) == ("d1", "pending", [1], ["opModTargetW"])
    hrefs = [one["href"] for one in both.resources("east")]
    assert "/derp/1/derc" in hrefs
    asked: list[str] = []
    east.server.trouble = lambda request: asked.append(request.target)
    await both.poll("east", east.clock.now())
    await east.settle()
    assert len(asked) >= len(hrefs)
    with pytest.raises(KeyError):
        both.events("north")
