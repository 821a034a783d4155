"""Settlements over HTTP: what is asked of the port, what is refused."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from gridiface.domain.controls import Outcome, OutcomeKind
from gridiface.domain.performance import PerformanceInterval
from gridiface.errors import ConfigError
from gridiface.operator.areas.settlements import SettlementsArea

SUMMARY = {"event": "ev", "end": 2.0, "revision": 1, "computed": 3.0, "final": False, "rows": 3}


class Port:
    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.there = True
        self.arrow = True

    def ends(self) -> dict[str, float]:
        return {"ev": 2.0, "even later": 9.0} if self.there else {}

    def one(self, event: str) -> Any:
        return {**SUMMARY, "event": event, "total": [], "resources": []} if event in self.ends() else None

    def rows(self, event: str, first: int, count: int) -> list[Any]:
        return [{"event_id": event, "resource_id": f"{n}"} for n in range(3)][first : first + count]

    def revisions(self, event: str) -> list[Any]:
        return [{"revision": n, "computed": 3.0, "final": False, "rows": 3, "changed": 3, "total": []} for n in (1,)]

    async def past(self, event: str, revision: int) -> list[Any] | None:
        return [{"event_id": f"{event} {n}"} for n in range(3)] if revision == 1 else None

    def csv(self, rows: Any) -> str:
        return "event_id\n" + "".join(f"{row['event_id']}\n" for row in rows)

    def parquet(self, rows: Any) -> bytes:
        if not self.arrow:
            raise ConfigError("Parquet needs pyarrow; export CSV")
        return b"PAR1"

    async def settle(self, asked: Any, now: float, *, along: Any) -> Any:
        self.asked.append(asked)
        if asked["method"] == "guess":
            raise ConfigError("there is no method 'guess'; use 10-of-10")
        return {**self.one("ev"), "note": "", "revised": [], "changed": 0, "changes": []}

    async def remove(self, event: str, now: float, *, along: Any) -> None:
        assert along
        self.there = False


@pytest.fixture
async def port() -> Port:
    return Port()


async def test_an_event_is_settled_with_the_devices_of_its_group(make_house: Any, port: Port) -> None:
    house = await make_house(areas=lambda desk: [SettlementsArea(desk, port)])
    body = {"event": "ev", "group": "fleet", "start": 1, "end": 2}
    assert (await house.ask("POST", "/api/v1/settlements", scope="configure", json=body))[0] == 200
    assert (port.asked[0]["devices"], port.asked[0]["start"], port.asked[0]["end"]) == (["a", "b"], 1, 2)
    page = (await house.ask("GET", "/api/v1/settlements/ev/rows?limit=2"))[1]
    assert (len(page["rows"]), page["next"]) == (2, "2")
    assert (await house.ask("GET", "/api/v1/settlements/ev/rows?after=2"))[1]["next"] is None
    status, text, headers = await house.ask("GET", "/api/v1/settlements/ev/export.csv")
    assert (status, headers["Content-Type"].split(";")[0]) == (200, "text/csv")
    assert text == "event_id\nev 0\nev 1\nev 2\n"
    assert (await house.ask("DELETE", "/api/v1/settlements/ev", scope="configure"))[0] == 200
    assert (await house.ask("GET", "/api/v1/settlements/ev"))[0] == 404


async def test_revisions_stay_and_are_read_like_the_newest(make_house: Any, port: Port) -> None:
    house = await make_house(areas=lambda desk: [SettlementsArea(desk, port)])
    told = (await house.ask("GET", "/api/v1/settlements/ev/revisions"))[1]["revisions"]
    assert [one["revision"] for one in told] == [1]
    page = (await house.ask("GET", "/api/v1/settlements/ev/rows?revision=1&limit=2"))[1]
    assert (len(page["rows"]), page["total"], page["next"]) == (2, 3, "2")
    page = (await house.ask("GET", "/api/v1/settlements/ev/rows?revision=1&limit=2&after=2"))[1]
    assert (page["rows"][0]["event_id"], page["next"]) == ("ev 2", None)
    _, _, headers = await house.ask("GET", "/api/v1/settlements/ev/export.csv?revision=1")
    assert headers["Content-Disposition"] == 'attachment; filename="ev-1.csv"'
    status, _, headers = await house.ask("GET", "/api/v1/settlements/ev/export.parquet")
    assert (status, headers["Content-Type"]) == (200, "application/vnd.apache.parquet")
    port.arrow = False
    status, said, _ = await house.ask("GET", "/api/v1/settlements/ev/export.parquet")
    assert (status, said["fix"]) == (422, "export CSV")
    for path in ("rows?revision=7", "export.csv?revision=7", "export.parquet?revision=7"):
        assert (await house.ask("GET", f"/api/v1/settlements/ev/{path}"))[0] == 404
    assert (await house.ask("GET", "/api/v1/settlements/ev/rows?revision=0"))[0] in {400, 422}
    assert (await house.ask("GET", "/api/v1/settlements/none/revisions"))[0] == 404


async def test_a_control_is_settled_until_it_really_ended_with_those_who_had_a_part_in_it(
    make_house: Any, port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = await make_house(areas=lambda desk: [SettlementsArea(desk, port)])
    house.records.held["c1"] = house.desk.status.controls()[0]  # of "fleet", from 90 to 120

    async def outcomes(control_id: str) -> list[Outcome]:
        said = {"control_id": control_id, "kind": OutcomeKind.CANCELLED}
        return [Outcome(at=99.0, device_id="a", **said), Outcome(at=100.0, **said)]

    async def performance(control_id: str) -> list[PerformanceInterval]:
        powers = dict.fromkeys(("requested_w", "accepted_w", "allocated_w", "acknowledged_w", "delivered_w"))
        return [
            PerformanceInterval(control_id=control_id, target_id=name, start=90.0, end=100.0, **powers)
            for name in ("fleet", "gone", "a")
        ]

    async def settled(**more: Any) -> tuple[Any, ...]:
        body = {"event": "ev", "control": "c1", **more}
        assert (await house.ask("POST", "/api/v1/settlements", scope="configure", json=body))[0] == 200
        return tuple(port.asked[-1][name] for name in ("start", "end", "devices"))

    assert await settled() == (90.0, 120.0, ["a", "b"])
    monkeypatch.setattr(house.records, "outcomes", outcomes)
    monkeypatch.setattr(house.records, "performance", performance)
    assert await settled() == (90.0, 100.0, ["a", "gone"])
    assert await settled(end=110.0, devices=["b"]) == (90.0, 110.0, ["b"])

    async def before_it_began(control_id: str) -> list[Outcome]:
        return [Outcome(at=80.0, control_id=control_id, kind=OutcomeKind.CANCELLED)]

    monkeypatch.setattr(house.records, "outcomes", before_it_began)
    body = {"event": "ev", "control": "c1"}
    status, said, _ = await house.ask("POST", "/api/v1/settlements", scope="configure", json=body)
    assert (status, said["detail"]) == (422, "control c1 ended before it began: there is nothing to settle")


async def test_days_that_are_left_out_are_dates(make_house: Any, port: Port) -> None:
    house = await make_house(areas=lambda desk: [SettlementsArea(desk, port)])
    body = {"event": "ev", "group": "fleet", "start": 1, "end": 2, "holidays": ["2026-07-04"], "nerc_holidays": True}
    assert (await house.ask("POST", "/api/v1/settlements", scope="configure", json=body))[0] == 200
    asked = port.asked[0]
    assert (asked["holidays"], asked["nerc_holidays"], asked["event_days"]) == ([date(2026, 7, 4)], True, [])
    body["event_days"] = ["yesterday"]
    assert (await house.ask("POST", "/api/v1/settlements", scope="configure", json=body))[0] == 422


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"method": "guess"}, 422),
        ({"group": "nobody"}, 404),
        ({"group": None}, 422),
        ({"start": None}, 422),
        ({"start": 3}, 422),
        ({"control": "unknown"}, 404),
        ({"event": "../x"}, 422),
    ],
)
async def test_what_cannot_be_settled(make_house: Any, port: Port, change: dict[str, Any], status: int) -> None:
    house = await make_house(areas=lambda desk: [SettlementsArea(desk, port)])
    body = {"event": "ev", "group": "fleet", "start": 1, "end": 2, **change}
    answer = await house.ask("POST", "/api/v1/settlements", scope="configure", json=body)
    assert answer[0] == status, answer


async def test_only_what_is_asked_for_is_summed(make_house: Any, port: Port) -> None:
    house = await make_house(areas=lambda desk: [SettlementsArea(desk, port)])

    async def listed(query: str) -> tuple[list[str], int, str | None]:
        found = (await house.ask("GET", f"/api/v1/settlements?{query}"))[1]
        return [one["event"] for one in found["settlements"]], found["total"], found["next"]

    assert await listed("limit=1") == (["ev"], 2, "ev")
    assert await listed("limit=1&after=ev") == (["even later"], 2, None)
    assert await listed("skip=1") == (["even later"], 2, None)
    assert await listed("q=LATER") == (["even later"], 1, None)
    assert await listed("q=nothing") == ([], 0, None)
