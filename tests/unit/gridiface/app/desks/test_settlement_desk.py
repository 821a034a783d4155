"""Settlements from readings in a real store: rows, late data as a new revision, kept over a restart."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from gridiface.app.desks.settlement_desk import SettlementDesk
from gridiface.domain.changes import AppendReadings
from gridiface.domain.quantities import Quantity
from gridiface.domain.telemetry import Reading
from gridiface.errors import ConfigError
from gridiface.operator.accounts.optouts import Leave
from gridiface.store.repository import Store

DAY = 86_400.0
#: Wednesday, 2026-07-22 00:00 UTC.
MIDNIGHT = 1_784_678_400.0
START, END = MIDNIGHT + 57_600.0, MIDNIGHT + 64_800.0
ASKED: dict[str, Any] = {
    "event": "ev",
    "start": START,
    "end": END,
    "devices": ["load"],
    "method": "10-of-10",
    "storage": [],
    "committed_w": {"load": 500.0},
    "interval_s": 3600.0,
    "zone": "UTC",
    "holidays": [],
    "nerc_holidays": False,
    "event_days": [],
    "opt_outs": [],
    "authority": 0.0,
    "reserved": {},
    "reopen": False,
}


def reading(at: float, watts: float) -> Reading:
    return Reading(device_id="load", quantity=Quantity.ACTIVE_POWER, value=watts, source_time=at, received=at)


async def filled(store: Store, *, through: float) -> None:
    """2 kW of load each quarter of an hour on every day; 1 kW during the event."""
    told = []
    at = MIDNIGHT - 45 * DAY
    while at < through:
        told.append(reading(at, -1000.0 if START <= at < END else -2000.0))
        at += 900.0
    await store.commit([AppendReadings(tuple(told))])


async def test_rows_revisions_and_restart(tmp_path: Path) -> None:
    async with await Store.open(f"sqlite:///{tmp_path}/s.sqlite") as store:
        await filled(store, through=END)
        desk = SettlementDesk(store)
        made = await desk.settle(ASKED, END + 60, along=[])
        assert (made["revision"], made["final"], made["rows"], made["note"]) == (1, False, 2, "")
        rows = desk.rows("ev", 0, 1_000)
        assert [(row["baseline_w"], row["metered_w"], row["delivered_w"]) for row in rows] == [(-2000, -1000, 1000)] * 2
        same = await desk.settle(ASKED, END + 120, along=[])
        assert (same["note"], same["revision"]) == ("nothing changed", 1)

        await store.commit([AppendReadings((reading(START + 450.0, -3000.0),))])
        late = await desk.settle(ASKED, END + DAY, along=[])
        assert (late["revision"], late["changed"]) == (2, 1)

        again = SettlementDesk(store)
        await again.load()
        assert again.one("ev") == desk.one("ev")
        assert again.csv(await again.past("ev", 2) or ()).startswith("event_id,resource_id,start")
        await again.remove("ev", END, along=[])
        assert again.ends() == {}


async def test_what_cannot_be_settled(tmp_path: Path) -> None:
    async with await Store.open(f"sqlite:///{tmp_path}/s.sqlite") as store:
        desk = SettlementDesk(store)
        with pytest.raises(ConfigError, match="no active power"):
            await desk.settle(ASKED, END, along=[])
        await filled(store, through=END)
        for change in ({"method": "guess"}, {"zone": "Nowhere/At"}, {"committed_w": {"other": 1.0}}):
            with pytest.raises(ConfigError):
                await desk.settle({**ASKED, **change}, END, along=[])
        assert desk.one("ev") is None


async def test_one_of_whom_nothing_is_known_does_not_hinder_the_others(tmp_path: Path) -> None:
    async with await Store.open(f"sqlite:///{tmp_path}/s.sqlite") as store:
        await filled(store, through=END)
        desk = SettlementDesk(store)
        asked = {**ASKED, "devices": ["silent", "load"], "committed_w": {"silent": 100.0}}
        for method in ("10-of-10", "meter-before-after"):
            await desk.settle({**asked, "event": method, "method": method}, END, along=[])
            rows = [row for row in desk.rows(method, 0, 100) if row["resource_id"] == "silent"]
            assert [(row["quality"], row["baseline_w"], row["metered_w"]) for row in rows] == [("bad", None, None)] * 2
            assert all("nothing is metered" in row["reason"] for row in rows)
            assert [row["committed_w"] for row in rows] == [100.0, 100.0]
            known = [row for row in desk.rows(method, 0, 100) if row["resource_id"] == "load"]
            assert [row["delivered_w"] for row in known] == [1000.0, 1000.0]
        with pytest.raises(ConfigError, match="no active power of 'silent', 'mute' for"):
            await desk.settle({**asked, "devices": ["silent", "mute"]}, END, along=[])


async def baselines(desk: SettlementDesk, event: str, day: float, **changes: Any) -> list[Any]:
    """The baselines of an event at the usual hours of another day."""
    asked = {**ASKED, "event": event, "start": START + day * DAY, "end": END + day * DAY, **changes}
    await desk.settle(asked, END + day * DAY + 60, along=[])
    return [row["baseline_w"] for row in desk.rows(event, 0, 100)]


async def test_days_on_which_the_device_took_part_in_another_settled_event_are_no_like_days(tmp_path: Path) -> None:
    async with await Store.open(f"sqlite:///{tmp_path}/s.sqlite") as store:
        await filled(store, through=END + DAY)
        desk = SettlementDesk(store)
        # Wednesday's event took 1 kW: one of the ten like days of Thursday's, until Wednesday's event is settled, too.
        assert await baselines(desk, "thursday", 1.0) == [-1900.0, -1900.0]
        assert await baselines(desk, "thursday", 1.0, event_days=[date(2026, 7, 22)]) == [-2000.0, -2000.0]
        await desk.settle(ASKED, END + 60, along=[])
        assert await baselines(desk, "again", 1.0) == [-2000.0, -2000.0]


async def test_hours_of_another_settled_event_of_the_day_do_not_count_in_the_adjustment(tmp_path: Path) -> None:
    async with await Store.open(f"sqlite:///{tmp_path}/s.sqlite") as store:
        await filled(store, through=END + DAY)
        desk = SettlementDesk(store)
        evening = 4 / 24
        # From 16 to 19 h 1, 1 and 2 kW of 2 kW each: clipped to 0.8; without the event's hours one of three is left.
        assert await baselines(desk, "evening", evening) == [-1600.0, -1600.0]
        await desk.settle(ASKED, END + 60, along=[])
        assert await baselines(desk, "again", evening) == [-2000.0, -2000.0]


async def test_holidays_are_left_out_of_working_days(tmp_path: Path) -> None:
    async with await Store.open(f"sqlite:///{tmp_path}/s.sqlite") as store:
        await filled(store, through=END + DAY)
        desk = SettlementDesk(store)
        assert await baselines(desk, "working", 1.0, holidays=[date(2026, 7, 22)]) == [-2000.0, -2000.0]


async def counted(desk: SettlementDesk, event: str) -> list[tuple[float, float, str]]:
    """Of each row what counts, in which revision that was so first, and why."""
    return [(row["credited_w"], row["revision"], row["reason"]) for row in desk.rows(event, 0, 100)]


async def test_a_watt_hour_counts_for_one_of_two_events_whichever_is_settled_first(tmp_path: Path) -> None:
    async with await Store.open(f"sqlite:///{tmp_path}/s.sqlite") as store:
        await filled(store, through=END + DAY)
        desk = SettlementDesk(store)
        await desk.settle(ASKED, END + 60, along=[])
        assert await counted(desk, "ev") == [(1000.0, 1, ""), (1000.0, 1, "")]
        later = {**ASKED, "event": "high", "start": START + 3600.0, "end": END + 3600.0, "authority": 5.0}
        made = await desk.settle(later, END + 3660, along=[])
        assert made["revised"] == ["ev"]
        assert await counted(desk, "high") == [(1000.0, 1, ""), (0.0, 1, "")]
        assert await counted(desk, "ev") == [(1000.0, 1, ""), (0.0, 2, "high counts 100%")]
        assert desk.one("ev")["total"][0]["credited_wh"] == 1000.0  # type: ignore[index]  # it is there
        # Over a restart, and when the other is taken away.
        again = SettlementDesk(store)
        await again.load()
        assert await counted(again, "ev") == [(1000.0, 1, ""), (0.0, 2, "high counts 100%")]
        await again.remove("high", END + 4000, along=[])
        assert await counted(again, "ev") == [(1000.0, 1, ""), (1000.0, 3, "")]
        third = SettlementDesk(store)
        await third.load()
        assert third.rows("ev", 0, 100) == again.rows("ev", 0, 100)


async def test_a_final_settlement_keeps_what_it_counts(tmp_path: Path) -> None:
    async with await Store.open(f"sqlite:///{tmp_path}/s.sqlite") as store:
        await filled(store, through=END)
        desk = SettlementDesk(store)
        await desk.settle(ASKED, END + 60, along=[])
        same = await desk.settle(ASKED, END + 4 * DAY, along=[])
        assert (same["final"], same["note"], same["revision"]) == (True, "nothing changed", 1)
        again = SettlementDesk(store)
        await again.load()
        assert again.one("ev")["final"] is True  # type: ignore[index]  # it is there
        made = await again.settle({**ASKED, "event": "high", "authority": 5.0}, END + 4 * DAY, along=[])
        assert made["revised"] == []
        assert await counted(again, "high") == [(0.0, 1, "ev counts 100%")] * 2


async def test_who_opted_out_counts_until_then(tmp_path: Path) -> None:
    async with await Store.open(f"sqlite:///{tmp_path}/s.sqlite") as store:
        await filled(store, through=END)
        desk = SettlementDesk(store)
        away = Leave(device_id="load", start=START + 1800.0, end=END, reason="too hot")
        made = await desk.settle({**ASKED, "opt_outs": [away]}, END + 60, along=[])
        # 16:00 is 16 h after midnight; 1 kWh of 2 kWh was delivered in each hour, half of the first's counts.
        assert await counted(desk, "ev") == [
            (500.0, 1, "out from 16:30:00Z: too hot"),
            (0.0, 1, "out all the time: too hot"),
        ]
        total = made["total"][0]
        assert (total["delivered_wh"], total["credited_wh"], total["performance"]) == (2000.0, 500.0, 0.5)
        assert (await desk.settle(ASKED, END + 90, along=[]))["changed"] == 2  # it was no opt-out after all


async def test_a_level_soon_after_another_event_is_an_estimate(tmp_path: Path) -> None:
    async with await Store.open(f"sqlite:///{tmp_path}/s.sqlite") as store:
        await filled(store, through=END + DAY)
        desk = SettlementDesk(store)
        flat = {**ASKED, "event": "flat", "start": END + 3600.0, "end": END + 7200.0}
        flat |= {"method": "meter-before-after"}
        await desk.settle(flat, END + 9000, along=[])
        assert {(row["quality"], row["reason"]) for row in desk.rows("flat", 0, 100)} == {("good", "")}
        await desk.settle(ASKED, END + 9000, along=[])
        await desk.settle(flat, END + 9000, along=[])
        why = "its level before lies less than 60 min after another event"
        assert {(row["quality"], row["reason"]) for row in desk.rows("flat", 0, 100)} == {("estimated", why)}
