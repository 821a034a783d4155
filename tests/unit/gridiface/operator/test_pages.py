"""The pages over real HTTP on loopback: they show, and need nothing from outside."""

from __future__ import annotations

import re
from typing import Any

import pytest

from gridiface.domain.controls import Delivery, DeliveryOutcome, Setpoint
from gridiface.operator.pages import why_silent


@pytest.mark.parametrize("path", ["/", "/devices/a", "/controls/c1"])
async def test_page_needs_nothing_from_outside_and_no_inline_script(house: Any, path: str) -> None:
    status, text, headers = await house.ask("GET", path)
    assert status == 200
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert not re.findall(r"(?:src|href)=\"(?:https?:)?//", text)
    assert "<script>" not in text
    assert "style=" not in text
    assert "<form" not in text


@pytest.mark.parametrize("name", ["overview.js", "overview.css", "icon.svg"])
async def test_static_files_are_served(house: Any, name: str) -> None:
    assert (await house.ask("GET", f"/static/{name}"))[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "/static/../status.py",
        "/static/%2e%2e%2fstatus.py",
        "/static/status.py",
        "/nothing",
        "/devices/z",
        "/controls/z",
    ],
)
async def test_nothing_else_is_served(house: Any, path: str) -> None:
    assert (await house.ask("GET", path))[0] == 404


async def test_control_page_says_why_a_device_did_not_respond(house: Any) -> None:
    point = Setpoint(device_id="b", issued=90.0, control_ids=("c1",))
    lost = Delivery(device_id="b", outcome=DeliveryOutcome.TIMEOUT, at=91.0, setpoint=point, detail="no <answer>")
    house.desk.status.on_deliveries([lost])
    house.records.held["c1"] = house.desk.status.controls()[0]
    _, text, _ = await house.ask("GET", "/controls/c1")
    assert "received, started" in text
    assert re.search(r"/devices/b.*no response.*it has not told its state yet", text)
    _, text, _ = await house.ask("GET", "/devices/b")
    assert "Why it does not follow: it has not told its state yet" in text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, ""),
        ({"blocked": True}, "an operator has blocked it"),
        ({"quality": None}, "it has not told its state yet"),
        ({"quality": "stale"}, "its data are stale: it does not answer"),
        (
            {"delivery": {"outcome": "timeout", "at": 1.0, "attempts": 3, "detail": "no answer", "controls": []}},
            "its last set-point ended in timeout: no answer",
        ),
    ],
)
def test_reasons_of_silence(changes: dict[str, Any], said: str) -> None:
    row: Any = {"blocked": False, "quality": "good", "delivery": None} | changes
    assert why_silent(row) == said
