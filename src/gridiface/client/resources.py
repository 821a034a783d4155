"""What is defined, enrolled, settled and performed, for asyncio: devices, groups, portfolios, settlements, sums.

What can be edited comes with its ETag (`tagged`); give it back with the change, and what somebody else changed in
between is not lost: ApiError with the status 412. `"*"` changes whatever is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from gridiface.client.transport import Transport
from gridiface.operator.areas.fleet import DeviceDefinition, GroupDefinition
from gridiface.operator.areas.meters import MeterDataTaken
from gridiface.operator.areas.performance import PerformanceRow
from gridiface.operator.areas.portfolios import PortfolioRow, PortfolioStatus, PortfolioSummary
from gridiface.operator.areas.settlements import SettlementMade, SettlementRevision, SettlementRow, SettlementSummary
from gridiface.segments import segment

Fields = Mapping[str, Any]


class Resources(Transport):
    """Every method raises ApiError where the server says no, and NotReached where it does not answer."""

    # --- definitions ----------------------------------------------------------------------------------------------

    async def device_definition(self, device_id: str) -> tuple[DeviceDefinition, str]:
        """How a device is defined, and the ETag of that."""
        return await self.tagged(f"/devices/{segment(device_id)}/definition")

    async def add_device(self, definition: Fields) -> DeviceDefinition:
        """Add a device, durably: `id`, `driver`, `connection` and what else a configuration file says of one."""
        return cast("DeviceDefinition", await self.request("POST", "/devices", body=dict(definition)))

    async def change_device(self, definition: Fields, etag: str) -> DeviceDefinition:
        """Replace a device's definition, durably."""
        path = f"/devices/{segment(definition['id'])}/definition"
        return cast("DeviceDefinition", await self._put(path, definition, etag, _READ_ONLY))

    async def move_device(self, device_id: str, group: str | None, reason: str = "") -> DeviceDefinition:
        """Put a device into another group, or into none."""
        body = {"group": group, "reason": reason}
        return cast("DeviceDefinition", await self.request("POST", f"/devices/{segment(device_id)}/move", body=body))

    async def remove_device(self, device_id: str, reason: str = "", *, etag: str = "") -> DeviceDefinition:
        """Take a device out of the fleet, durably; what it did is kept."""
        return cast("DeviceDefinition", await self._delete(f"/devices/{segment(device_id)}", etag, reason=reason))

    async def group_definition(self, group_id: str) -> tuple[GroupDefinition, str]:
        """How a group is defined, and the ETag of that."""
        return await self.tagged(f"/groups/{segment(group_id)}/definition")

    async def add_group(self, definition: Fields) -> GroupDefinition:
        """Make a group, durably: `id`, `members` and what else a configuration file says of one."""
        return cast("GroupDefinition", await self.request("POST", "/groups", body=dict(definition)))

    async def change_group(self, definition: Fields, etag: str) -> GroupDefinition:
        """Replace a group's definition, durably."""
        path = f"/groups/{segment(definition['id'])}/definition"
        return cast("GroupDefinition", await self._put(path, definition, etag, _READ_ONLY))

    async def remove_group(self, group_id: str, reason: str = "", *, etag: str = "") -> GroupDefinition:
        """Take a group away, durably; its members stay in the fleet."""
        return cast("GroupDefinition", await self._delete(f"/groups/{segment(group_id)}", etag, reason=reason))

    # --- portfolios -----------------------------------------------------------------------------------------------

    async def portfolios(self) -> list[PortfolioSummary]:
        """All portfolios by id."""
        return await self.members("/portfolios", "portfolios")

    async def portfolio(self, portfolio_id: str) -> tuple[PortfolioRow, str]:
        """One portfolio as it was enrolled, and its ETag."""
        return await self.tagged(f"/portfolios/{segment(portfolio_id)}")

    async def portfolio_status(self, portfolio_id: str) -> PortfolioStatus:
        """What a portfolio can surely give now, and to which market."""
        return cast("PortfolioStatus", await self.request("GET", f"/portfolios/{segment(portfolio_id)}/status"))

    async def enrol_portfolio(self, portfolio: Fields) -> PortfolioRow:
        """Enrol a portfolio: `name` and `assets`; it gets an id of its own."""
        return cast("PortfolioRow", await self.request("POST", "/portfolios", body=dict(portfolio)))

    async def replace_portfolio(self, portfolio_id: str, portfolio: Fields, etag: str) -> PortfolioRow:
        """Replace a portfolio."""
        return cast("PortfolioRow", await self._put(f"/portfolios/{segment(portfolio_id)}", portfolio, etag, ("id",)))

    async def remove_portfolio(self, portfolio_id: str, *, etag: str = "") -> PortfolioRow:
        """Take a portfolio away."""
        return cast("PortfolioRow", await self._delete(f"/portfolios/{segment(portfolio_id)}", etag))

    # --- settlements ----------------------------------------------------------------------------------------------

    async def settlements(self) -> list[SettlementSummary]:
        """All settlements by event, with their sums."""
        return await self.members("/settlements", "settlements")

    async def settlement(self, event: str) -> SettlementSummary:
        """One settlement with its sums."""
        return cast("SettlementSummary", await self.request("GET", f"/settlements/{segment(event)}"))

    async def settlement_revisions(self, event: str) -> list[SettlementRevision]:
        """The revisions of a settlement in figures, the newest first."""
        found = await self.request("GET", f"/settlements/{segment(event)}/revisions")
        return cast("list[SettlementRevision]", found["revisions"])

    async def settlement_rows(self, event: str, *, revision: int | None = None) -> list[SettlementRow]:
        """The rows of a settlement: per resource and interval; of an earlier revision as they were then."""
        asked = {} if revision is None else {"revision": revision}
        return await self.members(f"/settlements/{segment(event)}/rows", "rows", **asked)

    async def take_meter_data(self, data: str, **asked: Any) -> MeterDataTaken:
        """Hand in meter data, the text of a CSV or Green Button file; settlements that they concern are made anew."""
        return cast("MeterDataTaken", await self.request("POST", "/meter-data", body={"data": data, **asked}))

    async def settle(self, event: str, **asked: Any) -> SettlementMade:
        """Settle an event, e.g. `control="..."`; again: a new revision where late data changed a figure."""
        return cast("SettlementMade", await self.request("POST", "/settlements", body={"event": event, **asked}))

    async def remove_settlement(self, event: str, *, etag: str = "") -> SettlementSummary:
        """Take a settlement away."""
        return cast("SettlementSummary", await self._delete(f"/settlements/{segment(event)}", etag))

    # --- performance ----------------------------------------------------------------------------------------------

    async def performance(
        self, *, start: float | None = None, end: float | None = None, by: str = "program"
    ) -> list[PerformanceRow]:
        """What came of all controls in [start, end), s since 1970, summed by control, program, group or device.

        None: until now; from a day before the end on.
        """
        # As texts: what is 0 would be left out.
        span = {name: None if at is None else str(at) for name, at in (("start", start), ("end", end))}
        return await self.members("/performance", "performance", **span, by=by)

    async def _put(self, path: str, thing: Fields, etag: str, unsaid: tuple[str, ...]) -> Any:
        body = {name: value for name, value in thing.items() if name not in unsaid}
        return await self.request("PUT", path, body=body, headers={"If-Match": etag})

    async def _delete(self, path: str, etag: str, **query: object) -> Any:
        return await self.request("DELETE", path, query=query, headers={"If-Match": etag} if etag else {})


#: What a definition tells that is not written.
_READ_ONLY = ("origin", "group", "groups")
