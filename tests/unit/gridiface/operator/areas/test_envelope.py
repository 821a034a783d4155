"""The envelope over the coming hours by REST: its times, who sees it, and a fleet that changes meanwhile."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from gridiface.domain.envelope import FleetChanged


async def ask(house: Any, path: str, **query: Any) -> tuple[int, dict[str, Any]]:
    text = "&".join(f"{name}={value}" for name, value in query.items())
    status, page, _ = await house.ask("GET", f"/api/v1/{path}/envelope?{text}")
    return status, page


async def test_a_day_in_quarters_of_an_hour_from_now(house: Any) -> None:
    status, series = await ask(house, "groups/fleet")
    now, spans = series["at"], series["spans"]
    assert status == 200
    assert (series["target"], series["target_kind"], spans[0]["start"], spans[-1]["end"]) == (
        "fleet",
        "group",
        now,
        now + 86_400,
    )
    assert all(one["end"] == other["start"] for one, other in pairwise(spans))
    assert all(one["end"] % 900 == 0 for one in spans[:-1])
    assert (spans[0]["min_w"], spans[0]["max_w"], spans[0]["held_up"]) == (-5_000.0, 5_000.0, [])
    assert (spans[1]["min_w"], spans[1]["max_w"], spans[1]["energy_up"]) == (None, None, True)
    assert spans[1]["held_up"][0] == {
        "cause": "limit",
        "watts": 2_000.0,
        "devices": 2,
        "control_id": "c1",
        "source": "sep2",
    }
    assert spans[0]["reach_down_s"] is None


async def test_a_device_over_a_time_that_is_chosen(house: Any) -> None:
    _, whole = await ask(house, "devices/a")
    begin = whole["at"] + 3_600
    status, series = await ask(house, "devices/a", start=begin, end=begin + 1_800, step=1_200)
    assert status == 200
    assert (series["target_kind"], series["spans"][0]["start"], series["spans"][-1]["end"]) == (
        "device",
        begin,
        begin + 1_800,
    )
    status, series = await ask(house, "devices/a", start=0, end=begin)  # what is over is not told
    assert (status, series["spans"][0]["start"]) == (200, whole["at"])


@pytest.mark.parametrize(
    ("query", "status", "says"),
    [
        ({"end": 5}, 400, "not after"),
        ({"step": 60}, 400, "more than 400 steps"),
        ({"end": 253_402_300_799}, 400, "7 days"),
        ({"step": 59}, 400, "step"),
        ({"step": "nan"}, 400, "step"),
        ({"start": "inf"}, 400, "start"),
        ({"start": "now"}, 400, "start"),
        ({"hold": 3}, 400, "hold"),
    ],
)
async def test_times_that_cannot_be(house: Any, query: dict[str, Any], status: int, says: str) -> None:
    got, problem = await ask(house, "groups/fleet", **query)
    assert got == status
    assert says in str(problem)


async def test_what_is_not_there(house: Any) -> None:
    for path in ("groups/nowhere", "devices/nobody", "groups/a"):
        status, problem = await ask(house, path)
        assert status == 404, path
        assert "lists them" in str(problem)


async def test_a_fleet_that_changes_meanwhile_is_looked_at_anew(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet, tries = house.desk.status.fleet, 0
    whole = fleet.envelope

    def changing(*asked: Any) -> Any:
        nonlocal tries
        tries += 1
        spans = whole(*asked)
        yield next(spans)
        if tries < 3:
            raise FleetChanged("devices came or went")
        yield from spans

    monkeypatch.setattr(fleet, "envelope", changing)
    status, series = await ask(house, "groups/fleet")
    assert (status, tries, len(series["spans"])) == (200, 3, 97)
    tries = -100
    status, problem = await ask(house, "groups/fleet")
    assert status == 503
    assert "ask again" in str(problem)
