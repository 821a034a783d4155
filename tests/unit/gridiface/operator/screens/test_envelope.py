"""The envelope over the coming hours as a page."""

from __future__ import annotations

from typing import Any

import pytest

from gridiface.domain.envelope import Cause
from gridiface.operator.screens.envelope import CAUSES


def test_every_cause_has_words() -> None:
    assert set(CAUSES) == set(Cause)


@pytest.mark.parametrize(
    "path", ["/groups/fleet/envelope", "/devices/a/envelope?hours=6", "/groups/fleet/envelope?hours=x"]
)
async def test_the_series_as_a_table_and_a_plot(house: Any, path: str) -> None:
    status, text, _ = await house.ask("GET", path)
    assert status == 200
    assert "no total is certain" in text
    assert "daily cap" in text
    assert 'href="/controls/c1"' in text
    assert "data-points" in text
    assert text.count("<tr>") == 1 + (97 if "hours=6" not in path else 25)


async def test_groups_and_devices_lead_there(house: Any) -> None:
    for path in ("/groups/fleet", "/devices/a"):
        assert f'href="{path}/envelope"' in (await house.ask("GET", path))[1]


async def test_what_is_not_there_is_told_as_a_page(house: Any) -> None:
    status, text, _ = await house.ask("GET", "/devices/nobody/envelope")
    assert (status, "nobody" in text) == (404, True)
