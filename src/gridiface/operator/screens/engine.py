"""How the engine decides: the decision log searched, strategies by group, quarantine. Read through the API."""

from __future__ import annotations

from aiohttp import web

from gridiface.domain.ports import DecisionSearch
from gridiface.operator.areas.engine import EngineArea
from gridiface.operator.present import decision_row
from gridiface.operator.screens.house import House
from gridiface.operator.screens.paging import paged
from gridiface.operator.screens.render import Entry
from gridiface.operator.server import Page

#: Decisions that are searched, and shown on one page.
_SEARCHED, _SHOWN = 1_000, 50

#: Fields of a search, as the API has them.
FIELDS = ("q", "target", "signal", "source", "verdict", "control")


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
        given = {name: query.get(name, "").strip()[:128] for name in FIELDS}
        search = DecisionSearch(
            target=given["target"] or None,
            signal=given["signal"] or None,
            source=given["source"] or None,
            verdict=given["verdict"] or None,
            text=given["q"] or None,
        )
        records = self._house.desk.records
        found = await records.decisions(control_id=given["control"] or None, limit=_SEARCHED, search=search)
        seen = [one for one in found if view.names is None or view.target(one.target)]
        listed = paged(seen, query, "/decisions", FIELDS, _SHOWN).with_rows(decision_row)
        return self._house.frame.page(
            request,
            "decisions.html",
            listed=listed,
            given=given,
            cut=len(found) == _SEARCHED,
            signals=sorted({one.signal for one in seen}),
            verdicts=sorted({one.verdict for one in seen}),
            sources=sorted({one.source.protocol for one in seen}),
        )


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
