"""CSIP-AUS 1.3: what an interval of a tariff shows beside itself where its tariff has one list for all components.

A client that reads that list alone knows of each interval what it is the price of, and the prices: the link to its
component, and its blocks in place.
"""

from __future__ import annotations

from typing import Any

from gridiface.northbound.sep2.served.kinds import COMBINED
from gridiface.northbound.sep2.served.nodes import EVERYTHING, Item
from gridiface.northbound.sep2.served.tree import Tree
from gridiface.protocols.sep2.resources import ConsumptionTariffIntervalListSummary, Link


def beside(tree: Tree, item: Item) -> dict[str, Any]:
    """What is shown of an interval beside what it is; nothing where its tariff has no such list."""
    component = item.path.rpartition("/tti/")[0]
    blocks = tree.listing(f"{item.path}/cti")
    if blocks is None or tree.listing(f"{component.rpartition('/rc/')[0]}/{COMBINED}") is None:
        return {}
    members: list[Any] = [tree.complete(block, EVERYTHING) for block in blocks.members(blocks.view_of(EVERYTHING))]
    summary = ConsumptionTariffIntervalListSummary(
        href=blocks.path, all=len(members), results=len(members), members=members
    )
    return {"RateComponentLink": Link(href=component), "consumptionTariffIntervalListSummary": summary}
