"""Performance over time by REST: two programs on one group, by each of the four; who sees which; bounds."""

from __future__ import annotations

from typing import Any

import pytest

from gridiface.domain.clock import Interval
from gridiface.domain.controls import Control, ControlMode, ModeValue, Source, Target, TargetKind
from gridiface.domain.performance import PerformanceInterval
from gridiface.domain.ports import Began
from gridiface.operator.accounts import summing
from gridiface.operator.areas import performance


def control(name: str, protocol: str, program: str, target: str) -> Control:
    return Control(
        id=name,
        source=Source(protocol=protocol, program=program, identity="utility"),
        target=Target(TargetKind.GROUP, target),
        values={ControlMode.SET_W: ModeValue(3600.0)},
        interval=Interval(0.0, 50.0),
        created=0.0,
    )


def line(name: str, target: str, start: float, end: float, watts: float, delivered: float) -> PerformanceInterval:
    powers = dict.fromkeys(("requested_w", "accepted_w", "allocated_w", "acknowledged_w"), watts)
    return PerformanceInterval(control_id=name, target_id=target, start=start, end=end, delivered_w=delivered, **powers)


def kept(one: Control, *intervals: PerformanceInterval, began: tuple[Began, ...] = ()) -> tuple[Any, ...]:
    return one, intervals, began


PEAK, RELIEF = control("p", "openadr", "http://market/1", "fleet"), control("r", "sep2", "relief", "feeder")


