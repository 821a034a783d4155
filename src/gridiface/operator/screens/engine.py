"""How the engine decides: the decision log searched, strategies by group, quarantine. Read through the API."""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite
from urllib.parse import urlencode

from aiohttp import web

from gridiface.domain.controls import Decision
from gridiface.domain.ports import DecisionSearch
from gridiface.operator.areas.engine import EngineArea
from gridiface.operator.rows.present import decision_row, groups_of
from gridiface.operator.schema import LONGEST_ID
from gridiface.operator.screens.house import House
from gridiface.operator.screens.paging import one_page, page_start, paged
from gridiface.operator.screens.render import Entry
from gridiface.operator.screens.view import View
from gridiface.operator.server import Page

#: Decisions of which the choices are made, that are read at once, and shown on one page.
_CHOICES, _AT_ONCE, _SHOWN = 200, 1_000, 50

#: Fields of a search, as the API has them; `device`: on it, or on a group that it is in.
FIELDS = ("q", "target", "signal", "source", "verdict", "control", "device", "before")


class DecisionsScreen:
    """`/decisions`."""

    def __init__(self, house: House) -> None:
        self._house = house

    def pages(self) -> list[Page]:
        """Its route."""
        return [self._house.page("/decisions", self.decisions, confined=True)]

    async def decisions(self, request: web.Request) -> web.StreamResponse:
        """The decision log: which signal, from whom, won or lost, and why."""
        query, view = request.query, self._house.view(request)
        given = {name: query.get(name, "").strip()[:LONGEST_ID] for name in FIELDS}
        search = DecisionSearch(
            target=given["target"] or None,
            targets=self._about(given["device"], view) if given["device"] else None,
            signal=given["signal"] or None,
            source=given["source"] or None,
            verdict=given["verdict"] or None,
            text=given["q"] or None,
            end=_instant(given["before"]),
        )
        control = given["control"] or None
        # The choices are of what was decided lately, whatever is searched for.
        lately = await self._seen(view, None, DecisionSearch(), 0, _CHOICES)
        looked = await self._house.desk.records.within_reach(search, control_id=control)
        rows = await self._seen(view, control, looked, page_start(query, _SHOWN), _SHOWN + 1)
        listed = one_page(rows, query, "/decisions", FIELDS, _SHOWN).with_rows(decision_row)
        seen = [*rows, *lately]
        older = None
        if looked.start is not None:
            older = "/decisions?" + urlencode({**{n: v for n, v in given.items() if v}, "before": looked.start})
        return self._house.frame.page(
            request,
            "decisions.html",
            listed=listed,
            given=given,
            before=search.end,
            reach=looked.start,
            older=older,
            signals=_choices(given["signal"], (one.signal for one in seen)),
            verdicts=_choices(given["verdict"], (one.verdict for one in seen)),
            sources=_choices(given["source"], (one.source.protocol for one in seen)),
        )

    def _about(self, device: str, view: View) -> tuple[str, ...]:
        groups = groups_of(device, self._house.status.fleet)
        return (device, *(name for name in groups if view.group(name)))

    async def _seen(
        self, view: View, control: str | None, search: DecisionSearch, skip: int, count: int
    ) -> list[Decision]:
        """`count` decisions after `skip` of those that a reader sees; the store skips them where that is all."""
        read = self._house.desk.records.decisions
        if view.names is None:
            return await read(control_id=control, limit=count, skip=skip, search=search)
        found: list[Decision] = []
        looked = 0
        while len(found) < skip + count:
            some = await read(control_id=control, limit=_AT_ONCE, skip=looked, search=search)
            found += [one for one in some if view.target(one.target)]
            looked += len(some)
            if len(some) < _AT_ONCE:
                break
        return found[skip : skip + count]


def _choices(chosen: str, seen: Iterable[str]) -> list[str]:
    return sorted({chosen, *seen} - {""})


def _instant(text: str) -> float | None:
    """A time of the address, s since 1970; None: none that can be."""
    try:
        at = float(text)
    except ValueError:
        return None
    return at if isfinite(at) else None


class EngineScreen:
    """`/engine`."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._area = house.need(EngineArea)

    def entries(self) -> list[Entry]:
        """Lines of the menu."""
        return [Entry("/engine", "Aggregation", "2:Fleet")]

    def pages(self) -> list[Page]:
        """Its route."""
        return [self._house.page("/engine", self.engine)]

    async def engine(self, request: web.Request) -> web.StreamResponse:
        """Strategies, quarantine, and what each group is asked, told and does."""
        call = self._house.call(request)
        strategies = await self._area.list_strategies(call)
        chosen = {row["group"]: row for row in strategies["groups"]}
        quarantine = (await self._area.list_quarantine(call))["devices"]
        groups = self._house.status.group_rows(call.now)
        return self._house.frame.page(
            request,
            "engine.html",
            groups=paged(groups, request.query, "/engine"),
            chosen=chosen,
            known=strategies["known"],
            totals=self._house.status.totals(call.now),
            troubles=self._house.troubles(quarantine[:_SHOWN]),
            more=max(0, len(quarantine) - _SHOWN),
        )
