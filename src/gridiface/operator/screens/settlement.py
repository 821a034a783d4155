"""What came of each control; settlements with their revisions and rows; portfolios. Reads through the API's areas."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from aiohttp import web

from gridiface.domain.controls import Control
from gridiface.domain.timeline import state_at
from gridiface.operator.access import CALLER
from gridiface.operator.areas.portfolios import PortfoliosArea
from gridiface.operator.areas.settlements import SettlementsArea
from gridiface.operator.bodies import name_of
from gridiface.operator.routing import Area, Call
from gridiface.operator.schema import NoBody, NoQuery
from gridiface.operator.schema import Page as PageQuery
from gridiface.operator.screens.house import House
from gridiface.operator.screens.paging import has, paged
from gridiface.operator.screens.render import Entry
from gridiface.operator.server import Page
from gridiface.operator.status import newest_first

#: Baseline methods that the form offers; docs/concepts/settlement.md explains each.
METHODS = ("meter-before-after", "10-of-10", "5-of-10")

#: Rows on one page, and rows asked of the API at once.
_ROWS, _ASKED = 100, 1_000

_POWERS = ("requested", "allocated", "delivered")


class SettlementScreen:
    """`/performance`, `/settlements` and `/portfolios`.

    Args:
        house: what all screens share.
        areas: the mounted REST areas.
    """

    def __init__(self, house: House, areas: Iterable[Area]) -> None:
        self._house = house
        found = {type(area): area for area in areas}
        self._settlements: Any = found.get(SettlementsArea)
        self._portfolios: Any = found.get(PortfoliosArea)

    def entries(self) -> list[Entry]:
        """Lines of the menu."""
        found = [Entry("/settlements", "Settlement", "2:Fleet")] if self._settlements is not None else []
        return [*found, *([Entry("/portfolios", "Portfolios", "2:Fleet")] if self._portfolios is not None else [])]

    def pages(self) -> list[Page]:
        """The routes of what runs here."""
        page = self._house.page
        found = [page("/performance", self.performance, confined=True)]
        if self._settlements is not None:
            found += [page("/settlements", self.settlements), page("/settlements/{id}", self.settlement)]
        if self._portfolios is not None:
            found += [page("/portfolios", self.portfolios), page("/portfolios/{id}", self.portfolio)]
        return found

    def _call(self, request: web.Request, query: Any = None) -> Call[Any, Any]:
        return Call(request, request[CALLER], self._house.now(), NoQuery() if query is None else query, NoBody())

    async def _all(self, request: web.Request, handle: Any, name: str) -> list[Any]:
        """Every row of a list of the API."""
        rows: list[Any] = []
        after: str | None = ""
        while after is not None:
            answer = await handle(self._call(request, PageQuery(limit=_ASKED, after=after)))
            rows += answer[name]
            after = answer["next"]
        return rows

    async def performance(self, request: web.Request) -> web.StreamResponse:
        """What came of each control: requested, delivered, and how far they are apart."""
        text = request.query.get("q", "").strip()[:128]
        ran = [one for one in self._ran(request) if has(text, one.id, one.description, one.target.id)]
        listed = paged(ran, request.query, "/performance", ("q",)).with_rows(self._performance)
        settles = self._settlements is not None
        return self._house.frame.page(request, "performance.html", listed=listed, text=text, settles=settles)

    def _ran(self, request: web.Request) -> list[Control]:
        performance = self._house.status.performance
        controls = newest_first(self._house.view(request).controls())
        return [one for one in controls if not one.is_default and performance.latest(one.id) is not None]

    def _performance(self, control: Control) -> dict[str, Any]:
        status, now = self._house.status, self._house.now()
        report = status.performance.report(control.id)[0]
        means = {name: report.mean(f"{name}_w") for name in _POWERS}
        asked, done = means["requested"], means["delivered"]
        kind = control.target.kind.value
        return {
            **status.control_row(control, now),
            **means,
            "off": None if not asked or done is None else abs(done - asked) / abs(asked),
            "state": state_at(control, now).value,
            "target_kind": kind,
            "target_name": self._house.name_of(kind, control.target.id),
        }

    async def settlements(self, request: web.Request) -> web.StreamResponse:
        """Settlements with their sums, and the form that makes one of a control."""
        text = request.query.get("q", "").strip()[:128]
        rows = await self._all(request, self._settlements.list_settlements, "settlements")
        fits = [row for row in rows if has(text, row["event"])]
        fits.sort(key=lambda row: -row["end"])
        return self._house.frame.page(
            request,
            "settlements.html",
            listed=paged(fits, request.query, "/settlements", ("q",)),
            text=text,
            controls=self._ran(request)[:200],
            chosen=request.query.get("control", "")[:256],
            methods=METHODS,
        )

    async def settlement(self, request: web.Request) -> web.StreamResponse:
        """One settlement: sums by resource, its rows, its file."""
        found = await self._settlements.get_settlement(self._call(request))
        rows = await self._all(request, self._settlements.list_settlement_rows, "rows")
        path = f"/settlements/{quote(name_of(request), safe='')}"
        known = {device.id for device in self._house.status.fleet.devices()}
        return self._house.frame.page(
            request,
            "settlement.html",
            settlement=found,
            listed=paged(rows, request.query, path, (), _ROWS),
            known=known,
            methods=sorted({row["method"] for row in rows}),
        )

    async def portfolios(self, request: web.Request) -> web.StreamResponse:
        """What is enrolled."""
        rows = await self._all(request, self._portfolios.list_portfolios, "portfolios")
        text = request.query.get("q", "").strip()[:128]
        fits = [row for row in rows if has(text, row["name"], row["id"])]
        listed = paged(fits, request.query, "/portfolios", ("q",))
        return self._house.frame.page(request, "portfolios.html", listed=listed, text=text)

    async def portfolio(self, request: web.Request) -> web.StreamResponse:
        """What one can surely give, its programs, its constraints, the markets it is ready for and not."""
        call = self._call(request)
        status = await self._portfolios.get_portfolio_status(call)
        enrolled = await self._portfolios.get_portfolio(call)
        body = getattr(enrolled, "body", enrolled)
        path = f"/portfolios/{quote(name_of(request), safe='')}"
        assets = paged(body["assets"], request.query, path, (), _ROWS)
        return self._house.frame.page(request, "portfolio.html", portfolio=status, assets=assets)
