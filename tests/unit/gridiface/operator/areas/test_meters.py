"""Meter data over HTTP: what is handed to the port, what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from gridiface.errors import ConfigError
from gridiface.operator.areas.meters import MetersArea
from gridiface.operator.records.audit import Entry

TAKEN = {"meters": [{"meter": "a"}, {"meter": "ghost"}], "values": 2, "duplicates": 0, "conflicts": 0, "missing": 0,
         "gaps": [], "notes": [], "settlements": []}  # fmt: skip


class Port:
    def __init__(self) -> None:
        self.asked: list[Any] = []

    async def take(self, asked: Any, who: str, now: float) -> Any:
        self.asked.append(asked)
        if not asked["data"]:
            raise ConfigError("july.csv: it is empty; give a header and values")
        Entry(at=now, who=who, what="meter_data.take", subject=asked["name"]).log()
        return TAKEN


@pytest.mark.parametrize(("scope", "status"), [("read", 403), ("control", 403), ("configure", 200)])
async def test_meter_data_need_the_right_to_configure(make_house: Any, scope: str, status: int) -> None:
    port = Port()
    house = await make_house(areas=lambda desk: [MetersArea(desk, port)])
    found, said, _ = await house.ask("POST", "/api/v1/meter-data", scope=scope, json={"data": "meter,time,w"})
    assert (found, len(port.asked)) == (status, status == 200)
    if status == 200:
        assert said["unknown"] == ["ghost"]


async def test_what_cannot_be_read_says_the_place_and_the_fix(make_house: Any) -> None:
    house = await make_house(areas=lambda desk: [MetersArea(desk, Port())])
    status, said, _ = await house.ask("POST", "/api/v1/meter-data", scope="configure", json={"data": ""})
    assert (status, said["detail"], said["fix"]) == (422, "july.csv: it is empty", "give a header and values")
    for wrong in ({}, {"data": 7}, {"data": "x", "stamp": "middle"}, {"data": "x", "interval_s": 0}):
        assert (await house.ask("POST", "/api/v1/meter-data", scope="configure", json=wrong))[0] == 422
