"""Fields of log records: nested, replaced, gone afterwards, each task with its own."""

from __future__ import annotations

import asyncio

from gridiface.logfields import FIELDS, about, current


def test_inner_fields_come_beside_outer_ones_and_go() -> None:
    with about(LFDI="A", venID=""):
        assert current() == {"LFDI": "A"}
        with about(mRID="M", LFDI="B"):
            assert current() == {"LFDI": "B", "mRID": "M"}
        assert current() == {"LFDI": "A"}
    assert current() == {}
    assert {"LFDI", "mRID", "venID", "association"} <= set(FIELDS)


async def test_tasks_do_not_see_each_others_fields() -> None:
    seen: dict[str, dict[str, str]] = {}

    async def work(name: str) -> None:
        with about(device=name):
            await asyncio.sleep(0)
            seen[name] = dict(current())

    await asyncio.gather(work("a"), work("b"))
    assert seen == {"a": {"device": "a"}, "b": {"device": "b"}}
