"""What came of each control; settlements with their revisions and rows; portfolios. Reads through the API's areas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiohttp import web

from gridiface.domain.controls import Control
from gridiface.domain.performance import PerformanceReport
from gridiface.domain.timeline import state_at
from gridiface.operator.api.bodies import name_of
from gridiface.operator.areas.portfolios import PortfoliosArea
from gridiface.operator.areas.settlements import RowsAsked, SettlementsArea
from gridiface.operator.rows.status import newest_first
from gridiface.operator.schema import LONGEST_ID, Search
from gridiface.operator.screens.house import House
from gridiface.operator.screens.paging import SIZE, counted_page, has, page_start, paged, words
from gridiface.operator.screens.performance import SECTIONS
from gridiface.operator.screens.render import Entry
from gridiface.operator.server import Page
from gridiface.segments import segment

#: Baseline methods that the form offers; docs/concepts/settlement.md explains each.
METHODS = ("meter-before-after", "10-of-10", "5-of-10")

#: Rows on one page.
_ROWS = 100

_POWERS = ("requested", "allocated", "delivered")


def ran(house: House, request: web.Request) -> list[Control]:
    """Controls that a reader sees and of which there are measurements, the newest first."""
    controls = newest_first(house.view(request).controls())
    return [one for one in controls if house.status.has_run(one)]


class PerformanceScreen:
    """`/performance`."""

    def __init__(self, house: House) -> None:
        self._house = house

    def pages(self) -> list[Page]:
        """Its route."""
        return [self._house.page("/performance", self.performance, confined=True)]

    async def performance(self, request: web.Request) -> web.StreamResponse:
        """What came of each control: requested, delivered, and how far they are apart."""
        text = request.query.get("q", "").strip()[:128]
        fits = [one for one in ran(self._house, request) if has(text, one.id, one.description, one.target.id)]
        listed = paged(fits, request.query, "/performance", ("q",))
        reports = {one.id: await self._house.desk.measured.reports(one) for one in listed.rows}
        listed = listed.with_rows(lambda one: self._performance(one, reports[one.id]))
        settles = self._house.area(SettlementsArea) is not None
        return self._house.frame.page(
            request, "performance.html", listed=listed, text=text, settles=settles, sections=SECTIONS
        )

    def _performance(self, control: Control, reports: Sequence[PerformanceReport]) -> dict[str, Any]:
        status, now = self._house.status, self._house.now()
        nothing = PerformanceReport(control_id=control.id, target_id=control.target.id, intervals=())
        report = next(iter(reports), nothing)
        means = {name: report.mean(f"{name}_w") for name in _POWERS}
        asked, done = means["requested"], means["delivered"]
        kind = control.target.kind.value
        return {
            **status.control_row(control, now),
            **means,
            "known": report.known,
            "off": None if not asked or done is None else abs(done - asked) / abs(asked),
            "state": state_at(control, now).value,
            "target_kind": kind,
            "target_name": self._house.name_of(kind, control.target.id),
        }


class SettlementScreen:
    """`/settlements`."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._area = house.need(SettlementsArea)

    def entries(self) -> list[Entry]:
        """Lines of the menu."""
        return [Entry("/settlements", "Settlement", "2:Fleet")]

    def pages(self) -> list[Page]:
        """Its routes."""
        page = self._house.page
        return [page("/settlements", self.settlements), page("/settlements/{id}", self.settlement)]

    async def settlements(self, request: web.Request) -> web.StreamResponse:
        """Settlements with their sums, and the form that makes one of a control."""
        text = request.query.get("q", "").strip()[:128]
        rows, total = self._area.newest(text, page_start(request.query), SIZE)
        return self._house.frame.page(
            request,
            "settlements.html",
            listed=counted_page(rows, total, request.query, "/settlements", ("q",)),
            text=text,
            controls=ran(self._house, request)[:200],
            chosen=request.query.get("control", "")[:LONGEST_ID],
            methods=METHODS,
        )

    async def settlement(self, request: web.Request) -> web.StreamResponse:
        """One settlement: sums by resource, its rows, its file."""
        found = await self._area.get_settlement(self._house.call(request))
        start = page_start(request.query, _ROWS)
        told = (await self._area.list_settlement_revisions(self._house.call(request)))["revisions"]
        given = request.query.get("revision", "")
        asked = next((one for one in told if str(one["revision"]) == given), told[0])
        revision = None if asked is told[0] else asked["revision"]
        query = RowsAsked(limit=_ROWS, after=str(start), revision=revision)
        part = await self._area.list_settlement_rows(self._house.call(request, query))
        path = f"/settlements/{segment(name_of(request))}"
        known = {device.id for device in self._house.status.fleet.devices()}
        return self._house.frame.page(
            request,
            "settlement.html",
            settlement=found,
            listed=counted_page(part["rows"], part["total"], request.query, path, ("revision",), _ROWS),
            known=known,
            told=told,
            asked=asked,
            methods=self._area.methods(found["event"]),
        )


class PortfolioScreen:
    """`/portfolios`."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._area = house.need(PortfoliosArea)

    def entries(self) -> list[Entry]:
        """Lines of the menu."""
        return [Entry("/portfolios", "Portfolios", "2:Fleet")]

    def pages(self) -> list[Page]:
        """Its routes."""
        page = self._house.page
        return [page("/portfolios", self.portfolios), page("/portfolios/{id}", self.portfolio)]

    async def portfolios(self, request: web.Request) -> web.StreamResponse:
        """What is enrolled."""
        text = request.query.get("q", "").strip()[:128]
        asked = Search(q=words(text), limit=SIZE, skip=page_start(request.query))
        found = await self._area.list_portfolios(self._house.call(request, asked))
        listed = counted_page(found["portfolios"], found["total"], request.query, "/portfolios", ("q",))
        return self._house.frame.page(request, "portfolios.html", listed=listed, text=text)

    async def portfolio(self, request: web.Request) -> web.StreamResponse:
        """What one can surely give, its programs, its constraints, the markets it is ready for and not."""
        call = self._house.call(request)
        status = await self._area.get_portfolio_status(call)
        enrolled = await self._area.get_portfolio(call)
        path = f"/portfolios/{segment(name_of(request))}"
        assets = paged(enrolled["assets"], request.query, path, (), _ROWS)
        return self._house.frame.page(request, "portfolio.html", portfolio=status, assets=assets)
