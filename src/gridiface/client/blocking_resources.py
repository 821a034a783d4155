"""What is defined, enrolled and settled, for scripts and notebooks: see `resources`, whose methods these are."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from gridiface.client.resources import Fields, Resources
from gridiface.operator.areas.fleet import DeviceDefinition, GroupDefinition
from gridiface.operator.areas.meters import MeterDataTaken
from gridiface.operator.areas.performance import PerformanceRow
from gridiface.operator.areas.portfolios import PortfolioRow, PortfolioStatus, PortfolioSummary
from gridiface.operator.areas.settlements import SettlementMade, SettlementRevision, SettlementRow, SettlementSummary

_T = TypeVar("_T")


class BlockingResources:
    """Each call waits for its answer."""

    _async: Resources

    def _run(self, work: Coroutine[Any, Any, _T]) -> _T:
        raise NotImplementedError

    def device_definition(self, device_id: str) -> tuple[DeviceDefinition, str]:
        """How a device is defined, and the ETag of that."""
        return self._run(self._async.device_definition(device_id))

    def add_device(self, definition: Fields) -> DeviceDefinition:
        """Add a device, durably: `id`, `driver`, `connection` and what else a configuration file says of one."""
        return self._run(self._async.add_device(definition))

    def change_device(self, definition: Fields, etag: str) -> DeviceDefinition:
        """Replace a device's definition, durably."""
        return self._run(self._async.change_device(definition, etag))

    def move_device(self, device_id: str, group: str | None, reason: str = "") -> DeviceDefinition:
        """Put a device into another group, or into none."""
        return self._run(self._async.move_device(device_id, group, reason))

    def remove_device(self, device_id: str, reason: str = "", *, etag: str = "") -> DeviceDefinition:
        """Take a device out of the fleet, durably; what it did is kept."""
        return self._run(self._async.remove_device(device_id, reason, etag=etag))

    def group_definition(self, group_id: str) -> tuple[GroupDefinition, str]:
        """How a group is defined, and the ETag of that."""
        return self._run(self._async.group_definition(group_id))

    def add_group(self, definition: Fields) -> GroupDefinition:
        """Make a group, durably: `id`, `members` and what else a configuration file says of one."""
        return self._run(self._async.add_group(definition))

    def change_group(self, definition: Fields, etag: str) -> GroupDefinition:
        """Replace a group's definition, durably."""
        return self._run(self._async.change_group(definition, etag))

    def remove_group(self, group_id: str, reason: str = "", *, etag: str = "") -> GroupDefinition:
        """Take a group away, durably; its members stay in the fleet."""
        return self._run(self._async.remove_group(group_id, reason, etag=etag))

    def portfolios(self) -> list[PortfolioSummary]:
        """All portfolios by id."""
        return self._run(self._async.portfolios())

    def portfolio(self, portfolio_id: str) -> tuple[PortfolioRow, str]:
        """One portfolio as it was enrolled, and its ETag."""
        return self._run(self._async.portfolio(portfolio_id))

    def portfolio_status(self, portfolio_id: str) -> PortfolioStatus:
        """What a portfolio can surely give now, and to which market."""
        return self._run(self._async.portfolio_status(portfolio_id))

    def enrol_portfolio(self, portfolio: Fields) -> PortfolioRow:
        """Enrol a portfolio: `name` and `assets`; it gets an id of its own."""
        return self._run(self._async.enrol_portfolio(portfolio))

    def replace_portfolio(self, portfolio_id: str, portfolio: Fields, etag: str) -> PortfolioRow:
        """Replace a portfolio."""
        return self._run(self._async.replace_portfolio(portfolio_id, portfolio, etag))

    def remove_portfolio(self, portfolio_id: str, *, etag: str = "") -> PortfolioRow:
        """Take a portfolio away."""
        return self._run(self._async.remove_portfolio(portfolio_id, etag=etag))

    def settlements(self) -> list[SettlementSummary]:
        """All settlements by event, with their sums."""
        return self._run(self._async.settlements())

    def settlement(self, event: str) -> SettlementSummary:
        """One settlement with its sums."""
        return self._run(self._async.settlement(event))

    def settlement_revisions(self, event: str) -> list[SettlementRevision]:
        """The revisions of a settlement in figures, the newest first."""
        return self._run(self._async.settlement_revisions(event))

    def settlement_rows(self, event: str, *, revision: int | None = None) -> list[SettlementRow]:
        """The rows of a settlement: per resource and interval; of an earlier revision as they were then."""
        return self._run(self._async.settlement_rows(event, revision=revision))

    def take_meter_data(self, data: str, **asked: Any) -> MeterDataTaken:
        """Hand in meter data, the text of a CSV or Green Button file; settlements that they concern are made anew."""
        return self._run(self._async.take_meter_data(data, **asked))

    def settle(self, event: str, **asked: Any) -> SettlementMade:
        """Settle an event, e.g. `control="..."`; again: a new revision where late data changed a figure."""
        return self._run(self._async.settle(event, **asked))

    def remove_settlement(self, event: str, *, etag: str = "") -> SettlementSummary:
        """Take a settlement away."""
        return self._run(self._async.remove_settlement(event, etag=etag))

    def performance(
        self, *, start: float | None = None, end: float | None = None, by: str = "program"
    ) -> list[PerformanceRow]:
        """What came of all controls over a span, summed; see Resources.performance."""
        return self._run(self._async.performance(start=start, end=end, by=by))
