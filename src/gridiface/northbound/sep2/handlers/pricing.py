"""Pricing: what a tariff, its components, its intervals and its consumption blocks must be."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from gridiface.northbound.sep2.published.preparing import Place, Rule
from gridiface.northbound.sep2.served.services import bad_value
from gridiface.protocols.sep2.enums import CostKind
from gridiface.protocols.sep2.resources import (
    ConsumptionTariffInterval,
    RateComponent,
    TariffProfile,
)


def _check_profile(profile: TariffProfile, place: Place) -> None:
    if profile.currency is not None and profile.currency > 999:
        raise bad_value("currency is a number of ISO 4217")


def _check_component(component: RateComponent, place: Place) -> None:
    low, high = component.flowRateStartLimit, component.flowRateEndLimit
    if low is None or high is None:
        return
    if low.unit != high.unit:
        raise bad_value("the flow rate limits have different units")
    if low.value * 10.0**low.multiplier > high.value * 10.0**high.multiplier:
        raise bad_value("flowRateStartLimit is above flowRateEndLimit")


def _check_block(block: ConsumptionTariffInterval, place: Place) -> None:
    """The first block begins at 0, each further one beyond those that are there; block numbers rise with them."""
    starts = [member.startValue for member in place.members]
    if not starts and block.startValue:
        raise bad_value("the first block begins at 0")
    if block.startValue in starts:
        raise bad_value("a block begins there already")
    numbers = [m.consumptionBlock for m in sorted([*place.members, block], key=lambda m: m.startValue)]
    if any(after < before or before == after != 0 for before, after in pairwise(numbers)):
        raise bad_value("consumptionBlock rises with startValue")
    for cost in block.environmentalCost:
        if cost.costKind not in set(CostKind):
            raise bad_value(f"costKind {cost.costKind} is not defined")
        if cost.costLevel > cost.numCostLevels:
            raise bad_value("costLevel is above numCostLevels")


RULES: Mapping[type, Rule] = {
    TariffProfile: _check_profile,
    RateComponent: _check_component,
    ConsumptionTariffInterval: _check_block,
}
