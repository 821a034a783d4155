"""Long answers: the same octets as in one piece, and others run while they are made."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from typing import Any

import pytest

from gridiface.domain.fleet import Device, Nameplate
from gridiface.operator.api.answers import TURN, answer, answer_in_turns


def rows(count: int) -> list[dict[str, Any]]:
    return [{"id": f"d{n}", "w": n / 3, "soc": None, "said": 'a "word", ü', "in": [n, {}]} for n in range(count)]


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        None,
        rows(3 * TURN),
        {"rows": rows(3)},
        {"rows": rows(TURN), "next": None},
        {"rows": rows(TURN + 1), "next": None},
        {"total": 7, "rows": rows(5 * TURN), 'odd "key"': rows(2 * TURN), "next": "d7"},
        {"rows": [*rows(TURN), {"w": math.nan}], "most": math.inf},
        {"rows": [[]] * (TURN + 1)},
    ],
)
async def test_in_turns_or_in_one_piece_the_octets_are_the_same(body: Any) -> None:
    one, other = (
        answer(body, status=201, headers={"ETag": "x"}),
        await answer_in_turns(body, status=201, headers={"ETag": "x"}),
    )
    assert (one.body, one.status, one.headers) == (other.body, other.status, other.headers)


class Turns:
    """How often the loop has turned."""

    def __init__(self) -> None:
        self.count = 0

    async def run(self) -> None:
        while True:
            self.count += 1
            await asyncio.sleep(0)


async def test_others_run_while_a_long_list_is_written() -> None:
    turns = Turns()
    task = asyncio.create_task(turns.run())
    await answer_in_turns({"rows": rows(10 * TURN)})
    task.cancel()
    assert turns.count >= 9


async def test_all_devices_of_a_large_fleet_come_without_a_limit_and_in_turns(house: Any) -> None:
    names = [f"d{n:05}" for n in range(5 * TURN + 1)]
    fleet = house.desk.status.fleet
    fleet._devices = [Device(id=name, nameplate=Nameplate(max_w=5000), driver="sunspec") for name in names]
    turns, told = Turns(), fleet.setpoint
    rows_in: Counter[int] = Counter()

    def counted(name: str) -> Any:
        rows_in[turns.count] += 1
        return told(name)

    fleet.setpoint = counted
    task = asyncio.create_task(turns.run())
    status, said, _ = await house.ask("GET", "/api/v1/devices", scope="read")
    task.cancel()
    assert (status, said["total"], said["next"]) == (200, len(names), None)
    assert [row["id"] for row in said["devices"]] == names
    assert max(rows_in.values()) <= TURN
