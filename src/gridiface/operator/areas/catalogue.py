"""All areas there are, in the order of the reference page. A server mounts those whose port it has."""

from __future__ import annotations

from collections.abc import Iterable

from gridiface.operator.areas.alarms import AlarmsArea
from gridiface.operator.areas.approvals import ApprovalsArea
from gridiface.operator.areas.audit import AuditArea
from gridiface.operator.areas.certificates import CertificatesArea
from gridiface.operator.areas.controls import ControlsArea
from gridiface.operator.areas.devices import DevicesArea
from gridiface.operator.areas.dnp3 import Dnp3Area
from gridiface.operator.areas.engine import EngineArea
from gridiface.operator.areas.fleet import FleetArea
from gridiface.operator.areas.oauth import OAuthArea
from gridiface.operator.areas.oidc import OidcArea
from gridiface.operator.areas.openadr_events import OpenAdrEventsArea
from gridiface.operator.areas.openadr_own import OpenAdrOwnArea
from gridiface.operator.areas.openadr_reports import OpenAdrReportsArea
from gridiface.operator.areas.openadr_vens import OpenAdrVensArea
from gridiface.operator.areas.portfolios import PortfoliosArea
from gridiface.operator.areas.sep2_devices import Sep2DevicesArea
from gridiface.operator.areas.sep2_programs import Sep2ProgramsArea
from gridiface.operator.areas.sep2_resources import Sep2ResourcesArea
from gridiface.operator.areas.sep2_upstreams import Sep2UpstreamsArea
from gridiface.operator.areas.service import ServiceArea
from gridiface.operator.areas.session import SessionArea
from gridiface.operator.areas.settlements import SettlementsArea
from gridiface.operator.areas.tokens import TokensArea
from gridiface.operator.areas.trace import TraceArea
from gridiface.operator.areas.users import UsersArea
from gridiface.operator.routing import Area, Route

#: The areas that every server has.
DESK = (
    DevicesArea,
    ControlsArea,
    ApprovalsArea,
    AlarmsArea,
    CertificatesArea,
    TraceArea,
    UsersArea,
    TokensArea,
    AuditArea,
)

#: The areas that the listener itself makes.
OWN: tuple[type[Area], ...] = (SessionArea, OidcArea, OAuthArea, ServiceArea)

AREAS: tuple[type[Area], ...] = (
    *DESK,
    EngineArea,
    FleetArea,
    PortfoliosArea,
    SettlementsArea,
    Sep2DevicesArea,
    Sep2ProgramsArea,
    Sep2ResourcesArea,
    Dnp3Area,
    OpenAdrVensArea,
    OpenAdrEventsArea,
    OpenAdrReportsArea,
    OpenAdrOwnArea,
    Sep2UpstreamsArea,
    *OWN,
)


def routes_of(areas: Iterable[type[Area]] = AREAS) -> tuple[Route, ...]:
    """Every operation of these areas."""
    return tuple(route for area in areas for route in area.routes())
