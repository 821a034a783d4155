"""The REST areas of one server: each area of a part that runs here, joined to that part. Owns no route."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gridiface.app.dnp3_desk import Dnp3Desk
from gridiface.operator.areas.dnp3 import Dnp3Area
from gridiface.operator.areas.openadr_events import OpenAdrEventsArea
from gridiface.operator.areas.openadr_own import OpenAdrOwnArea
from gridiface.operator.areas.openadr_reports import OpenAdrReportsArea
from gridiface.operator.areas.openadr_vens import OpenAdrVensArea
from gridiface.operator.desk import Desk
from gridiface.operator.routing import Area

if TYPE_CHECKING:
    from gridiface.app.wiring import GridServer


def areas_of(server: GridServer, desk: Desk) -> list[Area]:
    """The areas beside those of the desk; call it when the server's parts are made.

    A part that is not configured has no area: its routes are 404 and not in the API's description.
    """
    areas: list[Area] = []
    if server.dnp3 is not None:
        areas.append(Dnp3Area(desk, Dnp3Desk(server.dnp3)))
    if server.vtn is not None:
        areas += [OpenAdrVensArea(server.vtn), OpenAdrEventsArea(server.vtn), OpenAdrReportsArea(server.vtn)]
    if server.vens:
        areas.append(OpenAdrOwnArea(server.vens))
    return areas
