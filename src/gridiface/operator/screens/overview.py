"""The first page: is the fleet doing what was asked?"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from gridiface.domain.clock import Instant
from gridiface.domain.controls import Control, ControlState
from gridiface.domain.timeline import state_at
from gridiface.operator.rows import GroupRow
from gridiface.operator.screens.headline import asked_groups, headline
from gridiface.operator.screens.house import House
from gridiface.operator.screens.tree import in_tree_order
from gridiface.operator.server import Page
from gridiface.operator.status import newest_first

#: Rows of one kind on the page.
_CONTROLS, _TROUBLES, _STEPS, _GROUPS = 6, 8, 14, 60

#: How old what is shown may be, s.
_SHARED_S = 0.4


class OverviewScreen:
    """`/`, and the part of it that is renewed."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._kept: tuple[Instant, dict[str, Any]] = (float("-inf"), {})

    def pages(self) -> list[Page]:
        """Both routes."""
        return [self._house.page("/", self.show), self._house.page("/parts/overview", self.renew)]

    async def show(self, request: web.Request) -> web.StreamResponse:
        """The whole page."""
        now = self._house.now()
        groups = self._house.status.group_rows(now)
        wanted = request.query.get("group", "")
        group = next((row for row in groups if row["id"] == wanted), None) or _first(groups)
        points = [] if group is None else self._house.desk.trend.columns(group["id"])
        tops = [row for row in groups if row["parent"] is None or row["requested_W"] is not None][:12]
        return self._house.frame.page(
            request, "overview.html", group=group, points=points, tabs=tops, **self._live(groups, now)
        )

    async def renew(self, request: web.Request) -> web.StreamResponse:
        """What changes from second to second."""
        now = self._house.now()
        values = self._live(self._house.status.group_rows(now), now)
        part = "rest" if request.query.get("part") == "rest" else "top"
        return self._house.frame.fragment(request, "parts/overview.html", part=part, **values)

    def _live(self, groups: list[GroupRow], now: Instant) -> dict[str, Any]:
        """What changes; all readers of one moment share it."""
        at, kept = self._kept
        if not abs(now - at) < _SHARED_S:
            kept = self._look(groups, now)
            self._kept = (now, kept)
        return kept

    def _look(self, groups: list[GroupRow], now: Instant) -> dict[str, Any]:
        status = self._house.status
        controls = [control for control in status.controls() if not control.is_default]
        running = [one for one in controls if state_at(one, now) is ControlState.ACTIVE]
        ahead = sorted(
            (one for one in controls if state_at(one, now) is ControlState.SCHEDULED), key=lambda one: one.span.start
        )
        since = min((now - one.span.start for one in running), default=None)
        troubled = status.troubled(now)
        totals = status.totals(now)
        tops = [totals[row["id"]] for row in groups if row["parent"] is None and row["id"] in totals]
        return {
            "now": now,
            "headline": headline(groups, since),
            "counts": status.at(now)["devices"],
            "running": len(running),
            "ahead": len(ahead),
            "next": ahead[0].span.start if ahead else None,
            "shown": [self._control(one, now) for one in [*newest_first(running), *ahead][:_CONTROLS]],
            "groups": in_tree_order(groups)[:_GROUPS],
            "more_groups": max(0, len(groups) - _GROUPS),
            "totals": totals,
            "up_w": sum(total.available_up_w or 0.0 for total in tops),
            "down_w": sum(total.available_down_w or 0.0 for total in tops),
            "soc": next((total.soc for total in tops if total.soc is not None), None),
            "troubles": self._house.troubles(troubled[:_TROUBLES]),
            "more_troubles": max(0, len(troubled) - _TROUBLES),
            "parts": self._house.desk.parts(),
            "steps": status.at(now)["outcomes"][:_STEPS],
        }

    def _control(self, control: Control, now: Instant) -> dict[str, Any]:
        fleet, target = self._house.status.fleet, control.target
        members = 1 if target.kind.value == "device" else len(fleet.members(target.id))
        return {
            **self._house.status.control_row(control, now),
            "target_kind": target.kind.value,
            "target_name": self._house.name_of(target.kind.value, target.id),
            "identity": control.source.identity,
            "members": members,
        }


def _first(groups: list[GroupRow]) -> GroupRow | None:
    """The group that the plot begins with: the largest that is asked, else the largest of the outermost."""
    best = asked_groups(groups) or [row for row in groups if row["parent"] is None] or groups
    return max(best, key=lambda row: row["devices"], default=None)
