"""Late meter data at a running server, in a real store: kept, and settlements that they concern made anew."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.unit.gridiface.app.desks.test_settlement_desk import ASKED, DAY, END, START, filled

from gridiface.app.desks import exports, settlement_desk, settlement_past
from gridiface.app.desks.meter_desk import MeterDesk
from gridiface.app.desks.settlement_desk import SettlementDesk
from gridiface.errors import ConfigError
from gridiface.operator.accounts.optouts import Leave
from gridiface.store.repository import Store

GIVEN: dict[str, Any] = {"name": "late.csv", "meter": None, "zone": None, "positive": "delivery", "stamp": "start",
                         "interval_s": None, "reason": ""}  # fmt: skip
#: The event's two hours, as its meter showed them: 0.5 kW taken.
LATE = "meter,time,w\nload,2026-07-22T16:00Z,-500\nload,2026-07-22T17:00Z,-500\n"


async def test_late_data_make_the_next_revision_and_the_one_before_stays(tmp_path: Path) -> None:
    async with await Store.open(f"sqlite:///{tmp_path}/s.sqlite") as store:
        await filled(store, through=END)
        desk = SettlementDesk(store)
        meters = MeterDesk(store, desk)
        out = Leave(device_id="load", start=START, end=START + 1800, reason="too hot")
        await desk.settle({**ASKED, "opt_outs": [out]}, END + 60, along=[])
        other = {**ASKED, "event": "day before", "start": START - DAY, "end": END - DAY}
        await desk.settle(other, END + 60, along=[])

        told = await meters.take({**GIVEN, "data": LATE}, "eve", END + DAY)
        assert (told["values"], told["meters"][0]["intervals"]) == (2, 2)
        # The event of the day before knows nothing of that day: its data lie before.
        assert [(one["event"], one["revision"], one["note"]) for one in told["settlements"]] == [("ev", 2, "")]
        rows = desk.rows("ev", 0, 10)
        assert [(row["metered_w"], row["delivered_w"], row["eligible"]) for row in rows] == [
            (-500.0, 1500.0, 0.5),
            (-500.0, 1500.0, 1.0),
        ]
        again = await meters.take({**GIVEN, "data": LATE}, "eve", END + DAY)
        assert [(one["revision"], one["note"]) for one in again["settlements"]] == [(2, "nothing changed")]

        # Over a restart: what was asked and what was told by then are there.
        desk = SettlementDesk(store)
        await desk.load()
        assert [(one["revision"], one["changed"]) for one in desk.revisions("ev")] == [(2, 2), (1, 2)]
        before, newest = await asyncio.gather(desk.past("ev", 1), desk.past("ev", 2))
        assert [row["metered_w"] for row in before or ()] == [-1000.0, -1000.0]
        assert [row["metered_w"] for row in newest or ()] == [-500.0, -500.0]
        assert await desk.past("ev", 3) is None
        final = LATE.replace("-500", "-800")
        found = (await MeterDesk(store, desk).take({**GIVEN, "data": final}, "eve", END + 4 * DAY))["settlements"]
        assert [(one["revision"], one["changed"]) for one in found] == [(3, 2)]  # its first look after 72 h: final now
        found = (await MeterDesk(store, desk).take({**GIVEN, "data": LATE}, "eve", END + 4 * DAY))["settlements"]
        assert (found[0]["revision"], found[0]["final"], found[0]["note"][:19]) == (3, True, "revision 3 is final")

        await desk.remove("ev", END + 4 * DAY, along=[])
        assert {document.key for document in await store.documents("app/settlement-terms")} == {"day before"}
        assert await store.documents("app/settlement-past") == []


async def test_a_file_that_cannot_be_read_changes_nothing(tmp_path: Path) -> None:
    async with await Store.open(f"sqlite:///{tmp_path}/s.sqlite") as store:
        meters = MeterDesk(store, SettlementDesk(store))
        for data in (
            "",
            "meter,time\n",
            "<feed/>",
            LATE.replace("2026", "later"),
            "meter,time,w\nload,2026-07-22T16:00,1\n",
        ):
            with pytest.raises(ConfigError, match="late"):
                await meters.take({**GIVEN, "data": data}, "eve", END)
        assert await store.readings("load", start=0, end=2 * END) == []


class Slow:
    """The store, of which one device's readings take until `go` is set; `read` once they were looked for."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.read, self.go = asyncio.Event(), asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def told(self, *args: Any, **asked: Any) -> Any:
        found = await self._store.told(*args, **asked)
        self.read.set()
        await self.go.wait()
        return found


