"""What the surface keeps of what was done: the audit entry with each act, and blocks."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

BODY = {"target": {"kind": "group", "id": "fleet"}, "values": {"set_w": 1000.0}, "duration_s": 60}


async def audit(house: Any) -> list[Any]:
    entries: list[Any] = (await house.ask("GET", "/api/v1/audit", scope="admin"))[1]["entries"]
    return entries


async def test_control_is_sent_with_its_audit_entry(house: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="gridiface.audit")
    status, body, headers = await house.ask(
        "POST", "/api/v1/controls", scope="control", json=BODY | {"priority": 100, "description": "peak"}
    )
    assert status == 201
    (sent,) = house.inbox.controls
    assert headers["Location"] == f"/api/v1/controls/{sent.id}"
    assert (sent.source.protocol, sent.source.identity, sent.source.authority) == ("operator", "controler", 110.0)
    assert (body["start"], body["end"], body["feasible_W"]) == (100.0, 160.0, 900.0)
    assert [(o["id"], o["higher"]) for o in body["overlaps"]] == [("c1", False)]
    _, log, _ = await house.ask("GET", "/api/v1/audit", scope="admin")
    entry = log["entries"][0]
    assert (entry["who"], entry["what"], entry["subject"]) == ("controler", "control.send", sent.id)
    assert entry["after"]["values"] == {"set_w": 1000.0}
    assert "control.send" in caplog.text
    assert not any(text in caplog.text or text in json.dumps(log) for text in house.tokens.values())


async def test_block_is_told_durable_and_taken_back(house: Any) -> None:
    status, row, _ = await house.ask("POST", "/api/v1/devices/a/block", scope="control", json={"reason": "works"})
    assert (status, row["blocked"], house.blocked) == (200, True, {"a": True})
    detail = (await house.ask("GET", "/api/v1/devices/a"))[1]
    assert detail["block"] == {"by": "controler", "at": 100.0, "reason": "works"}
    row = (await house.ask("POST", "/api/v1/devices/a/unblock", scope="control"))[1]
    assert (row["blocked"], house.blocked) == (False, {"a": False})
    assert [entry["what"] for entry in (await audit(house))[:2]] == ["device.unblock", "device.block"]
