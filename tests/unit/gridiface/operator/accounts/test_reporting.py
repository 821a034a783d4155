"""The report of a control in parts is the same as in one piece, whatever there is of it."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from gridiface.domain.performance import PerformanceInterval, PerformanceReport
from gridiface.operator.accounts.reporting import PART, written
from gridiface.operator.rows.present import target_report

ONE = PerformanceInterval(
    control_id="c",
    target_id="fleet",
    start=0.0,
    end=5.0,
    requested_w=3000.0,
    accepted_w=None,
    allocated_w=3000.0,
    acknowledged_w=3000.0,
    delivered_w=2900.0,
)


def report(target: str, count: int) -> PerformanceReport:
    lines = (replace(ONE, target_id=target, start=5.0 * at, end=5.0 * at + 5.0) for at in range(count))
    return PerformanceReport(control_id="c", target_id=target, intervals=tuple(lines))


async def parts(*reports: PerformanceReport) -> list[bytes]:
    return [part async for part in written("c", {"started": 2}, reports)]


@pytest.mark.parametrize(
    "counts",
    [[], [0], [1], [3, 1, 1], [PART], [PART + 1, 1], [2 * PART, *[1] * (PART - 1)], [1] * (2 * PART + 1)],
)
async def test_parts_together_are_the_whole(counts: list[int]) -> None:
    reports = [report(f'd\u00e4{at}"', count) for at, count in enumerate(counts)]
    found = await parts(*reports)
    assert json.loads(b"".join(found)) == {
        "control": "c",
        "responses": {"started": 2},
        "targets": [json.loads(json.dumps(target_report(one))) for one in reports],
    }
    assert max(len(part) for part in found) < 400 * 2 * PART


async def test_numbers_that_json_lacks_are_null() -> None:
    odd = replace(ONE, delivered_w=math.nan)
    found = json.loads(b"".join(await parts(PerformanceReport(control_id="c", target_id="t", intervals=(odd,)))))
    assert found["targets"][0]["intervals"][0]["delivered_w"] is None
    assert found["targets"][0]["mean"]["delivered_w"] is None


async def test_over_rest_it_is_one_answer_as_others_are(house: Any) -> None:
    status, found, headers = await house.ask("GET", "/api/v1/controls/c1/report")
    assert status == 200
    assert headers["Content-Type"] == "application/json; charset=utf-8"
    assert headers["X-Content-Type-Options"] == "nosniff"
    [target] = (found if isinstance(found, dict) else json.loads(found))["targets"]
    assert (target["target"], target["mean"]["delivered_w"]) == ("fleet", 2900.0)
    assert (target["intervals"][0]["requested_w"], target["intervals"][0]["reason"]) == (3000.0, "")
    assert (await house.ask("HEAD", "/api/v1/controls/c1/report"))[0] == 200
    assert (await house.ask("GET", "/api/v1/controls/other/report"))[0] == 404


async def test_a_page_shows_of_which_time_nothing_is_known_and_why(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = dict.fromkeys(("requested_w", "allocated_w", "acknowledged_w", "delivered_w"))
    gap = replace(ONE, control_id="c1", **nothing, known=0.0, reason="<nobody> was there")
    [known] = house.desk.status.performance.report("c1")
    told = replace(known, intervals=(gap, *known.intervals))
    monkeypatch.setattr(house.desk.status.performance, "report", lambda name, devices=True: [told])
    assert "&lt;nobody&gt; was there" in (await house.ask("GET", "/controls/c1"))[1]
    monkeypatch.setattr(house.desk.status.performance, "report", lambda name, devices=True: [known])
    assert "Nothing is known" not in (await house.ask("GET", "/controls/c1"))[1]
