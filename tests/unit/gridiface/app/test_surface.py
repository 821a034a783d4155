"""A server has the areas of the parts that it runs, each once and from the catalogue."""

from __future__ import annotations

from typing import cast

from gridiface.app.config.model import Config
from gridiface.app.surface import areas_of
from gridiface.app.wiring import GridServer
from gridiface.operator.areas.catalogue import AREAS
from gridiface.operator.areas.standing import DESK
from gridiface.operator.desk import Desk


async def test_a_server_without_northbound_parts_has_no_area_of_theirs() -> None:
    desk = cast(Desk, None)
    server = GridServer(Config())
    made = [type(area) for area in areas_of(server, server.fronts, desk)]
    assert set(made) <= set(AREAS) - set(DESK)
    assert len(set(made)) == len(made)
