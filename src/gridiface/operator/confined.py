"""Callers that are confined to groups: what of the fleet they see. The whole fleet where they are not. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from gridiface.domain.controls import Target
from gridiface.domain.ports import FleetView
from gridiface.operator.auth.access import Caller
from gridiface.operator.auth.tokens import TokenRow
from gridiface.operator.auth.users import UserRow
from gridiface.operator.desk import Desk
from gridiface.operator.problems import Refused
from gridiface.operator.rows.present import covers, devices_of


def sees_device(caller: Caller, device_id: str, fleet: FleetView) -> bool:
    """Whether a device is one of the caller's."""
    return caller.groups is None or device_id in devices_of(caller.groups, fleet)


def sees_target(caller: Caller, target: Target, fleet: FleetView) -> bool:
    """Whether a device or group is one of the caller's, or lies in one of its groups as a whole."""
    return caller.groups is None or covers(caller.groups, target, fleet)


def check_groups(groups: Iterable[str] | None, desk: Desk) -> None:
    """Hold the groups that somebody is to be confined to against those that there are.

    Raises:
        Refused: 422, there is no such group.
    """
    for name in groups or ():
        if desk.status.fleet.group(name) is None:
            raise Refused(422, f"there is no group {name[:128]!r}", "GET /api/v1/groups lists them")


def confined_to(group: str, users: Iterable[UserRow], tokens: Iterable[TokenRow]) -> list[str]:
    """Users and tokens that are confined to a group, for people."""
    named = [f"user {row['name']}" for row in users if group in (row["groups"] or ())]
    return named + [f"token {row['name']}" for row in tokens if group in (row["groups"] or ())]
