"""The REST areas of one server: each area of a part that runs here, joined to that part. Owns no route."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gridiface.operator.routing import Area

if TYPE_CHECKING:
    from gridiface.app.wiring import GridServer


def areas_of(server: GridServer) -> list[Area]:
    """The areas beside those of the desk; call it when the server's parts are made.

    A part that is not configured has no area: its routes are 404 and not in the API's description.
    """
    areas: list[Area] = []
    return areas