@pytest.fixture
async def filled(house: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`fleet` has a and b, `feeder` only a. 20 s of the fleet, then 10 s of the feeder."""
    monkeypatch.setattr(house.desk.status.fleet, "members", lambda name: ["a"] if name == "feeder" else ["a", "b"])
    monkeypatch.setattr(house.desk.status.fleet, "groups_of", lambda name: ["feeder", "fleet"][name == "b" :])
    house.records.accounts = [
        kept(PEAK, line("p", "fleet", 0.0, 20.0, 7200.0, 5400.0), began=(Began("a", 0.0, 2.0), Began("b", 0.0, 4.0))),
        kept(PEAK, *(line("p", name, 0.0, 20.0, 3600.0, 2700.0) for name in ("a", "b"))),
        kept(RELIEF, line("r", "feeder", 20.0, 30.0, 3600.0, 3600.0)),
        kept(RELIEF, line("r", "a", 20.0, 30.0, 3600.0, 3600.0)),
    ]
    return house


async def rows(house: Any, by: str, ask: Any = None, **query: Any) -> list[dict[str, Any]]:
    text = "&".join(f"{name}={value}" for name, value in {"start": 0, "end": 60, "by": by, **query}.items())
    status, page, _ = await (ask or house.ask)("GET", f"/api/v1/performance?{text}")
    assert status == 200, page
    listed: list[dict[str, Any]] = page["performance"]
    return listed


def wh(listed: list[dict[str, Any]], name: str = "delivered_wh") -> dict[str, float]:
    return {row["name"]: pytest.approx(row[name]) for row in listed}


async def test_by_program_each_with_its_sender(filled: Any) -> None:
    first, second = await rows(filled, "program")
    assert (first["protocol"], first["name"], first["identity"]) == ("openadr", "http://market/1", "utility")
    assert (first["requested_wh"], first["delivered_wh"], first["tracking_error"]) == (40.0, 30.0, 0.25)
    assert first["responses"] == {"count": 2, "mean_s": 3.0, "median_s": 3.0, "p95_s": 4.0, "max_s": 4.0}
    assert (second["name"], second["delivered_wh"], second["seconds"], second["quality"]) == (
        "relief",
        10.0,
        10.0,
        "good",
    )
    assert (second["availability"], second["acknowledged"], second["target"]) == (1.0, 1.0, None)


async def test_devices_groups_and_controls_agree(filled: Any) -> None:
    assert wh(await rows(filled, "control")) == {"p": 30.0, "r": 10.0}
    devices = await rows(filled, "device")
    assert wh(devices) == {"a": 25.0, "b": 15.0}
    assert (devices[0]["protocol"], devices[0]["controls"]) == (None, 2)
    # The feeder: its own 10 Wh and a's part of the fleet's; the fleet: its own 30 Wh and a's line for the feeder.
    assert wh(await rows(filled, "group")) == {"feeder": 25.0, "fleet": 40.0}
    assert [row["target"] for row in await rows(filled, "control")] == ["fleet", "feeder"]


async def test_the_store_is_asked_for_what_is_needed_alone_and_until_now_without_an_end(filled: Any) -> None:
    for by in ("program", "device", "group"):
        await rows(filled, by, end=40)
    assert filled.records.spans == [(0, 40, True, False), (0, 40, False, True), (0, 40, True, True)]
    page = (await filled.ask("GET", "/api/v1/performance?start=5"))[1]
    assert (page["start"], page["end"], page["by"]) == (5.0, 100.0, "program")
    assert wh(page["performance"]) == {"http://market/1": 22.5, "relief": 10.0}
    filled.clock.at = 100_000.0
    page = (await filled.ask("GET", "/api/v1/performance"))[1]
    assert (page["start"], page["end"], filled.records.spans[-1][:2]) == (13_600.0, 100_000.0, (13_600.0, 100_000.0))


async def test_pages_hold_each_sum_once(filled: Any) -> None:
    ask = filled.ask
    page = (await ask("GET", "/api/v1/performance?start=0&limit=1"))[1]
    assert ([row["name"] for row in page["performance"]], page["total"]) == (["http://market/1"], 2)
    last = (await ask("GET", "/api/v1/performance", params={"start": 0, "limit": 1, "after": page["next"]}))[1]
    assert ([row["name"] for row in last["performance"]], last["next"]) == (["relief"], None)
    assert len(filled.records.spans) == 1


async def test_a_page_is_of_the_sums_of_the_one_before_it_and_of_no_others(filled: Any, signed_in: Any) -> None:
    async def after(ask: Any, **query: Any) -> list[str]:
        params = {"start": 0, "by": "device", "limit": 1, **query}
        return [row["name"] for row in (await ask("GET", "/api/v1/performance", params=params))[1]["performance"]]

    tenant = await signed_in(filled, "operator", groups=["feeder"])
    assert await after(filled.ask) == ["a"]
    filled.records.accounts = filled.records.accounts[2:]
    assert await after(filled.ask, after="a") == ["b"]
    # Another who asks, another time, another first page, or a minute later: made anew.
    assert await after(tenant.ask, after="a") == []
    assert await after(filled.ask, after="a") == []
    filled.records.accounts = [kept(PEAK, *(line("p", name, 0.0, 20.0, 1.0, 1.0) for name in ("a", "b")))]
    assert await after(filled.ask) == ["a"]
    filled.records.accounts = []
    assert await after(filled.ask, after="a", end=50) == []
    filled.records.accounts = [kept(PEAK, *(line("p", name, 0.0, 20.0, 1.0, 1.0) for name in ("a", "b")))]
    assert await after(filled.ask) == ["a"]
    filled.records.accounts = []
    filled.clock.at += 61.0
    assert await after(filled.ask, after="a") == []


async def test_who_is_confined_to_a_group_sees_the_sums_of_that_group(filled: Any, signed_in: Any) -> None:
    tenant = await signed_in(filled, "operator", groups=["feeder"])
    assert wh(await rows(filled, "program", tenant.ask)) == {"relief": 10.0}
    assert wh(await rows(filled, "control", tenant.ask)) == {"r": 10.0}
    assert wh(await rows(filled, "group", tenant.ask)) == {"feeder": 25.0}
    assert wh(await rows(filled, "device", tenant.ask)) == {"a": 25.0}


async def test_more_than_one_question_may_look_at_is_refused(filled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    most = {"most": 2}
    made = summing.Summing
    monkeypatch.setattr(performance, "Summing", lambda *asked, **more: made(*asked, **{**more, **most}))
    status, said, _ = await filled.ask("GET", "/api/v1/performance?start=0&by=group")
    assert (status, said["fix"]) == (400, "ask for a shorter time")
    assert "more than 2 intervals" in said["detail"]


@pytest.mark.parametrize(
    "query",
    [
        "end=0",
        "start=abc",
        "start=nan",
        "start=-1",
        "start=0&by=feeder",
        "start=60&end=60",
        "start=0&limit=0",
        "start=0&x=1",
    ],
)
async def test_bad_questions(filled: Any, query: str) -> None:
    status, said, _ = await filled.ask("GET", f"/api/v1/performance?{query}")
    assert (status, filled.records.spans) == (400, [])
    assert said["detail"]


async def test_a_store_that_is_down_is_no_empty_answer(filled: Any) -> None:
    filled.records.down = True
    assert (await filled.ask("GET", "/api/v1/performance?start=0"))[0] == 503
