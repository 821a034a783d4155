"""The first page: is the fleet doing what was asked?"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from gridiface.domain.clock import Instant
from gridiface.domain.controls import Control, ControlState
from gridiface.domain.timeline import state_at
from gridiface.operator.alarms.kinds import KINDS
from gridiface.operator.rows.rows import GroupRow
from gridiface.operator.rows.status import newest_first
from gridiface.operator.screens.headline import asked_groups, headline
from gridiface.operator.screens.house import House
from gridiface.operator.screens.responses import gathered
from gridiface.operator.screens.tree import in_tree_order
from gridiface.operator.screens.view import View
from gridiface.operator.screens.words import control_words
from gridiface.operator.server import Page

#: Rows of one kind on the page.
_CONTROLS, _TROUBLES, _STEPS, _GROUPS = 6, 8, 10, 60

#: Readers who see different parts of the fleet whose pages are kept for a moment.
_VIEWS = 32

#: How old what is shown may be, s.
_SHARED_S = 0.4


class OverviewScreen:
    """`/`, and the part of it that is renewed."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._kept: dict[frozenset[str] | None, tuple[Instant, dict[str, Any]]] = {}

    def pages(self) -> list[Page]:
        """Both routes."""
        page = self._house.page
        return [page("/", self.show, confined=True), page("/parts/overview", self.renew, confined=True)]

    async def show(self, request: web.Request) -> web.StreamResponse:
        """The whole page."""
        now, view = self._house.now(), self._house.view(request)
        groups = view.group_rows(now)
        wanted = request.query.get("group", "")
        group = next((row for row in groups if row["id"] == wanted), None) or _first(groups)
        points = [] if group is None else self._house.desk.trend.columns(group["id"])
        tops = [row for row in groups if row["parent"] is None or row["requested_W"] is not None][:12]
        return self._house.frame.page(
            request, "overview.html", group=group, points=points, tabs=tops, **self._live(view, groups, now)
        )

    async def renew(self, request: web.Request) -> web.StreamResponse:
        """What changes from second to second."""
        now, view = self._house.now(), self._house.view(request)
        part = "rest" if request.query.get("part") == "rest" else "top"
        values = self._live(view, None, now)
        return self._house.frame.fragment(request, "parts/overview.html", part=part, **values)

    def _live(self, view: View, groups: list[GroupRow] | None, now: Instant) -> dict[str, Any]:
        """What changes; all readers of one moment who see the same share it."""
        at, kept = self._kept.get(view.key, (float("-inf"), {}))
        if not abs(now - at) < _SHARED_S:
            kept = self._look(view, view.group_rows(now) if groups is None else groups, now)
            if len(self._kept) > _VIEWS:
                self._kept.clear()
            self._kept[view.key] = (now, kept)
        return kept

    def _look(self, view: View, groups: list[GroupRow], now: Instant) -> dict[str, Any]:
        status = self._house.status
        controls = [control for control in view.controls() if not control.is_default]
        states = [(one, state_at(one, now)) for one in controls]
        running = [one for one, state in states if state is ControlState.ACTIVE]
        ahead = sorted(
            (one for one, state in states if state is ControlState.SCHEDULED), key=lambda one: one.span.start
        )
        since = min((now - one.span.start for one in running), default=None)
        troubled = view.these(status.troubled(now))
        totals = status.totals(now)
        tops = [totals[row["id"]] for row in groups if row["parent"] is None and row["id"] in totals]
        return {
            "now": now,
            "headline": headline(groups, since),
            "counts": self._house.status.device_counts(now, view.names),
            "running": len(running),
            "ahead": len(ahead),
            "next": ahead[0].span.start if ahead else None,
            "shown": [self._control(one, now) for one in [*newest_first(running), *ahead][:_CONTROLS]],
            "more_controls": max(0, len(running) + len(ahead) - _CONTROLS),
            "groups": in_tree_order(groups)[:_GROUPS],
            "more_groups": max(0, len(groups) - _GROUPS),
            "totals": totals,
            "up_w": sum(total.available_up_w or 0.0 for total in tops),
            "down_w": sum(total.available_down_w or 0.0 for total in tops),
            "soc": next((total.soc for total in tops if total.soc is not None), None),
            "troubles": self._house.troubles(troubled[:_TROUBLES]),
            "more_troubles": max(0, len(troubled) - _TROUBLES),
            "parts": self._house.desk.parts() if view.names is None else [],
            "alarms": self._alarms(view),
            "steps": self._steps(view, {one.id: one for one in controls}),
        }

    def _alarms(self, view: View) -> int:
        """Alarms that nobody has acknowledged."""
        standing = self._house.desk.alarms.standing()
        return sum(
            alarm.acknowledged is None
            and (view.names is None or (KINDS[alarm.kind].device and view.device(alarm.subject)))
            for alarm in standing
        )

    def _steps(self, view: View, controls: dict[str, Control]) -> list[dict[str, Any]]:
        rows = self._house.status.newest_outcomes()
        seen = [
            row
            for row in rows
            if view.names is None or (row["control"] in controls and view.device(row["device"] or ""))
        ]
        lines = gathered(seen, _STEPS)
        known = {line.control: controls[line.control] for line in lines if line.control in controls}
        named = {name: one.description or control_words(one) for name, one in known.items()}
        return [{"line": line, "about": named.get(line.control, "")} for line in lines]

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
