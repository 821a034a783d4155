"""Every screen over real HTTP on loopback: it answers, needs nothing from outside, and escapes what peers send."""

from __future__ import annotations

import re
from typing import Any

import pytest

PATHS = [
    "/",
    "/?group=feeder",
    "/parts/overview?part=top",
    "/parts/overview?part=rest",
    "/devices",
    "/devices?q=a&show=troubled&page=7",
    "/parts/devices?show=silent",
    "/devices/a",
    "/devices/b?minutes=60",
    "/parts/devices/a?part=top",
    "/parts/devices/b?part=rest",
    "/groups",
    "/parts/groups",
    "/groups/fleet",
    "/parts/groups/feeder",
    "/controls",
    "/controls?window=7%20d",
    "/parts/controls?window=nonsense",
    "/controls/c1",
    "/parts/controls/c1?part=top",
    "/parts/controls/c1?part=rest",
    "/controls/new",
    "/controls/new?from=c1",
    "/controls/new?target=device:a",
    "/certificates",
    "/alarms",
    "/drivers",
    "/performance",
    "/start",
    "/approvals",
    "/login",
    "/setup",
    "/account",
]


@pytest.mark.parametrize("path", PATHS)
async def test_screen_needs_nothing_from_outside_and_has_nothing_inline(house: Any, path: str) -> None:
    house.records.held["c1"] = house.desk.status.controls()[0]
    status, text, headers = await house.ask("GET", path)
    assert status == 200, text
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert not re.findall(r"(?:src|href|action)=\"(?:https?:)?//", text)
    assert "<script>" not in text
    assert " style=" not in text
    assert not re.search(r"\son[a-z]+=", text)
    if not path.startswith("/parts/"):
        assert text.count("<h1") == 1
        assert 'lang="en"' in text
        assert "</html>" in text


@pytest.mark.parametrize("path", ["/controls/c1", "/", "/groups/fleet"])
async def test_what_a_peer_calls_a_control_turns_nothing_beside_it_round(house: Any, path: str) -> None:
    """Marks of writing direction (U+202E) end with the element that isolates them."""
    _, page, _ = await house.ask("GET", path)
    assert "<bdi>evening peak</bdi>" in page
    _, style, _ = await house.ask("GET", "/static/app.css")
    assert "a, .soft, code { unicode-bidi: isolate; }" in style
