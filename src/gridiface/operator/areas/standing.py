"""The areas that stand in every server, and the operations of any. Imports no area of a protocol."""

from __future__ import annotations

from collections.abc import Iterable

from gridiface.operator.api.routing import Area, Route
from gridiface.operator.areas.alarms import AlarmsArea
from gridiface.operator.areas.approvals import ApprovalsArea
from gridiface.operator.areas.audit import AuditArea
from gridiface.operator.areas.certificates import CertificatesArea
from gridiface.operator.areas.controls import ControlsArea
from gridiface.operator.areas.devices import DevicesArea
from gridiface.operator.areas.envelope import EnvelopeArea
from gridiface.operator.areas.oauth import OAuthArea
from gridiface.operator.areas.oidc import OidcArea
from gridiface.operator.areas.performance import PerformanceArea
from gridiface.operator.areas.service import ServiceArea
from gridiface.operator.areas.session import SessionArea
from gridiface.operator.areas.tokens import TokensArea
from gridiface.operator.areas.trace import TraceArea
from gridiface.operator.areas.users import UsersArea

#: The areas that every server has.
DESK = (
    DevicesArea,
    EnvelopeArea,
    ControlsArea,
    PerformanceArea,
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


def routes_of(areas: Iterable[type[Area]]) -> tuple[Route, ...]:
    """Every operation of these areas."""
    return tuple(route for area in areas for route in area.routes())
