"""Groups as a tree with their caps, and one group with its members."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from gridiface.domain.timeline import TERMINAL, state_at
from gridiface.operator.api.bodies import name_of
from gridiface.operator.problems import Refused
from gridiface.operator.rows.present import group_detail
from gridiface.operator.screens.house import House
from gridiface.operator.screens.tree import in_tree_order
from gridiface.operator.server import Page

#: Members that are listed on a group's page.
_MEMBERS = 200


class GroupsScreen:
    """`/groups` and `/groups/{id}`.

    Args:
        house: what all screens share.
        defines: whether groups can be made and taken away here.
    """

    def __init__(self, house: House, *, defines: bool = False) -> None:
        self._house = house
        self._defines = defines

    def pages(self) -> list[Page]:
        """All routes."""
        page = self._house.page
        return [
            page("/groups", self.show, confined=True),
            page("/parts/groups", self.renew, confined=True),
            page("/groups/{id}", self.show_one, confined=True),
            page("/parts/groups/{id}", self.renew_one, confined=True),
        ]

    async def show(self, request: web.Request) -> web.StreamResponse:
        """The tree."""
        return self._house.frame.page(request, "groups.html", defines=self._defines, **self._all(request))

    async def renew(self, request: web.Request) -> web.StreamResponse:
        """The tree anew."""
        return self._house.frame.fragment(request, "parts/groups.html", **self._all(request))

    def _all(self, request: web.Request) -> dict[str, Any]:
        status, now, view = self._house.status, self._house.now(), self._house.view(request)
        known = {group.id: group for group in view.groups()}
        grouped = {name for group in status.fleet.groups() for name in group.members}
        loose = [device for device in view.devices() if device.id not in grouped]
        return {
            "groups": [(depth, row, known[row["id"]]) for depth, row in in_tree_order(view.group_rows(now))],
            "totals": status.totals(now),
            "loose": loose[:_MEMBERS],
            "loose_count": len(loose),
        }

    async def show_one(self, request: web.Request) -> web.StreamResponse:
        """One group."""
        values = self._one(request)
        points = self._house.desk.trend.columns(name_of(request))
        return self._house.frame.page(request, "group.html", points=points, defines=self._defines, **values)

    async def renew_one(self, request: web.Request) -> web.StreamResponse:
        """What changes of one group."""
        return self._house.frame.fragment(request, "parts/group.html", **self._one(request))

    def _one(self, request: web.Request) -> dict[str, Any]:
        status, now, name = self._house.status, self._house.now(), name_of(request)
        group = status.fleet.group(name)
        view = self._house.view(request)
        if group is None or not view.group(name):
            raise Refused(404, f"there is no group {name[:64]!r}", "the list has all of them")
        detail = group_detail(group, status, now)
        members = detail["member_devices"]
        rows = [status.device_row(device) for one in members[:_MEMBERS] if (device := status.fleet.device(one))]
        inside = [other for other in view.groups() if other.parent == group.id]
        rules = [one for one in status.controls() if one.target.id == name and state_at(one, now) not in TERMINAL]
        return {
            "group": detail,
            "total": status.totals(now).get(name),
            "inside": inside,
            "rows": rows,
            "more": max(0, len(members) - len(rows)),
            "defaults": [status.control_row(one, now) for one in rules if one.is_default],
            "now": now,
        }