async def test_a_file_that_comes_while_an_event_is_settled_for_the_first_time_counts(tmp_path: Path) -> None:
    async with await Store.open(f"sqlite:///{tmp_path}/s.sqlite") as store:
        await filled(store, through=END)
        slow = Slow(store)
        desk = SettlementDesk(slow)  # type: ignore[arg-type]
        settling = asyncio.create_task(desk.settle(ASKED, END + 60, along=[]))
        await slow.read.wait()  # it has the readings, without those of the file
        taking = asyncio.create_task(MeterDesk(store, desk).take({**GIVEN, "data": LATE}, "eve", END + 90))
        while all(one.received < END + 90 for one in await store.readings("load", start=START, end=END + 1)):
            await asyncio.sleep(0.01)
        slow.go.set()
        assert (await settling)["revision"] == 1
        assert [(one["event"], one["revision"], one["changed"]) for one in (await taking)["settlements"]] == [
            ("ev", 2, 2)
        ]
        assert [row["metered_w"] for row in desk.rows("ev", 0, 10)] == [-500.0, -500.0]


async def test_what_is_taken_away_or_asked_for_otherwise_meanwhile_is_not_brought_back(tmp_path: Path) -> None:
    async with await Store.open(f"sqlite:///{tmp_path}/s.sqlite") as store:
        await filled(store, through=END)
        slow = Slow(store)
        slow.go.set()
        desk = SettlementDesk(slow)  # type: ignore[arg-type]
        for event in ("a", "b", "c"):
            await desk.settle({**ASKED, "event": event}, END + 60, along=[])
        slow.go.clear()
        slow.read.clear()
        taking = asyncio.create_task(MeterDesk(store, desk).take({**GIVEN, "data": LATE}, "eve", END + DAY))
        await slow.read.wait()  # the first of them is being made anew
        removing = asyncio.create_task(desk.remove("b", END + DAY, along=[]))
        other = {**ASKED, "event": "c", "committed_w": {"load": 700.0}}
        asking = asyncio.create_task(desk.settle(other, END + DAY, along=[]))
        await asyncio.sleep(0)
        slow.go.set()
        told = (await asyncio.gather(taking, removing, asking))[0]["settlements"]
        assert [one["event"] for one in told] == ["a", "c"]
        assert sorted(desk.ends()) == ["a", "c"]
        assert {row["committed_w"] for row in desk.rows("c", 0, 10)} == {700.0}


async def test_what_goes_through_all_rows_keeps_nobody_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    where: dict[str, set[bool]] = {}

    def noted(place: Any, name: str) -> None:
        plain = getattr(place, name)

        def told(*args: Any) -> Any:
            where.setdefault(name, set()).add(threading.current_thread() is threading.main_thread())
            return plain(*args)

        monkeypatch.setattr(place, name, told)

    async with await Store.open(f"sqlite:///{tmp_path}/s.sqlite") as store:
        await filled(store, through=END)
        for place, name in ((settlement_desk, "_concerned"), (settlement_past, "_figures"), (settlement_desk, "totals"),
                            (exports, "settlement_of_text")):  # fmt: skip
            noted(place, name)
        desk = SettlementDesk(store)
        await desk.settle(ASKED, END + 60, along=[])
        await MeterDesk(store, desk).take({**GIVEN, "data": LATE}, "eve", END + DAY)
        assert len(desk.revisions("ev")) == 2
        assert await desk.past("ev", 1)
    assert where == {name: {False} for name in ("_concerned", "_figures", "totals", "settlement_of_text")}
