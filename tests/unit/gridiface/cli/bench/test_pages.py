"""The benchmark of the pages runs, small: every page is answered, and a figure is there for each."""

from __future__ import annotations

from gridiface.cli.bench.pages import PATHS, measure


async def test_every_page_is_asked_and_has_its_figures() -> None:
    found = await measure(3, 60, 3, 30)
    assert set(found["figures"]) == set(PATHS)
    assert all(one["octets"] > 500 for one in found["figures"].values())
    assert found["work"] == {"runs": 3, "devices": 60, "groups": 3, "rows": 30}
