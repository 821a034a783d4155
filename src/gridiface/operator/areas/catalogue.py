"""All areas there are, in the order of the reference page. A server mounts those whose port it has."""

from __future__ import annotations

from gridiface.operator.api.routing import Area, Route
from gridiface.operator.areas.dnp3 import Dnp3Area
from gridiface.operator.areas.engine import EngineArea
from gridiface.operator.areas.fleet import FleetArea
from gridiface.operator.areas.meters import MetersArea
from gridiface.operator.areas.openadr_events import OpenAdrEventsArea
from gridiface.operator.areas.openadr_own import OpenAdrOwnArea
from gridiface.operator.areas.openadr_reports import OpenAdrReportsArea
from gridiface.operator.areas.openadr_vens import OpenAdrVensArea
from gridiface.operator.areas.portfolios import PortfoliosArea
from gridiface.operator.areas.sep2_devices import Sep2DevicesArea
from gridiface.operator.areas.sep2_flow import Sep2FlowArea
from gridiface.operator.areas.sep2_programs import Sep2ProgramsArea
from gridiface.operator.areas.sep2_resources import Sep2ResourcesArea
from gridiface.operator.areas.sep2_upstreams import Sep2UpstreamsArea
from gridiface.operator.areas.settlements import SettlementsArea
from gridiface.operator.areas.standing import DESK, OWN, routes_of

AREAS: tuple[type[Area], ...] = (
    *DESK,
    EngineArea,
    FleetArea,
    PortfoliosArea,
    SettlementsArea,
    MetersArea,
    Sep2DevicesArea,
    Sep2ProgramsArea,
    Sep2ResourcesArea,
    Sep2FlowArea,
    Dnp3Area,
    OpenAdrVensArea,
    OpenAdrEventsArea,
    OpenAdrReportsArea,
    OpenAdrOwnArea,
    Sep2UpstreamsArea,
    *OWN,
)


def every_route() -> tuple[Route, ...]:
    """Every operation there is."""
    return routes_of(AREAS)
