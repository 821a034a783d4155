"""A server has the areas of the parts that it runs, each once and from the catalogue."""

from __future__ import annotations

from gridiface.app.config.model import Config
from gridiface.app.surface import areas_of
from gridiface.app.wiring import GridServer
from gridiface.operator.areas.catalogue import AREAS, DESK


def test_a_server_without_northbound_parts_has_no_area_of_theirs() -> None:
    made = [type(area) for area in areas_of(GridServer(Config()))]
    assert set(made) <= set(AREAS) - set(DESK)
    assert len(set(made)) == len(made)
