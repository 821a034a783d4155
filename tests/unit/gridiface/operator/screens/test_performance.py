"""Sums of performance over a time as a page."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from gridiface.domain.clock import Interval
from gridiface.domain.controls import Control, ControlMode, ModeValue, Source, Target, TargetKind
from gridiface.domain.performance import LimitAccount, PerformanceInterval

POWERS = ("requested_w", "accepted_w", "allocated_w", "acknowledged_w", "delivered_w")

DAY = 86_400.0


@pytest.fixture
async def filled(house: Any) -> Any:
    """Two days before now 10 kWh were asked for, and 9 kWh came; in the last hour 1 kWh, by another program."""
    house.clock.at = 10 * DAY

    def control(name: str, program: str, at: float) -> Control:
        return Control(
            id=name,
            source=Source(protocol="openadr", program=program, identity="vtn-1"),
            target=Target(TargetKind.GROUP, "fleet"),
            values={ControlMode.SET_W: ModeValue(1e4)},
            interval=Interval(at, 3600.0),
            created=at,
        )

    def line(one: Control, watts: float) -> PerformanceInterval:
        whole = PerformanceInterval(
            control_id=one.id,
            target_id="fleet",
            start=one.span.start,
            end=one.span.end,
            **dict.fromkeys(POWERS, watts),
        )
        return replace(whole, delivered_w=0.9 * watts)

    old, new = control("old", "peak", 8 * DAY + 3600), control("new", "<b>relief", 10 * DAY - 3600)
    house.records.accounts = [(old, (line(old, 1e4),), ()), (new, (line(new, 1e3),), ())]
    return house


async def page(house: Any, query: str = "", ask: Any = None) -> str:
    status, text, _ = await (ask or house.ask)("GET", f"/performance/sums{query}")
    assert status == 200, text
    found: str = text
    return found


async def test_the_last_day_by_program(filled: Any) -> None:
    text = await page(filled)
    for said in ("&lt;b&gt;relief", "vtn-1", "1.00\u202fkWh", "900\u202fWh", "10\u202f%", "100\u202f%"):
        assert said in text, said
    assert "peak" not in text
    assert 'href="/performance/sums" aria-current="page"' in text
    assert 'href="/performance/sums"' in (await filled.ask("GET", "/performance"))[1]


async def test_another_time_is_chosen_by_its_length_and_by_going_back(filled: Any) -> None:
    week = await page(filled, "?by=control&span=604800")
    assert "/controls/old" in week
    assert "/controls/new" in week
    assert "10.00\u202fkWh" in week or "10.0\u202fkWh" in week
    earlier = re.search(r'href="(/performance/sums[^"]*)">earlier', await page(filled))
    assert earlier is not None
    before = await page(filled, earlier[1].replace("&amp;", "&").removeprefix("/performance/sums"))
    assert "peak" in before
    assert "relief" not in before
    assert ">later<" in before
    assert ">later<" not in await page(filled)


async def test_a_search_and_odd_questions(filled: Any) -> None:
    assert "Nothing of this time fits" in await page(filled, "?q=other")
    assert "relief" in await page(filled, "?q=RELIEF")
    for odd in ("?by=planet&span=-1", "?end=nan", "?end=1e300", "?end=x&page=99"):
        assert "relief" in await page(filled, odd), odd
    assert "No control ran" in await page(filled, "?by=group&span=3600&end=3600")


async def test_who_is_confined_sees_what_is_its_own(
    filled: Any, signed_in: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = {"feeder": ["a"], "fleet": ["a", "b"]}
    monkeypatch.setattr(filled.desk.status.fleet, "members", lambda name: members[name])
    tenant = await signed_in(filled, "viewer", groups=["feeder"])
    assert "relief" not in await page(filled, "", tenant.ask)


async def test_how_limits_were_kept(filled: Any) -> None:
    [(old, lines, began), (new, (line,), _)] = filled.records.accounts
    # 4 kW, passed for 180 of 3,600 s by 500 W in the mean of the hour and 2 kW at most.
    limit = LimitAccount(limit_w=4000.0, excess_w=25.0, over_s=180.0, peak_w=2000.0)
    filled.records.accounts = [(old, lines, began), (new, (replace(line, limit=limit),), ())]
    text = await page(filled)
    assert "95\u202f%" in text
    assert "by 2.00\u202fkW at most, 25\u202fWh in all" in text
